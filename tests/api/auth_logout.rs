//! POST /api/auth/logout
use crate::{api, failure, guard_401};
use aether_tests::{Token, User, eventually};
use serde_json::json;
use std::time::Duration;

const PATH: &str = "/api/auth/logout";

#[tokio::test]
async fn a_logout_is_confirmed_and_the_token_is_refused_from_then_on() {
    let api = api();
    let user = User::register(&api, "logout").await;
    let answer = api.post(PATH, Some(&user.token), json!({})).await;
    answer.assert(200, json!({"success": true, "message": "Logged out successfully"}));
    let get = async || api.get("/api/auth/profile", Some(&user.token)).await;
    eventually("the token to be refused", Duration::from_secs(1), get, |a| a.status == 401)
        .await
        .assert(401, guard_401());
    api.get("/api/auth/ws-token", Some(&user.token)).await.assert(401, guard_401());
    let rooms = async || api.get("/api/rooms", Some(&user.token)).await;
    eventually("rooms to be refused", Duration::from_secs(1), rooms, |a| a.status == 401)
        .await
        .assert(401, guard_401());
}

#[tokio::test]
async fn a_logout_needs_no_body() {
    let api = api();
    let user = User::register(&api, "nobody").await;
    let answer = api.send(api.request(reqwest::Method::POST, PATH).bearer_auth(&user.token)).await;
    answer.assert(200, json!({"success": true, "message": "Logged out successfully"}));
}

#[tokio::test]
async fn other_sessions_of_the_user_go_on() {
    let api = api();
    let user = User::register(&api, "two").await;
    let second = user.login(&api).await;
    assert_eq!(api.post(PATH, Some(&user.token), json!({})).await.status, 200);
    let first = async || api.get("/api/auth/profile", Some(&user.token)).await;
    eventually("the token to be refused", Duration::from_secs(1), first, |a| a.status == 401).await;
    assert_eq!(api.get("/api/auth/profile", Some(&second)).await.status, 200);
}

#[tokio::test]
async fn without_a_valid_token_the_401_has_the_form_of_this_endpoint() {
    let api = api();
    let user = User::register(&api, "logout401").await;
    let ws_token = user.ws_token(&api).await;
    let forged = Token::parse(&user.token).sign("another secret that nobody has configured");
    api.send(api.request(reqwest::Method::POST, PATH)).await.assert(401, failure("Unauthorized"));
    for token in ["nonsense", &forged, &ws_token] {
        api.post(PATH, Some(token), json!({})).await.assert(401, failure("Unauthorized"));
    }
}

#[tokio::test]
async fn a_second_logout_with_the_same_token_is_refused() {
    let api = api();
    let user = User::register(&api, "twice").await;
    assert_eq!(api.post(PATH, Some(&user.token), json!({})).await.status, 200);
    let again = async || api.post(PATH, Some(&user.token), json!({})).await;
    let answer = eventually("the token to be refused", Duration::from_secs(1), again, |a| a.status == 401).await;
    answer.assert(401, failure("Unauthorized"));
}
