//! When there is nothing to do, nothing is done.

use std::time::Duration;

use aether_operator::{config::Images, resources::Kind};
use aether_standins::Call;
use futures::future::join_all;
use tokio::time::sleep;

use crate::stage::{Stage, is_long};

fn describe(calls: &[Call]) -> Vec<String> {
    calls.iter().map(|call| format!("{} {}?{}", call.method, call.path, call.query)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_instances_cause_no_request_and_a_restart_no_write() {
    let (count, quiet) = if is_long() { (100, Duration::from_secs(600)) } else { (12, Duration::from_secs(8)) };
    let stage = Stage::new().await;
    let names: Vec<_> = (0..count).map(|n| format!("chat{n}")).collect();
    for name in &names {
        stage.world.apply(name, "{}").await;
    }
    let operator = stage.operator();
    join_all(names.iter().map(|name| stage.ready_within(name, Duration::from_secs(240)))).await;
    sleep(Duration::from_secs(4)).await;
    let before = stage.world.versions().await;
    stage.proxy.take_calls();
    sleep(quiet).await;
    // The API server ends watches after some minutes; they go on where they were.
    let (watches, calls): (Vec<_>, Vec<_>) = stage.proxy.take_calls().into_iter().partition(Call::is_watch);
    // Every ten minutes, kinds that the cluster doesn't know are looked for.
    let (unknown, calls): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.status == Some(404));
    assert_eq!(describe(&calls), Vec::<String>::new(), "when idle");
    let looks = if is_long() { Kind::ALL.iter().filter(|kind| kind.provider().is_some()).count() } else { 0 };
    assert!(unknown.len() <= looks && !unknown.iter().any(Call::is_write), "{:?}", describe(&unknown));
    let (watches, looks) = (watches.len(), unknown.len());
    println!(
        "{count} instances, {quiet:?}: nothing but {watches} watches that went on, {looks} looks for unknown kinds"
    );

    drop(operator);
    stage.proxy.take_calls();
    let _operator = stage.operator();
    sleep(Duration::from_secs(6)).await;
    let calls = stage.proxy.take_calls();
    assert_eq!(
        describe(&calls.iter().filter(|call| call.is_write()).cloned().collect::<Vec<_>>()),
        Vec::<String>::new()
    );
    let is_list = |call: &&Call| !call.is_watch() && call.query.contains("limit=") && !call.query.contains("continue=");
    let lists: Vec<_> = calls.iter().filter(is_list).map(|call| call.path.clone()).collect();
    // One of each kind of child, of Secrets and of resources.
    assert_eq!(lists.len(), Kind::ALL.len() + 2, "{lists:?}");
    assert_eq!(before, stage.world.versions().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_costs_little_more_than_a_write_a_child_and_a_change_three() {
    let stage = Stage::new().await;
    let writes = || {
        let calls = stage.proxy.take_calls();
        describe(&calls.into_iter().filter(|call| call.is_write()).collect::<Vec<_>>())
    };
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    stage.ready("chat").await;
    sleep(Duration::from_secs(1)).await;
    let created = writes();
    // The resource itself, and the account that every namespace has, are nobody's children.
    let children =
        stage.world.versions().await.keys().filter(|key| key.contains("/chat") && !key.starts_with("resource")).count();
    assert!(created.len() * 10 <= children * 12, "{} writes for {children} children: {created:#?}", created.len());
    stage.world.apply("chat", "{gateway: {logLevel: debug}}").await;
    stage.ready("chat").await;
    sleep(Duration::from_secs(3)).await;
    let changed = writes();
    assert!((1..=3).contains(&changed.len()), "{changed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_listed_and_watched_as_metadata_and_by_label_only() {
    let stage = Stage::new().await;
    stage.world.put_secret("of-others", serde_json::json!({"password": "x"})).await;
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    stage.ready("chat").await;
    let calls = stage.proxy.calls();
    let (at_large, by_name): (Vec<_>, Vec<_>) = calls
        .iter()
        .filter(|call| call.path.contains("/secrets") && !call.is_write())
        .partition(|call| call.path.ends_with("/secrets"));
    assert!(at_large.len() >= 2, "a list and a watch");
    for call in at_large {
        assert!(call.accept.contains("PartialObjectMetadata"), "{call:?}");
        assert!(
            call.query.contains("labelSelector=app.kubernetes.io%2Fmanaged-by%3Daetherconnect-operator"),
            "{call:?}"
        );
    }
    assert!(by_name.iter().all(|call| call.path.contains("/secrets/chat-")), "{by_name:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_operator_restarts_no_pod_unless_an_image_differs() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{version: 1.0.0}").await;
    let operator = stage.operator();
    stage.ready("chat").await;
    let before = stage.world.versions().await;
    drop(operator);
    // Another operator with other defaults: what the instance doesn't take from them stays.
    let operator = stage.operator_with(Images { redis: "redis:8".into(), ..Images::default() });
    stage.ready("chat").await;
    sleep(Duration::from_secs(3)).await;
    let after = stage.world.versions().await;
    let changed: Vec<_> =
        after.iter().filter(|(key, version)| before.get(*key) != Some(version)).map(|(key, _)| key.as_str()).collect();
    assert_eq!(changed, ["StatefulSet/chat-redis"], "only the store whose image is another");
    drop(operator);
}
