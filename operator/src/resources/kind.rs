//! The kinds of objects that an instance consists of.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use kube::api::{ApiResource, GroupVersionKind};

/// Kinds of objects that the operator applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// core/v1
    ServiceAccount,
    /// core/v1
    Service,
    /// networking.k8s.io/v1
    NetworkPolicy,
    /// cert-manager.io/v1
    Certificate,
    /// postgresql.cnpg.io/v1, `Cluster`
    PostgresCluster,
    /// mongodbcommunity.mongodb.com/v1
    MongoDBCommunity,
    /// redis.redis.opstreelabs.in/v1beta2
    RedisReplication,
    /// apps/v1
    StatefulSet,
    /// batch/v1
    Job,
    /// apps/v1
    Deployment,
    /// policy/v1
    PodDisruptionBudget,
    /// autoscaling/v2
    HorizontalPodAutoscaler,
    /// networking.k8s.io/v1
    Ingress,
    /// gateway.networking.k8s.io/v1
    HTTPRoute,
    /// monitoring.coreos.com/v1
    PodMonitor,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ServiceAccount,
        Self::Service,
        Self::NetworkPolicy,
        Self::Certificate,
        Self::PostgresCluster,
        Self::MongoDBCommunity,
        Self::RedisReplication,
        Self::StatefulSet,
        Self::Job,
        Self::Deployment,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
        Self::Ingress,
        Self::HTTPRoute,
        Self::PodMonitor,
    ];

    /// What the API server calls it.
    pub fn resource(self) -> ApiResource {
        let defined = |group: &str, kind: &str, plural: &str| {
            let version = if kind == "RedisReplication" { "v1beta2" } else { "v1" };
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
        };
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::Certificate => defined("cert-manager.io", "Certificate", "certificates"),
            Self::PostgresCluster => defined("postgresql.cnpg.io", "Cluster", "clusters"),
            Self::MongoDBCommunity => defined("mongodbcommunity.mongodb.com", "MongoDBCommunity", "mongodbcommunity"),
            Self::RedisReplication => defined("redis.redis.opstreelabs.in", "RedisReplication", "redisreplications"),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::Job => ApiResource::erase::<Job>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::Ingress => ApiResource::erase::<Ingress>(&()),
            Self::HTTPRoute => defined("gateway.networking.k8s.io", "HTTPRoute", "httproutes"),
            Self::PodMonitor => defined("monitoring.coreos.com", "PodMonitor", "podmonitors"),
        }
    }

    /// Whether it is a store that another operator runs. Under `deletionPolicy: Retain` it has no owner, and stays.
    pub fn is_operated_store(self) -> bool {
        matches!(self, Self::PostgresCluster | Self::MongoDBCommunity | Self::RedisReplication)
    }

    /// Who has to be installed in the cluster for the kind to exist, where it isn't Kubernetes' own.
    pub fn provider(self) -> Option<&'static str> {
        match self {
            Self::Certificate => Some("cert-manager (https://cert-manager.io/docs/installation/)"),
            Self::PostgresCluster => {
                Some("CloudNativePG (https://cloudnative-pg.io/docs/current/installation_upgrade)")
            }
            Self::MongoDBCommunity => {
                Some("MongoDB's community operator (https://github.com/mongodb/mongodb-kubernetes)")
            }
            Self::RedisReplication => {
                Some("the OT-CONTAINER-KIT Redis operator (https://redis-operator.opstree.dev/docs/installation/)")
            }
            Self::HTTPRoute => Some("the Gateway API (https://gateway-api.sigs.k8s.io/guides/#installing-gateway-api)"),
            Self::PodMonitor => {
                Some("the Prometheus operator (https://prometheus-operator.dev/docs/getting-started/installation/)")
            }
            _ => None,
        }
    }
}
