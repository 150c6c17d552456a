//! GET /api/auth/ws-token
use crate::{api, guard_401};
use aether_tests::{Token, User};
use serde_json::json;

const PATH: &str = "/api/auth/ws-token";

#[tokio::test]
async fn a_user_gets_a_token_and_nothing_else() {
    let api = api();
    let user = User::register(&api, "ws").await;
    api.get(PATH, Some(&user.token)).await.assert(200, json!({"success": true, "token": "<jwt>"}));
}

#[tokio::test]
async fn the_token_is_of_type_ws_and_lasts_sixty_seconds() {
    let api = api();
    let user = User::register(&api, "ws60").await;
    let claims = Token::parse(&user.ws_token(&api).await).claims;
    assert_eq!(claims["type"], "ws");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
}

#[tokio::test]
async fn without_an_access_token_it_is_refused() {
    let api = api();
    api.get(PATH, None).await.assert(401, guard_401());
    api.get(PATH, Some("nonsense")).await.assert(401, guard_401());
}

#[tokio::test]
async fn a_ws_token_does_not_open_any_http_endpoint() {
    let api = api();
    let user = User::register(&api, "wsrest").await;
    let token = user.ws_token(&api).await;
    for path in [PATH, "/api/auth/profile", "/api/rooms", "/api/rooms/general/messages"] {
        api.get(path, Some(&token)).await.assert(401, guard_401());
    }
}
