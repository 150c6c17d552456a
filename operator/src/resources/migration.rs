//! The Job that brings both stores' schemas up to date before the services start.

use serde_json::{Value, json};

use super::{Child, Instance, Kind, auth, hash, message, pod, workload};

/// The Job. Its name follows from the images and the stores: another image or another store needs another Job, and
/// nothing else does. So it is created once and never changed.
pub fn build(instance: &Instance<'_>) -> Child {
    let (auth_image, message_image) = (instance.image("auth"), instance.image("message"));
    let id = hash([auth_image.as_str(), message_image.as_str(), &instance.hashes.stores]);
    let name = instance.child(&format!("migrate-{}", &id[..10]));
    let body = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": instance.metadata(&name, "migration"),
        "spec": {
            "backoffLimit": 4,
            "activeDeadlineSeconds": 600,
            "template": {
                "metadata": {"labels": instance.labels("migration")},
                "spec": pod(instance),
            },
        },
    });
    Child { kind: Kind::Job, name, body }
}

fn pod(instance: &Instance<'_>) -> Value {
    let mut pod = pod::base(instance, workload::UID);
    // A pod that failed stays, with the reason.
    pod["restartPolicy"] = json!("Never");
    pod["initContainers"] = json!([container(instance, "auth", &auth::env(instance), &auth::cpu_and_memory(instance))]);
    pod["containers"] =
        json!([container(instance, "message", &message::env(instance), &message::cpu_and_memory(instance))]);
    pod
}

fn container(instance: &Instance<'_>, service: &str, env: &[Value], resources: &Value) -> Value {
    json!({
        "name": service,
        "image": instance.image(service),
        "imagePullPolicy": instance.spec.image.pull_policy.as_str(),
        "args": ["migrate"],
        "env": env,
        "resources": resources,
        "securityContext": pod::container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    })
}
