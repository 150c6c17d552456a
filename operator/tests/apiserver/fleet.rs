//! What all instances have in common: the operator's defaults, and upgrades in waves.

use std::sync::Arc;

use aether_operator::{
    cache::{Cache, Watched},
    config::Defaults,
    fleet::{CANARY, Fleet},
    resources::Kind,
};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::World;

/// A fleet that knows what is in the namespace now, as a watch would tell.
async fn fleet(world: &World, defaults: Defaults) -> Fleet {
    let (fleet, cache) = (Fleet::new(defaults), Arc::new(Cache::default()));
    fleet.watch(cache.clone());
    for object in world.resources().list(&ListParams::default()).await.unwrap() {
        let text = serde_json::to_string(&object).unwrap();
        cache.note(Watched::Resources, &object.metadata, Some(&text));
    }
    fleet
}

fn version(version: &str) -> Defaults {
    Defaults { version: Some(version.into()), upgrade_batch: 1, ..Defaults::default() }
}

async fn image(world: &World, name: &str) -> String {
    let live = world.get(Kind::Deployment, &format!("{name}-auth")).await.unwrap();
    live["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn instances_that_follow_the_default_version_are_upgraded_in_waves_that_stop_at_the_first_that_degrades() {
    let mut world = World::new().await;
    world.reconciler.fleet = fleet(&world, version("1.0.0")).await;
    for name in ["a", "b", "canary"] {
        world.apply(name, "{}").await;
        world.settle(name).await;
    }
    world.apply("pinned", "{version: 1.0.0}").await;
    world.settle("pinned").await;
    let label = Patch::Merge(json!({"metadata": {"labels": {CANARY: "true"}}}));
    world.resources().patch("canary", &PatchParams::default(), &label).await.unwrap();

    world.reconciler.fleet = fleet(&world, version("2.0.0")).await;
    world.reconcile("a").await;
    let waits = world.condition("a", "Progressing").await;
    assert_eq!(waits.reason, "WaitingForUpgrade");
    assert!(waits.message.contains("canaries"), "{}", waits.message);
    assert_eq!(world.condition("a", "Ready").await.status, "True", "it runs as before");
    world.settle("canary").await;
    assert!(image(&world, "canary").await.ends_with(":2.0.0"));

    world.reconciler.fleet = fleet(&world, version("2.0.0")).await;
    world.reconcile("b").await;
    assert_eq!(world.condition("b", "Progressing").await.reason, "WaitingForUpgrade", "a is before it");
    world.reconcile("a").await;
    let jobs = world.names(Kind::Job).await;
    world.job_ends(jobs.iter().find(|name| name.starts_with("a-migrate")).unwrap(), "Complete").await;
    world.reconcile("a").await;
    world.pod_broken(Kind::Deployment, "a-auth", &image(&world, "a").await).await;
    world.reconcile("a").await;
    assert_eq!(world.condition("a", "Degraded").await.status, "True");

    world.reconciler.fleet = fleet(&world, version("2.0.0")).await;
    world.reconcile("b").await;
    let halted = world.condition("b", "Progressing").await.message;
    assert!(halted.contains("halted") && halted.contains(&format!("{}/a", world.namespace)), "{halted}");
    assert!(image(&world, "b").await.ends_with(":1.0.0"));
    world.reconcile("pinned").await;
    assert!(image(&world, "pinned").await.ends_with(":1.0.0"));
}

#[tokio::test]
async fn what_a_resource_leaves_open_comes_from_the_operators_configuration() {
    let mut world = World::new().await;
    let variables = [
        ("DEFAULT_VERSION", "3.2.1"),
        ("DEFAULT_STORAGE_CLASS", "fast"),
        ("DEFAULT_INGRESS_CLASS", "nginx"),
        ("DEFAULT_RESOURCES", r#"{"gateway": {"limits": {"memory": "1Gi"}}, "postgres": {"requests": {"cpu": "1"}}}"#),
        ("IMAGE_REGISTRY", "mirror.example/chat"),
    ];
    let get = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    world.reconciler.fleet = Fleet::new(Defaults::from_env(get).unwrap());
    let spec = "{gateway: {ingress: {host: chat.example}}, mongodb: {managed: {storage: {className: own}}}, message: {resources: {limits: {cpu: 2}}}}";
    world.apply("chat", spec).await;
    world.settle("chat").await;
    assert_eq!(image(&world, "chat").await, "mirror.example/chat/auth:3.2.1");
    let get = async |kind: Kind, name: &str, at: &str| -> Value {
        world.get(kind, name).await.unwrap().pointer(at).cloned().unwrap_or_default()
    };
    let class = "/spec/volumeClaimTemplates/0/spec/storageClassName";
    assert_eq!(get(Kind::StatefulSet, "chat-postgres", class).await, "fast");
    assert_eq!(get(Kind::StatefulSet, "chat-mongodb", class).await, "own");
    assert_eq!(get(Kind::Ingress, "chat-gateway", "/spec/ingressClassName").await, "nginx");
    let resources = "/spec/template/spec/containers/0/resources";
    assert_eq!(get(Kind::Deployment, "chat-gateway", resources).await, json!({"limits": {"memory": "1Gi"}}));
    assert_eq!(get(Kind::Deployment, "chat-message", resources).await, json!({"limits": {"cpu": "2"}}));
    assert_eq!(get(Kind::StatefulSet, "chat-postgres", resources).await, json!({"requests": {"cpu": "1"}}));
}
