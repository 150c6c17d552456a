//! The containers whose logs are wanted.

use anyhow::anyhow;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{Api, api::ListParams};

use super::line::Source;
use crate::{
    cluster::{Cluster, alike},
    status::{COMPONENT, selector, view::namespace_option},
};

/// A container that has begun.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Started {
    pub(crate) source: Source,
    /// Tells one life of it from the next.
    pub(crate) restarts: i32,
    pub(crate) runs: bool,
}

/// The pods of an instance, or of one component of it.
pub(crate) struct Pods {
    pub(crate) api: Api<Pod>,
    cluster: Cluster,
    name: String,
    component: Option<String>,
}

impl Pods {
    pub(crate) fn new(cluster: &Cluster, name: &str, component: Option<String>) -> Self {
        let api = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        Self { api, cluster: cluster.clone(), name: name.to_owned(), component }
    }

    /// Their containers that have something to say.
    pub(crate) async fn started(&self) -> anyhow::Result<Vec<Started>> {
        let pods = self.list().await?;
        Ok(pods.iter().filter(|pod| self.wants(pod)).flat_map(started).collect())
    }

    async fn list(&self) -> anyhow::Result<Vec<Pod>> {
        let list = self.api.list(&ListParams::default().labels(&selector(&self.name))).await;
        let action = format!("list pods in namespace {}", self.cluster.namespace);
        Ok(list.map_err(|e| self.cluster.explain(e, &action))?.items)
    }

    fn wants(&self, pod: &Pod) -> bool {
        self.component.as_ref().is_none_or(|wanted| component(pod) == wanted)
    }

    /// Why there is nothing to read.
    pub(crate) async fn nothing(&self) -> anyhow::Error {
        let pods = match self.list().await {
            Ok(pods) => pods,
            Err(error) => return error,
        };
        let mut components: Vec<_> = pods.iter().map(|pod| component(pod).to_owned()).collect();
        components.sort();
        components.dedup();
        let status = format!("`aetherconnect status {}{}`", self.name, namespace_option(&self.cluster.namespace));
        match &self.component {
            Some(wanted) if !components.is_empty() && !components.contains(wanted) => {
                let meant = alike(wanted, &components).map(|meant| format!(": did you mean {meant}?"));
                let meant = meant.unwrap_or_else(|| format!("; there are {}", components.join(", ")));
                anyhow!("{} has no pods of {wanted}{meant}", self.name)
            }
            _ => anyhow!("no pod of {} has started yet: {status} says why", self.name),
        }
    }
}

fn component(pod: &Pod) -> &str {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(COMPONENT)).map_or("?", String::as_str)
}

fn started(pod: &Pod) -> Vec<Started> {
    let statuses = pod.status.iter().flat_map(|status| {
        let containers = [&status.init_container_statuses, &status.container_statuses];
        containers.into_iter().flatten().flatten()
    });
    let begun = |status: &&ContainerStatus| {
        let state = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        state(&status.state) || state(&status.last_state)
    };
    statuses
        .filter(begun)
        .map(|status| Started {
            source: Source {
                component: component(pod).to_owned(),
                pod: pod.metadata.name.clone().unwrap_or_default(),
                container: status.name.clone(),
            },
            restarts: status.restart_count,
            runs: status.state.as_ref().is_some_and(|state| state.running.is_some()),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_that_have_begun_are_read_and_those_that_wait_are_not() {
        let status = |name: &str, state: serde_json::Value, last: serde_json::Value| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 2, "state": state, "lastState": last});
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "chat-m", "labels": {COMPONENT: "migration"}},
            "status": {
                "initContainerStatuses": [status("auth", json!({"terminated": {"exitCode": 0}}), json!({}))],
                "containerStatuses": [
                    status("message", json!({"running": {}}), json!({})),
                    status("crashing", json!({"waiting": {"reason": "CrashLoopBackOff"}}), json!({"terminated": {"exitCode": 1}})),
                    status("pulling", json!({"waiting": {"reason": "ContainerCreating"}}), json!({})),
                ],
            },
        }))
        .unwrap();
        let found: Vec<_> = started(&pod).into_iter().map(|s| (s.source.container, s.restarts, s.runs)).collect();
        let wanted = [("auth", 2, false), ("message", 2, true), ("crashing", 2, false)];
        assert_eq!(found, wanted.map(|(name, restarts, runs)| (name.to_owned(), restarts, runs)));
    }
}
