//! What would change is told before it does, and waits where somebody wants to see it first.

use aether_operator::{
    api::AetherConnect,
    config::Defaults,
    reconcile::plan::{APPROVE, PLAN, Plan, plan},
    resources::Kind,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::World;

async fn planned(world: &World, spec: &str) -> Plan {
    let spec: Value = serde_yaml::from_str(spec).unwrap();
    let mut wanted = AetherConnect::new("chat", serde_json::from_value(spec).unwrap());
    wanted.metadata.namespace = Some(world.namespace.clone());
    plan(&world.client, &wanted, &Defaults::default()).await.unwrap()
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{} {} {}", change.verb(), change.kind, change.name)).collect()
}

#[tokio::test]
async fn a_plan_lists_what_a_first_apply_creates_and_creates_nothing() {
    let world = World::new().await;
    let plan = planned(&world, "{redis: {disabled: true}}").await;
    let lines = lines(&plan);
    for line in [
        "create AetherConnect chat",
        "create Secret chat-jwt",
        "create StatefulSet chat-postgres",
        "create Deployment chat-gateway",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} is not among {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("redis")), "{lines:#?}");
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
    assert!(world.resources().get_opt("chat").await.unwrap().is_none());
    assert_eq!(world.names(Kind::Deployment).await, Vec::<String>::new());
    let told = format!("{plan:?}");
    assert!(told.contains("known-after-apply"), "no secret is made up");

    world.apply("chat", "{redis: {disabled: true}}").await;
    world.settle("chat").await;
    let plan = planned(&world, "{redis: {disabled: true}}").await;
    assert_eq!(plan.changes, [], "what is there needs nothing");
}

#[tokio::test]
async fn a_plan_of_a_change_shows_it_and_what_goes() {
    let world = World::new().await;
    world.apply("chat", "{gateway: {ingress: {host: chat.example}}}").await;
    world.settle("chat").await;
    let before = world.versions().await;
    let plan = planned(&world, "{redis: {disabled: true}, gateway: {replicas: 3}}").await;
    let told = lines(&plan);
    for line in [
        "update AetherConnect chat",
        "update Deployment chat-gateway",
        "update Deployment chat-auth",
        "delete StatefulSet chat-redis",
        "delete Ingress chat-gateway",
        "delete Secret chat-redis",
        "create PodDisruptionBudget chat-gateway",
    ] {
        assert!(told.contains(&line.to_owned()), "{line} is not among {told:#?}");
    }
    assert!(!told.iter().any(|line| line.contains("postgres")), "{told:#?}");
    let gateway =
        plan.changes.iter().find(|change| change.kind == "Deployment" && change.name == "chat-gateway").unwrap();
    let replicas = |object: &Option<Value>| object.as_ref().unwrap()["spec"]["replicas"].clone();
    assert_eq!((replicas(&gateway.before), replicas(&gateway.after)), (json!(1), json!(3)));
    assert_eq!(world.versions().await, before, "a plan writes nothing");
}

#[tokio::test]
async fn a_plan_names_what_has_to_be_mended_first() {
    let world = World::new().await;
    let plan = planned(&world, "{postgres: {external: {secretRef: {name: theirs}}}}").await;
    assert!(plan.problems[0].fact.message.contains("Secret theirs doesn't exist"), "{:?}", plan.problems);
    let mut wanted = AetherConnect::new("chat", serde_json::from_value(json!({"gateway": {"port": 9090}})).unwrap());
    wanted.metadata.namespace = Some(world.namespace.clone());
    let error = aether_operator::reconcile::plan::plan(&world.client, &wanted, &Defaults::default()).await.unwrap_err();
    assert!(error.to_string().contains("gateway.port 9090 is taken"), "{error}");
}

async fn annotate(world: &World, key: &str, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
    world.resources().patch("chat", &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn changes_of_a_resource_that_asks_for_it_wait_until_their_plan_is_approved() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    annotate(&world, PLAN, "true").await;
    world.reconcile("chat").await;
    assert!(world.secret("chat-jwt").await.is_none(), "nothing is written, not even a Secret");
    let first = world.resource("chat").await.status.unwrap().plan.unwrap();
    assert!(first.changes.contains(&"create Deployment chat-auth".to_owned()), "{:?}", first.changes);
    annotate(&world, APPROVE, &first.id).await;
    world.settle("chat").await;
    assert_eq!(world.resource("chat").await.status.unwrap().plan, None);

    world.apply("chat", "{gateway: {replicas: 4}}").await;
    world.reconcile("chat").await;
    let waits = world.condition("chat", "Progressing").await;
    assert_eq!(waits.reason, "WaitingForApproval");
    let second = world.resource("chat").await.status.unwrap().plan.unwrap();
    assert_eq!(
        second.changes,
        ["update Deployment chat-gateway", "create PodDisruptionBudget chat-gateway"]
            .map(String::from)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert!(waits.message.contains(&second.id), "{}", waits.message);
    assert_eq!(world.condition("chat", "Ready").await.status, "True", "what runs, runs");
    annotate(&world, APPROVE, &second.id).await;
    world.settle("chat").await;
    assert_eq!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"]["replicas"], 4);

    // What somebody edits is mended without another approval.
    world.patch(Kind::Deployment, "chat-gateway", json!({"spec": {"replicas": 1}})).await;
    world.settle("chat").await;
    assert_eq!(world.get(Kind::Deployment, "chat-gateway").await.unwrap()["spec"]["replicas"], 4);
}
