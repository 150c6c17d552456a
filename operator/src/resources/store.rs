//! The skeleton of the managed stores: a StatefulSet of one pod behind a headless Service.

use serde_json::{Value, json};

use super::{CONFIG_HASH, Child, Instance, Kind, pod, workload};
use crate::api::{DeletionPolicy, Storage};

/// The user that the official images of PostgreSQL, MongoDB and Redis know.
pub const UID: i64 = 999;

/// What differs between the stores.
pub struct ManagedStore<'a> {
    /// `postgres`, `mongodb` or `redis`.
    pub component: &'a str,
    /// Full reference of the image.
    pub image: String,
    /// The port it listens on.
    pub port: u16,
    /// Arguments of the image's entry point.
    pub args: Vec<&'a str>,
    /// Environment variables.
    pub env: Vec<Value>,
    /// Where the data volume is mounted.
    pub data: &'a str,
    /// The data volume; without one, data lives as long as the pod.
    pub storage: Option<&'a Storage>,
    /// Directories that the image writes to besides its data.
    pub scratch: Vec<&'a str>,
    /// What the probes do.
    pub probe: Value,
    /// CPU and memory.
    pub resources: Value,
    /// Hash of what the pod reads at every start, if anything.
    pub config_hash: Option<&'a str>,
}

impl ManagedStore<'_> {
    /// Service and StatefulSet.
    pub fn build(&self, instance: &Instance<'_>) -> Vec<Child> {
        let name = instance.child(self.component);
        let port = workload::service_port("store", self.port);
        let headless = json!({"clusterIP": "None"});
        let service = workload::service(instance, name.clone(), self.component, &[port], headless);
        vec![service, self.stateful_set(instance, name)]
    }

    fn stateful_set(&self, instance: &Instance<'_>, name: String) -> Child {
        // Whoever deletes the resource has said what becomes of the volume; scaling to zero never loses it.
        let when_deleted = match instance.spec.deletion_policy {
            DeletionPolicy::Retain => "Retain",
            DeletionPolicy::Delete => "Delete",
        };
        let mut annotations = json!({});
        if let Some(hash) = self.config_hash {
            annotations[CONFIG_HASH] = json!(hash);
        }
        let mut body = json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": instance.metadata(&name, self.component),
            "spec": {
                "replicas": instance.scale(1),
                "revisionHistoryLimit": 3,
                "serviceName": name,
                // By default, a pod that never became ready is not replaced, even when its image has been mended.
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": instance.selector(self.component)},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted, "whenScaled": "Retain"},
                "template": {
                    "metadata": {"labels": instance.labels(self.component), "annotations": annotations},
                    "spec": self.pod(instance),
                },
            },
        });
        if let Some(storage) = self.storage {
            body["spec"]["volumeClaimTemplates"] = json!([claim(instance, self.component, storage)]);
        }
        Child { kind: Kind::StatefulSet, name, body }
    }

    fn pod(&self, instance: &Instance<'_>) -> Value {
        let mut mounts = vec![json!({"name": "data", "mountPath": self.data})];
        let mut volumes = Vec::new();
        if self.storage.is_none() {
            volumes.push(json!({"name": "data", "emptyDir": {}}));
        }
        for path in &self.scratch {
            let name = format!("scratch{}", path.replace('/', "-"));
            mounts.push(json!({"name": name, "mountPath": path}));
            volumes.push(json!({"name": name, "emptyDir": {}}));
        }
        let mut pod = pod::base(instance, UID);
        pod["volumes"] = json!(volumes);
        pod["containers"] = json!([{
            "name": self.component,
            "image": self.image,
            "imagePullPolicy": instance.spec.image.pull_policy.as_str(),
            "args": self.args,
            "ports": [{"name": "store", "containerPort": self.port}],
            "env": self.env,
            "resources": self.resources,
            "securityContext": pod::container_security(),
            "volumeMounts": mounts,
            "startupProbe": self.probe(2, 90),
            "livenessProbe": self.probe(10, 6),
            "readinessProbe": self.probe(3, 3),
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }]);
        pod
    }

    fn probe(&self, period: u32, failures: u32) -> Value {
        let mut probe = self.probe.clone();
        probe["periodSeconds"] = json!(period);
        probe["timeoutSeconds"] = json!(5);
        probe["failureThreshold"] = json!(failures);
        probe
    }
}

/// Metadata of a store that another operator runs. It takes its volumes along, so under `Retain` it stays, as they would.
pub fn metadata(instance: &Instance<'_>, name: &str, component: &str) -> Value {
    let mut metadata = instance.metadata(name, component);
    if instance.spec.deletion_policy == DeletionPolicy::Retain {
        metadata["ownerReferences"] = json!([]);
    }
    metadata
}

/// The claim's labels and size can't be changed later: nothing here may depend on the operator's version.
fn claim(instance: &Instance<'_>, component: &str, storage: &Storage) -> Value {
    let mut claim = json!({
        "metadata": {"name": "data", "labels": instance.selector(component)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage.size}},
        },
    });
    if let Some(class) = storage_class(instance, storage) {
        claim["spec"]["storageClassName"] = json!(class);
    }
    claim
}

/// The class of a volume: what the resource gives, or else the operator's configuration, or else the cluster's default.
pub fn storage_class<'a>(instance: &Instance<'a>, storage: &'a Storage) -> Option<&'a String> {
    storage.class_name.as_ref().or(instance.defaults.storage_class.as_ref())
}

/// Name of the claim with a managed store's data.
pub fn claim_name(instance: &Instance<'_>, component: &str) -> String {
    format!("data-{}-0", instance.child(component))
}

/// A probe that connects to the store's port.
pub fn tcp_probe() -> Value {
    json!({"tcpSocket": {"port": "store"}})
}

/// CPU and memory of a store: as given, or enough for a small installation.
pub fn resources(given: Option<&crate::api::Resources>, memory_limit: &str) -> Value {
    pod::resources(given, "50m", "128Mi", memory_limit)
}

/// Name of a store inside the cluster.
pub fn host(instance: &Instance<'_>, component: &str) -> String {
    format!("{}.{}.svc", instance.child(component), instance.namespace)
}
