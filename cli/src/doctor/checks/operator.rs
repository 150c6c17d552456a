//! Whether the operator runs, and which.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::ListParams};

use super::{super::findings::Finding, INSTALL};
use crate::{cluster::Cluster, status::view::namespace_option};

const CHECK: &str = "operator";
/// As the chart labels it.
const LABELS: &str = "app.kubernetes.io/name=aetherconnect-operator,app.kubernetes.io/component=operator";

/// What other checks want to know of it.
pub(super) struct Operator {
    /// The StorageClass that it gives stores, when it is told one.
    pub(super) storage_class: Option<String>,
}

/// Looks for it in all namespaces.
pub(super) async fn check(cluster: &Cluster) -> (Option<Operator>, Finding) {
    let deployments: Api<Deployment> = Api::all(cluster.client.clone());
    match deployments.list(&ListParams::default().labels(LABELS)).await {
        Ok(list) => match list.items.first() {
            Some(first) => (Some(settings(first)), judge(first)),
            None => {
                let meaning = "there is no operator with the chart's labels: nothing turns resources into pods";
                (None, Finding::error(CHECK, meaning, format!("install it: {INSTALL}")))
            }
        },
        Err(error) => {
            let why = cluster.explain(error, "list Deployments in all namespaces").to_string();
            (None, Finding::warning(CHECK, why, "ask whoever runs the cluster whether the operator runs"))
        }
    }
}

fn settings(deployment: &Deployment) -> Operator {
    let containers = deployment.spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let mut variables = containers.flat_map(|container| container.env.iter().flatten());
    let class = variables.find(|variable| variable.name == "DEFAULT_STORAGE_CLASS");
    Operator { storage_class: class.and_then(|variable| variable.value.clone()).filter(|value| !value.is_empty()) }
}

fn judge(deployment: &Deployment) -> Finding {
    let meta = &deployment.metadata;
    let (name, namespace) = (meta.name.as_deref().unwrap_or("?"), meta.namespace.as_deref().unwrap_or("?"));
    let place = format!("{namespace}/{name}");
    let version = meta.labels.as_ref().and_then(|labels| labels.get("app.kubernetes.io/version"));
    let version = version.map_or("unknown", String::as_str);
    let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
    let build = env!("CARGO_PKG_VERSION");
    if ready == 0 {
        let logs = format!("`kubectl logs deployment/{name}{}`", namespace_option(namespace));
        let meaning = format!("{place} has no pod that is ready: changes of resources wait");
        return Finding::error(CHECK, meaning, format!("{logs} and `kubectl describe` say why"));
    }
    if version == build {
        return Finding::ok(CHECK, format!("{place} runs, version {version}"));
    }
    let meaning = format!("{place} runs version {version}, and this command is of {build}");
    Finding::warning(CHECK, meaning, format!("upgrade the older one; the operator by {INSTALL}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Level;

    fn deployment(version: &str, ready: i32) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "op", "namespace": "sys", "labels": {"app.kubernetes.io/version": version}},
            "spec": {"selector": {}, "template": {"spec": {"containers": [
                {"name": "operator", "env": [{"name": "DEFAULT_STORAGE_CLASS", "value": "fast"}]},
            ]}}},
            "status": {"readyReplicas": ready},
        }))
        .unwrap()
    }

    #[test]
    fn an_operator_is_judged_by_its_pods_and_its_version() {
        let build = env!("CARGO_PKG_VERSION");
        assert_eq!(judge(&deployment(build, 2)).level, Level::Ok);
        assert_eq!(judge(&deployment("0.0.9", 2)).level, Level::Warning);
        let down = judge(&deployment(build, 0));
        assert!(down.level == Level::Error && down.to_do.unwrap().contains("kubectl logs deployment/op -n sys"));
        assert_eq!(settings(&deployment(build, 2)).storage_class.as_deref(), Some("fast"));
    }
}
