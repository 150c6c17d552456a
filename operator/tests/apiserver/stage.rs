//! A namespace with a whole operator at work in it, on a connection that can be made bad, and with stand-ins for nodes.

use std::{collections::BTreeMap, time::Duration};

use aether_operator::{
    config::{Defaults, Images},
    controller,
    fleet::Fleet,
    metrics::Metrics,
    patience::{self, Fence},
    reconcile::Reconciler,
    resources::Kind,
};
use aether_standins::{Nodes, Proxy};
use kube::{api::ListParams, runtime::events::Recorder};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// Whether the long form is asked for, by `FAULTS=long`.
pub(crate) fn is_long() -> bool {
    std::env::var("FAULTS").is_ok_and(|value| value == "long")
}

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    _nodes: Nodes,
}

/// An operator that works until this is dropped, and then stops in the middle of whatever it does.
pub(crate) struct Operator {
    _task: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let proxy = Proxy::start(world.client.clone()).await;
        let nodes = Nodes::start(&world.client, Some(&world.namespace));
        Self { world, proxy, _nodes: nodes }
    }

    /// The same with a fresh connection.
    pub(crate) async fn reconnected(self) -> Self {
        Self { proxy: Proxy::start(self.world.client.clone()).await, ..self }
    }

    /// A fresh operator, that knows nothing of what others did before.
    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(Images::default())
    }

    pub(crate) fn operator_with(&self, images: Images) -> Operator {
        let client = patience::client(self.proxy.config(), Fence::default()).unwrap();
        let fleet = Fleet::new(Defaults { images, ..Defaults::default() });
        let reconciler = Reconciler::new(client.clone(), fleet, Recorder::new(client, "test".into()));
        let namespaces = [self.world.namespace.clone()];
        let mut task = JoinSet::new();
        task.spawn(async move {
            controller::run(reconciler, Metrics::new().unwrap(), &namespaces, CancellationToken::new()).await;
        });
        Operator { _task: task }
    }

    /// Waits until the instance is as its resource says.
    pub(crate) async fn ready(&self, name: &str) {
        self.ready_within(name, Duration::from_secs(60)).await;
    }

    pub(crate) async fn ready_within(&self, name: &str, longest: Duration) {
        let end = Instant::now() + longest;
        loop {
            let resource = self.world.resource(name).await;
            let status = resource.status.unwrap_or_default();
            let is_seen = status.observed_generation == resource.metadata.generation;
            if is_seen && status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True") {
                return;
            }
            assert!(Instant::now() < end, "{name} of {} isn't Ready: {status:#?}", self.world.namespace);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until an instance has come to a state.
    pub(crate) async fn reaches(&self, name: &str, wanted: &BTreeMap<String, Value>) {
        self.reaches_within(name, wanted, Duration::from_secs(45)).await;
    }

    pub(crate) async fn reaches_within(&self, name: &str, wanted: &BTreeMap<String, Value>, longest: Duration) {
        let end = Instant::now() + longest;
        loop {
            let state = self.state(name).await;
            if state == *wanted {
                return;
            }
            if Instant::now() > end {
                let differs = |key: &&String| state.get(*key) != wanted.get(*key);
                let keys: Vec<_> = state.keys().chain(wanted.keys()).filter(differs).collect();
                let text =
                    |of: &BTreeMap<String, Value>, key: &String| of.get(key).map_or("absent".into(), Value::to_string);
                let lines = keys
                    .iter()
                    .map(|key| format!("{key}\n  is        {}\n  should be {}", text(&state, key), text(wanted, key)));
                panic!("{} differs in\n{}", self.world.namespace, lines.collect::<Vec<_>>().join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until an instance stays as it is for so long, and gives its state.
    pub(crate) async fn settled(&self, name: &str, quiet: Duration) -> BTreeMap<String, Value> {
        self.ready(name).await;
        let mut last = self.state(name).await;
        loop {
            tokio::time::sleep(quiet).await;
            let state = self.state(name).await;
            if state == last {
                return state;
            }
            last = state;
        }
    }

    /// Everything there is of an instance, without what differs from run to run: by kind and name.
    pub(crate) async fn state(&self, name: &str) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        let secrets = self.world.secrets().list(&ListParams::default()).await.unwrap().items;
        let is_generated = secrets.iter().any(|secret| secret.metadata.name.as_deref() == Some(&format!("{name}-jwt")));
        for kind in Kind::ALL {
            for object in self.world.of(kind).list(&ListParams::default()).await.into_iter().flatten() {
                let object = normal(serde_json::to_value(object).unwrap(), name, is_generated);
                let key = object["metadata"]["name"].as_str().unwrap_or_default();
                if key.starts_with(name) {
                    state.insert(format!("{kind:?} {key}"), object);
                }
            }
        }
        for secret in secrets {
            let keys: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
            let owned = secret.metadata.owner_references.is_some_and(|owners| !owners.is_empty());
            let notes = secret.metadata.annotations.unwrap_or_default();
            let phase = notes.get("aetherconnect.io/rotation-phase");
            let shape = json!({"keys": keys, "owned": owned, "labels": secret.metadata.labels, "phase": phase});
            state.insert(format!("Secret {}", secret.metadata.name.unwrap()), shape);
        }
        let status = self.world.resource(name).await.status.unwrap_or_default();
        for condition in status.conditions {
            state.insert(format!("condition {}", condition.type_), json!([condition.status, condition.reason]));
        }
        state.insert("version".into(), json!(status.version));
        state
    }

    /// The Secrets' contents.
    pub(crate) async fn contents(&self) -> BTreeMap<String, Value> {
        let secrets = self.world.secrets().list(&ListParams::default()).await.unwrap();
        secrets.into_iter().map(|secret| (secret.metadata.name.unwrap(), json!(secret.data))).collect()
    }
}

/// An object without what differs from run to run: identities, times, and hashes of passwords, if these are generated.
fn normal(mut object: Value, instance: &str, is_generated: bool) -> Value {
    let migration = format!("{instance}-migrate-");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "namespace"] {
        metadata.remove(key);
    }
    if metadata["name"].as_str().unwrap_or_default().starts_with(&migration) {
        metadata.insert("name".into(), json!(format!("{migration}…")));
    }
    metadata.remove("annotations");
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        owner["uid"] = json!("…");
    }
    if let Some(hashes) = object.pointer_mut("/spec/template/metadata/annotations").filter(|_| is_generated) {
        *hashes = json!("…");
    }
    if object["spec"].is_object() {
        let spec = object["spec"].as_object_mut().unwrap();
        for key in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            if spec.get(key).is_some_and(|value| *value != json!("None") && *value != json!(["None"])) {
                spec.remove(key);
            }
        }
        // The API server puts the Job's own identity there.
        if spec.contains_key("completions") {
            spec.remove("selector");
            spec["template"]["metadata"]["labels"] = json!("…");
        }
    }
    object.as_object_mut().unwrap().remove("status");
    object
}
