//! Builders of the objects an instance consists of: one a file, all pure. The same input gives the same bytes;
//! none reads the cluster, the clock or chance.

pub mod auth;
pub mod autoscaler;
pub mod certificate;
pub mod connection;
pub mod disruption;
pub mod gateway;
pub mod ingress;
mod kind;
pub mod merge;
pub mod message;
pub mod migration;
pub mod mongodb;
pub mod monitor;
pub mod network;
pub mod pod;
pub mod postgres;
pub mod redis;
pub mod route;
pub mod secrets;
pub mod service_account;
pub mod settings;
pub mod store;
pub mod workload;

pub use kind::Kind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    api::{API_VERSION, AetherConnectSpec, Autoscaling, KIND, Origin, PodTemplate, Resources, SecretKey, Store},
    config::Defaults,
};

/// Who applies: field manager and value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "aetherconnect-operator";
/// On a pod template: changes when a Secret the pod reads changes, so that the pods roll.
pub const CONFIG_HASH: &str = "aetherconnect.io/config-hash";

/// Everything the builders know of an instance.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    /// `metadata.name` of the resource.
    pub name: &'a str,
    /// `metadata.namespace` of the resource.
    pub namespace: &'a str,
    /// `metadata.uid` of the resource: the owner of what is built.
    pub uid: &'a str,
    /// What is wanted.
    pub spec: &'a AetherConnectSpec,
    /// What the resource leaves open.
    pub defaults: &'a Defaults,
    /// The version that is wanted.
    pub version: String,
    /// Hashes of the Secrets' contents.
    pub hashes: Hashes,
    /// On which ports stores that others run answer.
    pub store_ports: StorePorts,
}

/// On which ports the stores answer that the operator doesn't run, as their URIs say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorePorts {
    /// PostgreSQL.
    pub postgres: Vec<u16>,
    /// MongoDB.
    pub mongodb: Vec<u16>,
    /// Redis.
    pub redis: Vec<u16>,
}

/// What the sections of the three services have in common.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// `gateway`, `auth` or `message`: also the name of the image and of the container.
    pub name: &'static str,
    /// How many pods, without autoscaling.
    pub replicas: i32,
    /// How the number of pods follows the load.
    pub autoscaling: Option<&'a Autoscaling>,
    /// Changes to the pods.
    pub pod_template: Option<&'a PodTemplate>,
}

impl Service<'_> {
    /// The fewest pods there are when all is well.
    pub fn least(&self) -> i32 {
        self.autoscaling.map_or(self.replicas, |autoscaling| autoscaling.min_replicas)
    }
}

/// Hashes of what each part reads from Secrets, keyed with the token key, so that they give nothing away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hashes {
    /// What auth reads.
    pub auth: String,
    /// What message reads.
    pub message: String,
    /// What the gateway reads.
    pub gateway: String,
    /// What Redis reads.
    pub redis: String,
    /// Where the data is: other stores need a migration of their own.
    pub stores: String,
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All of it, ready to be applied.
    pub body: Value,
}

impl<'a> Instance<'a> {
    /// The three services, in the order in which they come up.
    pub fn services(&self) -> [Service<'a>; 3] {
        let (auth, message, gateway) = (&self.spec.auth, &self.spec.message, &self.spec.gateway);
        let service = |name, replicas, autoscaling: &'a Option<Autoscaling>, template: &'a Option<PodTemplate>| {
            Service { name, replicas, autoscaling: autoscaling.as_ref(), pod_template: template.as_ref() }
        };
        [
            service("auth", auth.replicas, &auth.autoscaling, &auth.pod_template),
            service("message", message.replicas, &message.autoscaling, &message.pod_template),
            service("gateway", gateway.replicas, &gateway.autoscaling, &gateway.pod_template),
        ]
    }

    /// One of the three services, by name.
    pub fn service(&self, name: &str) -> Service<'a> {
        let [auth, message, gateway] = self.services();
        match name {
            "auth" => auth,
            "message" => message,
            _ => gateway,
        }
    }

    /// Name of the child `part`.
    pub fn child(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    /// Labels that select the pods of a component.
    pub fn selector(&self, component: &str) -> Value {
        json!({
            "app.kubernetes.io/name": "aetherconnect",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": component,
        })
    }

    /// Labels of every object of a component.
    pub fn labels(&self, component: &str) -> Value {
        json!({
            "app.kubernetes.io/name": "aetherconnect",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/part-of": "aetherconnect",
            "app.kubernetes.io/managed-by": MANAGER,
        })
    }

    /// Metadata of an object that goes with the resource.
    pub fn metadata(&self, name: &str, component: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(component),
            "ownerReferences": [self.owner()],
        })
    }

    /// The reference to the resource.
    pub fn owner(&self) -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    /// Image of a service: as the resource says, or registry, name and version.
    pub fn image(&self, service: &str) -> String {
        let image = &self.spec.image;
        let given = match service {
            "gateway" => &image.gateway,
            "auth" => &image.auth,
            _ => &image.message,
        };
        let registry = image.registry.as_deref().unwrap_or(&self.defaults.images.registry).trim_end_matches('/');
        given.clone().unwrap_or_else(|| format!("{registry}/{service}:{}", self.version))
    }

    /// CPU and memory of a component: what the resource gives, or else the operator's configuration.
    pub fn resources(&self, component: &str, given: Option<&'a Resources>) -> Option<&'a Resources> {
        given.or_else(|| self.defaults.resources.get(component))
    }

    /// How many pods there should be, given what the resource asks for.
    pub fn scale(&self, replicas: i32) -> i32 {
        if self.spec.suspend { 0 } else { replicas }
    }

    /// Where a store's URI stands for the services, unless there is no such store.
    pub fn uri(&self, store: Store) -> Option<SecretKey> {
        let own = |name: String| SecretKey { name, key: "uri".into() };
        match self.spec.origin(store) {
            Origin::Managed => Some(own(self.child(store.part()))),
            Origin::External(external) if external.is_derived() => Some(own(self.derived_secret(store))),
            Origin::External(external) => Some(external.secret_ref),
            Origin::Operated => Some(match store {
                Store::Postgres => postgres::operated_uri(self),
                Store::Mongodb => mongodb::operated_uri(self),
                Store::Redis => own(self.child(store.part())),
            }),
            Origin::Disabled => None,
        }
    }

    /// Name of the Secret with a URI that the operator makes from what somebody else's Secret says.
    pub fn derived_secret(&self, store: Store) -> String {
        self.child(&format!("{}-uri", store.part()))
    }

    /// Name of the Secret with the keys that sign tokens.
    pub fn jwt_secret(&self) -> String {
        let given = self.spec.jwt.as_ref().and_then(|jwt| Some(jwt.secret_ref.as_ref()?.name.clone()));
        given.unwrap_or_else(|| self.child("jwt"))
    }
}

/// Everything an instance consists of, by step.
#[derive(Clone, Debug)]
pub struct Children {
    /// What nothing waits for: managed stores, Services and all that is not a workload.
    pub base: Vec<Child>,
    /// The Job that brings the stores' schemas up to date.
    pub migration: Child,
    /// The auth Deployment.
    pub auth: Child,
    /// The message Deployment.
    pub message: Child,
    /// The gateway Deployment.
    pub gateway: Child,
}

impl Children {
    /// Builds them all.
    pub fn of(instance: &Instance<'_>) -> Self {
        let mut base = vec![service_account::build(instance)];
        base.extend(postgres::build(instance));
        base.extend(mongodb::build(instance));
        base.extend(redis::build(instance));
        base.extend(auth::services(instance));
        base.extend(message::services(instance));
        base.extend(gateway::services(instance));
        base.extend(network::build(instance));
        base.extend(certificate::build(instance));
        base.extend(disruption::build(instance));
        base.extend(autoscaler::build(instance));
        base.extend(ingress::build(instance));
        base.extend(route::build(instance));
        base.extend(monitor::build(instance));
        Self {
            base,
            migration: migration::build(instance),
            auth: auth::deployment(instance),
            message: message::deployment(instance),
            gateway: gateway::deployment(instance),
        }
    }

    /// All of them, in the order in which they are applied.
    pub fn all(&self) -> impl Iterator<Item = &Child> {
        let later = [&self.migration, &self.auth, &self.message, &self.gateway];
        self.base.iter().chain(later)
    }
}

/// A short, stable hash.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length keeps ("a", "bc") and ("ab", "c") apart.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
