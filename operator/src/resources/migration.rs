//! The Job that brings both stores' schemas up to date before the services start.

use serde_json::{Value, json};

use super::{Child, Instance, Kind, auth, certificate, connection, hash, message, pod, workload};
use crate::api::{PodTemplate, Store};

/// The Job. Its name follows from the images and the stores: another image or another store needs another Job, and
/// nothing else does. So it is created once and never changed.
pub fn build(instance: &Instance<'_>) -> Child {
    let (auth_image, message_image) = (instance.image("auth"), instance.image("message"));
    let id = hash([auth_image.as_str(), message_image.as_str(), &instance.hashes.stores]);
    let name = instance.child(&format!("migrate-{}", &id[..10]));
    let mut body = json!({
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
    for service in ["auth", "message"] {
        if let Some(template) = instance.service(service).pod_template {
            pod::customize(&mut body["spec"]["template"], &for_job(template));
        }
    }
    Child { kind: Kind::Job, name, body }
}

/// What of a service's template a Job can use: one that has a container which never ends never completes, so only the
/// services' own containers are changed, and auth's is one that runs before.
fn for_job(template: &PodTemplate) -> PodTemplate {
    let mut template = template.clone();
    let containers = template.spec.remove("containers").unwrap_or_default();
    for (list, service) in [("initContainers", "auth"), ("containers", "message")] {
        let ours = |item: &&Value| item["name"] == service;
        let found: Vec<Value> = containers.as_array().into_iter().flatten().filter(ours).cloned().map(plain).collect();
        template.spec.remove(list);
        if !found.is_empty() {
            template.spec.insert(list.into(), json!(found));
        }
    }
    template.spec.remove("restartPolicy");
    template
}

/// A container without what only a server needs.
fn plain(mut container: Value) -> Value {
    if let Some(fields) = container.as_object_mut() {
        for field in ["ports", "args", "command", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            fields.remove(field);
        }
    }
    container
}

fn pod(instance: &Instance<'_>) -> Value {
    let mut pod = pod::base(instance, workload::UID);
    // A pod that failed stays, with the reason.
    pod["restartPolicy"] = json!("Never");
    pod["initContainers"] = json!([container(instance, "auth", &auth::env(instance), &auth::cpu_and_memory(instance))]);
    pod["containers"] =
        json!([container(instance, "message", &message::env(instance), &message::cpu_and_memory(instance))]);
    certificate::mount(instance, "auth", &mut pod);
    connection::mount(instance, &Store::ALL, &mut pod);
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
