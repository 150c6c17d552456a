//! Managed PostgreSQL.

use serde_json::json;

use super::{
    Child, Instance,
    pod::{secret_var, var},
    store::{self, ManagedStore},
};
use crate::api::Store;

/// User and database.
pub const USER: &str = "aetherconnect";
/// The port.
pub const PORT: u16 = 5432;

/// Service and StatefulSet, when the store is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let Store::Managed(spec) = Store::of(instance.spec.postgres.as_ref()) else {
        return Vec::new();
    };
    let data = "/var/lib/postgresql/data";
    ManagedStore {
        component: "postgres",
        image: spec.image.clone().unwrap_or_else(|| instance.images.postgres.clone()),
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
        resources: store::resources(spec.resources.as_ref(), "512Mi"),
        config_hash: None,
    }
    .build(instance)
}
