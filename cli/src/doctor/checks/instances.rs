//! The instances: what they need of others, and how their stores are.

use std::collections::{BTreeMap, BTreeSet};

use aether_operator::{api::AetherConnectSpec, resources::Kind};
use kube::api::DynamicObject;

use super::super::{findings::Finding, needs};
use crate::{cluster::Cluster, status::view::View};

/// The group of the metrics that autoscalers go by.
const METRICS: &str = "metrics.k8s.io";
/// Conditions about stores.
const STORES: [(&str, &str); 3] =
    [("PostgresReady", "PostgreSQL"), ("MongodbReady", "MongoDB"), ("RedisReady", "Redis")];

/// `namespace/name`.
pub(super) fn name(object: &DynamicObject) -> String {
    let meta = &object.metadata;
    format!("{}/{}", meta.namespace.as_deref().unwrap_or("?"), meta.name.as_deref().unwrap_or("?"))
}

/// What is wanted, where this build can read it.
pub(super) fn spec(object: &DynamicObject) -> Option<AetherConnectSpec> {
    serde_json::from_value(object.data["spec"].clone()).ok()
}

/// Whether what the instances use is installed.
pub(super) async fn providers(cluster: &Cluster, objects: &[DynamicObject]) -> Vec<Finding> {
    let groups = match cluster.client.list_api_groups().await {
        Ok(list) => list.groups.into_iter().map(|group| group.name).collect(),
        Err(error) => {
            let why = cluster.explain(error, "ask which APIs there are").to_string();
            return vec![Finding::warning("providers", why, "whether what instances use is installed can't be told")];
        }
    };
    judge(&groups, objects)
}

fn judge(groups: &BTreeSet<String>, objects: &[DynamicObject]) -> Vec<Finding> {
    let mut users: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    let mut scaled = Vec::new();
    for object in objects {
        let Some(spec) = spec(object) else { continue };
        for kind in needs::kinds(&spec) {
            users.entry(kind).or_default().push(name(object));
        }
        if needs::autoscales(&spec) {
            scaled.push(name(object));
        }
    }
    let mut findings: Vec<_> = users
        .iter()
        .map(|(kind, users)| {
            let who = kind.provider().unwrap_or("its operator");
            let by = users.join(", ");
            match groups.contains(&kind.resource().group) {
                true => Finding::ok("providers", format!("{who} is installed, for {by}")),
                false => Finding::error(
                    "providers",
                    format!("{by} uses {kind:?}, which the cluster doesn't know"),
                    format!("install {who}, or take it out of the resource"),
                ),
            }
        })
        .collect();
    if !scaled.is_empty() {
        let by = scaled.join(", ");
        findings.push(match groups.contains(METRICS) {
            true => Finding::ok("autoscaling", format!("the metrics API is there, for {by}")),
            false => Finding::error(
                "autoscaling",
                format!("{by} scales by load, but nobody serves {METRICS}: the number of pods stays as it is"),
                "install metrics-server (https://github.com/kubernetes-sigs/metrics-server)",
            ),
        });
    }
    findings
}

/// Each instance and its stores, by their conditions.
pub(super) fn states(objects: &[DynamicObject]) -> Vec<Finding> {
    if objects.is_empty() {
        return vec![Finding::ok("instances", "there are none here")];
    }
    objects.iter().flat_map(state).collect()
}

fn state(object: &DynamicObject) -> Vec<Finding> {
    let (view, name) = (View::new(object, &BTreeMap::new()), name(object));
    let mut findings = Vec::new();
    for (condition, store) in STORES {
        let Some(condition) = view.condition(condition) else { continue };
        let check = format!("{store} of {name}");
        if condition.status == "True" {
            findings.push(Finding::ok(check, condition.message.clone()));
        } else if condition.reason != "Suspended" {
            let to_do = format!("`aetherconnect status {}` says more", place(&view));
            findings.push(Finding::error(check, condition.message.clone(), to_do));
        }
    }
    findings.push(match &view.to_mend {
        None => Finding::ok(name, "ready"),
        Some(mend) if view.suspended || view.paused => Finding::warning(name, &mend.message, &mend.hint),
        Some(mend) => {
            let what = mend.condition.as_ref().map(|condition| format!("{condition}: ")).unwrap_or_default();
            Finding::error(name, format!("{what}{}", mend.message), &mend.hint)
        }
    });
    findings
}

fn place(view: &View) -> String {
    format!("{}{}", view.name, crate::status::view::namespace_option(&view.namespace))
}

#[cfg(test)]
// Values are written in place by their callers.
#[allow(clippy::needless_pass_by_value, clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::doctor::Level;

    fn object(spec: Value, status: Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "aetherconnect.io/v1alpha1", "kind": "AetherConnect",
            "metadata": {"name": "chat", "namespace": "team-a"}, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn what_an_instance_uses_must_be_installed() {
        let spec = json!({"tls": {"issuerRef": {"name": "ca"}}, "gateway": {"autoscaling": {"maxReplicas": 3}}});
        let objects = [object(spec, json!({}))];
        let found = judge(&BTreeSet::new(), &objects);
        assert!(found.iter().all(|finding| finding.level == Level::Error) && found.len() == 2, "{found:?}");
        assert!(found[0].meaning.starts_with("team-a/chat uses Certificate"), "{found:?}");
        let groups = ["cert-manager.io", METRICS].map(str::to_owned).into();
        assert!(judge(&groups, &objects).iter().all(|finding| finding.level == Level::Ok));
        assert!(
            judge(&BTreeSet::new(), &[object(json!({}), json!({}))]).is_empty(),
            "nothing is used, nothing is told"
        );
    }

    #[test]
    fn a_store_that_is_down_is_an_error_and_a_suspended_one_is_not() {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let down = json!({"conditions": [
            condition("Ready", "False", "WaitingForStore", "PostgresReady: 0 of 1 pods are ready"),
            condition("PostgresReady", "False", "WaitingForStore", "0 of 1 pods are ready"),
            condition("MongodbReady", "True", "Available", "mongodb is available"),
        ]});
        let found = states(&[object(json!({}), down)]);
        let levels: Vec<_> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Error, Level::Ok, Level::Error], "{found:?}");
        let off = json!({"conditions": [
            condition("Ready", "False", "Suspended", "PostgresReady: suspended"),
            condition("PostgresReady", "False", "Suspended", "suspended"),
        ]});
        let found = states(&[object(json!({"suspend": true}), off)]);
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Warning]);
    }
}
