//! The HTTPRoute of the Gateway API to the gateway.

use serde_json::json;

use super::{Child, Instance, Kind};
use crate::api::GatewayApiSpec;

/// The HTTPRoute, if the resource wants one.
pub fn build(instance: &Instance<'_>) -> Option<Child> {
    let spec = instance.spec.gateway.gateway_api.as_ref()?;
    let name = instance.child("gateway");
    let body = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": instance.metadata(&name, "gateway"),
        "spec": {
            "parentRefs": spec.parent_refs,
            "hostnames": spec.hostnames,
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": name, "port": instance.spec.gateway.port}],
                // A websocket is a request that goes on: no limit.
                "timeouts": {"request": "0s"},
            }],
        },
    });
    Some(Child { kind: Kind::HTTPRoute, name, body })
}

/// Where clients reach it, when the route says by which name.
pub fn url(spec: &GatewayApiSpec) -> Option<String> {
    let host = spec.hostnames.iter().find(|host| !host.starts_with('*'))?;
    Some(format!("{}://{host}", spec.scheme.as_str()))
}
