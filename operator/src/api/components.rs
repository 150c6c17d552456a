//! The three services' sections of the resource.

use k8s_openapi::api::core::v1::EnvVar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Autoscaling, GatewayApiSpec, IngressSpec, LogLevel, PodTemplate, Resources, ServiceSpec};

/// The gateway: HTTP API and Socket.IO for clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.port != 9090",
    "message": "gateway.port 9090 is taken by the gateway's metrics: choose another port, for example 3000"
}]))]
pub struct GatewaySpec {
    /// How many pods, unless `autoscaling` is set.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// Lets the load decide how many pods there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// The port that clients connect to.
    #[schemars(with = "i32", range(min = 1, max = 65535))]
    pub port: u16,
    /// How the gateway is reached from outside the cluster.
    pub service: ServiceSpec,
    /// An Ingress to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
    /// An HTTPRoute to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApiSpec>,
    /// Serves a page to try the chat with, at `/playground`. Not for production.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub playground: bool,
    /// CPU and memory of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// More environment variables; a variable that the operator sets too is overridden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub env: Vec<EnvVar>,
    /// Anything else of the pods: node selectors, tolerations, sidecars, annotations, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
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
            autoscaling: None,
            port: 3000,
            service: ServiceSpec::default(),
            ingress: None,
            gateway_api: None,
            playground: false,
            resources: None,
            env: Vec::new(),
            pod_template: None,
            log_level: LogLevel::default(),
            rate_limit: RateLimitSpec::default(),
            cors: CorsSpec::default(),
            trusted_proxies: Vec::new(),
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
    /// How many pods, unless `autoscaling` is set.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// Lets the load decide how many pods there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
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
    /// Anything else of the pods: node selectors, tolerations, sidecars, annotations, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Default for AuthSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            autoscaling: None,
            grpc_port: 50001,
            http_port: 3002,
            resources: None,
            env: Vec::new(),
            pod_template: None,
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
    /// How many pods, unless `autoscaling` is set.
    #[schemars(range(min = 1))]
    pub replicas: i32,
    /// Lets the load decide how many pods there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
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
    /// Anything else of the pods: node selectors, tolerations, sidecars, annotations, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Default for MessageSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            autoscaling: None,
            http_port: 3001,
            grpc_port: 50002,
            message_rate_limit_per_minute: None,
            resources: None,
            env: Vec::new(),
            pod_template: None,
            log_level: LogLevel::default(),
        }
    }
}
