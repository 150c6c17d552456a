//! NetworkPolicies: clients → gateway → auth and message, message → auth, each to its stores, everybody to DNS, and
//! nothing else.

use serde_json::{Value, json};

use super::{Child, Instance, Kind, gateway::METRICS_PORT, mongodb, postgres, redis};
use crate::api::{Origin, Store};

/// One for each component, unless the resource wants none.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    if !instance.spec.network_policy.enabled {
        return Vec::new();
    }
    let mut policies = vec![gateway(instance), auth(instance), message(instance), migration(instance)];
    policies.extend(stores(instance));
    policies
}

fn gateway(instance: &Instance<'_>) -> Child {
    let spec = instance.spec;
    let mut clients = json!({"ports": ports(&[spec.gateway.port])});
    if !spec.network_policy.clients.is_empty() {
        clients["from"] = json!(spec.network_policy.clients);
    }
    let ingress = [Some(clients), metrics(instance, METRICS_PORT)];
    let egress = vec![
        to(instance, "auth", &[spec.auth.grpc_port]),
        to(instance, "message", &[spec.message.grpc_port, spec.message.http_port]),
    ];
    service(instance, "gateway", &ingress.into_iter().flatten().collect::<Vec<_>>(), egress)
}

fn auth(instance: &Instance<'_>) -> Child {
    let spec = &instance.spec.auth;
    let callers = from(instance, &["gateway", "message"], &[spec.grpc_port]);
    let ingress = [Some(callers), metrics(instance, spec.http_port)];
    let egress = [Some(to_postgres(instance)), to_redis(instance)];
    service(
        instance,
        "auth",
        &ingress.into_iter().flatten().collect::<Vec<_>>(),
        egress.into_iter().flatten().collect(),
    )
}

fn message(instance: &Instance<'_>) -> Child {
    let spec = &instance.spec.message;
    let callers = from(instance, &["gateway"], &[spec.grpc_port, spec.http_port]);
    let ingress = [Some(callers), metrics(instance, spec.http_port)];
    let auth = to(instance, "auth", &[instance.spec.auth.grpc_port]);
    let egress = [Some(auth), Some(to_mongodb(instance)), to_redis(instance)];
    service(
        instance,
        "message",
        &ingress.into_iter().flatten().collect::<Vec<_>>(),
        egress.into_iter().flatten().collect(),
    )
}

fn migration(instance: &Instance<'_>) -> Child {
    service(instance, "migration", &[], vec![to_postgres(instance), to_mongodb(instance)])
}

/// The managed stores answer, and call nobody.
fn stores(instance: &Instance<'_>) -> Vec<Child> {
    let spec = instance.spec;
    let mut policies = Vec::new();
    if spec.manages(Store::Postgres) {
        let callers = from(instance, &["auth", "migration"], &[postgres::PORT]);
        policies.push(policy(instance, "postgres", &[callers], &[]));
    }
    if spec.manages(Store::Mongodb) {
        let callers = from(instance, &["message", "migration"], &[mongodb::PORT]);
        policies.push(policy(instance, "mongodb", &[callers], &[]));
    }
    if spec.manages(Store::Redis) {
        let callers = from(instance, &["auth", "message"], &[redis::PORT]);
        policies.push(policy(instance, "redis", &[callers], &[]));
    }
    policies
}

/// A policy for one of our own programs, which also look names up and reach what the resource adds.
fn service(instance: &Instance<'_>, component: &str, ingress: &[Value], mut egress: Vec<Value>) -> Child {
    // To anywhere: the resolver may run on the node, or at an address that no selector knows.
    egress.push(json!({"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}));
    egress.extend(instance.spec.network_policy.egress.iter().map(|rule| json!(rule)));
    policy(instance, component, ingress, &egress)
}

fn policy(instance: &Instance<'_>, component: &str, ingress: &[Value], egress: &[Value]) -> Child {
    let name = instance.child(component);
    let body = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": instance.metadata(&name, component),
        "spec": {
            "podSelector": {"matchLabels": instance.selector(component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    });
    Child { kind: Kind::NetworkPolicy, name, body }
}

fn to_postgres(instance: &Instance<'_>) -> Value {
    match instance.spec.origin(Store::Postgres) {
        Origin::Managed => to(instance, "postgres", &[postgres::PORT]),
        _ => json!({"ports": ports(&instance.store_ports.postgres)}),
    }
}

fn to_mongodb(instance: &Instance<'_>) -> Value {
    match instance.spec.origin(Store::Mongodb) {
        Origin::Managed => to(instance, "mongodb", &[mongodb::PORT]),
        _ => json!({"ports": ports(&instance.store_ports.mongodb)}),
    }
}

fn to_redis(instance: &Instance<'_>) -> Option<Value> {
    match instance.spec.origin(Store::Redis) {
        Origin::Managed => Some(to(instance, "redis", &[redis::PORT])),
        Origin::Disabled => None,
        _ => Some(json!({"ports": ports(&instance.store_ports.redis)})),
    }
}

fn to(instance: &Instance<'_>, component: &str, numbers: &[u16]) -> Value {
    json!({"to": [pods(instance, component)], "ports": ports(numbers)})
}

fn from(instance: &Instance<'_>, components: &[&str], numbers: &[u16]) -> Value {
    let callers: Vec<_> = components.iter().map(|component| pods(instance, component)).collect();
    json!({"from": callers, "ports": ports(numbers)})
}

fn pods(instance: &Instance<'_>, component: &str) -> Value {
    json!({"podSelector": {"matchLabels": instance.selector(component)}})
}

fn ports(numbers: &[u16]) -> Vec<Value> {
    numbers.iter().map(|number| json!({"protocol": "TCP", "port": number})).collect()
}

fn metrics(instance: &Instance<'_>, port: u16) -> Option<Value> {
    let spec = instance.spec;
    let from = match spec.network_policy.metrics.as_slice() {
        [] if spec.monitoring.enabled => json!([{"namespaceSelector": {}}]),
        [] => return None,
        some => json!(some),
    };
    Some(json!({"from": from, "ports": ports(&[port])}))
}
