//! The Ingress to the gateway.

use serde_json::{Map, Value, json};

use super::{Child, Instance, Kind};
use crate::api::{IngressSpec, IssuerKind};

/// A websocket is quiet between two pings, for 25 seconds; controllers would cut it off after 60 at most.
const TIMEOUT_SECONDS: u32 = 3600;

/// The Ingress, if the resource wants one.
pub fn build(instance: &Instance<'_>) -> Option<Child> {
    let spec = instance.spec.gateway.ingress.as_ref()?;
    let name = instance.child("gateway");
    let backend = json!({"service": {"name": name, "port": {"name": "http"}}});
    let mut body = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": instance.metadata(&name, "gateway"),
        "spec": {
            "rules": [{
                "host": spec.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }],
        },
    });
    body["metadata"]["annotations"] = Value::Object(annotations(spec));
    if let Some(class) = spec.class_name.as_ref().or(instance.defaults.ingress_class.as_ref()) {
        body["spec"]["ingressClassName"] = json!(class);
    }
    if let Some(tls) = &spec.tls {
        let secret = tls.secret_name.clone().unwrap_or_else(|| instance.child("gateway-tls"));
        body["spec"]["tls"] = json!([{"hosts": [spec.host], "secretName": secret}]);
    }
    Some(Child { kind: Kind::Ingress, name, body })
}

fn annotations(spec: &IngressSpec) -> Map<String, Value> {
    let seconds = TIMEOUT_SECONDS.to_string();
    let mut annotations = Map::from_iter([
        ("nginx.ingress.kubernetes.io/proxy-read-timeout".to_owned(), json!(seconds)),
        ("nginx.ingress.kubernetes.io/proxy-send-timeout".to_owned(), json!(seconds)),
        ("haproxy.org/timeout-tunnel".to_owned(), json!(format!("{seconds}s"))),
    ]);
    if let Some(issuer) = spec.tls.as_ref().and_then(|tls| tls.issuer_ref.as_ref()) {
        let key = match issuer.kind {
            IssuerKind::Issuer => "cert-manager.io/issuer",
            IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
        };
        annotations.insert(key.into(), json!(issuer.name));
    }
    annotations.extend(spec.annotations.iter().map(|(key, value)| (key.clone(), json!(value))));
    annotations
}

/// Where clients reach it.
pub fn url(spec: &IngressSpec) -> String {
    let scheme = if spec.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", spec.host)
}
