//! The auth service.

use serde_json::{Value, json};

use super::{
    Child, Instance, certificate,
    pod::{common_env, jwt_env, redis_env, uri_var, var, with_user_env},
    settings,
    workload::{Workload, resources, service, service_port},
};
use crate::api::Store;

/// What auth uses.
const STORES: [Store; 2] = [Store::Postgres, Store::Redis];

/// Environment variables of auth; the migration runs with the same.
pub fn env(instance: &Instance<'_>) -> Vec<Value> {
    let spec = &instance.spec.auth;
    let mut env = common_env(instance, spec.log_level, settings::auth(instance.spec));
    env.extend(uri_var(instance, "DATABASE_URL", Store::Postgres));
    env.extend([
        // A password hash takes 19 MiB. glibc would keep several times that for each core; so it gives it back.
        var("MALLOC_MMAP_THRESHOLD_", 1024 * 1024),
    ]);
    env.extend(redis_env(instance));
    env.extend(jwt_env(instance, &["JWT_SECRET", "JWT_WS_SECRET"]));
    env.extend(certificate::env(instance, "auth"));
    with_user_env(env, &spec.env)
}

/// CPU and memory of auth: a password hash takes 19 MiB, and several run at a time.
pub fn cpu_and_memory(instance: &Instance<'_>) -> Value {
    resources(instance.resources("auth", instance.spec.auth.resources.as_ref()), "512Mi")
}

/// The Deployment.
pub fn deployment(instance: &Instance<'_>) -> Child {
    let spec = &instance.spec.auth;
    Workload {
        service: instance.service("auth"),
        ports: vec![("grpc", spec.grpc_port), ("http", spec.http_port)],
        probe_port: "http",
        env: env(instance),
        resources: cpu_and_memory(instance),
        config_hash: &instance.hashes.auth,
        stores: &STORES,
    }
    .deployment(instance)
}

/// The Service, and one without an address of its own whose name means all pods: callers keep a connection to each, as a
/// connection to an address stays with one pod.
pub fn services(instance: &Instance<'_>) -> Vec<Child> {
    let spec = &instance.spec.auth;
    let ports = [service_port("grpc", spec.grpc_port), service_port("http", spec.http_port)];
    vec![
        service(instance, instance.child("auth"), "auth", &ports, json!({})),
        service(instance, peers(instance), "auth", &ports[..1], json!({"clusterIP": "None"})),
    ]
}

/// Where the other services reach auth.
pub fn grpc_url(instance: &Instance<'_>) -> String {
    format!("{}://{}:{}", certificate::scheme(instance), peers(instance), instance.spec.auth.grpc_port)
}

fn peers(instance: &Instance<'_>) -> String {
    instance.child("auth-peers")
}
