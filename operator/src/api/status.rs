//! What the operator reports.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of an instance. Unknown fields are ignored, so that versions of the operator can read each other's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AetherConnectStatus {
    /// The generation of the resource that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where clients reach the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The version that runs, once all services run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version that the instance is being brought to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
    /// Changes that wait for approval, when the resource has the annotation `aetherconnect.io/plan: "true"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Ready and desired pods of each component.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, ComponentStatus>,
    /// The message service, for `kubectl scale` and autoscalers that are pointed at the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleStatus>,
    /// One for each dependency and step, summed up in `Ready`, `Progressing` and `Degraded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Changes that wait for approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanStatus {
    /// The value of the annotation `aetherconnect.io/approve` that lets them happen.
    pub id: String,
    /// `create`, `update` or `delete`, kind and name of each object.
    pub changes: Vec<String>,
}

/// The pods that the `scale` subresource is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleStatus {
    /// How many there are.
    pub replicas: i32,
    /// Which they are.
    pub selector: String,
}

/// Pods of one component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentStatus {
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that there should be.
    pub desired: i32,
}
