//! What all pods have in common: restricted security, no API token, environment variables.

use k8s_openapi::api::core::v1::EnvVar;
use serde_json::{Value, json};

use super::{CONFIG_HASH, Instance, connection, merge, settings::Setting};
use crate::api::{LogLevel, PodTemplate, Resources, Store};

/// The pods get this long to end besides [`PRE_STOP_SECONDS`] and the time that a service drains.
const SPARE_SECONDS: i32 = 7;
/// A service goes on for this long before it is told to end: until then, others may still send it connections.
pub const PRE_STOP_SECONDS: i32 = 3;
/// How long a service drains when the resource doesn't say.
const DRAIN_SECONDS: i32 = 20;

/// The `spec` of every pod, without its containers: it runs as `uid` under the restricted standard.
pub fn base(instance: &Instance<'_>, uid: i64) -> Value {
    let mut pod = json!({
        "serviceAccountName": instance.name,
        "automountServiceAccountToken": false,
        // Variables such as CHAT_AUTH_PORT, made from Services, have no business here.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain_seconds(instance) + SPARE_SECONDS,
        "imagePullSecrets": instance.spec.image.pull_secrets,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    if let Some(class) = &instance.spec.priority_class_name {
        pod["priorityClassName"] = json!(class);
    }
    pod
}

/// Merges a person's template into the operator's. The labels by which pods are selected stay.
pub fn customize(template: &mut Value, theirs: &PodTemplate) {
    let ours = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    for (field, values) in [("labels", &theirs.metadata.labels), ("annotations", &theirs.metadata.annotations)] {
        for (key, value) in values {
            if !(field == "labels" && ours.contains_key(key)) && key != CONFIG_HASH {
                template["metadata"][field][key] = json!(value);
            }
        }
    }
    if let Some(spec) = template["spec"].as_object_mut() {
        merge::strategic(spec, &theirs.spec);
    }
}

fn drain_seconds(instance: &Instance<'_>) -> i32 {
    instance.spec.drain_seconds.unwrap_or(DRAIN_SECONDS)
}

/// Mounts a Secret, or some of its keys, into all containers.
pub fn mount_secret(pod: &mut Value, secret: &str, volume: &str, path: &str, items: Option<Value>) {
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array_mut().into_iter().flatten() {
            push(&mut container["volumeMounts"], json!({"name": volume, "mountPath": path, "readOnly": true}));
        }
    }
    let mut source = json!({"secretName": secret, "defaultMode": 0o440});
    if let Some(items) = items {
        source["items"] = items;
    }
    push(&mut pod["volumes"], json!({"name": volume, "secret": source}));
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        _ => *list = json!([item]),
    }
}

/// `securityContext` of every container.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// `resources`: as given, or else these requests and this limit of memory. CPU has no limit: throttling would only
/// make a busy chat slower.
pub fn resources(given: Option<&Resources>, cpu: &str, memory: &str, memory_limit: &str) -> Value {
    match given {
        Some(given) => json!(given),
        None => json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit}}),
    }
}

/// A variable with a value: a text, a number or a truth value.
#[allow(clippy::needless_pass_by_value)]
pub fn var(name: &str, value: impl ToString) -> Value {
    json!({"name": name, "value": value.to_string()})
}

/// A variable whose value stands in a Secret.
pub fn secret_var(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

/// A variable whose value may stand in a Secret.
pub fn optional_secret_var(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": true}}})
}

/// The variables that every service reads, and its own settings.
pub fn common_env(instance: &Instance<'_>, level: LogLevel, settings: Vec<Setting>) -> Vec<Value> {
    let common = [
        var("LOG_LEVEL", level.as_str()),
        var("LOG_FORMAT", "json"),
        var("SHUTDOWN_GRACE_SECONDS", drain_seconds(instance)),
    ];
    common.into_iter().chain(settings.into_iter().map(|(name, value)| var(name, value))).collect()
}

/// A variable with a store's URI.
pub fn uri_var(instance: &Instance<'_>, name: &str, store: Store) -> Option<Value> {
    instance.uri(store).map(|at| secret_var(name, &at.name, &at.key))
}

/// The variables for Redis.
pub fn redis_env(instance: &Instance<'_>) -> Vec<Value> {
    let uri = uri_var(instance, "REDIS_URL", Store::Redis);
    let ca = connection::ca(instance, Store::Redis).map(|_| var("REDIS_TLS_CA_FILE", connection::file(Store::Redis)));
    let enabled = var("REDIS_ENABLED", uri.is_some());
    [Some(enabled), uri, ca].into_iter().flatten().collect()
}

/// The variables for the keys that sign tokens; `kinds` are `JWT_SECRET`, `JWT_WS_SECRET`.
pub fn jwt_env(instance: &Instance<'_>, kinds: &[&str]) -> Vec<Value> {
    let secret = instance.jwt_secret();
    let current = kinds.iter().map(|kind| secret_var(kind, &secret, kind));
    let previous = kinds.iter().map(|kind| format!("{kind}_PREVIOUS"));
    current.chain(previous.map(|kind| optional_secret_var(&kind, &secret, &kind))).collect()
}

/// Adds the user's variables. The user's win: the way out when a service has a knob that the resource lacks.
pub fn with_user_env(mut env: Vec<Value>, user: &[EnvVar]) -> Vec<Value> {
    for var in user {
        env.retain(|ours| ours["name"] != var.name.as_str());
        env.push(json!(var));
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_variable_replaces_the_operators() {
        let user = [EnvVar { name: "A".into(), value: Some("theirs".into()), ..EnvVar::default() }];
        let env = with_user_env(vec![var("A", "ours"), var("B", "ours")], &user);
        assert_eq!(env, vec![var("B", "ours"), var("A", "theirs")]);
    }
}
