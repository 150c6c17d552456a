//! The token guard of every protected endpoint: what is no valid access token of a live session is a 401.
use crate::{api, guard_401, shared};
use aether_tests::{Api, Token, User};
use serde_json::json;

const PROTECTED: [&str; 4] = ["/api/auth/profile", "/api/auth/ws-token", "/api/rooms", "/api/rooms/general/messages"];

async fn assert_refused(api: &Api, token: &str) {
    for path in PROTECTED {
        api.get(path, Some(token)).await.assert(401, guard_401());
    }
}

#[tokio::test]
async fn a_token_signed_again_unchanged_is_accepted_so_the_forgeries_below_prove_something() {
    let api = api();
    let user = User::register(&api, "resigned").await;
    let token = Token::parse(&user.token).sign(&shared().jwt_secret);
    assert_eq!(api.get("/api/auth/profile", Some(&token)).await.status, 200);
}

#[tokio::test]
async fn a_validly_signed_token_without_a_user_id_is_nobodys() {
    let api = api();
    let user = User::register(&api, "nouser").await;
    let token = Token::parse(&user.token).without(&["sub", "userId", "id"]).sign(&shared().jwt_secret);
    assert_refused(&api, &token).await;
}

#[tokio::test]
async fn a_validly_signed_token_without_a_session_is_refused() {
    let api = api();
    let user = User::register(&api, "nosession").await;
    let token = Token::parse(&user.token).without(&["jti", "sid"]).sign(&shared().jwt_secret);
    assert_refused(&api, &token).await;
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused() {
    let api = api();
    let user = User::register(&api, "expired").await;
    let token = Token::parse(&user.token).with("exp", 1_700_000_000).with("iat", 1_690_000_000);
    assert_refused(&api, &token.sign(&shared().jwt_secret)).await;
}

#[tokio::test]
async fn a_token_without_an_expiry_is_refused() {
    let api = api();
    let user = User::register(&api, "forever").await;
    assert_refused(&api, &Token::parse(&user.token).without(&["exp"]).sign(&shared().jwt_secret)).await;
}

#[tokio::test]
async fn a_token_of_another_type_or_signed_by_the_other_secret_is_refused() {
    let api = api();
    let user = User::register(&api, "kind").await;
    let access = Token::parse(&user.token);
    let ws = Token::parse(&user.ws_token(&api).await);
    assert_refused(&api, &ws.sign(&shared().jwt_secret)).await;
    assert_refused(&api, &access.sign(&shared().ws_secret)).await;
    assert_refused(&api, &access.with("type", "ws").sign(&shared().jwt_secret)).await;
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    let api = api();
    let user = User::register(&api, "none").await;
    let mut token = Token::parse(&user.token);
    assert_refused(&api, &format!("{}.", token.unsigned())).await;
    token.header["alg"] = json!("none");
    assert_refused(&api, &format!("{}.", token.unsigned())).await;
}

#[tokio::test]
async fn only_the_bearer_scheme_is_read() {
    let api = api();
    let user = User::register(&api, "scheme").await;
    for value in [user.token.clone(), format!("Basic {}", user.token), "Bearer".to_owned(), "Bearer ".to_owned()] {
        let request = api.request(reqwest::Method::GET, "/api/auth/profile").header("authorization", value);
        api.send(request).await.assert(401, guard_401());
    }
    let path = format!("/api/auth/profile?access_token={}", user.token);
    api.get(&path, None).await.assert(401, guard_401());
}
