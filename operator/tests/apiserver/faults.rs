//! On a bad connection the operator comes to the same end, only later.

use std::time::Duration;

use aether_standins::Fault;
use http::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);

fn seed() -> u64 {
    let seed = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("FAULTS_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_fifth_of_requests_failing_it_comes_to_the_same_end() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{}").await;
    let operator = stage.operator();
    let created = stage.settled("chat", Duration::from_secs(2)).await;
    stage.world.apply("chat", "{redis: {disabled: true}, version: 2.0.0, gateway: {replicas: 3}}").await;
    let changed = stage.settled("chat", Duration::from_secs(2)).await;
    drop(operator);

    let stage = Stage::new().await;
    stage.proxy.fail(0.2, &Fault::ALL, seed());
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    stage.reaches_within("chat", &created, LONG).await;
    let secrets = stage.contents().await;
    stage.proxy.end_watches();
    stage.world.apply("chat", "{redis: {disabled: true}, version: 2.0.0, gateway: {replicas: 3}}").await;
    stage.reaches_within("chat", &changed, LONG).await;
    for (name, contents) in stage.contents().await {
        assert_eq!(contents, secrets[&name], "Secret {name} was made twice");
    }
    let calls = stage.proxy.calls();
    for fault in Fault::ALL {
        assert!(calls.iter().any(|call| call.fault == Some(fault)), "{fault:?} never befell a request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_sent_again_no_sooner_than_the_server_asks() {
    let stage = Stage::new().await;
    stage.proxy.fail(0.3, &[Fault::TooMany], seed());
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    stage.ready_within("chat", LONG).await;
    let calls = stage.proxy.calls();
    let refused: Vec<_> = calls.iter().filter(|call| call.fault.is_some() && call.method == Method::PATCH).collect();
    for refused in refused {
        let is_same = |path: &str, method: &Method| *path == refused.path && *method == refused.method;
        let next = calls.iter().find(|call| call.at > refused.at && is_same(&call.path, &call.method));
        if let Some(next) = next {
            let pause = next.at - refused.at;
            assert!(pause >= Duration::from_secs(1), "{} {} came again after {pause:?}", refused.method, refused.path);
        }
    }
    assert!(calls.iter().any(|call| call.status == Some(429)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_watches_are_down_is_seen_when_they_are_back() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    let wanted = stage.settled("chat", Duration::from_millis(500)).await;
    stage.proxy.fail(1.0, &[Fault::Closed, Fault::Broken], seed());
    stage.proxy.end_watches();
    stage.world.secrets().delete("chat-redis", &kube::api::DeleteParams::default()).await.unwrap();
    for kind in [aether_operator::resources::Kind::Deployment, aether_operator::resources::Kind::Service] {
        stage.world.delete(kind, "chat-gateway").await;
        stage
            .world
            .patch(kind, "chat-auth", json!({"metadata": {"labels": {"app.kubernetes.io/instance": null}}}))
            .await;
    }
    sleep(Duration::from_secs(1)).await;
    stage.proxy.heal();
    let healed = Instant::now();
    stage.reaches_within("chat", &wanted, Duration::from_secs(20)).await;
    println!("mended {:?} after the connection was", healed.elapsed());
}
