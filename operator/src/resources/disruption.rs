//! PodDisruptionBudgets of the services that have more than one pod.

use serde_json::json;

use super::{Child, Instance, Kind};

/// One for each service that can lose a pod and go on. With one pod a budget would only keep nodes from being drained.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let several = instance.services().into_iter().filter(|service| service.least() > 1);
    let budgets = several.map(|service| {
        let name = instance.child(service.name);
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": instance.metadata(&name, service.name),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": instance.selector(service.name)},
                // A pod that doesn't work serves nobody, and must not hold up a node.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        });
        Child { kind: Kind::PodDisruptionBudget, name, body }
    });
    budgets.collect()
}
