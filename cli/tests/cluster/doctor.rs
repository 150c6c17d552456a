//! `aetherconnect doctor`.

use std::process::Command;

use serde_json::Value;

use crate::{Ended, as_stranger, command, run, unreachable, world::World};

fn level<'a>(told: &'a Value, check: &str) -> &'a str {
    let findings = told["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("nothing about {check}: {told}"))["level"].as_str().unwrap()
}

#[tokio::test]
async fn it_finds_the_definition_equal_to_its_own_and_tells_of_what_is_missing() {
    let world = World::new().await;
    world.apply("chat", "{gateway: {autoscaling: {maxReplicas: 3}}}").await;
    let ended = run(&world, &["doctor", "-o", "json"]);
    assert_eq!(ended.code, 2, "there is no operator in this cluster: {}", ended.stderr);
    let told = ended.json();
    for check in ["cluster", "definition", "permissions"] {
        assert_eq!(level(&told, check), "ok", "{check}: {told}");
    }
    for check in ["operator", "storage", "autoscaling"] {
        assert_eq!(level(&told, check), "error", "{check}: {told}");
    }
    let errors = told["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "error");
    assert!(errors.clone().all(|finding| finding["toDo"].is_string()), "{told}");
    assert_eq!(errors.count() as u64, told["errors"].as_u64().unwrap());
}

#[tokio::test]
async fn the_stores_of_an_instance_that_is_ready_are_told_to_be_well() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let text = run(&world, &["doctor"]).stdout;
    let name = format!("{}/chat", world.namespace);
    for line in ["PostgreSQL of ", "MongoDB of ", "Redis of ", ""].map(|of| format!("ok       {of}{name}: ")) {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn somebody_without_rights_is_told_which_are_missing() {
    let world = World::new().await;
    let file = as_stranger();
    let ended: Ended =
        command(&world, &["doctor", "-o", "json"]).env("KUBECONFIG", file.path()).output().unwrap().into();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let told = ended.json();
    assert_eq!(level(&told, "permissions"), "error");
    assert!(told.to_string().contains("get aetherconnects.aetherconnect.io"), "{told}");
}

#[test]
fn a_cluster_out_of_reach_is_the_first_finding_and_the_only_one() {
    let (file, port) = unreachable();
    let command = Command::new(env!("CARGO_BIN_EXE_aetherconnect"))
        .args(["doctor", "-o", "json"])
        .env("KUBECONFIG", file.path())
        .output();
    let ended: Ended = command.unwrap().into();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let told = ended.json();
    assert_eq!((level(&told, "cluster"), told["errors"].as_i64()), ("error", Some(1)));
    assert!(told.to_string().contains(&format!("127.0.0.1:{port} can't be reached")), "{told}");
}
