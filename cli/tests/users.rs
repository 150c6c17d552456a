//! `aetherconnect users --data-dir` beside an `aetherconnect run`, as a person uses them.
#![allow(clippy::unwrap_used)]

mod backend;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use backend::{Backend, command};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aetherconnect");
async fn log_in(backend: &Backend, password: &str) -> (u16, Value) {
    backend.post("/api/auth/login", json!({"email": "ada@example.com", "password": password})).await
}

async fn profile(backend: &Backend, token: &str) -> u16 {
    let request = reqwest::Client::new().get(format!("{}/api/auth/profile", backend.url));
    request.header("authorization", format!("Bearer {token}")).send().await.unwrap().status().as_u16()
}

fn users(data: &Path, args: &[&str], stdin: Option<&str>) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("users").args(args).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes());
    child.wait_with_output().unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const ADA: [&str; 9] =
    ["create", "--email", "ada@example.com", "--username", "ada", "--first-name", "Ada", "--last-name", "Lovelace"];

#[tokio::test]
async fn a_user_is_made_disabled_enabled_and_given_a_password_beside_a_backend_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::start(&mut command(folder.path()));
    let made = json_of(&users(folder.path(), &[&ADA[..], &["-o", "json"]].concat(), None));
    let password = made["password"].as_str().unwrap();
    let (status, body) = log_in(&backend, password).await;
    assert_eq!(status, 200, "{body}");
    let token = body["accessToken"].as_str().unwrap();
    assert_eq!(profile(&backend, token).await, 200);

    let wrong = log_in(&backend, "not the password").await;
    let disabled = json_of(&users(folder.path(), &["disable", "ada", "-o", "json"], None));
    assert_eq!((disabled["changed"].as_bool(), disabled["endedSessions"].as_i64()), (Some(true), Some(1)));
    let asked = Instant::now();
    while profile(&backend, token).await != 401 {
        assert!(asked.elapsed() < Duration::from_secs(2), "the session goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log_in(&backend, password).await, wrong, "as for a wrong password");

    let listed = json_of(&users(folder.path(), &["list", "-o", "json"], None));
    assert!(listed["users"][0]["disabledAt"].is_string(), "{listed}");
    assert!(users(folder.path(), &["enable", "ada@example.com"], None).status.success());
    assert_eq!(log_in(&backend, password).await.0, 200);

    let reset = users(folder.path(), &["reset-password", "ada", "--password-stdin"], Some("a new horse battery\n"));
    let told = String::from_utf8(reset.stdout).unwrap();
    assert!(told.starts_with("Set a new password for ada") && !told.contains("horse"), "{told}");
    assert_eq!(log_in(&backend, password).await.0, 401);
    assert_eq!(log_in(&backend, "a new horse battery").await.0, 200);
}

#[test]
fn a_password_that_breaks_the_rules_and_a_name_that_is_taken_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    drop(Backend::start(&mut command(folder.path())));
    let error = |output: Output| {
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let short = users(folder.path(), &[&ADA[..], &["--password-stdin"]].concat(), Some("short\n"));
    assert_eq!(error(short), "error: password must have 8 to 128 characters\n");
    let empty = users(folder.path(), &[&ADA[..], &["--password-stdin"]].concat(), None);
    assert!(error(empty).contains("standard input holds no password"));
    assert!(users(folder.path(), &ADA, None).status.success());
    assert!(error(users(folder.path(), &ADA, None)).contains("already exists"));
    assert!(error(users(folder.path(), &["disable", "bob"], None)).contains("bob"));
}

#[test]
fn a_folder_that_is_none_of_a_backend_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = users(folder.path(), &["list"], None);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("must be the data directory of an `aetherconnect run`"));
}
