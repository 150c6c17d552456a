//! `aetherconnect status`.

use std::process::Command;

use aether_operator::resources::Kind;

use crate::{Ended, as_stranger, command, run, unreachable, world::World};

#[tokio::test]
async fn an_instance_that_is_ready_is_shown_with_its_components_and_ends_with_0() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    let ended = run(&world, &["status", "chat", "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let view = ended.json();
    assert_eq!((view["ready"].as_bool(), view["toMend"].is_null()), (Some(true), true), "{view}");
    let auth = view["components"].as_array().unwrap().iter().find(|component| component["name"] == "auth").unwrap();
    assert!(auth["image"].as_str().unwrap().contains("/auth:") && auth["ready"] == auth["desired"], "{auth}");
    let text = run(&world, &["status", "chat"]).stdout;
    assert!(text.contains("Nothing to mend.") && text.contains("PostgresReady"), "{text}");
    assert!(!text.contains('\x1b'), "no colours where there is no terminal");
}

#[tokio::test]
async fn one_that_is_not_ready_ends_with_2_and_says_what_to_mend_first() {
    let world = World::new().await;
    for name in ["fine", "broken"] {
        world.apply(name, "{}").await;
    }
    world.settle("fine").await;
    world.reconcile("broken").await;
    world.pod_broken(Kind::StatefulSet, "broken-postgres", "reg/postgres:0").await;
    world.reconcile("broken").await;
    let ended = run(&world, &["status", "-o", "json"]);
    assert_eq!(ended.code, 2);
    let told = ended.json();
    let names: Vec<_> = told["instances"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["broken", "fine"]);
    let mend = &told["instances"][0]["toMend"];
    assert_eq!(
        (mend["condition"].as_str(), mend["reason"].as_str()),
        (Some("PostgresReady"), Some("ImagePullBackOff"))
    );
    let table = run(&world, &["status"]).stdout;
    assert!(table.contains("PostgresReady: ImagePullBackOff"), "{table}");
}

#[tokio::test]
async fn a_misspelt_name_is_answered_by_the_one_that_was_meant() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    let ended = run(&world, &["status", "chatt"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("did you mean chat?"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_instance_in_another_namespace_is_told_with_the_option_for_it() {
    let (here, there) = (World::new().await, World::new().await);
    there.apply("elsewhere", "{}").await;
    let ended = run(&here, &["status", "elsewhere"]);
    assert!(ended.stderr.contains(&format!("add `-n {}`", there.namespace)), "{}", ended.stderr);
    let all = Command::new(env!("CARGO_BIN_EXE_aetherconnect"))
        .args(["status", "-A", "--kubeconfig", &std::env::var("TEST_KUBECONFIG").unwrap()])
        .output();
    let all: Ended = all.unwrap().into();
    assert!(all.stdout.contains(&there.namespace), "{}", all.stdout);
}

#[tokio::test]
async fn an_empty_namespace_is_told_from_one_that_is_not_there() {
    let mut world = World::new().await;
    let empty = run(&world, &["status"]);
    assert_eq!(empty.code, 0);
    assert!(empty.stdout.contains("There is no instance in namespace"), "{}", empty.stdout);
    world.namespace = "no-such-namespace".into();
    let missing = run(&world, &["status"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("there is no namespace no-such-namespace"), "{}", missing.stderr);
}

#[tokio::test]
async fn who_may_not_look_is_told_whom_to_ask() {
    let world = World::new().await;
    let file = as_stranger();
    let ended: Ended = command(&world, &["status"]).env("KUBECONFIG", file.path()).output().unwrap().into();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("you may not list AetherConnect resources"), "{}", ended.stderr);
    assert!(ended.stderr.contains("aetherconnect doctor"), "{}", ended.stderr);
}

#[test]
fn a_cluster_out_of_reach_is_told_by_its_address() {
    let (file, port) = unreachable();
    let run = |args: &[&str]| -> Ended {
        let program = env!("CARGO_BIN_EXE_aetherconnect");
        Command::new(program).args(args).arg("--kubeconfig").arg(file.path()).output().unwrap().into()
    };
    let ended = run(&["status"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains(&format!("127.0.0.1:{port} can't be reached")), "{}", ended.stderr);
    let ended = run(&["status", "--context", "nowhere"]);
    assert!(ended.stderr.contains("get-contexts"), "{}", ended.stderr);
}

#[test]
fn without_a_kubeconfig_one_is_told_how_to_get_one() {
    let empty = tempfile::tempdir().unwrap();
    let ended: Ended = Command::new(env!("CARGO_BIN_EXE_aetherconnect"))
        .arg("status")
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", empty.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("no cluster is configured") && ended.stderr.contains("KUBECONFIG"),
        "{}",
        ended.stderr
    );
}
