//! The gateway.

use serde_json::{Value, json};

use super::{
    Child, Instance, auth, certificate, message,
    pod::{common_env, jwt_env, var, with_user_env},
    settings,
    workload::{Workload, resources, service, service_port},
};
use crate::api::ServiceType;

/// The port for probes and metrics; no Service leads there.
pub const METRICS_PORT: u16 = 9090;

fn env(instance: &Instance<'_>) -> Vec<Value> {
    let spec = &instance.spec.gateway;
    let mut env = common_env(instance, spec.log_level, settings::gateway(instance.spec));
    env.extend([
        var("METRICS_PORT", METRICS_PORT),
        var("AUTH_SERVICE_GRPC_URL", auth::grpc_url(instance)),
        var("MESSAGE_SERVICE_GRPC_URL", message::grpc_url(instance)),
        var("MESSAGE_SERVICE_HTTP_URL", message::socket_url(instance)),
    ]);
    env.extend(jwt_env(instance, &["JWT_SECRET"]));
    env.extend(certificate::env(instance, "gateway"));
    with_user_env(env, &spec.env)
}

/// The Deployment.
pub fn deployment(instance: &Instance<'_>) -> Child {
    let spec = &instance.spec.gateway;
    Workload {
        service: instance.service("gateway"),
        ports: vec![("http", spec.port), ("metrics", METRICS_PORT)],
        probe_port: "metrics",
        env: env(instance),
        resources: resources(instance.resources("gateway", spec.resources.as_ref()), "256Mi"),
        config_hash: &instance.hashes.gateway,
        stores: &[],
    }
    .deployment(instance)
}

/// The Service that clients use.
pub fn services(instance: &Instance<'_>) -> Vec<Child> {
    let spec = &instance.spec.gateway;
    let mut port = service_port("http", spec.port);
    if let (Some(node_port), false) = (spec.service.node_port, spec.service.kind == ServiceType::ClusterIP) {
        port["nodePort"] = json!(node_port);
    }
    let kind = json!({"type": spec.service.kind.as_str()});
    let mut service = service(instance, instance.child("gateway"), "gateway", &[port], kind);
    service.body["metadata"]["annotations"] = json!(spec.service.annotations);
    vec![service]
}

/// Where clients inside the cluster reach the gateway.
pub fn url(instance: &Instance<'_>) -> String {
    let (name, namespace) = (instance.child("gateway"), instance.namespace);
    format!("http://{name}.{namespace}.svc:{}", instance.spec.gateway.port)
}
