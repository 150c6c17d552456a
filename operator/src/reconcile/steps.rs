//! The order in which an instance comes up and is upgraded:
//! stores → migration → auth → message → gateway, each only when the one before is as it should be. Nothing waits for
//! Redis, which the services do without, and a service that somebody deleted comes back out of turn.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::Value;

use super::{
    Error, apply,
    cluster::Cluster,
    facts::{Condition, Fact, Facts, State, note},
    look::{self, SERVICES},
    prune,
    read::Observed,
    rollout,
};
use crate::{
    api::{AetherConnectStatus, Origin, Store},
    resources::{Child, Children, Instance, Kind, mongodb, postgres, redis},
};

/// A failed migration is tried again after this long: the store may have been away.
const RETRY_MIGRATION_SECONDS: i64 = 120;

/// Stores that run on while an instance is suspended, as those who run them know no such thing.
const UNSTOPPABLE: [(Condition, Store, &str); 2] = [
    (Condition::Mongodb, Store::Mongodb, "MongoDB's community operator"),
    (Condition::Redis, Store::Redis, "the Redis operator"),
];

/// Applies what can be applied now, and tells how far everything is.
pub async fn run(
    cluster: &Cluster,
    instance: &Instance<'_>,
    previous: &AetherConnectStatus,
    observed: &mut Observed,
) -> (Facts, Result<(), Error>) {
    let children = Children::of(instance);
    let mut walk = Walk { cluster, instance, previous, observed, children: &children, facts: Facts::new() };
    match walk.all().await {
        Ok(()) => (walk.facts, Ok(())),
        Err((condition, error)) => {
            let (mut facts, reached) = (look::look(instance, walk.observed), walk.facts);
            facts.extend(reached);
            note(&mut facts, vec![apply::problem(condition, &error)]);
            (facts, Err(error))
        }
    }
}

/// Applies what other operators make stores from.
pub async fn operated_stores(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
) -> Result<(), (Condition, Error)> {
    let stores = [postgres::build(instance), mongodb::build(instance), redis::build(instance)];
    for child in stores.iter().flatten().filter(|child| child.kind.is_operated_store()) {
        if !observed.unknown_kinds.contains(&child.kind) {
            let applied = apply::ensure(cluster, instance, observed, child).await;
            applied.map_err(|error| (owner_of(child, instance), error))?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    cluster: &'a Cluster,
    instance: &'a Instance<'a>,
    previous: &'a AetherConnectStatus,
    observed: &'a mut Observed,
    children: &'a Children,
    facts: Facts,
}

impl Walk<'_> {
    async fn all(&mut self) -> Result<(), (Condition, Error)> {
        self.facts.insert(Condition::Secrets, look::secrets_fact(self.instance, self.observed));
        // What the cluster doesn't know can't be made; the condition says so.
        let is_known = |child: &&Child| !self.observed.unknown_kinds.contains(&child.kind);
        let (known, unknown): (Vec<_>, Vec<_>) = self.children.base.iter().partition(is_known);
        if !unknown.is_empty() {
            self.cluster.want_unknown();
        }
        // Pods run under the account, so whether it is ours comes first.
        let (accounts, rest): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|child| child.kind == Kind::ServiceAccount);
        for children in [accounts, rest] {
            let made = apply::ensure_all(self.cluster, self.instance, self.observed, &children).await;
            made.map_err(|(place, error)| (owner_of(children[place], self.instance), error))?;
        }
        self.facts.extend(look::stores(self.instance, self.observed));
        self.facts.extend(look::extras(self.instance, self.observed));
        if self.instance.spec.suspend {
            return self.suspend().await;
        }
        let mut open = self.blocker().is_none();
        let migrated = self.migrate(open).await.map_err(|error| (Condition::Migrations, error))?;
        open &= migrated;
        let deployments = [&self.children.auth, &self.children.message, &self.children.gateway];
        for ((condition, service), child) in SERVICES.into_iter().zip(deployments) {
            if open || (migrated && self.is_lost(child, service)) {
                self.ensure(child).await.map_err(|error| (condition, error))?;
            }
            let fact = self.service_fact(child, service);
            open &= fact.state == State::Good;
            self.facts.insert(condition, fact);
        }
        // What an old pod may still use is taken away only when no old pod is left.
        if open {
            let pruned = prune::run(self.cluster, self.instance, self.observed, self.children).await;
            pruned.map_err(|error| (Condition::Gateway, error))?;
        }
        Ok(())
    }

    /// The first step that others wait for.
    fn blocker(&self) -> Option<Condition> {
        let blocks = |(condition, fact): &(&Condition, &Fact)| condition.gates() && fact.state != State::Good;
        self.facts.iter().find(blocks).map(|(condition, _)| *condition)
    }

    /// Whether the service is missing although it was there before: somebody deleted it. It worked without its turn,
    /// and no order is worth a service that is gone.
    fn is_lost(&self, child: &Child, service: &str) -> bool {
        let was_there = self.previous.version.is_some() || self.previous.components.contains_key(service);
        was_there && !self.observed.children.contains_key(&(child.kind, child.name.clone()))
    }

    async fn ensure(&mut self, child: &Child) -> Result<(), Error> {
        apply::ensure(self.cluster, self.instance, self.observed, child).await
    }

    /// Scales the services to zero; the stores were already.
    async fn suspend(&mut self) -> Result<(), (Condition, Error)> {
        let deployments = [&self.children.auth, &self.children.message, &self.children.gateway];
        for ((condition, _), child) in SERVICES.into_iter().zip(deployments) {
            self.ensure(child).await.map_err(|error| (condition, error))?;
        }
        for condition in Condition::WORKLOADS {
            let fact = Fact::paused("Suspended", "suspended by spec.suspend; the data is kept");
            self.facts.insert(condition, fact);
        }
        let spec = self.instance.spec;
        for (condition, store, who) in UNSTOPPABLE {
            if matches!(spec.origin(store), Origin::Operated) {
                let message = format!("{who} can't stop a store: it runs on while spec.suspend is true");
                self.facts.insert(condition, Fact::paused("RunsOn", message));
            }
        }
        Ok(())
    }

    /// Runs the migration; true when it is through.
    async fn migrate(&mut self, open: bool) -> Result<bool, Error> {
        let child = &self.children.migration;
        if open {
            self.retry_failed(child).await?;
            self.replace_changed(child).await?;
            self.end_former(child).await?;
            self.ensure(child).await?;
        }
        let fact = match self.observed.children.get(&(Kind::Job, child.name.clone())) {
            Some(job) => look::migration_fact(job, self.observed),
            None => Fact::waiting("WaitingForStores", "the migration waits for the stores"),
        };
        let done = fact.state == State::Good;
        self.facts.insert(Condition::Migrations, fact);
        Ok(done)
    }

    /// Two migrations must not run at a time: before one begins, those for former images and stores are ended.
    async fn end_former(&mut self, child: &Child) -> Result<(), Error> {
        let is_former = |key: &&(Kind, String)| key.0 == Kind::Job && key.1 != child.name;
        let former: Vec<_> = self.observed.children.keys().filter(is_former).cloned().collect();
        for key in former {
            self.cluster.delete(key.0, &key.1).await?;
            tracing::info!(name = key.1, "ended a former migration");
            self.observed.children.remove(&key);
        }
        Ok(())
    }

    /// Removes a Job that failed a while ago, so that it is made again.
    async fn retry_failed(&mut self, child: &Child) -> Result<(), Error> {
        let key = (Kind::Job, child.name.clone());
        let failed_at = self.observed.children.get(&key).and_then(failed_at);
        if failed_at.is_some_and(|at| Timestamp::now().as_second() - at.0.as_second() > RETRY_MIGRATION_SECONDS) {
            self.cluster.delete(key.0, &key.1).await?;
            tracing::info!(name = key.1, "the failed migration is tried again");
            self.observed.children.remove(&key);
        }
        Ok(())
    }

    /// Removes a Job that isn't through and isn't what it should be, as one can't be changed: a pod that no node takes, for
    /// example, for which somebody has added a toleration.
    async fn replace_changed(&mut self, child: &Child) -> Result<(), Error> {
        let key = (Kind::Job, child.name.clone());
        let live = self.observed.children.get(&key);
        if live.is_some_and(|live| !rollout::of(Kind::Job, live).complete() && !apply::is_current(live, child)) {
            self.cluster.delete(key.0, &key.1).await?;
            tracing::info!(name = key.1, "the migration has changed and begins anew");
            self.observed.children.remove(&key);
        }
        Ok(())
    }

    /// How a service stands, and whether it waits for its turn.
    fn service_fact(&self, child: &Child, service: &str) -> Fact {
        let turn = self.blocker().map_or("", Condition::as_str);
        match self.observed.children.get(&(child.kind, child.name.clone())) {
            None => Fact::waiting("WaitingForTurn", format!("{service} waits for {turn}")),
            Some(live) => {
                let fact = look::pods_fact(live, child.kind, service, self.observed);
                if fact.state == State::Good && !apply::is_current(live, child) {
                    return Fact::waiting(
                        "WaitingForTurn",
                        format!("{service} runs as before; the change waits for {turn}"),
                    );
                }
                fact
            }
        }
    }
}

/// The condition of a child that nothing waits for.
fn owner_of(child: &Child, instance: &Instance<'_>) -> Condition {
    match child.kind {
        Kind::Certificate => return Condition::Certificates,
        Kind::Ingress | Kind::HTTPRoute => return Condition::Exposed,
        Kind::PodMonitor => return Condition::Monitoring,
        _ => {}
    }
    match child.name.strip_prefix(instance.name).unwrap_or_default() {
        "-postgres" => Condition::Postgres,
        "-mongodb" => Condition::Mongodb,
        "-redis" => Condition::Redis,
        "-auth" | "-auth-peers" => Condition::Auth,
        "-message" | "-message-peers" => Condition::Message,
        "-gateway" => Condition::Gateway,
        _ => Condition::Auth,
    }
}

fn failed_at(job: &Value) -> Option<Time> {
    let conditions = job["status"]["conditions"].as_array()?;
    let failed = conditions.iter().find(|c| c["type"] == "Failed" && c["status"] == "True")?;
    serde_json::from_value(failed["lastTransitionTime"].clone()).ok()
}
