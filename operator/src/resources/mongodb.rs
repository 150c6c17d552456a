//! MongoDB: managed, or by MongoDB's community operator.

use serde_json::{Value, json};

use super::{
    Child, Instance, Kind, merge,
    pod::secret_var,
    store::{self, ManagedStore},
};
use crate::api::{SecretKey, Store};

/// The root user.
pub const USER: &str = "aetherconnect";
/// The database.
pub const DATABASE: &str = "aetherconnect";
/// The port.
pub const PORT: u16 = 27017;

/// Service and StatefulSet, when the store is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    if !instance.spec.manages(Store::Mongodb) {
        return operated(instance).into_iter().collect();
    }
    let spec = instance.spec.mongodb.as_ref().and_then(|spec| spec.managed.clone()).unwrap_or_default();
    let secret = instance.child("mongodb");
    ManagedStore {
        component: "mongodb",
        image: spec.image.clone().unwrap_or_else(|| instance.defaults.images.mongodb.clone()),
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
        resources: store::resources(instance.resources("mongodb", spec.resources.as_ref()), "1Gi"),
        config_hash: None,
    }
    .build(instance)
}

/// The community operator's resource, when that runs it.
fn operated(instance: &Instance<'_>) -> Option<Child> {
    let spec = instance.spec.mongodb.as_ref()?.community.as_ref()?;
    let name = instance.child("mongodb");
    let mut volume = json!({
        "metadata": {"name": "data-volume"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": spec.storage.size}},
        },
    });
    if let Some(class) = store::storage_class(instance, &spec.storage) {
        volume["spec"]["storageClassName"] = json!(class);
    }
    let user = json!({
        "name": USER,
        // Also the database that the URI names.
        "db": DATABASE,
        "passwordSecretRef": {"name": name, "key": "password"},
        "roles": [{"name": "readWrite", "db": DATABASE}],
        "scramCredentialsSecretName": name,
        "connectionStringSecretName": operated_uri(instance).name,
    });
    let mut body = json!({
        "apiVersion": "mongodbcommunity.mongodb.com/v1",
        "kind": "MongoDBCommunity",
        "metadata": store::metadata(instance, &name, "mongodb"),
        "spec": {
            "members": spec.members,
            "type": "ReplicaSet",
            "version": spec.version,
            "security": {"authentication": {"modes": ["SCRAM"]}},
            "users": [user],
            "statefulSet": {"spec": {"volumeClaimTemplates": [volume]}},
        },
    });
    if let Value::Object(ours) = &mut body["spec"] {
        merge::strategic(ours, &spec.spec);
    }
    Some(Child { kind: Kind::MongoDBCommunity, name, body })
}

/// Where the community operator puts the URI.
pub fn operated_uri(instance: &Instance<'_>) -> SecretKey {
    SecretKey { name: instance.child("mongodb-connection"), key: "connectionString.standard".into() }
}
