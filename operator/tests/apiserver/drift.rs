//! Whatever somebody changes or deletes of an instance's children is right again within seconds.

use std::time::Duration;

use aether_operator::resources::Kind;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stage::Stage;

/// The figure.
const LONGEST: Duration = Duration::from_secs(5);

/// What somebody does to an object of a kind, if there is something.
type Edit = fn(Kind) -> Option<Value>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_of_any_kind_that_is_edited_or_deleted_is_right_again_within_five_seconds() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{message: {replicas: 2}}").await;
    let _operator = stage.operator();
    let wanted = stage.settled("chat", Duration::from_secs(1)).await;
    let children: Vec<(Kind, String)> = children(&stage).await;
    assert!(children.len() >= 15, "{children:?}");
    let edits: [(&str, Edit); 4] = [
        ("labels", |_| Some(json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null, "mine": "x"}}}))),
        ("owner", |_| Some(json!({"metadata": {"ownerReferences": null}}))),
        ("annotations", |_| Some(json!({"metadata": {"annotations": null}}))),
        ("spec", spec_edit),
    ];
    for (kind, name) in &children {
        for (what, edit) in edits {
            let Some(edit) = edit(*kind) else { continue };
            stage.world.patch(*kind, name, edit).await;
            mended(&stage, &wanted, &format!("{what} of {kind:?} {name}")).await;
        }
        // A Job that is through stays deleted for nobody: it is made again.
        stage.world.delete(*kind, name).await;
        mended(&stage, &wanted, &format!("deleted {kind:?} {name}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_secret_that_is_edited_or_deleted_is_right_again_within_five_seconds() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    let wanted = stage.settled("chat", Duration::from_secs(1)).await;
    for name in ["chat-jwt", "chat-postgres", "chat-mongodb", "chat-redis"] {
        let key = if name == "chat-jwt" { "JWT_SECRET" } else { "uri" };
        for patch in [json!({"data": {key: null}}), json!({"metadata": {"labels": null}})] {
            stage.world.secrets().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            mended(&stage, &wanted, &format!("{patch} of Secret {name}")).await;
        }
        stage.world.secrets().delete(name, &DeleteParams::default()).await.unwrap();
        mended(&stage, &wanted, &format!("deleted Secret {name}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_add_stays() {
    let stage = Stage::new().await;
    stage.world.apply("chat", "{}").await;
    let _operator = stage.operator();
    stage.ready("chat").await;
    let theirs = json!({"metadata": {"annotations": {"example.com/mine": "x"}}});
    stage.world.patch(Kind::Service, "chat-gateway", theirs).await;
    let before = stage.world.get(Kind::Service, "chat-gateway").await.unwrap();
    // The operator looks at the instance again, and has changed another child by then.
    stage.world.delete(Kind::Service, "chat-auth").await;
    crate::world::eventually("the other is mended", || async {
        stage.world.get(Kind::Service, "chat-auth").await.is_some()
    })
    .await;
    assert_eq!(stage.world.get(Kind::Service, "chat-gateway").await.unwrap(), before);
}

async fn children(stage: &Stage) -> Vec<(Kind, String)> {
    let mut children = Vec::new();
    for kind in Kind::ALL {
        let names = stage.world.names(kind).await.into_iter();
        children.extend(names.filter(|name| name.starts_with("chat")).map(|name| (kind, name)));
    }
    children
}

fn spec_edit(kind: Kind) -> Option<Value> {
    match kind {
        Kind::Deployment | Kind::StatefulSet => Some(json!({"spec": {"replicas": 7}})),
        Kind::Service => Some(json!({"spec": {"selector": {"app.kubernetes.io/component": "another"}}})),
        Kind::ServiceAccount => Some(json!({"automountServiceAccountToken": true})),
        _ => None,
    }
}

async fn mended(stage: &Stage, wanted: &std::collections::BTreeMap<String, Value>, what: &str) {
    let began = Instant::now();
    loop {
        let mut state = stage.state("chat").await;
        // What somebody added is theirs.
        for object in state.values_mut() {
            if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
                labels.remove("mine");
            }
        }
        if state == *wanted {
            return;
        }
        if began.elapsed() > LONGEST {
            stage.reaches_within("chat", wanted, Duration::ZERO).await;
            panic!("{what} wasn't right again in time");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
