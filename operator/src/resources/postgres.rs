//! PostgreSQL: managed, or by CloudNativePG.

use serde_json::{Value, json};

use super::{
    Child, Instance, Kind, merge,
    pod::{secret_var, var},
    store::{self, ManagedStore},
};
use crate::api::{SecretKey, Store};

/// User and database.
pub const USER: &str = "aetherconnect";
/// The port.
pub const PORT: u16 = 5432;

/// Service and StatefulSet, when the store is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    if !instance.spec.manages(Store::Postgres) {
        return operated(instance).into_iter().collect();
    }
    let spec = instance.spec.postgres.as_ref().and_then(|spec| spec.managed.clone()).unwrap_or_default();
    let data = "/var/lib/postgresql/data";
    ManagedStore {
        component: "postgres",
        image: spec.image.clone().unwrap_or_else(|| instance.defaults.images.postgres.clone()),
        port: PORT,
        args: Vec::new(),
        env: vec![
            var("POSTGRES_USER", USER),
            var("POSTGRES_DB", USER),
            secret_var("POSTGRES_PASSWORD", &instance.child("postgres"), "password"),
            // A fresh volume may hold lost+found, which initdb doesn't like.
            var("PGDATA", format!("{data}/pgdata")),
        ],
        data,
        storage: Some(&spec.storage),
        scratch: vec!["/tmp", "/var/run/postgresql"],
        // By address: while the image prepares the database, it listens on a socket only.
        probe: json!({"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1", "-U", USER, "-d", USER]}}),
        resources: store::resources(instance.resources("postgres", spec.resources.as_ref()), "512Mi"),
        config_hash: None,
    }
    .build(instance)
}

/// CloudNativePG's resource, when that runs it.
fn operated(instance: &Instance<'_>) -> Option<Child> {
    let spec = instance.spec.postgres.as_ref()?.cloud_native_pg.as_ref()?;
    let name = instance.child("postgres");
    let mut storage = json!({"size": spec.storage.size});
    if let Some(class) = store::storage_class(instance, &spec.storage) {
        storage["storageClass"] = json!(class);
    }
    let mut body = json!({
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": store::metadata(instance, &name, "postgres"),
        "spec": {
            "instances": spec.instances,
            "storage": storage,
            "bootstrap": {"initdb": {"database": USER, "owner": USER}},
            "imagePullSecrets": instance.spec.image.pull_secrets,
        },
    });
    // Their way to keep the volumes and stop the pods.
    body["metadata"]["annotations"]["cnpg.io/hibernation"] = json!(if instance.spec.suspend { "on" } else { "off" });
    if let Some(resources) = &spec.resources {
        body["spec"]["resources"] = json!(resources);
    }
    if let Some(class) = &instance.spec.priority_class_name {
        body["spec"]["priorityClassName"] = json!(class);
    }
    if !spec.backup.is_empty() {
        body["spec"]["backup"] = json!(spec.backup);
    }
    if let Value::Object(ours) = &mut body["spec"] {
        merge::strategic(ours, &spec.spec);
    }
    Some(Child { kind: Kind::PostgresCluster, name, body })
}

/// Where CloudNativePG puts the URI.
pub fn operated_uri(instance: &Instance<'_>) -> SecretKey {
    SecretKey { name: instance.child("postgres-app"), key: "uri".into() }
}
