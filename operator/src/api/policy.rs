//! Who may talk to whom.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// NetworkPolicies that allow what the services need and nothing else: clients to the gateway, the gateway to auth and
/// message, message to auth, each of them to its stores, and all to DNS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkPolicySpec {
    /// Whether there are any.
    pub enabled: bool,
    /// Who may reach the gateway; everybody when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub clients: Vec<NetworkPolicyPeer>,
    /// Who may read metrics; every pod of the cluster when `monitoring` is enabled, and else nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub metrics: Vec<NetworkPolicyPeer>,
    /// What the services may reach besides, such as a collector of traces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub egress: Vec<NetworkPolicyEgressRule>,
}

impl Default for NetworkPolicySpec {
    fn default() -> Self {
        Self { enabled: true, clients: Vec::new(), metrics: Vec::new(), egress: Vec::new() }
    }
}
