//! What instances need of the cluster. Pure.

use aether_operator::{
    api::{AetherConnectSpec, Origin, Storage, Store},
    resources::Kind,
};

/// The kinds from elsewhere that an instance is made of.
pub(crate) fn kinds(spec: &AetherConnectSpec) -> Vec<Kind> {
    let operated = |store| matches!(spec.origin(store), Origin::Operated);
    let wanted = [
        (spec.tls.is_some() || ingress_issuer(spec), Kind::Certificate),
        (operated(Store::Postgres), Kind::PostgresCluster),
        (operated(Store::Mongodb), Kind::MongoDBCommunity),
        (operated(Store::Redis), Kind::RedisReplication),
        (spec.gateway.gateway_api.is_some(), Kind::HTTPRoute),
        (spec.monitoring.enabled, Kind::PodMonitor),
    ];
    wanted.into_iter().filter_map(|(wanted, kind)| wanted.then_some(kind)).collect()
}

fn ingress_issuer(spec: &AetherConnectSpec) -> bool {
    let tls = spec.gateway.ingress.as_ref().and_then(|ingress| ingress.tls.as_ref());
    tls.is_some_and(|tls| tls.issuer_ref.is_some())
}

/// Whether the number of pods follows the load.
pub(crate) fn autoscales(spec: &AetherConnectSpec) -> bool {
    [&spec.gateway.autoscaling, &spec.auth.autoscaling, &spec.message.autoscaling].into_iter().any(Option::is_some)
}

/// Whether it needs a volume of the cluster's default class.
pub(crate) fn takes_default_storage(spec: &AetherConnectSpec) -> bool {
    let unnamed = |storage: Option<&Storage>| storage.is_none_or(|storage| storage.class_name.is_none());
    let postgres = spec.postgres.as_ref().and_then(|spec| spec.managed.as_ref()).map(|managed| &managed.storage);
    let mongodb = spec.mongodb.as_ref().and_then(|spec| spec.managed.as_ref()).map(|managed| &managed.storage);
    (spec.manages(Store::Postgres) && unnamed(postgres)) || (spec.manages(Store::Mongodb) && unnamed(mongodb))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> AetherConnectSpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn an_instance_needs_what_it_names_and_no_more() {
        assert!(kinds(&spec("{}")).is_empty() && !autoscales(&spec("{}")));
        let all = spec(
            "{tls: {issuerRef: {name: ca}}, postgres: {cloudNativePG: {instances: 3, storage: {size: 1Gi}}}, \
             monitoring: {enabled: true}, gateway: {gatewayApi: {parentRefs: [{name: g}]}, \
             autoscaling: {minReplicas: 2, maxReplicas: 4}}}",
        );
        assert_eq!(kinds(&all), [Kind::Certificate, Kind::PostgresCluster, Kind::HTTPRoute, Kind::PodMonitor]);
        assert!(autoscales(&all));
    }

    #[test]
    fn a_store_of_ours_without_a_class_takes_the_default_one() {
        assert!(takes_default_storage(&spec("{}")));
        let external = "{postgres: {external: {secretRef: {name: p}}}, mongodb: {external: {secretRef: {name: m}}}}";
        assert!(!takes_default_storage(&spec(external)));
        let named =
            "{postgres: {managed: {storage: {className: fast}}}, mongodb: {managed: {storage: {className: fast}}}}";
        assert!(!takes_default_storage(&spec(named)));
    }
}
