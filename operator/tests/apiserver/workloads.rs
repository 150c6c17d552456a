//! What a resource can say about pods, exposure and policies, as a real API server takes it.

use aether_operator::resources::Kind;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::World;

const EVERYTHING: &str = "
gateway:
  replicas: 2
  service: {annotations: {balancer: fast}}
  ingress: {className: nginx, host: chat.example, tls: {issuerRef: {name: le, kind: ClusterIssuer}}}
  gatewayApi: {parentRefs: [{name: public, namespace: infra, sectionName: https}], hostnames: [chat.example]}
  podTemplate: {metadata: {annotations: {note: x}}, spec: {tolerations: [{key: dedicated, operator: Exists}]}}
message: {autoscaling: {minReplicas: 2, maxReplicas: 5, targetMemoryUtilizationPercentage: 70}}
networkPolicy:
  clients: [{namespaceSelector: {matchLabels: {team: web}}}]
  egress: [{ports: [{port: 4317, protocol: TCP}]}]
monitoring: {enabled: true, interval: 30s, labels: {release: prometheus}}
tls: {issuerRef: {name: internal}}
priorityClassName: system-cluster-critical
drainSeconds: 45
";

#[tokio::test]
async fn everything_a_resource_can_say_is_taken_by_the_definitions_of_others_too_and_taken_back() {
    let world = World::new().await;
    world.install_definitions().await;
    world.apply("chat", EVERYTHING).await;
    world.reconcile("chat").await;
    let waits = world.condition("chat", "CertificatesReady").await;
    assert_eq!((waits.status.as_str(), waits.reason.as_str()), ("False", "WaitingForIssuer"));
    assert!(waits.message.contains("chat-auth-tls"), "{}", waits.message);
    for service in ["auth", "message", "gateway"] {
        let values = json!({"tls.crt": "certificate", "tls.key": "key", "ca.crt": "ca"});
        world.put_secret(&format!("chat-{service}-tls"), values).await;
    }
    world.settle("chat").await;
    let services = ["chat-auth", "chat-gateway", "chat-message"];
    assert_eq!(world.names(Kind::Certificate).await, services);
    assert_eq!(world.names(Kind::PodMonitor).await, services);
    assert_eq!(world.names(Kind::PodDisruptionBudget).await, ["chat-gateway", "chat-message"]);
    assert_eq!(world.names(Kind::HorizontalPodAutoscaler).await, ["chat-message"]);
    assert_eq!(world.names(Kind::Ingress).await, ["chat-gateway"]);
    assert_eq!(world.names(Kind::HTTPRoute).await, ["chat-gateway"]);
    assert_eq!(world.names(Kind::NetworkPolicy).await.len(), 7);
    assert_eq!(world.resource("chat").await.status.unwrap().url.unwrap(), "https://chat.example");
    let before = world.versions().await;
    world.reconcile("chat").await;
    assert_eq!(world.versions().await, before, "a second reconcile writes nothing");

    // A renewal rolls the pods that read the certificate, and no other.
    let hash =
        async |name: &str| world.get(Kind::Deployment, name).await.unwrap()["spec"]["template"]["metadata"].clone();
    let (auth, gateway) = (hash("chat-auth").await, hash("chat-gateway").await);
    world.put_secret("chat-auth-tls", json!({"tls.crt": "renewed", "tls.key": "key", "ca.crt": "ca"})).await;
    world.settle("chat").await;
    assert_ne!(hash("chat-auth").await, auth);
    assert_eq!(hash("chat-gateway").await, gateway);

    world.apply("chat", "{networkPolicy: {enabled: false}}").await;
    world.settle("chat").await;
    world.reconcile("chat").await;
    for kind in Kind::ALL.into_iter().filter(|kind| kind.provider().is_some()) {
        assert_eq!(world.names(kind).await, Vec::<String>::new(), "{kind:?}");
    }
    for kind in [Kind::PodDisruptionBudget, Kind::HorizontalPodAutoscaler, Kind::Ingress, Kind::NetworkPolicy] {
        assert_eq!(world.names(kind).await, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn the_number_of_pods_is_the_autoscalers_as_long_as_there_is_one() {
    let world = World::new().await;
    world.apply("chat", "{message: {replicas: 3}}").await;
    world.settle("chat").await;
    let replicas = async || world.get(Kind::Deployment, "chat-message").await.unwrap()["spec"]["replicas"].clone();
    assert_eq!(replicas().await, 3);
    world.apply("chat", "{message: {autoscaling: {maxReplicas: 9}}}").await;
    world.settle("chat").await;
    assert_eq!(replicas().await, 3, "no dip when the operator lets go");
    world.patch(Kind::Deployment, "chat-message", json!({"spec": {"replicas": 7}})).await;
    world.settle("chat").await;
    assert_eq!(replicas().await, 7);
    world.apply("chat", "{suspend: true, message: {autoscaling: {maxReplicas: 9}}}").await;
    world.reconcile("chat").await;
    assert_eq!(replicas().await, 0);
    world.apply("chat", "{message: {autoscaling: {maxReplicas: 9}}}").await;
    world.settle("chat").await;
    assert_eq!(replicas().await, 1, "the autoscaler goes on from there");
    world.apply("chat", "{message: {replicas: 2}}").await;
    world.settle("chat").await;
    assert_eq!(replicas().await, 2);
}

#[tokio::test]
async fn a_resource_is_scaled_as_its_message_service() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let scale = world.resources().get_scale("chat").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(1));
    let patch = Patch::Merge(json!({"spec": {"replicas": 3}}));
    world.resources().patch_scale("chat", &PatchParams::default(), &patch).await.unwrap();
    world.settle("chat").await;
    let live = world.get(Kind::Deployment, "chat-message").await.unwrap();
    assert_eq!(live["spec"]["replicas"], 3);
    let status = world.resources().get_scale("chat").await.unwrap().status.unwrap();
    assert_eq!(status.replicas, 3);
    // What an autoscaler that is pointed at the resource looks at.
    let pods = &live["spec"]["template"]["metadata"]["labels"];
    for label in status.selector.unwrap().split(',') {
        let (key, value) = label.split_once('=').unwrap();
        assert_eq!(pods[key], value, "{label}");
    }
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    let refused = world.resources().patch_scale("chat", &PatchParams::default(), &none).await.unwrap_err().to_string();
    assert!(refused.contains("spec.message.replicas"), "{refused}");
}

#[tokio::test]
async fn while_it_is_paused_nothing_is_written_but_the_status() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.apply("chat", "{paused: true, gateway: {replicas: 4}}").await;
    world.delete(Kind::Service, "chat-auth").await;
    world.reconcile("chat").await;
    assert_eq!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"]["replicas"], 1);
    assert!(world.get(Kind::Service, "chat-auth").await.is_none());
    let progressing = world.condition("chat", "Progressing").await;
    assert_eq!((progressing.status.as_str(), progressing.reason.as_str()), ("False", "Paused"));
    assert_eq!(world.condition("chat", "Ready").await.status, "True", "what runs, runs");
    world.apply("chat", "{gateway: {replicas: 4}}").await;
    world.settle("chat").await;
    assert_eq!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"]["replicas"], 4);
    assert!(world.get(Kind::Service, "chat-auth").await.is_some());
}

#[tokio::test]
async fn a_pod_template_that_makes_no_sense_is_told_by_its_field() {
    let world = World::new().await;
    world.apply("chat", "{auth: {podTemplate: {spec: {nodeSelektor: {disk: fast}}}}}").await;
    world.reconcile("chat").await;
    world.stores_ready().await;
    world.reconciler.run_by_name(&world.namespace, "chat").await.unwrap_err();
    let condition = world.condition("chat", "MigrationsComplete").await;
    assert_eq!(condition.reason, "ApplyFailed");
    assert!(condition.message.contains("nodeSelektor"), "{}", condition.message);
}

#[tokio::test]
async fn a_migration_that_hangs_follows_a_change_and_one_that_is_through_does_not() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    world.stores_ready().await;
    world.reconcile("chat").await;
    let name = world.names(Kind::Job).await.remove(0);
    let job = async || world.get(Kind::Job, &name).await.unwrap();
    let first = job().await["metadata"]["uid"].clone();
    world.apply("chat", "{auth: {podTemplate: {spec: {tolerations: [{key: x, operator: Exists}]}}}}").await;
    world.reconcile("chat").await;
    let second = job().await;
    assert_ne!(second["metadata"]["uid"], first);
    assert_eq!(second["spec"]["template"]["spec"]["tolerations"][0]["key"], "x");
    world.settle("chat").await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    assert_eq!(job().await["metadata"]["uid"], second["metadata"]["uid"]);
}
