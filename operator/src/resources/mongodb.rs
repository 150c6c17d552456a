//! Managed MongoDB.

use super::{
    Child, Instance,
    pod::secret_var,
    store::{self, ManagedStore},
};
use crate::api::Store;

/// The root user.
pub const USER: &str = "aetherconnect";
/// The database.
pub const DATABASE: &str = "aetherconnect";
/// The port.
pub const PORT: u16 = 27017;

/// Service and StatefulSet, when the store is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let Store::Managed(spec) = Store::of(instance.spec.mongodb.as_ref()) else {
        return Vec::new();
    };
    let secret = instance.child("mongodb");
    ManagedStore {
        component: "mongodb",
        image: spec.image.clone().unwrap_or_else(|| instance.images.mongodb.clone()),
        port: PORT,
        args: Vec::new(),
        env: vec![
            secret_var("MONGO_INITDB_ROOT_USERNAME", &secret, "username"),
            secret_var("MONGO_INITDB_ROOT_PASSWORD", &secret, "password"),
        ],
        data: "/data/db",
        storage: Some(&spec.storage),
        scratch: vec!["/tmp", "/data/configdb"],
        // While the image prepares the database, it listens on the loopback address only.
        probe: store::tcp_probe(),
        resources: store::resources(spec.resources.as_ref(), "1Gi"),
        config_hash: None,
    }
    .build(instance)
}
