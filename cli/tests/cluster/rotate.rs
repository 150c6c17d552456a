//! `aetherconnect rotate-keys`.

use std::process::Child;

use crate::{Ended, run, start, world::World};

#[tokio::test]
async fn asking_makes_the_operator_rotate_the_keys() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let old = world.secret("chat-jwt").await.unwrap();
    let ended = run(&world, &["rotate-keys", "chat"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.starts_with("Asked for new keys of chat. The operator lets"), "{}", ended.stdout);
    world.reconcile("chat").await;
    let new = world.secret("chat-jwt").await.unwrap();
    assert!(!old.contains_key("JWT_SECRET_PREVIOUS") && new.contains_key("JWT_SECRET_PREVIOUS"));
}

/// Plays the cluster until the command ends.
async fn play(world: &World, mut command: Child) -> Ended {
    while command.try_wait().unwrap().is_none() {
        world.settle("chat").await;
    }
    command.wait_with_output().unwrap().into()
}

#[tokio::test]
async fn waiting_follows_the_steps_until_the_new_key_signs() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let old = world.secret("chat-jwt").await.unwrap().remove("JWT_SECRET");
    let ended = play(&world, start(&world, &["rotate-keys", "chat", "--wait", "--timeout", "1m"])).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("Nobody has to log in again"), "{}", ended.stdout);
    let mut keys = world.secret("chat-jwt").await.unwrap();
    assert_ne!(keys.remove("JWT_SECRET"), old);
    assert_eq!(keys.remove("JWT_SECRET_PREVIOUS"), old);

    let again = play(&world, start(&world, &["rotate-keys", "chat", "--wait"])).await;
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("is still accepted: the operator begins when"), "{}", again.stderr);
}

#[tokio::test]
async fn keys_that_are_not_the_operators_and_a_suspended_instance_are_refused_with_what_to_do() {
    let world = World::new().await;
    world.apply("own", "{jwt: {secretRef: {name: my-keys}}}").await;
    let ended = run(&world, &["rotate-keys", "own"]);
    assert!(ended.code == 1 && ended.stderr.contains("my-keys"), "{}", ended.stderr);
    world.apply("asleep", "{suspend: true}").await;
    let ended = run(&world, &["rotate-keys", "asleep"]);
    assert!(ended.code == 1 && ended.stderr.contains("aetherconnect resume asleep"), "{}", ended.stderr);
}
