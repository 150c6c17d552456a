//! What goes wrong is told where a person looks, with the mend, and disturbs nobody else.

use aether_operator::{reconcile::Error, resources::Kind};
use k8s_openapi::api::{core::v1::PersistentVolumeClaim, events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::json;

use crate::world::World;

const EXTERNAL: &str = "{postgres: {external: {secretRef: {name: stores, key: pg}}}}";

#[tokio::test]
async fn a_malformed_uri_is_told_and_other_instances_go_on() {
    let world = World::new().await;
    world.put_secret("stores", json!({"pg": "postgres:/u:secret@db/chat"})).await;
    world.apply("bad", EXTERNAL).await;
    world.apply("good", "{}").await;
    world.reconcile("bad").await;
    world.settle("good").await;
    let condition = world.condition("bad", "PostgresReady").await;
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "MalformedUri"));
    for word in ["key pg", "Secret stores", "postgres://user:password@host:5432/database"] {
        assert!(condition.message.contains(word), "{}", condition.message);
    }
    assert!(!condition.message.contains("secret@"), "{}", condition.message);
    let ready = world.condition("bad", "Ready").await;
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "MalformedUri"));
    assert_eq!(world.condition("bad", "Degraded").await.status, "True");

    world.put_secret("stores", json!({"pg": "postgres://u:secret@db/chat"})).await;
    world.settle("bad").await;
    assert_eq!(world.condition("bad", "PostgresReady").await.reason, "External");
}

#[tokio::test]
async fn a_missing_secret_or_key_is_named() {
    let world = World::new().await;
    world.apply("chat", EXTERNAL).await;
    world.reconcile("chat").await;
    assert_eq!(world.condition("chat", "Ready").await.reason, "SecretNotFound");
    world.put_secret("stores", json!({"other": "x"})).await;
    world.reconcile("chat").await;
    let condition = world.condition("chat", "PostgresReady").await;
    assert_eq!(condition.reason, "SecretKeyMissing");
    assert!(condition.message.contains("has no key pg"), "{}", condition.message);
}

#[tokio::test]
async fn a_broken_secret_leaves_running_pods_alone() {
    let world = World::new().await;
    world.put_secret("stores", json!({"pg": "postgres://u:p@db/chat"})).await;
    world.apply("chat", EXTERNAL).await;
    world.settle("chat").await;
    let before = world.get(Kind::Deployment, "chat-auth").await.unwrap();
    world.put_secret("stores", json!({"pg": "nonsense"})).await;
    world.reconcile("chat").await;
    assert_eq!(world.condition("chat", "PostgresReady").await.status, "False");
    assert_eq!(world.condition("chat", "AuthAvailable").await.status, "True", "it runs as before");
    assert_eq!(world.get(Kind::Deployment, "chat-auth").await.unwrap(), before);
}

#[tokio::test]
async fn objects_of_somebody_else_are_not_taken_over() {
    let world = World::new().await;
    let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat-auth"}, "spec": {"ports": [{"port": 1}]}});
    let object = serde_json::from_value(foreign).unwrap();
    world.of(Kind::Service).create(&PostParams::default(), &object).await.unwrap();
    world.apply("chat", "{}").await;
    let error = world.reconciler.run_by_name(&world.namespace, "chat").await.unwrap_err();
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    let condition = world.condition("chat", "AuthAvailable").await;
    assert_eq!(condition.reason, "NameTaken");
    assert!(condition.message.contains("chat-auth"), "{}", condition.message);
    assert_eq!(world.get(Kind::Service, "chat-auth").await.unwrap()["spec"]["ports"][0]["port"], 1);

    world.put_secret("other-jwt", json!({})).await;
    world.apply("other", "{}").await;
    world.reconcile("other").await;
    assert_eq!(world.condition("other", "SecretsReady").await.reason, "NameTaken");
}

#[tokio::test]
async fn a_lost_password_is_not_replaced_while_its_volume_waits() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(world.client.clone(), &world.namespace);
    let claim = json!({"metadata": {"name": "data-chat-postgres-0"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
    world.secrets().delete("chat-postgres", &DeleteParams::default()).await.unwrap();
    world.reconcile("chat").await;
    let condition = world.condition("chat", "SecretsReady").await;
    assert_eq!(condition.reason, "CredentialsLost");
    assert!(condition.message.contains("data-chat-postgres-0"), "{}", condition.message);
    assert!(world.secret("chat-postgres").await.is_none());
}

#[tokio::test]
async fn a_failed_migration_is_told_by_the_jobs_conditions() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    world.stores_ready().await;
    world.reconcile("chat").await;
    let job = world.names(Kind::Job).await.remove(0);
    let uid = world.get(Kind::Job, &job).await.unwrap()["metadata"]["uid"].clone();
    world.job_ends(&job, "Failed").await;
    // The failure is long ago, so the Job is made anew.
    world.reconcile("chat").await;
    let again = world.get(Kind::Job, &job).await;
    assert!(
        again.is_none_or(|again| again["metadata"]["uid"] != uid || !again["metadata"]["deletionTimestamp"].is_null())
    );
    assert!(world.names(Kind::Deployment).await.is_empty());
}

#[tokio::test]
async fn a_pod_that_cannot_start_is_named_with_its_image() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    world.pod_broken(Kind::StatefulSet, "chat-postgres", "postgres:15").await;
    world.reconcile("chat").await;
    let ready = world.condition("chat", "Ready").await;
    assert_eq!(ready.reason, "ImagePullBackOff");
    assert!(ready.message.contains("chat-postgres-0") && ready.message.contains("postgres:15"), "{}", ready.message);
}

#[tokio::test]
async fn an_instance_comes_up_without_redis_but_is_not_ready() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.reconcile("chat").await;
    for store in ["chat-postgres", "chat-mongodb"] {
        world.pods_ready(Kind::StatefulSet, store).await;
    }
    world.pod_broken(Kind::StatefulSet, "chat-redis", "redis:none").await;
    world.reconcile("chat").await;
    let jobs = world.names(Kind::Job).await;
    assert_eq!(jobs.len(), 1, "Redis is optional for the services");
    world.job_ends(&jobs[0], "Complete").await;
    for service in ["chat-auth", "chat-message", "chat-gateway"] {
        world.reconcile("chat").await;
        world.pods_ready(Kind::Deployment, service).await;
    }
    world.reconcile("chat").await;
    assert_eq!(world.condition("chat", "GatewayAvailable").await.status, "True");
    assert_eq!(world.condition("chat", "RedisReady").await.reason, "ImagePullBackOff");
    let ready = world.condition("chat", "Ready").await;
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "ImagePullBackOff"));

    world.pods_ready(Kind::StatefulSet, "chat-redis").await;
    world.reconcile("chat").await;
    assert_eq!(world.condition("chat", "Ready").await.status, "True");
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_says_so() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    let mut object = world.resources().get("chat").await.unwrap();
    // As stored before a change of the definition: the API server would refuse it today.
    object.data["spec"]["gateway"]["port"] = json!("eighty");
    world.reconciler.run(&object).await.unwrap();
    let ready = world.condition("chat", "Ready").await;
    assert_eq!(ready.reason, "InvalidSpec");
    assert!(ready.message.contains("eighty"), "{}", ready.message);
}

#[tokio::test]
async fn events_tell_of_transitions_only() {
    let world = World::new().await;
    world.apply("chat", EXTERNAL).await;
    for _ in 0..3 {
        world.reconcile("chat").await;
    }
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let list = events.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0].type_.as_deref(), list[0].reason.as_deref()), (Some("Warning"), Some("SecretNotFound")));
    assert!(list[0].series.is_none());
}
