//! GET and DELETE /api/auth/sessions, DELETE /api/auth/sessions/{id}
use crate::{api, failure, guard_401};
use aether_tests::{Answer, Api, Socket, User, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/auth/sessions";
const SOON: Duration = Duration::from_secs(2);

async fn sessions(api: &Api, token: &str) -> Vec<Value> {
    api.get(PATH, Some(token)).await.body["sessions"].as_array().unwrap().clone()
}

async fn id_of(api: &Api, token: &str) -> String {
    let sessions = sessions(api, token).await;
    let current = sessions.iter().find(|session| session["current"] == true).unwrap();
    current["id"].as_str().unwrap().to_owned()
}

async fn status(api: &Api, token: &str) -> u16 {
    api.get("/api/auth/profile", Some(token)).await.status
}

async fn assert_ends(api: &Api, token: &str) {
    eventually("the session to end", SOON, async || status(api, token).await, |status| *status == 401).await;
}

fn revoked(message: &str, number: usize) -> Value {
    json!({"success": true, "message": message, "revoked": number})
}

#[tokio::test]
async fn a_users_live_sessions_are_listed_with_the_current_one_marked() {
    let api = api();
    let user = User::register(&api, "lists").await;
    let login = api
        .request(Method::POST, "/api/auth/login")
        .header("user-agent", "Netscape/4.0")
        .json(&json!({"email": user.email, "password": aether_tests::PASSWORD}));
    let second = api.send(login).await.body["accessToken"].as_str().unwrap().to_owned();
    let session = |agent: Value, current| {
        json!({
            "id": "<id>", "createdAt": "<time>", "expiresAt": "<time>",
            "address": "127.0.0.1", "userAgent": agent, "current": current,
        })
    };
    let list = |first: bool| {
        json!({
            "success": true, "message": "Sessions retrieved successfully",
            "sessions": [session("Netscape/4.0".into(), !first), session(Value::Null, first)],
        })
    };
    api.get(PATH, Some(&user.token)).await.assert(200, list(true));
    api.get(PATH, Some(&second)).await.assert(200, list(false));
}

#[tokio::test]
async fn deleting_sessions_ends_the_others_with_their_sockets_and_keeps_the_current_one() {
    let api = api();
    let (user, stranger) = (User::register(&api, "others").await, User::register(&api, "stranger").await);
    let phone = User { token: user.login(&api).await, ..user.clone() };
    let tablet = user.login(&api).await;
    let mut socket = Socket::connect(&api, &phone).await;
    let mut own = Socket::connect(&api, &user).await;
    api.delete(PATH, Some(&user.token)).await.assert(200, revoked("Sessions revoked successfully", 2));
    for token in [&phone.token, &tablet] {
        assert_ends(&api, token).await;
    }
    socket.assert_closes_within(SOON).await;
    own.join("general").await;
    assert_eq!(sessions(&api, &user.token).await.len(), 1);
    for token in [&user.token, &stranger.token] {
        assert_eq!(status(&api, token).await, 200);
    }
    api.delete(PATH, Some(&user.token)).await.assert(200, revoked("Sessions revoked successfully", 0));
}

#[tokio::test]
async fn deleting_all_sessions_ends_the_current_one_too() {
    let api = api();
    let user = User::register(&api, "all").await;
    let second = user.login(&api).await;
    let mut socket = Socket::connect(&api, &user).await;
    let answer = api.delete("/api/auth/sessions?all=true", Some(&user.token)).await;
    answer.assert(200, revoked("Sessions revoked successfully", 2));
    for token in [&user.token, &second] {
        assert_ends(&api, token).await;
    }
    socket.assert_closes_within(SOON).await;
    let again = user.login(&api).await;
    assert_eq!(status(&api, &again).await, 200);
}

#[tokio::test]
async fn one_session_can_be_ended_by_its_id_once() {
    let api = api();
    let user = User::register(&api, "one").await;
    let second = user.login(&api).await;
    let path = format!("{PATH}/{}", id_of(&api, &second).await);
    api.delete(&path, Some(&user.token)).await.assert(200, revoked("Session revoked successfully", 1));
    assert_ends(&api, &second).await;
    api.delete(&path, Some(&user.token)).await.assert(404, failure("Session not found"));
    let own = format!("{PATH}/{}", id_of(&api, &user.token).await);
    api.delete(&own, Some(&user.token)).await.assert(200, revoked("Session revoked successfully", 1));
    assert_ends(&api, &user.token).await;
}

#[tokio::test]
async fn the_sessions_of_others_are_not_to_be_found() {
    let api = api();
    let (user, other) = (User::register(&api, "mine").await, User::register(&api, "theirs").await);
    let theirs = id_of(&api, &other.token).await;
    for id in [theirs.as_str(), "nothing", "%FF", "%00", "..%2f", "'%20OR%201=1"] {
        let answer = api.delete(&format!("{PATH}/{id}"), Some(&user.token)).await;
        answer.assert(404, failure("Session not found"));
    }
    assert_eq!(status(&api, &other.token).await, 200);
}

#[tokio::test]
async fn a_query_that_is_neither_true_nor_false_ends_nothing() {
    let api = api();
    let user = User::register(&api, "query").await;
    let second = user.login(&api).await;
    for query in ["all=yes", "all=1", "all="] {
        let answer: Answer = api.delete(&format!("{PATH}?{query}"), Some(&user.token)).await;
        answer.assert(400, failure("all must be true or false"));
    }
    assert_eq!(status(&api, &second).await, 200);
}

#[tokio::test]
async fn without_a_token_all_of_them_are_refused() {
    let api = api();
    let user = User::register(&api, "ws").await;
    let ws_token = user.ws_token(&api).await;
    for token in [None, Some(ws_token.as_str())] {
        api.get(PATH, token).await.assert(401, guard_401());
        api.delete(PATH, token).await.assert(401, guard_401());
        api.delete(&format!("{PATH}/x"), token).await.assert(401, guard_401());
    }
}
