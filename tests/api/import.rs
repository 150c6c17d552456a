//! `aetherconnect-auth import` and `aetherconnect-message import`, which `aetherconnect import` runs in pods: over the
//! real stores, beside replicas that serve.
use crate::shared;
use aether_tests::{Stack, unique};
use futures::future::join_all;
use serde_json::{Value, json};

/// `correct horse` by libcrypt.
const HASH: &str = "$2b$04$SRbDI5VyGzFIkgwthUrGEei6qk0uLXLCqqOON325boJy3KXqEKPPG";
const THEN: &str = "2023-10-27T10:00:00Z";

fn old_user(name: &str) -> Value {
    json!({"id": format!("old {name}"), "email": format!("{name}@example.com"), "username": name, "firstName": "Ada",
        "lastName": "Lovelace", "passwordHash": HASH, "roles": [], "createdAt": THEN, "updatedAt": THEN,
        "disabledAt": null})
}

fn import_user(stack: &Stack, name: &str) -> Value {
    let request = json!({"action": "users", "users": [old_user(name)], "dryRun": false});
    let find = json!({"action": "find", "ids": [format!("old {name}"), "old nobody"]});
    let answers = stack.import("auth", &[request, find]);
    assert_eq!(answers[1]["found"].as_array().unwrap().len(), 1, "{answers:?}");
    answers[0]["users"][0].clone()
}

#[tokio::test]
async fn an_imported_user_logs_in_with_the_old_password_and_finds_room_and_history() {
    let (stack, name) = (shared(), unique("imported"));
    let made = import_user(stack, &name);
    let id = made["made"]["id"].as_str().unwrap();
    assert_eq!(import_user(stack, &name), json!({"there": {"id": id}}), "the same when it is repeated");
    let room = json!({"id": name, "name": name, "description": "", "roomType": "private", "createdBy": id,
        "createdAt": THEN, "members": [{"userId": id, "joinedAt": null}]});
    let rooms = json!({"action": "rooms", "rooms": [room], "dryRun": false});
    let room = stack.import("message", &[rooms])[0]["rooms"][0]["made"]["id"].as_str().unwrap().to_owned();
    let message = |n: u32| {
        json!({"id": format!("{name} {n}"), "userId": id, "username": "Ada Lovelace", "content": format!("message {n}"),
            "messageType": "text", "createdAt": format!("2023-10-27T10:{n:02}:00Z")})
    };
    let messages = json!({"action": "messages", "room": room, "messages": [message(1), message(2)], "dryRun": false});
    let told = stack.import("message", &[messages.clone(), messages]);
    assert_eq!(told, [json!({"messages": {"made": 2, "there": 0}}), json!({"messages": {"made": 0, "there": 2}})]);

    let api = stack.api();
    let body = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
    let wrong = json!({"email": format!("{name}@example.com"), "password": "correct house"});
    assert_eq!(api.post("/api/auth/login", None, wrong.clone()).await.status, 401);
    // Many at once: one of them hashes the password anew, and no other is refused for that.
    let answers = join_all((0..4).map(|_| api.post("/api/auth/login", None, body.clone()))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(api.post("/api/auth/login", None, wrong).await.status, 401);
    let kept = stack.dump().await;
    let postgres = kept.iter().filter(|(store, _)| store == "PostgreSQL").flat_map(|(_, text)| text.lines());
    let mut row = postgres.filter(|line| line.contains(&format!("{name}@example.com")));
    assert!(row.all(|line| line.contains("$argon2id$") && !line.contains("$2b$")));
    let token = answers[0].body["accessToken"].as_str().unwrap();
    let history = api.get(&format!("/api/rooms/{name}/messages"), Some(token)).await;
    let contents: Vec<_> = history.body["messages"].as_array().unwrap().iter().map(|m| &m["content"]).collect();
    assert_eq!(contents, ["message 1", "message 2"]);
    assert_eq!(history.body["messages"][0]["createdAt"], "2023-10-27T10:01:00.000Z");
    let rooms = api.get("/api/rooms", Some(token)).await;
    assert_eq!((&rooms.body["rooms"][0]["id"], &rooms.body["rooms"][0]["members"]), (&json!(room), &json!([id])));
}

#[test]
fn a_line_that_is_no_request_is_refused_without_being_repeated() {
    let told = std::panic::catch_unwind(|| shared().import("auth", &[json!({"passwordHash": "hunter2 is secret"})]));
    let message = *told.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("is no request") && !message.contains("hunter2"), "{message}");
}
