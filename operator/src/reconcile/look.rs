//! How far everything is, by what there is: reads only.

use serde_json::Value;

use super::{
    facts::{Condition, Fact, Facts},
    read::Observed,
    rollout::{self, Rollout},
    rotation::Keys,
};
use crate::{
    api::{Origin, Store},
    resources::{Instance, Kind, certificate},
};

/// The services, in the order in which they come up.
pub(super) const SERVICES: [(Condition, &str); 3] =
    [(Condition::Auth, "auth"), (Condition::Message, "message"), (Condition::Gateway, "gateway")];

/// How far everything is, without touching anything.
pub fn look(instance: &Instance<'_>, observed: &Observed) -> Facts {
    let mut facts = Facts::from([(Condition::Secrets, secrets_fact(instance, observed))]);
    for (condition, fact) in stores(instance, observed) {
        facts.insert(condition, fact);
    }
    facts.extend(extras(instance, observed));
    let job = observed.children.iter().find(|((kind, _), _)| *kind == Kind::Job);
    let fact = job.map_or_else(|| nothing_yet("the migration"), |(_, job)| migration_fact(job, observed));
    facts.insert(Condition::Migrations, fact);
    for (condition, service) in SERVICES {
        let live = observed.children.get(&(Kind::Deployment, instance.child(service)));
        facts.insert(
            condition,
            live.map_or_else(|| nothing_yet(service), |live| pods_fact(live, Kind::Deployment, service, observed)),
        );
    }
    facts
}

pub(super) fn stores(instance: &Instance<'_>, observed: &Observed) -> [(Condition, Fact); 3] {
    let fact = |store: Store| match instance.spec.origin(store) {
        Origin::Managed => match observed.children.get(&(Kind::StatefulSet, instance.child(store.part()))) {
            Some(live) => pods_fact(live, Kind::StatefulSet, store.part(), observed),
            None => nothing_yet(store.part()),
        },
        Origin::External(external) => {
            let name = external.secret_ref.name;
            Fact::good("External", format!("external, by Secret {name}; whether it answers shows in the services"))
        }
        Origin::Operated => operated_fact(instance, store, observed),
        Origin::Disabled => Fact::good("Disabled", "disabled by spec.redis.disabled"),
    };
    [
        (Condition::Postgres, fact(Store::Postgres)),
        (Condition::Mongodb, fact(Store::Mongodb)),
        (Condition::Redis, fact(Store::Redis)),
    ]
}

/// The fact about a store that another operator runs.
fn operated_fact(instance: &Instance<'_>, store: Store, observed: &Observed) -> Fact {
    let kind = match store {
        Store::Postgres => Kind::PostgresCluster,
        Store::Mongodb => Kind::MongoDBCommunity,
        Store::Redis => Kind::RedisReplication,
    };
    if let Some(who) = missing(kind, observed) {
        let section = format!("spec.{}", store.part());
        let mend = format!("{section} needs {who}: install it, or set {section}.managed or {section}.external");
        return Fact::bad("DefinitionMissing", mend);
    }
    match observed.children.get(&(kind, instance.child(store.part()))) {
        None => nothing_yet(store.part()),
        Some(live) => match rollout::of(kind, live) {
            Rollout::Complete => Fact::good("Available", format!("{} is available", store.part())),
            Rollout::Failed { reason, message } => Fact::bad(&reason, message),
            Rollout::Underway(message) => Fact::waiting("WaitingForStore", message),
        },
    }
}

/// What only some instances have.
pub(super) fn extras(instance: &Instance<'_>, observed: &Observed) -> Vec<(Condition, Fact)> {
    let spec = instance.spec;
    let mut facts = Vec::new();
    if spec.tls.is_some() {
        facts.push((Condition::Certificates, certificates_fact(instance, observed)));
    }
    if spec.gateway.ingress.is_some() || spec.gateway.gateway_api.is_some() {
        let fact = match missing(Kind::HTTPRoute, observed) {
            Some(who) if spec.gateway.gateway_api.is_some() => {
                let mend = format!("an HTTPRoute needs {who}: install it, or remove spec.gateway.gatewayApi");
                Fact::bad("DefinitionMissing", mend)
            }
            _ => Fact::good("Exposed", "the Ingress or HTTPRoute is in place"),
        };
        facts.push((Condition::Exposed, fact));
    }
    if spec.monitoring.enabled {
        let fact = match missing(Kind::PodMonitor, observed) {
            Some(who) => Fact::good("DefinitionMissing", format!("PodMonitors are made once {who} is installed")),
            None => Fact::good("Monitored", "there is a PodMonitor for each service"),
        };
        facts.push((Condition::Monitoring, fact));
    }
    facts
}

fn certificates_fact(instance: &Instance<'_>, observed: &Observed) -> Fact {
    if let Some(who) = missing(Kind::Certificate, observed) {
        return Fact::bad("DefinitionMissing", format!("certificates need {who}: install it, or remove spec.tls"));
    }
    let secrets = instance.services().map(|service| certificate::secret(instance, service.name));
    match secrets.iter().find(|name| !observed.secrets.contains_key(*name)) {
        Some(name) => Fact::waiting(
            "WaitingForIssuer",
            format!("cert-manager hasn't made Secret {name} yet: `kubectl describe certificate` says why"),
        ),
        None => Fact::good("Issued", "each service has its certificate"),
    }
}

/// Who has to be installed for a kind that the cluster doesn't know.
fn missing(kind: Kind, observed: &Observed) -> Option<&'static str> {
    kind.provider().filter(|_| observed.unknown_kinds.contains(&kind))
}

pub(super) fn secrets_fact(instance: &Instance<'_>, observed: &Observed) -> Fact {
    let keys = observed.secrets.get(&instance.jwt_secret()).and_then(|secret| Keys::of(secret).tell());
    let rotating = keys.map(|keys| format!("; {keys}")).unwrap_or_default();
    Fact::good("Complete", format!("all Secrets exist and are well formed{rotating}"))
}

fn nothing_yet(what: &str) -> Fact {
    Fact::waiting("NotCreated", format!("{what} waits for the Secrets"))
}

/// The fact about something with pods; the pods tell why when it isn't complete.
pub(super) fn pods_fact(live: &Value, kind: Kind, component: &str, observed: &Observed) -> Fact {
    let rollout = rollout::of(kind, live);
    if rollout.complete() {
        return Fact::good("Available", format!("{component} is available"));
    }
    if let Some((reason, message)) = rollout::diagnose(&observed.pods, component) {
        return match reason == Rollout::UNSCHEDULABLE {
            true => Fact::waiting(&reason, message),
            false => Fact::bad(&reason, message),
        };
    }
    match rollout {
        Rollout::Failed { reason, message } => Fact::bad(&reason, format!("{component}: {message}")),
        Rollout::Underway(message) => Fact::waiting("RollingOut", format!("{component}: {message}")),
        Rollout::Complete => Fact::good("Available", format!("{component} is available")),
    }
}

pub(super) fn migration_fact(job: &Value, observed: &Observed) -> Fact {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let why = rollout::diagnose(&observed.pods, "migration");
    match (rollout::of(Kind::Job, job), why) {
        (Rollout::Complete, _) => Fact::good("Complete", "the stores' schemas are up to date"),
        (Rollout::Failed { reason, message }, why) => {
            let why = why.map(|(_, why)| format!("; {why}")).unwrap_or_default();
            let next = "it is tried again every two minutes";
            Fact::bad(&reason, format!("Job {name} failed: {message}{why}; {next}"))
        }
        (Rollout::Underway(_), Some((reason, message))) if reason != Rollout::UNSCHEDULABLE => {
            Fact::bad(&reason, message)
        }
        (Rollout::Underway(_), Some((reason, message))) => Fact::waiting(&reason, message),
        (Rollout::Underway(_), None) => Fact::waiting("Migrating", format!("Job {name} is running")),
    }
}
