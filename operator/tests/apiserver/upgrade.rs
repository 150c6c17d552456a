//! A new version goes out step by step, and halts where it fails.

use aether_operator::resources::Kind;
use serde_json::{Value, json};

use crate::world::World;

async fn image(world: &World, name: &str) -> Value {
    let live = world.get(Kind::Deployment, name).await.unwrap();
    live["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

#[tokio::test]
async fn an_upgrade_migrates_first_and_goes_service_by_service() {
    let world = World::new().await;
    let (old, new) = (
        |service: &str| json!(format!("ghcr.io/aetherconnect/{service}:1.0.0")),
        |service: &str| json!(format!("ghcr.io/aetherconnect/{service}:2.0.0")),
    );
    world.apply("chat", "{version: 1.0.0}").await;
    world.settle("chat").await;
    let first = world.names(Kind::Job).await;

    world.apply("chat", "{version: 2.0.0}").await;
    world.reconcile("chat").await;
    let job = world.names(Kind::Job).await.remove(0);
    assert!(!first.contains(&job));
    assert_eq!(world.names(Kind::Job).await.len(), 1, "two migrations never run at a time");
    assert_eq!(image(&world, "chat-auth").await, old("auth"), "auth waits for the migration");
    assert_eq!(world.condition("chat", "Ready").await.status, "False");
    assert_eq!(world.resource("chat").await.status.unwrap().version.as_deref(), Some("1.0.0"), "what runs");

    world.job_ends(&job, "Complete").await;
    world.reconcile("chat").await;
    assert_eq!(image(&world, "chat-auth").await, new("auth"));
    // auth's new pods never become available: the others stay as they are, however often the operator looks.
    for _ in 0..3 {
        world.reconcile("chat").await;
    }
    assert_eq!(image(&world, "chat-message").await, old("message"));
    let condition = world.condition("chat", "MessageAvailable").await;
    assert_eq!(condition.reason, "WaitingForTurn");
    assert!(condition.message.contains("AuthAvailable"), "{}", condition.message);
    assert_eq!(world.condition("chat", "AuthAvailable").await.status, "False");

    world.pods_ready(Kind::Deployment, "chat-auth").await;
    world.reconcile("chat").await;
    assert_eq!(image(&world, "chat-message").await, new("message"));
    assert_eq!(image(&world, "chat-gateway").await, old("gateway"));
    world.pods_ready(Kind::Deployment, "chat-message").await;
    world.reconcile("chat").await;
    assert_eq!(image(&world, "chat-gateway").await, new("gateway"));
    world.pods_ready(Kind::Deployment, "chat-gateway").await;
    world.reconcile("chat").await;
    assert_eq!(world.resource("chat").await.status.unwrap().version.as_deref(), Some("2.0.0"));
    assert_eq!(world.names(Kind::Job).await, [job]);
}

#[tokio::test]
async fn ports_and_replicas_roll_through() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let jobs = world.names(Kind::Job).await;
    world.apply("chat", "{gateway: {port: 8000, replicas: 3}, auth: {grpcPort: 6000}}").await;
    world.settle("chat").await;
    let gateway = world.get(Kind::Deployment, "chat-gateway").await.unwrap();
    assert_eq!(gateway["spec"]["replicas"], 3);
    assert!(gateway.to_string().contains("http://chat-auth-peers:6000"));
    let service = world.get(Kind::Service, "chat-gateway").await.unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 8000);
    assert!(world.resource("chat").await.status.unwrap().url.unwrap().ends_with(":8000"));
    assert_eq!(world.names(Kind::Job).await, jobs);

    // What is taken out of the resource goes from the objects too.
    world.apply("chat", "{gateway: {env: [{name: EXTRA, value: x}], service: {type: NodePort}}}").await;
    world.settle("chat").await;
    assert!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"].to_string().contains("EXTRA"));
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let gateway = world.get(Kind::Deployment, "chat-gateway").await.unwrap();
    assert!(!gateway["spec"].to_string().contains("EXTRA"));
    assert_eq!(gateway["spec"]["replicas"], 1);
    assert_eq!(world.get(Kind::Service, "chat-gateway").await.unwrap()["spec"]["type"], "ClusterIP");
}
