//! `aetherconnect suspend` and `resume`.

use crate::{Ended, run, start, world::World};

#[tokio::test]
async fn suspending_sets_the_field_once_and_says_what_happens_next() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    let ended = run(&world, &["suspend", "chat"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("chat is suspended now. The operator ends all pods"), "{}", ended.stdout);
    assert!(world.resource("chat").await.spec.suspend);
    let again = run(&world, &["suspend", "chat", "-o", "json"]).json();
    assert_eq!((again["changed"].as_bool(), again["action"].as_str()), (Some(false), Some("suspend")));
    let resumed = run(&world, &["resume", "chat", "-o", "json"]).json();
    assert_eq!(resumed["changed"], true);
    assert!(!world.resource("chat").await.spec.suspend);
}

#[tokio::test]
async fn it_waits_until_all_pods_are_gone_and_until_all_are_back() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let mut waiting = start(&world, &["suspend", "chat", "--wait"]);
    while world.condition("chat", "Ready").await.reason != "Suspended" {
        assert!(waiting.try_wait().unwrap().is_none(), "it ended before the operator had done anything");
        world.reconcile("chat").await;
    }
    for kind in [aether_operator::resources::Kind::StatefulSet, aether_operator::resources::Kind::Deployment] {
        for child in world.names(kind).await {
            world.pods_ready(kind, &child).await;
        }
    }
    world.reconcile("chat").await;
    let ended: Ended = waiting.wait_with_output().unwrap().into();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("All pods are gone, the data is kept"), "{}", ended.stdout);

    let waiting = start(&world, &["resume", "chat", "--wait", "-o", "json"]);
    while world.resource("chat").await.spec.suspend {
        tokio::task::yield_now().await;
    }
    world.settle("chat").await;
    let ended: Ended = waiting.wait_with_output().unwrap().into();
    assert_eq!((ended.code, ended.json()["waited"].as_bool()), (0, Some(true)), "{}", ended.stderr);
}

#[tokio::test]
async fn who_waits_too_long_is_told_what_it_waits_for() {
    let world = World::new().await;
    world.apply("chat", "{suspend: true}").await;
    world.reconcile("chat").await;
    let ended = run(&world, &["resume", "chat", "--wait", "--timeout", "1s"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("not done after 1 s") && ended.stderr.contains("operator"), "{}", ended.stderr);
}
