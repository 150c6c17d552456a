//! The API server, the stand-ins for nodes, and instances in namespaces of their own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use aether_operator::{
    api,
    reconcile::resource,
    resources::{Kind, MANAGER},
};
use aether_standins::Nodes;
use anyhow::{Context as _, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How many requests of a plain client are under way at a time.
pub(crate) const CONCURRENCY: usize = 16;
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) struct ControlPlane {
    pub(crate) client: Client,
    pub(crate) operator: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    _nodes: Nodes,
}

/// An instance: namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instance {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ControlPlane {
    pub(crate) async fn connect(operator: &Path) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig: PathBuf = std::env::var_os("TEST_KUBECONFIG").context("TEST_KUBECONFIG is not set")?.into();
        let file = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let params = PatchParams::apply("bench").force();
        definitions.patch("aetherconnects.aetherconnect.io", &params, &Patch::Apply(api::crd())).await?;
        let plane = Self { _nodes: Nodes::start(&client, None), client, operator: operator.to_owned(), kubeconfig };
        let all: Api<DynamicObject> = Api::all_with(plane.client.clone(), &resource());
        while all.list(&ListParams::default().limit(1)).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(plane)
    }

    pub(crate) fn api(&self, namespace: &str, kind: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, kind)
    }

    /// Fresh namespaces, each for one instance.
    pub(crate) async fn places(&self, prefix: &str, count: usize) -> Result<Vec<Instance>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let prefix = &format!("{prefix}{}", std::process::id());
        let places = stream::iter(0..count).map(|n| {
            let namespaces = namespaces.clone();
            async move {
                let namespace = json!({"metadata": {"generateName": format!("{prefix}-{n}-")}});
                let made = namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
                let namespace = made.metadata.name.unwrap_or_default();
                anyhow::Ok(Instance { namespace, name: format!("chat{n}") })
            }
        });
        places.buffered(CONCURRENCY).try_collect().await
    }

    /// Asks for an instance in each place, all at once.
    pub(crate) async fn ask(&self, places: &[Instance], spec: &Value) -> Result<()> {
        let asked = stream::iter(places).map(|place| async move {
            let body = json!({
                "apiVersion": api::API_VERSION, "kind": api::KIND, "metadata": {"name": place.name}, "spec": spec,
            });
            let params = PatchParams::apply("person").force();
            let resources = self.api(&place.namespace, &resource());
            resources.patch(&place.name, &params, &Patch::Apply(body)).await.map(drop)
        });
        Ok(asked.buffer_unordered(CONCURRENCY).try_collect().await?)
    }

    /// Waits until all are Ready and as they were last asked for.
    pub(crate) async fn ready(&self, places: &[Instance]) -> Result<()> {
        let end = Instant::now() + LONGEST;
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource());
        loop {
            let ready: Vec<_> = all.list(&ListParams::default()).await?.items.iter().filter_map(ready).collect();
            if places.iter().all(|place| ready.contains(place)) {
                return Ok(());
            }
            if Instant::now() > end {
                let missing: Vec<_> = places.iter().filter(|place| !ready.contains(place)).collect();
                bail!("{} of {} never became Ready: {missing:?}", missing.len(), places.len());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everything that the operator made in these namespaces, by kind, as it would be created.
    pub(crate) async fn children(&self, places: &[Instance]) -> Result<Vec<(ApiResource, Value)>> {
        let mut children = Vec::new();
        let kinds = Kind::ALL.into_iter().map(Kind::resource).chain([ApiResource::erase::<Secret>(&())]);
        for kind in kinds {
            let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
            let labels = format!("app.kubernetes.io/managed-by={MANAGER}");
            // The cluster need not know the kinds of other operators.
            let Ok(list) = all.list(&ListParams::default().labels(&labels)).await else { continue };
            for object in list {
                let namespace = object.metadata.namespace.clone().unwrap_or_default();
                if places.iter().any(|place| place.namespace == namespace) {
                    children.push((kind.clone(), creatable(serde_json::to_value(object)?)));
                }
            }
        }
        Ok(children)
    }

    /// Removes everything in these namespaces.
    pub(crate) async fn clear(&self, places: &[Instance]) -> Result<()> {
        let kinds = Kind::ALL.into_iter().map(Kind::resource).chain([resource(), ApiResource::erase::<Secret>(&())]);
        let each = places.iter().flat_map(|place| kinds.clone().map(move |kind| (place, kind)));
        let cleared = stream::iter(each).map(|(place, kind)| async move {
            let api = self.api(&place.namespace, &kind);
            if kind.kind == "Service" {
                // They can't all be deleted in one request.
                for object in api.list(&ListParams::default()).await? {
                    api.delete(&object.metadata.name.unwrap_or_default(), &DeleteParams::default()).await?;
                }
                return Ok(());
            }
            match api.delete_collection(&DeleteParams::background(), &ListParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop),
            }
        });
        Ok(cleared.buffer_unordered(CONCURRENCY).try_collect().await?)
    }

    /// How many writes of the operator's sort were carried out: children, Secrets, the resources' status and Events.
    pub(crate) async fn operators_writes(&self) -> Result<f64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        let mut writes = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let (labels, value) = line.rsplit_once(' ').context("a metric without a value")?;
            let label = |name: &str| labels.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            let (resource, part) = (label("resource").unwrap_or_default(), label("subresource").unwrap_or_default());
            let is_write = matches!(label("verb"), Some("POST" | "PUT" | "PATCH" | "APPLY" | "DELETE"));
            let is_children = Kind::ALL.iter().any(|kind| kind.resource().plural == resource) && part.is_empty();
            let is_told = matches!((resource, part), ("aetherconnects", "status") | ("events" | "secrets", ""));
            let is_ours = is_write && (is_children || is_told);
            if is_ours && label("code").is_some_and(|code| code.starts_with('2')) {
                *writes.entry((resource.to_owned(), part.to_owned())).or_insert(0.0) += value.parse::<f64>()?;
            }
        }
        if std::env::var_os("BENCH_VERBOSE").is_some() {
            eprintln!("{writes:?}");
        }
        Ok(writes.values().sum())
    }
}

fn ready(object: &DynamicObject) -> Option<Instance> {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array()?;
    let is_ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let is_seen = status["observedGeneration"].as_i64() == object.metadata.generation;
    (is_ready && is_seen).then(|| {
        Some(Instance { namespace: object.metadata.namespace.clone()?, name: object.metadata.name.clone()? })
    })?
}

/// An object as somebody would create it who knows all of it.
fn creatable(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "ownerReferences"] {
            metadata.remove(key);
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        for key in ["clusterIPs", "healthCheckNodePort"] {
            spec.remove(key);
        }
        if spec.get("clusterIP").is_some_and(|address| address != "None") {
            spec.remove("clusterIP");
        }
        // The API server gives a Job's pods its own labels.
        if spec.contains_key("completions") {
            spec.remove("selector");
            if let Some(labels) = spec["template"]["metadata"]["labels"].as_object_mut() {
                labels.retain(|key, _| key.starts_with("app."));
            }
        }
    }
    object
}
