//! The stores' sections of the resource.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AetherConnectSpec, CloudNativePg, MongodbCommunity, RedisReplication, Resources};

/// The three stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Users and sessions.
    Postgres,
    /// Rooms and messages.
    Mongodb,
    /// Events between replicas.
    Redis,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Mongodb, Self::Redis];

    /// The component's name, also the end of its objects' names.
    pub fn part(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
        }
    }
}

/// Who runs a store.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// We do: one small instance.
    Managed,
    /// Somebody else does.
    External(Box<ExternalStore>),
    /// Another operator does, from a resource that we make.
    Operated,
    /// Nobody: there is none.
    Disabled,
}

impl AetherConnectSpec {
    /// Who runs the store: we do when its section is absent.
    pub fn origin(&self, store: Store) -> Origin {
        let (external, operated, disabled) = match store {
            Store::Postgres => {
                let spec = self.postgres.as_ref();
                (spec.and_then(|s| s.external.clone()), spec.is_some_and(|s| s.cloud_native_pg.is_some()), false)
            }
            Store::Mongodb => {
                let spec = self.mongodb.as_ref();
                (spec.and_then(|s| s.external.clone()), spec.is_some_and(|s| s.community.is_some()), false)
            }
            Store::Redis => {
                let spec = self.redis.as_ref();
                let operated = spec.is_some_and(|s| s.replication.is_some());
                (spec.and_then(|s| s.external.clone()), operated, spec.is_some_and(|s| s.disabled))
            }
        };
        match external {
            _ if disabled => Origin::Disabled,
            Some(external) => Origin::External(Box::new(external)),
            None if operated => Origin::Operated,
            None => Origin::Managed,
        }
    }

    /// Whether we run the store.
    pub fn manages(&self, store: Store) -> bool {
        self.origin(store) == Origin::Managed
    }
}

/// PostgreSQL: managed by the operator, by CloudNativePG, or somebody else's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.managed), has(self.external), has(self.cloudNativePG)].filter(x, x).size() == 1",
    "message": "set exactly one of managed, external and cloudNativePG: remove the others, or leave the section out for a managed store"
}]))]
pub struct PostgresSpec {
    /// One small instance made by the operator, for development and small installations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedStore>,
    /// A store that exists already, named by a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
    /// A cluster run by CloudNativePG, which must be installed.
    #[serde(rename = "cloudNativePG", skip_serializing_if = "Option::is_none")]
    pub cloud_native_pg: Option<CloudNativePg>,
}

/// MongoDB: managed by the operator, by MongoDB's community operator, or somebody else's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.managed), has(self.external), has(self.community)].filter(x, x).size() == 1",
    "message": "set exactly one of managed, external and community: remove the others, or leave the section out for a managed store"
}]))]
pub struct MongodbSpec {
    /// One small instance made by the operator, for development and small installations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedStore>,
    /// A store that exists already, named by a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
    /// A replica set run by MongoDB's community operator, which must be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<MongodbCommunity>,
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

/// A store that exists already. The Secret may change at any time: the pods that use it follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalStore {
    /// The Secret, in the resource's namespace; `key` is the one with the store's URI, unless `keys` is set.
    pub secret_ref: SecretKey,
    /// Names of separate keys in the Secret, where there is none with a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ConnectionKeys>,
    /// TLS to the store, by a certificate of this CA; the store's name is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<StoreTls>,
}

impl ExternalStore {
    /// Whether the Secret's URI can't be used as it is, so that the operator writes one of its own.
    pub fn is_derived(&self) -> bool {
        self.keys.is_some() || self.tls.is_some()
    }
}

/// Names of the keys of a Secret that say how a store is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionKeys {
    /// Host name or address.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Port; the store's usual one when the Secret has no such key.
    #[schemars(length(min = 1, max = 253))]
    pub port: String,
    /// User; none when the Secret has no such key.
    #[schemars(length(min = 1, max = 253))]
    pub username: String,
    /// Password; none when the Secret has no such key.
    #[schemars(length(min = 1, max = 253))]
    pub password: String,
    /// Database; `aetherconnect` when the Secret has no such key. Not for Redis.
    #[schemars(length(min = 1, max = 253))]
    pub database: String,
}

impl Default for ConnectionKeys {
    fn default() -> Self {
        let [host, port, username, password, database] =
            ["host", "port", "username", "password", "database"].map(str::to_owned);
        Self { host, port, username, password, database }
    }
}

/// TLS to a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreTls {
    /// The Secret with the CA's certificate.
    pub ca_secret_ref: CaKey,
}

/// A key of a Secret with a CA's certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is the certificate in PEM form.
    #[serde(default = "ca_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn ca_key() -> String {
    "ca.crt".into()
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
    "rule": "[has(self.managed), has(self.external), has(self.replication), has(self.disabled) && self.disabled].filter(x, x).size() == 1",
    "message": "set exactly one of managed, external, replication and disabled: true; or leave the section out for a managed Redis"
}]))]
pub struct RedisSpec {
    /// One small instance made by the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedRedis>,
    /// A Redis that exists already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
    /// A replicated Redis run by the OT-CONTAINER-KIT Redis operator, which must be installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication: Option<RedisReplication>,
    /// No Redis: the services work without it, and replicas learn of each other's events from the stores.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.secretRef) || !has(self.rotation)",
    "message": "jwt.rotation is for keys that the operator generates: remove it, or jwt.secretRef"
}]))]
pub struct JwtSpec {
    /// A Secret with the keys `JWT_SECRET` and `JWT_WS_SECRET` (32 bytes or more each), and during a rotation
    /// `JWT_SECRET_PREVIOUS` and `JWT_WS_SECRET_PREVIOUS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
    /// When generated keys are replaced. The annotation `aetherconnect.io/rotate-keys` does it at once, each time its value
    /// changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationSpec>,
}

/// When keys are replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RotationSpec {
    /// How old a key gets, such as `720h`; as old as it may be when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,5}(s|m|h)$"))]
    pub interval: Option<String>,
    /// How long the old key is accepted after that, such as `1h`; until its tokens have expired (30 days) when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,6}(s|m|h)$"))]
    pub overlap: Option<String>,
}

impl RotationSpec {
    /// `interval` in seconds.
    pub fn interval_seconds(&self) -> Option<i64> {
        self.interval.as_deref().and_then(seconds)
    }

    /// `overlap` in seconds.
    pub fn overlap_seconds(&self) -> Option<i64> {
        self.overlap.as_deref().and_then(seconds)
    }
}

/// `90s`, `5m` or `720h` in seconds.
fn seconds(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    text.get(..text.len() - 1)?.parse::<i64>().ok()?.checked_mul(unit)
}

/// A Secret in the resource's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
