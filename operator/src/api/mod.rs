//! The custom resource `AetherConnect`: what a person writes to get a chat backend.
//!
//! The same types serve the operator (through the API server, which applies defaults and CEL rules) and
//! `aetherconnect run -f` on a laptop (through [`parse`], which refuses unknown fields itself).

mod components;
mod exposure;
mod operated;
mod parse;
mod policy;
mod reference;
mod status;
mod stores;
mod workload;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use components::{AuthSpec, CorsSpec, GatewaySpec, MessageSpec, RateLimitSpec};
pub use exposure::{
    GatewayApiSpec, IngressSpec, IngressTls, IssuerKind, IssuerRef, MonitoringSpec, ParentRef, Scheme, ServiceSpec,
    ServiceType, TlsSpec,
};
pub use operated::{CloudNativePg, MongodbCommunity, RedisReplication};
pub use parse::{ParseError, parse, parse_all};
pub use policy::NetworkPolicySpec;
pub use reference::reference;
pub use status::{AetherConnectStatus, ComponentStatus, PlanStatus, ScaleStatus};
pub use stores::{
    CaKey, ConnectionKeys, ExternalStore, JwtSpec, ManagedRedis, ManagedStore, MongodbSpec, Origin, PostgresSpec,
    RedisSpec, RotationSpec, SecretKey, SecretName, Storage, Store, StoreTls,
};
pub use workload::{Autoscaling, LogLevel, PodTemplate, PodTemplateMetadata, Resources};

/// `apiVersion` of the resource.
pub const API_VERSION: &str = "aetherconnect.io/v1alpha1";
/// `kind` of the resource.
pub const KIND: &str = "AetherConnect";

/// A chat backend: gateway, auth and message services with their stores.
///
/// `spec: {}` gives a working instance with small managed stores.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "aetherconnect.io",
    version = "v1alpha1",
    kind = "AetherConnect",
    plural = "aetherconnects",
    shortname = "ac",
    category = "aetherconnect",
    namespaced,
    status = "AetherConnectStatus",
    // Message does what grows with the load: of one number for all, its is the one that is meant.
    scale(
        spec_replicas_path = ".spec.message.replicas",
        status_replicas_path = ".status.scale.replicas",
        label_selector_path = ".status.scale.selector"
    ),
    derive = "PartialEq",
    doc = "A chat backend: gateway, auth and message services with their stores",
    validation = Rule::new("self.metadata.name.size() <= 40").message(
        "metadata.name must be at most 40 characters, so that the names made from it fit into 63: choose a shorter name"
    ),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "metadata.name becomes part of Service names: use lower-case letters, digits and '-', starting with a letter"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AetherConnectSpec {
    /// Version of the services: the tag of their images. The operator's own version when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"))]
    pub version: Option<String>,
    /// Production is strict; development has looser limits and gRPC reflection.
    #[serde(default)]
    pub environment: Environment,
    /// Where the services' images come from.
    #[serde(default)]
    pub image: ImageSpec,
    /// The gateway: the only service that clients talk to.
    #[serde(default)]
    pub gateway: GatewaySpec,
    /// The auth service: users, sessions and tokens.
    #[serde(default)]
    pub auth: AuthSpec,
    /// The message service: rooms, messages and live sockets.
    #[serde(default)]
    pub message: MessageSpec,
    /// PostgreSQL for users and sessions. A small managed one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSpec>,
    /// MongoDB for rooms and messages. A small managed one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<MongodbSpec>,
    /// Redis to carry events between replicas. A small managed one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSpec>,
    /// Keys that sign the tokens. Generated when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,
    /// Which connections the cluster's network lets through.
    #[serde(default)]
    pub network_policy: NetworkPolicySpec,
    /// TLS between the services; they speak plain HTTP inside the cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// What Prometheus is told.
    #[serde(default)]
    pub monitoring: MonitoringSpec,
    /// PriorityClass of all pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// How long a service that ends goes on for those who are connected, in seconds;
    /// 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub drain_seconds: Option<i32>,
    /// What happens to the managed stores' volumes, their credentials and the generated keys when the resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Scales everything to zero and keeps the data.
    #[serde(default)]
    pub suspend: bool,
    /// Stops reconciling: what runs goes on running, and changes wait.
    #[serde(default)]
    pub paused: bool,
}

/// How strict an instance is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Strict limits, no reflection.
    #[default]
    Production,
    /// Loose limits for people who try things out.
    Development,
}

impl Environment {
    /// The value of `AETHERCONNECT_ENV`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

/// What deletion of the resource leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Volumes, store credentials and generated keys stay; a resource of the same name takes them up again.
    #[default]
    Retain,
    /// Everything goes.
    Delete,
}

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSpec {
    /// Registry and path before `/gateway`, `/auth` and `/message`. The operator's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// When the nodes pull images.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Secrets with credentials for the registry, in the resource's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pull_secrets: Vec<SecretName>,
    /// Full reference of the gateway's image, instead of registry and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Full reference of the auth service's image, instead of registry and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Full reference of the message service's image, instead of registry and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// When a node pulls an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Only when the node doesn't have it.
    #[default]
    IfNotPresent,
    /// Before every start.
    Always,
    /// Never: the node must have it.
    Never,
}

impl PullPolicy {
    /// The value of `imagePullPolicy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
            Self::Never => "Never",
        }
    }
}

/// The definition of the resource, generated from these types; `crds/aetherconnects.yaml` is this, as YAML.
pub fn crd() -> CustomResourceDefinition {
    AetherConnect::crd()
}

/// [`crd`] as YAML.
pub fn crd_yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&crd())
}
