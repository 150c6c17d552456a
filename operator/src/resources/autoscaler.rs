//! HorizontalPodAutoscalers of the services that have `autoscaling`.

use serde_json::{Value, json};

use super::{Child, Instance, Kind};
use crate::api::Autoscaling;

/// CPU use to aim at when the resource names no target, in percent of what is requested.
const CPU_PERCENT: i32 = 80;

/// One for each service that wants it. While the instance is suspended there are no pods to scale.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let wanted = instance.services().into_iter().filter_map(|service| Some((service.name, service.autoscaling?)));
    wanted.map(|(service, spec)| autoscaler(instance, service, spec)).collect()
}

fn autoscaler(instance: &Instance<'_>, service: &str, spec: &Autoscaling) -> Child {
    let name = instance.child(service);
    let metric = |resource: &str, percent: i32| {
        json!({
            "type": "Resource",
            "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": percent}},
        })
    };
    let cpu = match (spec.target_cpu, spec.target_memory) {
        (None, None) => Some(CPU_PERCENT),
        (cpu, _) => cpu,
    };
    let metrics: Vec<Value> = [("cpu", cpu), ("memory", spec.target_memory)]
        .into_iter()
        .filter_map(|(resource, percent)| Some(metric(resource, percent?)))
        .collect();
    let body = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": instance.metadata(&name, service),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": spec.min_replicas,
            "maxReplicas": spec.max_replicas,
            "metrics": metrics,
            // Each pod that goes sends its clients elsewhere: not more often than the load asks for.
            "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}},
        },
    });
    Child { kind: Kind::HorizontalPodAutoscaler, name, body }
}
