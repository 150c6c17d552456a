//! `aetherconnect run`: the same backend in one process, as a developer has it on a laptop.
use crate::client;
use aether_tests::{Laptop, Socket, User};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(25);
const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml");

fn data(dir: &tempfile::TempDir) -> std::path::PathBuf {
    dir.path().join("data")
}

fn refused(data: &Path, yaml: &str) -> String {
    let file = data.with_extension("yaml");
    std::fs::write(&file, yaml).unwrap();
    let output = Laptop::command(data, &["-f", file.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success(), "it ran");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn users_sessions_and_messages_outlast_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Laptop::start(&data(&dir), &["-f", QUICKSTART]);
    let api = first.api();
    let user = User::register(&api, "laptop").await;
    let mut socket = Socket::connect(&api, &user).await;
    let room = socket.join("general").await;
    socket.send(&room, "still there?").await;
    drop(socket);
    assert_eq!(first.stop("TERM", GRACE), Some(0));

    let second = Laptop::start(&data(&dir), &["-f", QUICKSTART]);
    let history = second.api().get("/api/rooms/general/messages", Some(&user.token)).await;
    assert_eq!(history.body["messages"][0]["content"], "still there?", "{}", history.body);
    assert_eq!(second.stop("INT", GRACE), Some(0), "Ctrl-C");
}

#[tokio::test]
async fn the_official_client_is_served_and_what_is_printed_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = Laptop::start(&data(&dir), &[]);
    let port = laptop.url.rsplit(':').next().unwrap();
    assert!(laptop.output().contains(&format!("http://localhost:{port}")), "{}", laptop.output());
    let url = laptop.url.clone();
    tokio::task::spawn_blocking(move || client::run(&[url], &["connect", "messages"])).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn generated_secrets_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let laptop = Laptop::start(&data(&dir), &[]);
    User::register(&laptop.api(), "secret").await;
    let mut folders = vec![data(&dir)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if entry.metadata().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains("secret") {
                assert_eq!(mode & 0o077, 0, "{} is {mode:o}", entry.path().display());
            }
        }
    }
}

#[test]
fn a_broken_resource_is_refused_by_a_message_that_says_what_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let head = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\n";
    let error = refused(&data(&dir), &format!("{head}spec: {{gatewai: {{}}}}\n"));
    assert!(error.contains("gatewai"), "{error}");
    let error = refused(&data(&dir), &format!("{head}spec: {{gateway: {{port: 99999}}}}\n"));
    assert!(error.contains("port"), "{error}");
    let error = refused(&data(&dir), "{");
    assert!(error.contains("chat") || error.contains("yaml"), "{error}");
}

#[tokio::test]
async fn two_at_once_on_other_data_do_not_see_each_other() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (Laptop::start(&data(&one), &[]), Laptop::start(&data(&two), &[]));
    let user = User::register(&one.api(), "here").await;
    let login = json!({"email": user.email, "password": aether_tests::PASSWORD});
    assert_eq!(two.api().post("/api/auth/login", None, login).await.status, 401);
    assert_eq!(two.api().get("/api/auth/profile", Some(&user.token)).await.status, 401);
}
