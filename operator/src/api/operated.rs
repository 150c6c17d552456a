//! Stores that other operators run: we make and own their resource, they do the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Resources, Storage};

/// A `Cluster` of CloudNativePG, named `NAME-postgres`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudNativePg {
    /// How many instances: one primary, the others replicas.
    #[schemars(range(min = 1))]
    pub instances: i32,
    /// The volume of each instance.
    pub storage: Storage,
    /// CPU and memory of each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The Cluster's `spec.backup`, as CloudNativePG documents it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub backup: Map<String, Value>,
    /// Any other part of the Cluster's `spec`; it wins over what the operator writes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub spec: Map<String, Value>,
}

impl Default for CloudNativePg {
    fn default() -> Self {
        Self { instances: 3, storage: Storage::default(), resources: None, backup: Map::new(), spec: Map::new() }
    }
}

/// A `MongoDBCommunity` replica set, named `NAME-mongodb`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MongodbCommunity {
    /// How many members.
    #[schemars(range(min = 1))]
    pub members: i32,
    /// Version of MongoDB.
    #[schemars(length(min = 1, max = 32))]
    pub version: String,
    /// The data volume of each member.
    pub storage: Storage,
    /// Any other part of the resource's `spec`; it wins over what the operator writes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub spec: Map<String, Value>,
}

impl Default for MongodbCommunity {
    fn default() -> Self {
        Self { members: 3, version: "7.0.12".into(), storage: Storage::default(), spec: Map::new() }
    }
}

/// A `RedisReplication` of the OT-CONTAINER-KIT Redis operator, named `NAME-redis`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RedisReplication {
    /// How many instances: one master, the others replicas.
    #[schemars(range(min = 1))]
    pub cluster_size: i32,
    /// Full reference of the image.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// CPU and memory of each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Any other part of the resource's `spec`; it wins over what the operator writes.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub spec: Map<String, Value>,
}

impl Default for RedisReplication {
    fn default() -> Self {
        let image = "quay.io/opstree/redis:v7.0.15".into();
        Self { cluster_size: 3, image, resources: None, spec: Map::new() }
    }
}

/// An object whose fields are somebody else's.
pub(super) fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
