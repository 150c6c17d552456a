//! From nothing to Ready, and what keeps it there.

use aether_operator::resources::Kind;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn an_empty_spec_comes_up_in_order() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    assert_eq!(world.names(Kind::StatefulSet).await, ["chat-mongodb", "chat-postgres", "chat-redis"]);
    assert_eq!(
        world.names(Kind::Service).await,
        [
            "chat-auth",
            "chat-auth-peers",
            "chat-gateway",
            "chat-message",
            "chat-message-peers",
            "chat-mongodb",
            "chat-postgres",
            "chat-redis"
        ]
    );
    assert!(world.names(Kind::ServiceAccount).await.contains(&"chat".to_owned()));
    for name in ["chat-jwt", "chat-postgres", "chat-mongodb", "chat-redis"] {
        assert!(world.secret(name).await.is_some(), "{name}");
    }
    assert!(world.names(Kind::Job).await.is_empty(), "the migration waits for the stores");
    assert_eq!(world.condition("chat", "PostgresReady").await.status, "False");

    world.stores_ready().await;
    world.reconcile("chat").await;
    let jobs = world.names(Kind::Job).await;
    assert_eq!(jobs.len(), 1);
    assert!(world.names(Kind::Deployment).await.is_empty(), "the services wait for the migration");

    world.job_ends(&jobs[0], "Complete").await;
    for (service, next) in [("chat-auth", 1), ("chat-message", 2), ("chat-gateway", 3)] {
        world.reconcile("chat").await;
        assert_eq!(world.names(Kind::Deployment).await.len(), next, "one after the other");
        world.pods_ready(Kind::Deployment, service).await;
    }
    world.reconcile("chat").await;
    let resource = world.resource("chat").await;
    let status = resource.status.unwrap();
    assert_eq!(world.condition("chat", "Ready").await.reason, "AllAvailable");
    assert_eq!(status.observed_generation, resource.metadata.generation);
    assert_eq!(status.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(status.url.unwrap(), format!("http://chat-gateway.{}.svc:3000", world.namespace));
    assert_eq!((status.components["gateway"].ready, status.components["gateway"].desired), (1, 1));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == resource.metadata.generation));
    let auth = world.get(Kind::Deployment, "chat-auth").await.unwrap();
    assert_eq!(auth["metadata"]["ownerReferences"][0]["name"], "chat");
}

#[tokio::test]
async fn a_second_reconcile_writes_nothing() {
    let world = World::new().await;
    let spec = "{message: {replicas: 2, resources: {limits: {cpu: 1000m, memory: 0.5Gi}}}, gateway: {env: [{name: EMPTY, value: ''}],
                 service: {type: LoadBalancer}, cors: {origins: ['https://a.example']}}, postgres: {managed: {storage: {size: 1024Mi}}}}";
    world.apply("chat", spec).await;
    world.settle("chat").await;
    let before = world.versions().await;
    world.reconcile("chat").await;
    world.reconcile("chat").await;
    assert_eq!(before, world.versions().await);
    assert!(before.len() > 15, "{before:?}");
    for kind in Kind::ALL {
        for name in world.names(kind).await.iter().filter(|name| name.starts_with("chat")) {
            let live = world.get(kind, name).await.unwrap();
            let managers = live["metadata"]["managedFields"].as_array().unwrap();
            assert!(managers.iter().any(|m| m["manager"] == "aetherconnect-operator"), "{name}");
        }
    }
}

#[tokio::test]
async fn generated_secrets_are_completed_but_never_overwritten() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    let (jwt, postgres) = (world.secret("chat-jwt").await, world.secret("chat-postgres").await.unwrap());
    let remove = Patch::Merge(json!({"data": {"uri": null}}));
    world.secrets().patch("chat-postgres", &PatchParams::default(), &remove).await.unwrap();
    world.reconcile("chat").await;
    assert_eq!(world.secret("chat-postgres").await.unwrap(), postgres);
    assert_eq!(world.secret("chat-jwt").await, jwt);
    assert!(postgres["uri"].contains(&postgres["password"]));

    let changed = "postgres://aetherconnect:changed@chat-postgres:5432/aetherconnect";
    let change = Patch::Merge(json!({"stringData": {"uri": changed}}));
    world.secrets().patch("chat-postgres", &PatchParams::default(), &change).await.unwrap();
    world.reconcile("chat").await;
    assert_eq!(world.secret("chat-postgres").await.unwrap()["uri"], changed);
}

#[tokio::test]
async fn deleted_children_come_back_and_drift_is_corrected() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.delete(Kind::Deployment, "chat-auth").await;
    world.delete(Kind::Service, "chat-gateway").await;
    world.delete(Kind::ServiceAccount, "chat").await;
    world.secrets().delete("chat-redis", &DeleteParams::default()).await.unwrap();
    world.patch(Kind::Deployment, "chat-gateway", json!({"spec": {"replicas": 5}})).await;
    let selector = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}, "spec": {"selector": {"app.kubernetes.io/component": "x"}}});
    world.patch(Kind::Service, "chat-auth", selector).await;
    world.settle("chat").await;
    for (kind, name) in
        [(Kind::Deployment, "chat-auth"), (Kind::Service, "chat-gateway"), (Kind::ServiceAccount, "chat")]
    {
        assert!(world.get(kind, name).await.is_some(), "{name}");
    }
    assert!(world.secret("chat-redis").await.is_some());
    assert_eq!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"]["replicas"], 1);
    let service = world.get(Kind::Service, "chat-auth").await.unwrap();
    assert_eq!(service["spec"]["selector"]["app.kubernetes.io/component"], "auth");
    assert_eq!(service["metadata"]["labels"]["app.kubernetes.io/managed-by"], "aetherconnect-operator");
}

#[tokio::test]
async fn a_deleted_service_comes_back_while_another_is_broken() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.pod_broken(Kind::StatefulSet, "chat-postgres", "postgres:15").await;
    world.delete(Kind::Deployment, "chat-gateway").await;
    world.reconcile("chat").await;
    assert_eq!(world.condition("chat", "PostgresReady").await.reason, "ImagePullBackOff");
    assert!(world.get(Kind::Deployment, "chat-gateway").await.is_some());

    // One that ran with another image needs that image's migration first.
    world.delete(Kind::Deployment, "chat-gateway").await;
    world.apply("chat", "{version: 9.9.9}").await;
    world.reconcile("chat").await;
    assert!(world.get(Kind::Deployment, "chat-gateway").await.is_none());
    assert_eq!(world.condition("chat", "GatewayAvailable").await.reason, "WaitingForTurn");
}

#[tokio::test]
async fn a_service_that_never_ran_waits_for_one_that_is_broken() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    world.stores_ready().await;
    world.reconcile("chat").await;
    world.job_ends(&world.names(Kind::Job).await[0], "Complete").await;
    world.reconcile("chat").await;
    world.pod_broken(Kind::Deployment, "chat-auth", "auth:none").await;
    for _ in 0..3 {
        world.reconcile("chat").await;
    }
    assert_eq!(world.condition("chat", "AuthAvailable").await.reason, "ImagePullBackOff");
    assert_eq!(world.names(Kind::Deployment).await, ["chat-auth"]);
}

#[tokio::test]
async fn a_changed_secret_rolls_the_pods_that_read_it() {
    let world = World::new().await;
    let hash = async |name: &str| {
        let live = world.get(Kind::Deployment, name).await.unwrap();
        live["spec"]["template"]["metadata"]["annotations"]["aetherconnect.io/config-hash"].clone()
    };
    world.put_secret("pg", json!({"uri": "postgres://u:one@db:5432/chat"})).await;
    world.apply("chat", "{postgres: {external: {secretRef: {name: pg}}}}").await;
    world.settle("chat").await;
    let (auth, message, jobs) = (hash("chat-auth").await, hash("chat-message").await, world.names(Kind::Job).await);
    world.put_secret("pg", json!({"uri": "postgres://u:two@db:5432/chat"})).await;
    world.settle("chat").await;
    assert_ne!(hash("chat-auth").await, auth);
    assert_eq!(hash("chat-message").await, message);
    assert_eq!(world.names(Kind::Job).await, jobs, "the same database needs no migration");
    world.put_secret("pg", json!({"uri": "postgres://u:two@elsewhere:5432/chat"})).await;
    world.settle("chat").await;
    assert_ne!(world.names(Kind::Job).await, jobs, "another database does, and the old Job is gone");
    assert_eq!(world.names(Kind::Job).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_removed() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.apply("chat", "{redis: {disabled: true}}").await;
    world.reconcile("chat").await;
    assert!(world.get(Kind::StatefulSet, "chat-redis").await.is_some(), "old pods may still use it");
    world.settle("chat").await;
    assert!(world.get(Kind::StatefulSet, "chat-redis").await.is_none());
    assert!(world.get(Kind::Service, "chat-redis").await.is_none());
    assert!(world.secret("chat-redis").await.is_none());
    assert_eq!(world.condition("chat", "RedisReady").await.reason, "Disabled");
    assert!(!world.resource("chat").await.status.unwrap().components.contains_key("redis"));
}

#[tokio::test]
async fn the_deletion_policy_decides_who_owns_the_credentials() {
    let world = World::new().await;
    let owned = async |name: &str| {
        world.secrets().get(name).await.unwrap().metadata.owner_references.is_some_and(|o| !o.is_empty())
    };
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    assert!(!owned("chat-postgres").await && !owned("chat-jwt").await && owned("chat-redis").await);
    world.apply("chat", "{deletionPolicy: Delete}").await;
    world.reconcile("chat").await;
    assert!(owned("chat-postgres").await && owned("chat-jwt").await);
    let postgres = world.get(Kind::StatefulSet, "chat-postgres").await.unwrap();
    assert_eq!(postgres["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Delete");
}

#[tokio::test]
async fn suspension_keeps_everything_but_the_pods() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let secrets = world.secret("chat-postgres").await;
    world.apply("chat", "{suspend: true}").await;
    world.reconcile("chat").await;
    for name in ["chat-auth", "chat-message", "chat-gateway"] {
        assert_eq!(world.get(Kind::Deployment, name).await.unwrap()["spec"]["replicas"], 0);
    }
    assert_eq!(world.get(Kind::StatefulSet, "chat-postgres").await.unwrap()["spec"]["replicas"], 0);
    assert_eq!(world.condition("chat", "Ready").await.reason, "Suspended");
    world.apply("chat", "{suspend: false}").await;
    world.settle("chat").await;
    assert_eq!(world.secret("chat-postgres").await, secrets);
}
