//! The watching part: what happens without being asked.

use std::time::Duration;

use aether_operator::{controller, leader::Candidate, metrics::Metrics, patience::Fence, resources::Kind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{World, eventually};

#[tokio::test]
async fn the_operator_answers_changes_by_itself() {
    let world = World::new().await;
    let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
    let namespaces = [world.namespace.clone()];
    let (reconciler, token, counted) = (world.reconciler.clone(), stop.clone(), metrics.clone());
    let operator = tokio::spawn(async move { controller::run(reconciler, counted, &namespaces, token).await });

    world.apply("chat", "{redis: {disabled: true}}").await;
    eventually("the stores are made", || async { world.get(Kind::StatefulSet, "chat-postgres").await.is_some() }).await;
    eventually("both are there", || async { world.names(Kind::StatefulSet).await.len() == 2 }).await;
    for store in ["chat-postgres", "chat-mongodb"] {
        world.pods_ready(Kind::StatefulSet, store).await;
    }
    eventually("a ready store brings the migration", || async { !world.names(Kind::Job).await.is_empty() }).await;
    world.delete(Kind::Service, "chat-gateway").await;
    eventually("the Service comes back", || async { world.get(Kind::Service, "chat-gateway").await.is_some() }).await;
    world.patch(Kind::Service, "chat-auth", json!({"spec": {"ports": [{"port": 50001, "targetPort": 1}]}})).await;
    eventually("drift is corrected", || async {
        world.get(Kind::Service, "chat-auth").await.unwrap()["spec"]["ports"][0]["targetPort"] == "grpc"
    })
    .await;
    let text = metrics.text().unwrap();
    assert!(text.contains("aetherconnect_operator_instances{ready=\"false\"} 1"), "{text}");
    assert!(text.contains("aetherconnect_operator_reconciles_total{result=\"ok\"}"), "{text}");

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), operator).await.expect("it stops when told").unwrap();
}

#[tokio::test]
async fn one_of_two_candidates_leads() {
    let world = World::new().await;
    let mut first = Candidate::new(world.client.clone(), &world.namespace, "first", Fence::default());
    let mut second = Candidate::new(world.client.clone(), &world.namespace, "second", Fence::default());
    first.acquire().await;
    let wait = Duration::from_secs(4);
    assert!(tokio::time::timeout(wait, second.acquire()).await.is_err(), "the lease is taken");
    first.release().await;
    tokio::time::timeout(wait, second.acquire()).await.expect("a released lease is free at once");
    tokio::time::timeout(wait, first.hold()).await.expect("whoever lost the lease notices");
}
