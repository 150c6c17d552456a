//! The official JavaScript client against each kind of backend: starts one and hands its URLs to `tests/client/run`.
use aether_tests::{Options, Stack, Store, program};
use std::process::Command;
use std::sync::Mutex;

// One at a time: each run has several Node processes, and typing tests measure seconds.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn run(urls: &[String], files: &[&str]) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    node("client/run", files, "AETHER_URLS", urls.join(","));
}

/// Runs a script that runs tests by Node, from the folder of tests, and fails as it does.
pub(crate) fn node(script: &str, arguments: &[&str], variable: &str, value: impl AsRef<std::ffi::OsStr>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(path).env(variable, value).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} ended with {}:\n{text}", output.status);
}

fn check(stack: &Stack, files: &[&str]) {
    run(&stack.urls, files);
}

const ALL: [&str; 7] = ["asyncapi", "connect", "rooms", "messages", "typing", "replay", "revocation"];

#[test]
fn the_client_package_goes_on_over_cuts_restarts_and_ended_sessions() {
    node("../clients/typescript/run", &[], "AETHERCONNECT_PROGRAM", program("aetherconnect"));
}

#[test]
fn the_official_client_gets_every_event_over_embedded_stores() {
    check(&Stack::start(&Options { store: Store::Embedded, ..Options::default() }), &ALL);
}

#[test]
fn the_official_client_gets_every_event_over_real_stores_and_redis() {
    check(&Stack::start(&Options { store: Store::Real, redis: true, ..Options::default() }), &ALL);
}

#[test]
fn clients_of_two_replicas_see_each_other_over_redis() {
    check(&Stack::start(&Options { store: Store::Real, redis: true, ..Options::default() }.replicas(2)), &["replicas"]);
}

#[test]
fn clients_of_two_replicas_see_each_other_without_redis() {
    check(
        &Stack::start(&Options { store: Store::Real, redis: false, ..Options::default() }.replicas(2)),
        &["replicas"],
    );
}
