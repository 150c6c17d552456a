//! The stores' sections of the resource, and what they mean once resolved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resources;

/// PostgreSQL or MongoDB: managed by the operator, or somebody else's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.managed) != has(self.external)",
    "message": "set exactly one of managed and external: remove one of them, or leave the section out for a managed store"
}]))]
pub struct StoreSpec {
    /// One small instance made by the operator, for development and small installations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedStore>,
    /// A store that exists already, named by a Secret with its URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
}

/// What a store's section means.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// The operator runs it.
    Managed(ManagedStore),
    /// Somebody else runs it.
    External(SecretKey),
}

impl Store {
    /// Resolves a section: managed with defaults when absent.
    pub fn of(spec: Option<&StoreSpec>) -> Self {
        let spec = spec.cloned().unwrap_or_default();
        match spec.external {
            Some(external) => Self::External(external.secret_ref),
            None => Self::Managed(spec.managed.unwrap_or_default()),
        }
    }
}

/// A single small store made by the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.storage == oldSelf.storage",
    "message": "the storage of a managed store can't be changed: its volume exists. Resize the PersistentVolumeClaim itself, or move the data to an external store"
}]))]
pub struct ManagedStore {
    /// The volume with the data.
    pub storage: Storage,
    /// Full reference of the image, instead of the operator's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// CPU and memory of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// The volume of a managed store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))",
    "message": "storage.size must be a quantity greater than zero, for example 1Gi"
}]))]
pub struct Storage {
    /// Its size.
    #[schemars(length(max = 32))]
    pub size: String,
    /// Its StorageClass; the cluster's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: "1Gi".into(), class_name: None }
    }
}

/// A store that exists already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalStore {
    /// The Secret with the store's URI, in the resource's namespace.
    pub secret_ref: SecretKey,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is the URI.
    #[serde(default = "uri_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn uri_key() -> String {
    "uri".into()
}

/// Redis: managed, somebody else's, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.managed), has(self.external), has(self.disabled) && self.disabled].filter(x, x).size() == 1",
    "message": "set exactly one of managed, external and disabled: true; or leave the section out for a managed Redis"
}]))]
pub struct RedisSpec {
    /// One small instance made by the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedRedis>,
    /// A Redis that exists already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
    /// No Redis: the services work without it, and replicas learn of each other's events from the stores.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// What the section `redis` means.
#[derive(Clone, Debug, PartialEq)]
pub enum Redis {
    /// The operator runs it.
    Managed(ManagedRedis),
    /// Somebody else runs it.
    External(SecretKey),
    /// There is none.
    Disabled,
}

impl Redis {
    /// Resolves the section: managed with defaults when absent.
    pub fn of(spec: Option<&RedisSpec>) -> Self {
        let spec = spec.cloned().unwrap_or_default();
        match spec.external {
            _ if spec.disabled => Self::Disabled,
            Some(external) => Self::External(external.secret_ref),
            None => Self::Managed(spec.managed.unwrap_or_default()),
        }
    }
}

/// A single small Redis. It has no volume: it carries events, and nothing is lost with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManagedRedis {
    /// Full reference of the image, instead of the operator's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// CPU and memory of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Keys that sign the tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtSpec {
    /// A Secret with the keys `JWT_SECRET` and `JWT_WS_SECRET` (32 bytes or more each), and during a rotation
    /// `JWT_SECRET_PREVIOUS` and `JWT_WS_SECRET_PREVIOUS`.
    pub secret_ref: SecretName,
}

/// A Secret in the resource's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
