//! The keys that sign tokens are replaced without a token that is refused.

use aether_operator::{reconcile::rotation::REQUEST, resources::Kind};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::World;

async fn request(world: &World, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUEST: value}}}));
    world.resources().patch("chat", &PatchParams::default(), &patch).await.unwrap();
}

/// The current and the other accepted key.
async fn keys(world: &World) -> (String, Option<String>) {
    let mut secret = world.secret("chat-jwt").await.unwrap();
    (secret.remove("JWT_SECRET").unwrap(), secret.remove("JWT_SECRET_PREVIOUS"))
}

#[tokio::test]
async fn a_rotation_goes_step_by_step_and_each_waits_for_all_pods() {
    let world = World::new().await;
    world.apply("chat", "{jwt: {rotation: {overlap: 0s}}}").await;
    world.settle("chat").await;
    let (old, none) = keys(&world).await;
    assert_eq!(none, None);
    request(&world, "first").await;
    world.reconcile("chat").await;
    let (current, coming) = keys(&world).await;
    assert_eq!(current, old, "the coming key is accepted before it signs");
    let new = coming.unwrap();
    // The pods haven't taken it up.
    world.reconcile("chat").await;
    world.reconcile("chat").await;
    assert_eq!(keys(&world).await, (old.clone(), Some(new.clone())));
    assert!(world.condition("chat", "SecretsReady").await.message.contains("on its way to all pods"));

    world.settle("chat").await;
    assert_eq!(keys(&world).await, (new.clone(), Some(old.clone())), "the old one is still accepted");
    world.settle("chat").await;
    assert_eq!(keys(&world).await, (new.clone(), None));
    world.settle("chat").await;
    let before = world.versions().await;
    world.reconcile("chat").await;
    assert_eq!(world.versions().await, before, "one request, one rotation");

    request(&world, "second").await;
    world.reconcile("chat").await;
    assert_ne!(keys(&world).await, (new, None));
}

#[tokio::test]
async fn keys_of_somebody_else_are_not_rotated() {
    let world = World::new().await;
    let refusal = world.try_apply("chat", "{jwt: {secretRef: {name: k}, rotation: {}}}").await.unwrap_err();
    assert!(refusal.contains("jwt.rotation is for keys that the operator generates"), "{refusal}");
    let key = |n: u8| char::from(n).to_string().repeat(40);
    world.put_secret("keys", json!({"JWT_SECRET": key(b'a'), "JWT_WS_SECRET": key(b'b')})).await;
    world.apply("chat", "{jwt: {secretRef: {name: keys}}}").await;
    world.settle("chat").await;
    request(&world, "now").await;
    world.settle("chat").await;
    assert_eq!(world.secret("keys").await.unwrap().len(), 2);
    assert!(world.get(Kind::Deployment, "chat-auth").await.is_some());
}
