//! The message service.

use serde_json::{Value, json};

use super::{
    Child, Instance, auth, certificate,
    pod::{common_env, jwt_env, redis_env, uri_var, var, with_user_env},
    settings,
    workload::{Workload, resources, service, service_port},
};
use crate::api::Store;

/// What message uses.
const STORES: [Store; 2] = [Store::Mongodb, Store::Redis];

/// Environment variables of message; the migration runs with the same.
pub fn env(instance: &Instance<'_>) -> Vec<Value> {
    let spec = &instance.spec.message;
    let mut env = common_env(instance, spec.log_level, settings::message(instance.spec));
    env.extend(uri_var(instance, "MONGODB_URL", Store::Mongodb));
    env.push(var("AUTH_SERVICE_GRPC_URL", auth::grpc_url(instance)));
    env.extend(redis_env(instance));
    env.extend(jwt_env(instance, &["JWT_SECRET", "JWT_WS_SECRET"]));
    env.extend(certificate::env(instance, "message"));
    with_user_env(env, &spec.env)
}

/// CPU and memory of message.
pub fn cpu_and_memory(instance: &Instance<'_>) -> Value {
    resources(instance.resources("message", instance.spec.message.resources.as_ref()), "512Mi")
}

/// The Deployment.
pub fn deployment(instance: &Instance<'_>) -> Child {
    let spec = &instance.spec.message;
    Workload {
        service: instance.service("message"),
        ports: vec![("http", spec.http_port), ("grpc", spec.grpc_port)],
        probe_port: "http",
        env: env(instance),
        resources: cpu_and_memory(instance),
        config_hash: &instance.hashes.message,
        stores: &STORES,
    }
    .deployment(instance)
}

/// The Service, and one without an address of its own whose name means all pods: sockets must reach one pod, and calls
/// are spread over all.
pub fn services(instance: &Instance<'_>) -> Vec<Child> {
    let spec = &instance.spec.message;
    let ports = [service_port("http", spec.http_port), service_port("grpc", spec.grpc_port)];
    vec![
        service(instance, instance.child("message"), "message", &ports, json!({})),
        service(instance, peers(instance), "message", &ports, json!({"clusterIP": "None"})),
    ]
}

/// Where the gateway calls message.
pub fn grpc_url(instance: &Instance<'_>) -> String {
    format!("{}://{}:{}", certificate::scheme(instance), peers(instance), instance.spec.message.grpc_port)
}

/// Where the gateway finds all pods for sockets.
pub fn socket_url(instance: &Instance<'_>) -> String {
    format!("{}://{}:{}", certificate::scheme(instance), peers(instance), instance.spec.message.http_port)
}

fn peers(instance: &Instance<'_>) -> String {
    instance.child("message-peers")
}
