//! The operator is stopped right after each of its writes, in turn, and another starts: nothing is lost, nothing is left
//! over, and no Secret is made twice.

use std::{collections::BTreeMap, time::Duration};

use aether_operator::reconcile::rotation::REQUEST;
use futures::{StreamExt, stream};
use http::Method;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::{Stage, is_long};

/// How many runs go on at a time.
const AT_ONCE: usize = 6;
/// No scenario has more writes.
const MOST: usize = 80;

/// The Secret with the keys that sign.
const KEYS: &str = "chat-jwt";

/// What somebody does, and in what the operator is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scenario {
    Creation,
    Change,
    Upgrade,
    Rotation,
    Keys,
    Policy,
}

/// Nothing is generated, so that what pods read is known.
const EXTERNAL: &str = "{postgres: {external: {secretRef: {name: stores, key: pg}}}, jwt: {secretRef: {name: keys}},
    mongodb: {external: {secretRef: {name: stores, key: mongo}}}, redis: {disabled: true}}";

impl Scenario {
    /// What there is before.
    async fn prepare(self, stage: &Stage) {
        let world = &stage.world;
        let first = match self {
            Self::Creation => return,
            Self::Change => "{gateway: {env: [{name: EXTRA, value: x}]}}",
            Self::Upgrade => "{version: 1.0.0}",
            Self::Rotation => {
                self.secrets(stage, 'a').await;
                EXTERNAL
            }
            Self::Keys | Self::Policy => "{}",
        };
        world.apply("chat", first).await;
        let operator = stage.operator();
        stage.settled("chat", Duration::from_millis(300)).await;
        drop(operator);
    }

    async fn secrets(self, stage: &Stage, letter: char) {
        let key = |kind: &str| format!("{kind}{}", letter.to_string().repeat(40));
        stage.world.put_secret("keys", json!({"JWT_SECRET": key("t"), "JWT_WS_SECRET": key("w")})).await;
        let stores = json!({
            "pg": format!("postgres://u:{letter}@db:5432/chat"),
            "mongo": format!("mongodb://u:{letter}@db:27017/chat"),
        });
        stage.world.put_secret("stores", stores).await;
    }

    /// What is done while no operator looks.
    async fn act(self, stage: &Stage) {
        let spec = match self {
            Self::Creation => "{}",
            Self::Change => "{redis: {disabled: true}, gateway: {replicas: 2, port: 8000}}",
            Self::Upgrade => "{version: 2.0.0}",
            Self::Rotation => return self.secrets(stage, 'b').await,
            Self::Keys => {
                let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUEST: "now"}}}));
                stage.world.resources().patch("chat", &PatchParams::default(), &patch).await.unwrap();
                return;
            }
            Self::Policy => "{deletionPolicy: Delete}",
        };
        stage.world.apply("chat", spec).await;
    }
}

/// A run that is interrupted after so many writes; gives nothing if it was through before.
async fn run(scenario: Scenario, stop_after: usize, wanted: &BTreeMap<String, Value>) -> Option<usize> {
    let stage = Stage::new().await;
    scenario.prepare(&stage).await;
    stage.proxy.take_calls();
    let first = stage.contents().await;
    scenario.act(&stage).await;
    stage.proxy.stop_after(stop_after);
    let operator = stage.operator();
    let through = tokio::select! {
        () = stage.proxy.stopped() => false,
        () = stage.reaches("chat", wanted) => true,
    };
    drop(operator);
    let before = stage.contents().await;
    if through {
        return None;
    }
    // Another operator, on another connection.
    let stage = stage.reconnected().await;
    let operator = stage.operator();
    stage.reaches("chat", wanted).await;
    drop(operator);
    let after = stage.contents().await;
    if scenario == Scenario::Keys {
        rotated_once(&first[KEYS], &before[KEYS], &after[KEYS]);
    }
    for (name, contents) in before.iter().filter(|(name, _)| scenario != Scenario::Keys || *name != KEYS) {
        assert!(after.get(name).is_none_or(|now| now == contents), "{scenario:?} {stop_after}: Secret {name} differs");
    }
    let (had, has) = (generated(&before), generated(&after));
    assert!(creations(&stage) <= has.saturating_sub(had), "{scenario:?} {stop_after}: a Secret was made twice");
    Some(stop_after)
}

/// The old keys are still accepted, and the new ones are those that were made before the interruption, if any were.
fn rotated_once(first: &Value, before: &Value, after: &Value) {
    for key in ["JWT_SECRET", "JWT_WS_SECRET"] {
        let other = format!("{key}_PREVIOUS");
        assert_eq!(after[&other], first[key]);
        let known = [&before[key], &before[&other]];
        assert!(before[&other].is_null() || known.contains(&&after[key]), "another {key} was made: {before} {after}");
        assert_ne!(after[key], first[key]);
    }
}

fn generated(contents: &BTreeMap<String, Value>) -> usize {
    contents.keys().filter(|name| name.starts_with("chat-")).count()
}

/// How many Secrets the last operator has created.
fn creations(stage: &Stage) -> usize {
    let calls = stage.proxy.calls().into_iter();
    calls
        .filter(|call| call.method == Method::POST && call.path.ends_with("/secrets") && call.status == Some(201))
        .count()
}

async fn every_write(scenario: Scenario) {
    let stage = Stage::new().await;
    scenario.prepare(&stage).await;
    scenario.act(&stage).await;
    let operator = stage.operator();
    let wanted = stage.settled("chat", Duration::from_secs(2)).await;
    drop(operator);
    let step = if is_long() { 1 } else { 3 };
    let runs = stream::iter((1..MOST).step_by(step)).map(|stop_after| run(scenario, stop_after, &wanted));
    // Later runs are through before they could be interrupted.
    let done: Vec<_> = runs.buffered(AT_ONCE).take_while(|run| std::future::ready(run.is_some())).collect().await;
    println!("{scenario:?}: interrupted after each of {:?} writes", done.iter().flatten().collect::<Vec<_>>());
    assert!(!done.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creation_survives_an_end_after_any_write() {
    every_write(Scenario::Creation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_survives_an_end_after_any_write() {
    every_write(Scenario::Change).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_survives_an_end_after_any_write() {
    every_write(Scenario::Upgrade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_secrets_survives_an_end_after_any_write() {
    every_write(Scenario::Rotation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_of_keys_survives_an_end_after_any_write() {
    every_write(Scenario::Keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_policy_survives_an_end_after_any_write() {
    every_write(Scenario::Policy).await;
}
