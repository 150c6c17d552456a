//! The three services' sections of the resource.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::EnvVar, apimachinery::pkg::api::resource::Quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The gateway: HTTP API and Socket.IO for clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.port != 9090",
    "message": "gateway.port 9090 is taken by the gateway's metrics: choose another port, for example 3000"
}]))]
pub struct GatewaySpec {
    /// How many pods.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// The port that clients connect to.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub port: u16,
    /// How the gateway is reached from outside the cluster.
    pub service: ServiceSpec,
    /// CPU and memory of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// More environment variables; a variable that the operator sets too is overridden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub env: Vec<EnvVar>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How many requests one address may send.
    pub rate_limit: RateLimitSpec,
    /// Which web pages may call the API.
    pub cors: CorsSpec,
    /// Networks whose `X-Forwarded-For` is believed, as CIDRs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.all(p, isCIDR(p))",
        "message": "each of gateway.trustedProxies must be a network in CIDR form, for example 10.0.0.0/8"
    }]))]
    pub trusted_proxies: Vec<String>,
}

impl Default for GatewaySpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            port: 3000,
            service: ServiceSpec::default(),
            resources: None,
            env: Vec::new(),
            log_level: LogLevel::default(),
            rate_limit: RateLimitSpec::default(),
            cors: CorsSpec::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// The Service in front of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.nodePort) || self.type != 'ClusterIP'",
    "message": "gateway.service.nodePort needs gateway.service.type NodePort or LoadBalancer: set the type or remove nodePort"
}]))]
pub struct ServiceSpec {
    /// Type of the Service.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// The port on every node; chosen by the cluster when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 65535))]
    pub node_port: Option<u16>,
}

/// Type of the gateway's Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::enum_variant_names)]
pub enum ServiceType {
    /// Reachable inside the cluster only.
    #[default]
    ClusterIP,
    /// Reachable on a port of every node.
    NodePort,
    /// Reachable by an address that the cluster's provider gives.
    LoadBalancer,
}

impl ServiceType {
    /// The value of the Service's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// Limits for one client address. Absent values follow `environment`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitSpec {
    /// Requests in a window; 100 in production, 1000 in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1))]
    pub max: Option<u32>,
    /// Length of a window in seconds; 900.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1))]
    pub window_seconds: Option<u32>,
    /// Log-in attempts in a window; 20 in production, 0 (no limit) in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 0))]
    pub login_max: Option<u32>,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsSpec {
    /// Origins of the web pages that may call the API; `http://localhost:3004` when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 256)))]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.all(o, o.matches('^https?://[^/, ]+$'))",
        "message": "each of gateway.cors.origins must be scheme://host[:port] without a path, for example https://chat.example.com"
    }]))]
    pub origins: Vec<String>,
}

/// The auth service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.grpcPort != self.httpPort",
    "message": "auth.grpcPort and auth.httpPort must differ: change one of them"
}]))]
pub struct AuthSpec {
    /// How many pods.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// The port for gRPC.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub grpc_port: u16,
    /// The port for health and metrics.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub http_port: u16,
    /// CPU and memory of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// More environment variables; a variable that the operator sets too is overridden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub env: Vec<EnvVar>,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Default for AuthSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            grpc_port: 50001,
            http_port: 3002,
            resources: None,
            env: Vec::new(),
            log_level: LogLevel::default(),
        }
    }
}

/// The message service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.grpcPort != self.httpPort",
    "message": "message.grpcPort and message.httpPort must differ: change one of them"
}]))]
pub struct MessageSpec {
    /// How many pods.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// The port for Socket.IO, health and metrics.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub http_port: u16,
    /// The port for gRPC.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub grpc_port: u16,
    /// Messages that one user may send in a minute, 0 for no limit; 10 in production, 0 in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 0))]
    pub message_rate_limit_per_minute: Option<u32>,
    /// CPU and memory of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// More environment variables; a variable that the operator sets too is overridden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub env: Vec<EnvVar>,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Default for MessageSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            http_port: 3001,
            grpc_port: 50002,
            message_rate_limit_per_minute: None,
            resources: None,
            env: Vec::new(),
            log_level: LogLevel::default(),
        }
    }
}

/// CPU and memory of a pod; instead of the defaults, not merged with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// What is set aside for the pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What the pod may use at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// How much a service logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What may go wrong.
    Warn,
    /// What went wrong.
    Error,
}

impl LogLevel {
    /// The value of `LOG_LEVEL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
