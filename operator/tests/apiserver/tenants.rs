//! Many instances: what becomes of them when they go, and of the others when some are broken.

use std::time::Duration;

use aether_operator::resources::Kind;
use futures::{StreamExt, future::join_all, stream};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    stage::{Stage, is_long},
    world::World,
};

const TENANTS: usize = 50;
/// Many instances on a busy machine take their time.
const LONGEST: Duration = Duration::from_secs(240);

/// Everything that the operator made, as it is.
async fn everything(world: &World) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        for object in world.of(kind).list(&ListParams::default()).await.into_iter().flatten() {
            all.push((format!("{kind:?}"), serde_json::to_value(object).unwrap()));
        }
    }
    for secret in world.secrets().list(&ListParams::default()).await.unwrap() {
        all.push(("Secret".into(), serde_json::to_value(secret).unwrap()));
    }
    all.retain(|(_, object)| object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "aetherconnect-operator");
    all
}

/// What the cluster's garbage collector does: removes what only those own who are gone.
async fn collect_garbage(world: &World) {
    let living: Vec<_> = world.resources().list(&ListParams::default()).await.unwrap().items;
    let lives = |uid: &Value| living.iter().any(|resource| resource.metadata.uid.as_deref() == uid.as_str());
    for (kind, object) in everything(world).await {
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if owners.is_empty() || owners.iter().any(|owner| lives(&owner["uid"])) {
            continue;
        }
        if kind == "Secret" {
            world.secrets().delete(&name, &DeleteParams::default()).await.unwrap();
        } else if let Some(kind) = Kind::ALL.into_iter().find(|known| format!("{known:?}") == kind) {
            world.delete(kind, &name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_leave_nothing_behind_but_what_their_policy_retains() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let names: Vec<_> = (0..TENANTS).map(|n| format!("t{n}")).collect();
    let policy = |n: usize| if n.is_multiple_of(2) { "{deletionPolicy: Delete}" } else { "{}" };
    let _operator = stage.operator();
    stream::iter(names.iter().enumerate())
        .for_each_concurrent(8, |(n, name)| async move { world.apply(name, policy(n)).await })
        .await;
    join_all(names.iter().map(|name| stage.ready_within(name, LONGEST))).await;
    for (kind, object) in everything(world).await {
        let metadata = &object["metadata"];
        assert!(metadata["finalizers"].is_null(), "{kind} {metadata} would hold up a namespace");
        if kind == "StatefulSet" {
            let number: usize =
                metadata["labels"]["app.kubernetes.io/instance"].as_str().unwrap()[1..].parse().unwrap();
            let when = if number.is_multiple_of(2) { "Delete" } else { "Retain" };
            assert_eq!(object["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], when);
        }
    }
    for name in &names {
        world.resources().delete(name, &DeleteParams::background()).await.unwrap();
    }
    collect_garbage(world).await;
    // The operator may have been in the middle of something.
    sleep(Duration::from_secs(3)).await;
    collect_garbage(world).await;
    let left: Vec<_> =
        everything(world).await.into_iter().map(|(kind, object)| (kind, object["metadata"]["name"].clone())).collect();
    let retained = (0..TENANTS)
        .filter(|n| !n.is_multiple_of(2))
        .flat_map(|n| ["jwt", "postgres", "mongodb"].map(|part| format!("t{n}-{part}")));
    let mut expected: Vec<_> = retained.collect();
    let mut names: Vec<_> = left
        .iter()
        .map(|(kind, name)| {
            assert_eq!(kind, "Secret", "{name}");
            name.as_str().unwrap().to_owned()
        })
        .collect();
    expected.sort();
    names.sort();
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_goes_while_the_operator_is_down_isnt_filled_again() {
    let stage = Stage::new().await;
    let world = &stage.world;
    world.apply("chat", "{}").await;
    let operator = stage.operator();
    stage.ready("chat").await;
    drop(operator);
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    // The namespace's controller goes kind by kind; the operator comes back in between.
    for name in world.names(Kind::Deployment).await {
        world.delete(Kind::Deployment, &name).await;
    }
    stage.proxy.take_calls();
    let _operator = stage.operator();
    sleep(Duration::from_secs(4)).await;
    assert!(world.names(Kind::Deployment).await.is_empty());
    let refused = stage.proxy.take_calls().into_iter().filter(|call| call.status == Some(403)).count();
    assert!(refused < 30, "it backs off: {refused} refusals");
    world.resources().delete("chat", &DeleteParams::background()).await.unwrap();
    stage.proxy.take_calls();
    sleep(Duration::from_secs(2)).await;
    let writes = stage.proxy.take_calls().into_iter().filter(aether_standins::Call::is_write).count();
    assert!(writes < 5, "nothing is made for what is gone: {writes}");
}

/// Asks for instances with which nothing is wrong, and waits until all are Ready.
async fn come_up(stage: &Stage, count: usize) {
    let good: Vec<_> = (0..count).map(|n| format!("good{n}")).collect();
    for name in &good {
        stage.world.apply(name, "{}").await;
    }
    join_all(good.iter().map(|name| stage.ready_within(name, LONGEST))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_instances_say_why_and_hold_up_nobody() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let quotas: Api<ResourceQuota> = Api::namespaced(world.client.clone(), &world.namespace);
    let broken = [
        ("secret", "{postgres: {external: {secretRef: {name: nowhere}}}}", "SecretNotFound", "nowhere"),
        ("key", "{mongodb: {external: {secretRef: {name: stores, key: mongo}}}}", "SecretKeyMissing", "mongo"),
        ("uri", "{postgres: {external: {secretRef: {name: stores, key: pg}}}}", "MalformedUri", "pg"),
        ("image", "{image: {auth: 'reg/hopeless:1'}}", "", ""),
    ];
    world.put_secret("stores", json!({"pg": "nonsense"})).await;
    let bad: Vec<_> = (0..20).map(|n| (format!("{}{n}", broken[n % 4].0), broken[n % 4])).collect();
    for (name, (_, spec, ..)) in &bad {
        world.apply(name, spec).await;
    }
    let _operator = stage.operator();
    sleep(Duration::from_secs(1)).await;
    let count = if is_long() { 30 } else { 10 };
    let began = Instant::now();
    come_up(&stage, count).await;
    let beside = began.elapsed();
    println!("{count} instances are Ready after {beside:?}, beside 20 broken ones");
    if is_long() {
        let stage = Stage::new().await;
        let _operator = stage.operator();
        let began = Instant::now();
        come_up(&stage, count).await;
        let alone = began.elapsed();
        println!("{count} instances are Ready after {alone:?}, alone");
        assert!(beside < alone * 2, "{beside:?} beside broken ones, {alone:?} alone");
    }
    for (name, (_, _, reason, word)) in bad.iter().filter(|(_, (kind, ..))| *kind != "image") {
        let ready = world.condition(name, "Ready").await;
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", *reason), "{name}");
        assert!(ready.message.contains(word), "{name}: {}", ready.message);
    }

    // A namespace that is full: the API server refuses what more there is to be.
    let quota = json!({"metadata": {"name": "full"}, "spec": {"hard": {"services": "1"}}});
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    // What the quota's controller would report.
    let used = json!({"status": {"hard": {"services": "1"}, "used": {"services": "1"}}});
    quotas.patch_status("full", &PatchParams::default(), &Patch::Merge(used)).await.unwrap();
    world.apply("late", "{}").await;
    crate::world::eventually("the refusal is told", || async {
        let status = world.resource("late").await.status.unwrap_or_default();
        status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "ApplyFailed" && c.message.contains("quota"))
    })
    .await;
    sleep(Duration::from_secs(5)).await;
    stage.proxy.take_calls();
    sleep(Duration::from_secs(5)).await;
    let calls = stage.proxy.take_calls().len();
    assert!(calls < 80, "twenty-one broken instances cause {calls} requests in five seconds");
}
