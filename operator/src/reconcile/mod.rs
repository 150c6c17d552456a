//! Brings the cluster to what a resource asks for: read → validate → build → apply → prune → status.

pub mod apply;
pub mod cluster;
pub mod compare;
pub mod credentials;
pub mod events;
pub mod facts;
pub mod look;
pub mod ownership;
pub mod pace;
pub mod plan;
pub mod prune;
pub mod read;
pub mod rollout;
pub mod rotation;
pub mod status;
pub mod steps;
pub mod validate;
mod yaml;

use std::{collections::BTreeMap, fmt::Display, sync::Arc, time::Duration};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    runtime::events::Recorder,
};
use serde_json::json;

use self::{
    cluster::Cluster,
    facts::{Condition, Fact, Facts, State},
    pace::Pace,
    read::Observed,
    rollout::counts,
    status::Report,
};
use crate::{
    api::{API_VERSION, AetherConnect, AetherConnectStatus, ComponentStatus, KIND, PlanStatus, ScaleStatus},
    cache::{self, Cache, Place, Watched},
    fleet::Fleet,
    resources::{Hashes, Instance, Kind, MANAGER, StorePorts, gateway, ingress, route},
};

/// Why reconciliation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or wasn't there.
    #[error("can't {action}: {source}")]
    Request {
        /// What was tried.
        action: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// An object of the same name belongs to somebody else.
    #[error(
        "{kind:?} {name} exists and doesn't belong to this resource: rename or delete it, or name the resource differently"
    )]
    NameTaken {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// A resource that isn't what its definition says.
    #[error("the resource can't be read: {0}")]
    Unreadable(String),
    /// An object of an unexpected form.
    #[error("unexpected object: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Error {
    /// Wraps an error of the client with what was tried.
    pub fn during(action: &str, what: impl Display) -> impl FnOnce(kube::Error) -> Self {
        let action = format!("{action} {what}");
        move |source| Self::Request { action, source: Box::new(source) }
    }
}

/// What reconciliation works with.
#[derive(Clone)]
pub struct Reconciler {
    /// The API server.
    pub client: Client,
    /// Defaults, and what the other instances do.
    pub fleet: Fleet,
    /// For Events.
    pub recorder: Recorder,
    cache: Option<Arc<Cache>>,
    pace: Pace,
}

/// What the custom resource is called.
pub fn resource() -> ApiResource {
    ApiResource::erase::<AetherConnect>(&())
}

impl Reconciler {
    /// One that reads what it needs, and tells everything at once.
    pub fn new(client: Client, fleet: Fleet, recorder: Recorder) -> Self {
        Self { client, fleet, recorder, cache: None, pace: Pace::default() }
    }

    /// Reads what watches have told, instead; and doesn't tell of each step.
    #[must_use]
    pub fn watching(self, cache: Arc<Cache>) -> Self {
        Self { cache: Some(cache), pace: Pace::default(), ..self }
    }

    /// Brings a resource forward; returns when to look again, if ever.
    pub async fn run_by_name(&self, namespace: &str, name: &str) -> Result<Option<Duration>, Error> {
        match self.read(namespace, name).await? {
            // On its way out: what it owns goes with it.
            Some(object) if object.metadata.deletion_timestamp.is_none() => self.run(&object).await.map(Some),
            _ => {
                self.pace.forget(&(namespace.to_owned(), name.to_owned()));
                Ok(None)
            }
        }
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Option<DynamicObject>, Error> {
        if let Some(cache) = &self.cache {
            let text = cache.get(Watched::Resources, namespace, name);
            return Ok(text.map(|text| serde_json::from_str(&text)).transpose()?);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource());
        api.get_opt(name).await.map_err(Error::during("get", name))
    }

    /// Brings one resource forward by as much as can be done now; returns when to look again.
    pub async fn run(&self, object: &DynamicObject) -> Result<Duration, Error> {
        let resource = match object.clone().try_parse::<AetherConnect>() {
            Ok(resource) => resource,
            Err(error) => return self.report_unreadable(object, &error.to_string()).await,
        };
        let meta = &resource.metadata;
        let (name, namespace) = (meta.name.as_deref().unwrap_or(""), meta.namespace.as_deref().unwrap_or(""));
        let previous = resource.status.clone().unwrap_or_default();
        let (version, waits) = match &resource.spec.version {
            Some(version) => (version.clone(), None),
            None => self.fleet.version_for(&format!("{namespace}/{name}"), previous.target_version.as_deref()),
        };
        let place = (namespace.to_owned(), name.to_owned());
        let mut instance = Instance {
            name,
            namespace,
            uid: meta.uid.as_deref().unwrap_or(""),
            spec: &resource.spec,
            defaults: &self.fleet.defaults,
            version,
            hashes: Hashes::default(),
            store_ports: StorePorts::default(),
        };
        let cluster = Cluster::new(self.client.clone(), namespace, self.cache.clone());
        let mut observed = read::read(&cluster, &instance, self.pace.unsettled_for(&place)).await?;

        let (pending, held_up) = hold(&resource, &instance, &observed, waits);
        let (facts, result) = match pending.is_some() || resource.spec.paused {
            true => (look::look(&instance, &observed), Ok(())),
            false => self.bring_forward(&cluster, &mut instance, &previous, &mut observed).await,
        };
        let rotated = match (&result, &held_up) {
            (Ok(()), None) => rotation::advance(&cluster, &resource, &instance, &observed, &facts).await,
            _ => Ok(None),
        };
        let waits_for_turn = held_up.as_ref().is_some_and(|fact| fact.reason == "WaitingForUpgrade");
        let is_well = facts.values().all(|fact| fact.state == State::Good);
        let is_settled = is_well || held_up.is_some() || resource.spec.suspend;
        let report = Report {
            generation: meta.generation,
            version: instance.version.clone(),
            url: Some(url(&instance, &observed)),
            components: components(&instance, &observed),
            scale: scale(&instance, &observed),
            facts,
            plan: pending,
            held_up,
        };
        let status = status::build(report, &previous, &Time(Timestamp::now()));
        let waits = self.tell(object, &place, &previous, status).await?;
        result?;
        let again = rotated?.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        let is_settled = is_settled && waits.is_none();
        let look = self.pace.look_again(&place, is_settled, validate::uses_external_secrets(&instance));
        let look = if waits_for_turn { look.min(pace::TURN) } else { look };
        Ok([waits, again].into_iter().flatten().fold(look, Duration::min))
    }

    /// Writes the status, or says for how long it may wait.
    async fn tell(
        &self,
        object: &DynamicObject,
        place: &Place,
        previous: &AetherConnectStatus,
        status: AetherConnectStatus,
    ) -> Result<Option<Duration>, Error> {
        if status == *previous {
            return Ok(None);
        }
        if self.cache.is_some()
            && let Some(waits) = self.pace.may_wait(place, previous, &status)
        {
            return Ok(Some(waits));
        }
        self.write_status(object, previous, status).await.map(|()| None)
    }

    /// Validates, builds, applies and prunes, as far as it goes. What was found out is told even when a step failed.
    async fn bring_forward(
        &self,
        cluster: &Cluster,
        instance: &mut Instance<'_>,
        previous: &AetherConnectStatus,
        observed: &mut Observed,
    ) -> (Facts, Result<(), Error>) {
        let mut problems = validate::before_secrets(instance, observed);
        if problems.is_empty() {
            if let Err(error) = credentials::ensure(cluster, instance, observed).await {
                return stopped(instance, observed, Condition::Secrets, error);
            }
            // Again, as that may have met Secrets that the watches hadn't told of.
            problems = validate::before_secrets(instance, observed);
        }
        if problems.is_empty() {
            // They come first: what their operators make, Secrets among it, the rest depends on.
            if let Err((condition, error)) = steps::operated_stores(cluster, instance, observed).await {
                return stopped(instance, observed, condition, error);
            }
            match validate::secrets(instance, observed) {
                Ok(checked) => {
                    if let Err(error) = credentials::derive(cluster, instance, observed, &checked.derived).await {
                        return stopped(instance, observed, Condition::Secrets, error);
                    }
                    (instance.hashes, instance.store_ports) = (checked.hashes, checked.ports);
                    return steps::run(cluster, instance, previous, observed).await;
                }
                Err(found) => problems = found,
            }
        }
        // Nothing is touched until the Secrets are right: what runs goes on running.
        let mut facts = look::look(instance, observed);
        facts::note(&mut facts, problems);
        (facts, Ok(()))
    }

    async fn report_unreadable(&self, object: &DynamicObject, error: &str) -> Result<Duration, Error> {
        let previous: AetherConnectStatus = serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
        let now = Time(Timestamp::now());
        let status = status::unreadable(object.metadata.generation, error, &previous, &now);
        self.write_status(object, &previous, status).await?;
        // Only a change of the resource can help, and that is watched.
        let meta = &object.metadata;
        let place = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        Ok(self.pace.look_again(&place, true, false))
    }

    /// Writes the status, if it differs, and tells of it by an Event, if it is news.
    async fn write_status(
        &self,
        object: &DynamicObject,
        previous: &AetherConnectStatus,
        status: AetherConnectStatus,
    ) -> Result<(), Error> {
        if status == *previous {
            return Ok(());
        }
        let (name, namespace) =
            (object.metadata.name.clone().unwrap_or_default(), object.metadata.namespace.clone().unwrap_or_default());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource());
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            // With the uid, so that a resource made anew under the same name isn't given its predecessor's status.
            "metadata": {"name": name, "namespace": namespace, "uid": object.metadata.uid},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let patched = api.patch_status(&name, &params, &Patch::Apply(&patch)).await;
        let patched = patched.map_err(Error::during("patch status of", &name))?;
        if let Some(cache) = &self.cache {
            cache::keep(cache, Watched::Resources, &serde_json::to_value(patched)?)?;
        }
        events::tell(&self.recorder, object, previous, &status).await;
        Ok(())
    }
}

/// What is told when a request before the steps has failed.
fn stopped(
    instance: &Instance<'_>,
    observed: &Observed,
    condition: Condition,
    error: Error,
) -> (Facts, Result<(), Error>) {
    let mut facts = look::look(instance, observed);
    facts::note(&mut facts, vec![apply::problem(condition, &error)]);
    (facts, Err(error))
}

/// Where clients reach the gateway: from outside when an Ingress or a route names it, or a load balancer tells its
/// address.
fn url(instance: &Instance<'_>, observed: &Observed) -> String {
    let spec = &instance.spec.gateway;
    let routed = spec.gateway_api.as_ref().and_then(route::url);
    if let Some(url) = spec.ingress.as_ref().map(ingress::url).or(routed) {
        return url;
    }
    let service = observed.children.get(&(Kind::Service, instance.child("gateway")));
    let ingress = service.and_then(|service| service.pointer("/status/loadBalancer/ingress/0"));
    let address = ingress.and_then(|ingress| ingress["hostname"].as_str().or(ingress["ip"].as_str()));
    match address {
        Some(address) if address.contains(':') => format!("http://[{address}]:{}", instance.spec.gateway.port),
        Some(address) => format!("http://{address}:{}", instance.spec.gateway.port),
        None => gateway::url(instance),
    }
}

/// The plan that waits for approval, if any, and why changes don't go on although nothing is wrong.
fn hold(
    resource: &AetherConnect,
    instance: &Instance<'_>,
    observed: &Observed,
    waits: Option<String>,
) -> (Option<PlanStatus>, Option<Fact>) {
    if resource.spec.paused {
        let message = "changes wait while spec.paused is true: set it to false to go on";
        return (None, Some(Fact::waiting("Paused", message)));
    }
    let note = |key: &str| resource.metadata.annotations.as_ref()?.get(key).map(String::as_str);
    let pending = match note(plan::PLAN) {
        Some("true") => plan::pending(instance, observed, note(plan::APPROVE)),
        _ => None,
    };
    let held_up = match &pending {
        Some(plan) => Some(Fact::waiting("WaitingForApproval", approval(instance.name, plan))),
        None => waits.map(|why| Fact::waiting("WaitingForUpgrade", why)),
    };
    (pending, held_up)
}

/// What somebody has to do for a plan to be carried out.
fn approval(name: &str, plan: &PlanStatus) -> String {
    let (count, key, id) = (plan.changes.len(), plan::APPROVE, &plan.id);
    format!("{count} changes in status.plan wait for `kubectl annotate --overwrite ac {name} {key}={id}`")
}

/// The pods of message, once there is a Deployment for them.
fn scale(instance: &Instance<'_>, observed: &Observed) -> Option<ScaleStatus> {
    let live = observed.children.get(&(Kind::Deployment, instance.child("message")))?;
    let replicas = live["status"]["replicas"].as_i64().and_then(|count| i32::try_from(count).ok());
    let labels = instance.selector("message");
    let labels = labels.as_object().into_iter().flatten();
    let labels: Vec<_> = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    Some(ScaleStatus { replicas: replicas.unwrap_or_default(), selector: labels.join(",") })
}

/// Ready and desired pods of everything that has pods.
fn components(instance: &Instance<'_>, observed: &Observed) -> BTreeMap<String, ComponentStatus> {
    let with_pods =
        observed.children.iter().filter(|((kind, _), _)| matches!(kind, Kind::Deployment | Kind::StatefulSet));
    let entries = with_pods.map(|((_, name), object)| {
        let (ready, desired) = counts(object);
        let component = name.strip_prefix(instance.name).unwrap_or(name).trim_start_matches('-');
        (component.to_owned(), ComponentStatus { ready, desired })
    });
    entries.collect()
}
