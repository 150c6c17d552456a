//! A namespace with an operator in it.

use std::{collections::BTreeMap, time::Duration};

use aether_operator::{
    api::{self, AetherConnect},
    fleet::Fleet,
    patience::{self, Fence},
    reconcile::{self, Reconciler},
    resources::Kind,
};
use k8s_openapi::{
    api::core::v1::{Namespace, Pod, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, ValidationDirective},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::events::Recorder,
};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) reconciler: Reconciler,
}

impl World {
    pub(crate) async fn new() -> Self {
        let client = client_as(None).await;
        install(&client, "aetherconnects.aetherconnect.io", &api::crd()).await;
        eventually("the resource is served", || async {
            let all: Api<DynamicObject> = Api::all_with(client.clone(), &reconcile::resource());
            all.list(&ListParams::default().limit(1)).await.is_ok()
        })
        .await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"generateName": "t-"}})).unwrap();
        let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap().metadata.name.unwrap();
        let reconciler = reconciler(client.clone());
        Self { client, namespace, reconciler }
    }

    /// Installs what the operators define that an instance may make use of.
    pub(crate) async fn install_definitions(&self) {
        let folder = std::env::var("TEST_DEFINITIONS").expect("TEST_DEFINITIONS is set by `tests/tools/with-servers`");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let definition: Value = serde_yaml::from_str(&text).unwrap();
            install(&self.client, definition["metadata"]["name"].as_str().unwrap(), &definition).await;
        }
        let definition = redis_replication();
        install(&self.client, definition["metadata"]["name"].as_str().unwrap(), &definition).await;
        for kind in Kind::ALL {
            eventually(&format!("{kind:?} is served"), || async {
                self.of(kind).list(&ListParams::default().limit(1)).await.is_ok()
            })
            .await;
        }
    }

    pub(crate) fn resources(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &reconcile::resource())
    }

    pub(crate) fn of(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a resource as `kubectl apply` does, strictly; gives the API server's refusal.
    pub(crate) async fn try_apply(&self, name: &str, spec: &str) -> Result<(), String> {
        let spec: Value = serde_yaml::from_str(spec).unwrap();
        let body = json!({"apiVersion": api::API_VERSION, "kind": api::KIND, "metadata": {"name": name}, "spec": spec});
        let params =
            PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply("person").force() };
        let applied = self.resources().patch(name, &params, &Patch::Apply(body)).await;
        applied.map(drop).map_err(|error| error.to_string())
    }

    pub(crate) async fn apply(&self, name: &str, spec: &str) {
        self.try_apply(name, spec).await.unwrap();
    }

    pub(crate) async fn reconcile(&self, name: &str) {
        self.reconciler.run_by_name(&self.namespace, name).await.unwrap();
    }

    pub(crate) async fn resource(&self, name: &str) -> AetherConnect {
        self.resources().get(name).await.unwrap().try_parse().unwrap()
    }

    pub(crate) async fn condition(&self, name: &str, kind: &str) -> Condition {
        let status = self.resource(name).await.status.unwrap_or_default();
        let conditions = format!("{:#?}", status.conditions);
        status
            .conditions
            .into_iter()
            .find(|condition| condition.type_ == kind)
            .unwrap_or_else(|| panic!("{kind} is not among {conditions}"))
    }

    pub(crate) async fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        self.of(kind).get_opt(name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
    }

    /// All objects of a kind; none where the cluster doesn't know it.
    async fn list(&self, kind: Kind) -> Vec<DynamicObject> {
        match self.of(kind).list(&ListParams::default()).await {
            Ok(list) => list.items,
            Err(error) if kind.provider().is_some() && error.to_string().contains("404") => Vec::new(),
            Err(error) => panic!("{kind:?}: {error}"),
        }
    }

    pub(crate) async fn names(&self, kind: Kind) -> Vec<String> {
        let mut names: Vec<_> = self.list(kind).await.into_iter().filter_map(|object| object.metadata.name).collect();
        names.sort();
        names
    }

    pub(crate) async fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let data = self.secrets().get_opt(name).await.unwrap()?.data.unwrap_or_default();
        Some(data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect())
    }

    pub(crate) async fn put_secret(&self, name: &str, values: Value) {
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values});
        let params = PatchParams::apply("person").force();
        self.secrets().patch(name, &params, &Patch::Apply(body)).await.unwrap();
    }

    pub(crate) async fn patch(&self, kind: Kind, name: &str, patch: Value) {
        self.of(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete(&self, kind: Kind, name: &str) {
        self.of(kind).delete(name, &DeleteParams::background()).await.unwrap();
    }

    pub(crate) async fn set_status(&self, kind: Kind, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.of(kind).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// What the cluster's own controllers would report once all pods of a StatefulSet or Deployment are ready.
    pub(crate) async fn pods_ready(&self, kind: Kind, name: &str) {
        let live = self.get(kind, name).await.unwrap();
        let replicas = &live["spec"]["replicas"];
        let mut status = json!({
            "observedGeneration": live["metadata"]["generation"],
            "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas,
        });
        if kind == Kind::StatefulSet {
            status["currentRevision"] = json!("1");
            status["updateRevision"] = json!("1");
        }
        self.set_status(kind, name, status).await;
    }

    /// The managed stores of the instance `chat` are up.
    pub(crate) async fn stores_ready(&self) {
        for store in ["chat-postgres", "chat-mongodb", "chat-redis"] {
            self.pods_ready(Kind::StatefulSet, store).await;
        }
    }

    /// A pod of a StatefulSet or Deployment whose image can't be pulled, and what the owner reports then.
    pub(crate) async fn pod_broken(&self, kind: Kind, name: &str, image: &str) {
        let live = self.get(kind, name).await.unwrap();
        let status = json!({"observedGeneration": live["metadata"]["generation"], "replicas": 1, "readyReplicas": 0, "availableReplicas": 0});
        self.set_status(kind, name, status).await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let (pod_name, labels) = (format!("{name}-0"), &live["spec"]["template"]["metadata"]["labels"]);
        let pod = json!({
            "metadata": {"name": pod_name, "labels": labels},
            "spec": {"containers": [{"name": "main", "image": image}]},
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        let status = json!({"status": {"containerStatuses": [{
            "name": "main", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
        }]}});
        pods.patch_status(&pod_name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    /// What the Job controller reports at the end.
    pub(crate) async fn job_ends(&self, name: &str, how: &str) {
        let now = "2026-01-01T00:00:00Z";
        let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "Because", "message": "so", "lastTransitionTime": now, "lastProbeTime": now});
        let mut status = match how {
            "Complete" => {
                json!({"completionTime": now, "succeeded": 1, "conditions": [condition("SuccessCriteriaMet"), condition(how)]})
            }
            _ => json!({"failed": 1, "conditions": [condition("FailureTarget"), condition(how)]}),
        };
        status["startTime"] = json!(now);
        status["uncountedTerminatedPods"] = json!({});
        self.set_status(Kind::Job, name, status).await;
    }

    /// Plays the cluster's part until the instance is Ready.
    pub(crate) async fn settle(&self, name: &str) {
        for _ in 0..12 {
            self.reconcile(name).await;
            if self.condition(name, "Ready").await.status == "True" {
                return;
            }
            for kind in [Kind::StatefulSet, Kind::Deployment] {
                for child in self.names(kind).await {
                    self.pods_ready(kind, &child).await;
                }
            }
            for job in self.names(Kind::Job).await {
                let live = self.get(Kind::Job, &job).await.unwrap();
                if live["status"]["conditions"].as_array().is_none_or(Vec::is_empty) {
                    self.job_ends(&job, "Complete").await;
                }
            }
        }
        panic!("it never became Ready: {:#?}", self.condition(name, "Ready").await);
    }

    /// The version of everything in the namespace that the operator writes.
    pub(crate) async fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        let version = |meta: &kube::core::ObjectMeta| meta.resource_version.clone().unwrap();
        for kind in Kind::ALL {
            for object in self.list(kind).await {
                versions
                    .insert(format!("{kind:?}/{}", object.metadata.name.clone().unwrap()), version(&object.metadata));
            }
        }
        for secret in self.secrets().list(&ListParams::default()).await.unwrap() {
            versions.insert(format!("Secret/{}", secret.metadata.name.clone().unwrap()), version(&secret.metadata));
        }
        for resource in self.resources().list(&ListParams::default()).await.unwrap() {
            versions
                .insert(format!("resource/{}", resource.metadata.name.clone().unwrap()), version(&resource.metadata));
        }
        versions
    }
}

/// One that writes by this client.
pub(crate) fn reconciler(client: Client) -> Reconciler {
    Reconciler::new(client.clone(), Fleet::default(), Recorder::new(client, "test".into()))
}

pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    for _ in 0..150 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never happened: {what}");
}

/// The Redis operator's definition is in no package registry. This one has the fields of the types that it publishes.
fn redis_replication() -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let text = json!({"type": "string"});
    let list = json!({"type": "array", "items": any});
    let secret = json!({"type": "object", "properties": {"name": text, "key": text}});
    let kubernetes = json!({"type": "object", "required": ["image"], "properties": {
        "image": text, "imagePullPolicy": text, "imagePullSecrets": list, "resources": any, "redisSecret": secret,
        "updateStrategy": any, "persistentVolumeClaimRetentionPolicy": any, "service": any, "ignoreAnnotations": list,
    }});
    let spec = json!({"type": "object", "required": ["clusterSize", "kubernetesConfig"], "properties": {
        "clusterSize": {"type": "integer"}, "kubernetesConfig": kubernetes, "redisExporter": any, "redisConfig": any,
        "storage": any, "nodeSelector": any, "podSecurityContext": any, "securityContext": any, "priorityClassName": text,
        "affinity": any, "tolerations": list, "TLS": any, "pdb": any, "acl": any, "readinessProbe": any,
        "livenessProbe": any, "initContainer": any, "sidecars": list, "serviceAccountName": text, "env": list,
        "terminationGracePeriodSeconds": {"type": "integer"}, "topologySpreadConstraints": list,
    }});
    let status = json!({"type": "object", "properties": {"masterNode": text, "connectionInfo": any}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "redisreplications.redis.redis.opstreelabs.in"},
        "spec": {
            "group": "redis.redis.opstreelabs.in",
            "names": {"kind": "RedisReplication", "plural": "redisreplications"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1beta2", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}

/// Access with all rights, or as somebody else.
pub(crate) async fn client_as(user: Option<&str>) -> Client {
    let mut config = access().await;
    config.auth_info.impersonate = user.map(Into::into);
    patience::client(config, Fence::default()).unwrap()
}

/// How to reach the API server with all rights.
pub(crate) async fn access() -> Config {
    let path = std::env::var("TEST_KUBECONFIG").unwrap_or_else(|_| {
        panic!("TEST_KUBECONFIG is not set: these tests need a real API server; run them by `make test`")
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(path).unwrap();
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()
}

/// Installs a definition; several tests may do so at a time.
async fn install(client: &Client, name: &str, definition: &(impl serde::Serialize + std::fmt::Debug)) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(definition)).await.unwrap();
    eventually("the definition is established", || async {
        let live = definitions.get(name).await.unwrap();
        let conditions = live.status.and_then(|status| status.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Established" && c.status == "True")
    })
    .await;
}
