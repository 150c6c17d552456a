//! PodMonitors of the three services, for the Prometheus operator.

use serde_json::json;

use super::{Child, Instance, Kind};

/// One for each service, when monitoring is wanted.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let spec = &instance.spec.monitoring;
    if !spec.enabled {
        return Vec::new();
    }
    let monitor = |service: &str, port: &str| {
        let name = instance.child(service);
        let mut endpoint = json!({"port": port, "path": "/metrics"});
        if let Some(interval) = &spec.interval {
            endpoint["interval"] = json!(interval);
        }
        if instance.spec.tls.is_some() && service != "gateway" {
            // The certificate names the Service, and Prometheus asks pods by address.
            endpoint["scheme"] = json!("https");
            endpoint["tlsConfig"] = json!({
                "ca": {"secret": {"name": super::certificate::secret(instance, service), "key": "ca.crt"}},
                "serverName": instance.child(service),
            });
        }
        let mut body = json!({
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": instance.metadata(&name, service),
            "spec": {
                "selector": {"matchLabels": instance.selector(service)},
                "podMetricsEndpoints": [endpoint],
                "podTargetLabels": ["app.kubernetes.io/instance", "app.kubernetes.io/component"],
            },
        });
        for (key, value) in &spec.labels {
            body["metadata"]["labels"][key] = json!(value);
        }
        Child { kind: Kind::PodMonitor, name, body }
    };
    vec![monitor("gateway", "metrics"), monitor("auth", "http"), monitor("message", "http")]
}
