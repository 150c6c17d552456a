//! `aetherconnect import --data-dir`: an earlier backend's users log in with the passwords they had, and find their
//! rooms and all that was said.
#![allow(clippy::unwrap_used)]

mod backend;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use backend::{Backend, command};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_aetherconnect");
/// Of all users of the export.
const PASSWORD: &str = "correct horse";

fn export(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export").join(file)
}

fn import(data: &Path, args: &[&str], stdin: Option<&str>) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("import").args(args).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes());
    child.wait_with_output().unwrap()
}

fn everything(data: &Path, more: &[&str]) -> Output {
    let files: Vec<_> = ["users", "rooms", "members", "messages"]
        .iter()
        .flat_map(|kind| [format!("--{kind}"), export(&format!("{kind}.jsonl")).display().to_string()])
        .collect();
    let args: Vec<_> = files.iter().map(String::as_str).chain(more.iter().copied()).collect();
    import(data, &args, None)
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refusal(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A data directory that a backend has made.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    drop(Backend::start(&mut command(folder.path())));
    folder
}

async fn log_in(backend: &Backend, email: &str) -> (u16, Value) {
    backend.post("/api/auth/login", json!({"email": email, "password": PASSWORD})).await
}

async fn get(backend: &Backend, path: &str, token: &str) -> Value {
    let request = reqwest::Client::new().get(format!("{}{path}", backend.url));
    request.header("authorization", format!("Bearer {token}")).send().await.unwrap().json().await.unwrap()
}

fn contents(history: &Value) -> Vec<&str> {
    history["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_log_in_with_their_passwords_and_find_their_rooms_and_all_that_was_said() {
    let folder = tempfile::tempdir().unwrap();
    // Beside a backend that runs.
    let backend = Backend::start(&mut command(folder.path()));
    let told = json_of(&everything(folder.path(), &["-o", "json"]));
    let expected = json!({
        "dryRun": false, "users": {"made": 3, "there": 0, "withoutPassword": 1},
        "rooms": {"made": 2, "there": 1, "members": 6}, "messages": {"made": 5, "there": 0, "deleted": 1},
    });
    assert_eq!(told, expected);

    let (status, body) = log_in(&backend, "ada@example.com").await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["user"]["roles"], json!(["user", "moderator"]));
    assert_eq!(body["user"]["createdAt"], "2023-10-27T10:00:00.000Z");
    let (ada, token) = (body["user"]["id"].as_str().unwrap(), body["accessToken"].as_str().unwrap());
    let rooms = get(&backend, "/api/rooms", token).await;
    let rooms = rooms["rooms"].as_array().unwrap();
    assert_eq!(rooms.len(), 3, "{rooms:?}");
    let project = rooms.iter().find(|room| room["name"] == "project x").unwrap();
    assert_eq!((&project["id"], &project["roomType"]), (&json!("635a5e3b8bb9e8b3c8e9f5d3"), &json!("private")));
    assert_eq!(project["members"].as_array().unwrap().len(), 2, "who has left is out");

    let history = get(&backend, "/api/rooms/general/messages", token).await;
    assert_eq!(contents(&history), ["the first", "the second, sent by the room's name", "the third"]);
    let (first, third) = (&history["messages"][0], &history["messages"][2]);
    assert_eq!((&first["userId"], &first["username"]), (&json!(ada), &json!("ada")));
    assert_eq!((&third["id"], &third["username"]), (&json!("635a5e3b8bb9e8b3c8e9f603"), &json!("Ada Lovelace")));
    assert_eq!(third["createdAt"], "2023-10-27T10:03:00.000Z");
    let between = get(&backend, "/api/rooms/635a5e3b8bb9e8b3c8e9f5d4/messages", token).await;
    assert_eq!(contents(&between), ["between us"]);
    let (status, body) = log_in(&backend, "bob@example.com").await;
    assert_eq!(status, 401, "{body}");
    let wrong = backend.post("/api/auth/login", json!({"email": "grace@example.com", "password": "wrong"})).await;
    assert_eq!(wrong.0, 401);
    assert_eq!(log_in(&backend, "grace@example.com").await.0, 200);

    // Again, and with a message more; nothing is twice.
    let again = json_of(&everything(folder.path(), &["-o", "json"]));
    assert_eq!(again["messages"], json!({"made": 0, "there": 5, "deleted": 1}));
    assert_eq!((&again["users"]["made"], &again["rooms"]["members"]), (&json!(0), &json!(0)));
    let more = r#"{"_id":"635a5e3b8bb9e8b3c8e9f605","roomId":"general","userId":"1","content":"the fourth",
        "createdAt":"2023-10-27T11:00:00Z"}"#
        .replace('\n', "");
    let told = json_of(&import(folder.path(), &["--messages", "-", "-o", "json"], Some(&more)));
    assert_eq!(told["messages"]["made"], 1, "users and rooms of an earlier import are known: {told}");
    let history = get(&backend, "/api/rooms/general/messages", token).await;
    assert_eq!(history["pagination"]["totalItems"], 4);
    assert_eq!(contents(&history)[3], "the fourth");
    assert_eq!(log_in(&backend, "ada@example.com").await.0, 200, "by the hash that the first login made");
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let folder = made();
    let told = json_of(&everything(folder.path(), &["--dry-run", "-o", "json"]));
    assert_eq!((&told["dryRun"], &told["messages"]["made"]), (&json!(true), &json!(5)));
    let told = everything(folder.path(), &[]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("Imported 3 users, 2 rooms and 5 messages.\n"), "{told}");
    assert!(told.contains("1 messages were deleted") && told.contains("1 users have no password"), "{told}");
}

#[test]
fn all_that_is_wrong_is_told_by_file_line_and_field_before_anything_is_changed() {
    let folder = made();
    let users = folder.path().join("users.jsonl");
    let lines = [
        r#"{"id":1,"email":"ada@example.com","username":"ada","firstName":"Ada","lastName":"L","password":"plain"}"#,
        r#"{"id":2,"email":"ADA@example.com","username":"x","firstName":"Ada","lastName":"L"}"#,
        r#"{"id":3,"username":"grace","firstName":"Grace","lastName":"H","createdAt":"yesterday"}"#,
    ];
    fs::write(&users, lines.join("\n")).unwrap();
    let path = users.display().to_string();
    let told = refusal(import(folder.path(), &["--users", &path], None));
    for part in [
        format!("{path}:3: email must be given\n"),
        format!("{path}:3: createdAt must be a time such as"),
        format!("{path}:2: email is that of line 1: change one of the two\n"),
        "can't be imported as it is, and nothing was changed".to_owned(),
    ] {
        assert!(told.contains(&part), "{part} is missing in:\n{told}");
    }
    // What only the services know.
    fs::write(&users, [lines[0], r#"{"id":2,"email":"x","username":"a b","firstName":"G","lastName":"H"}"#].join("\n"))
        .unwrap();
    let told = refusal(import(folder.path(), &["--users", &path], None));
    assert!(told.contains(":1: password must be bcrypt's") && !told.contains("plain"), "{told}");
    assert!(told.contains(":2: email must be an e-mail address") && told.contains(":2: username must have"), "{told}");
    let told = import(folder.path(), &["--users", &path, "-o", "json"], None);
    let problems: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(problems["problems"][0]["line"], 1);

    let messages = r#"{"id":1,"roomId":"general","userId":9,"content":"x","createdAt":"2023-10-27T10:00:00Z"}
{"id":2,"roomId":"nowhere","userId":9,"content":"y","createdAt":"2023-10-27T10:00:00Z"}"#;
    let told = refusal(import(folder.path(), &["--messages", "-"], Some(messages)));
    assert!(told.contains("standard input:1: userId 9 is no user") && told.contains("--former-users"), "{told}");
    let told = refusal(import(folder.path(), &["--messages", "-", "--former-users"], Some(messages)));
    assert!(told.contains("standard input:2: roomId nowhere is no id and no name of a room"), "{told}");
    let kept = messages.lines().next();
    assert!(import(folder.path(), &["--messages", "-", "--former-users"], kept).status.success());
    let told = refusal(import(folder.path(), &["--messages", "/does/not/exist"], None));
    assert!(told.contains("cannot read /does/not/exist"), "{told}");
    assert!(refusal(import(folder.path(), &[], None)).contains("there is nothing to import"));
}

#[tokio::test]
async fn somebody_who_came_by_the_same_name_is_not_taken_for_the_old_user() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::start(&mut command(folder.path()));
    let body = json!({"email": "ada@example.com", "password": "another horse", "firstName": "Ada",
        "lastName": "Byron", "username": "byron"});
    assert_eq!(backend.post("/api/auth/register", body).await.0, 201);
    let told = refusal(everything(folder.path(), &[]));
    assert!(told.contains("users.jsonl:1: email belongs to the user byron here"), "{told}");
    assert!(told.contains("nothing was changed"), "{told}");
    assert_eq!(log_in(&backend, "grace@example.com").await.0, 401);
}
