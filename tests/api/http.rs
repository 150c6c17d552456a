//! What holds for every URL: unknown ones, bad bodies, CORS, security headers, request ids.
use crate::{api, failure};
use aether_tests::{PASSWORD, User, unique};
use reqwest::Method;
use serde_json::json;

const ORIGIN: &str = "http://localhost:3004";

#[tokio::test]
async fn an_unknown_url_is_a_404_in_the_usual_form() {
    let api = api();
    for path in ["/api/nothing", "/", "/api/auth", "/api/auth/register/more"] {
        api.get(path, None).await.assert(404, failure("<string>"));
    }
}

#[tokio::test]
async fn a_known_url_with_another_method_is_a_405_in_the_usual_form() {
    let api = api();
    api.get("/api/auth/login", None).await.assert(405, failure("<string>"));
    api.put("/api/rooms", None, json!({})).await.assert(405, failure("<string>"));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_400_in_the_usual_form() {
    let api = api();
    for body in ["{", "", "null", "[]", "\"text\"", "{\"email\": \u{1}}"] {
        let request =
            api.request(Method::POST, "/api/auth/login").header("content-type", "application/json").body(body);
        api.send(request).await.assert(400, failure("<string>"));
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_a_413_in_the_usual_form() {
    let api = api();
    let body = json!({"email": "a@example.com", "password": "x".repeat(2_000_000)});
    api.post("/api/auth/login", None, body).await.assert(413, failure("<string>"));
}

#[tokio::test]
async fn the_configured_origin_may_read_answers_and_no_other() {
    let api = api();
    for (origin, allowed) in [(ORIGIN, Some(ORIGIN)), ("http://evil.example", None)] {
        let request = api.request(Method::GET, "/api/health").header("origin", origin);
        let answer = api.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn a_preflight_allows_what_the_client_sends() {
    let api = api();
    let request = api
        .request(Method::OPTIONS, "/api/auth/profile")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = api.send(request).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
    let headers = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
}

#[tokio::test]
async fn the_socket_allows_the_configured_origin_too() {
    let api = api();
    let request = api.request(Method::GET, "/socket/?EIO=4&transport=polling").header("origin", ORIGIN);
    let answer = api.send(request).await;
    assert_eq!(answer.headers.get_all("access-control-allow-origin").iter().count(), 1, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
}

#[tokio::test]
async fn every_answer_carries_security_headers() {
    let api = api();
    for path in ["/api/health", "/api/auth/profile", "/api/nothing"] {
        let answer = api.get(path, None).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        for name in ["content-security-policy", "x-frame-options", "referrer-policy"] {
            assert!(answer.header(name).is_some(), "{path} lacks {name}");
        }
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("x-powered-by"), None);
    }
}

#[tokio::test]
async fn answers_with_personal_data_are_not_to_be_stored() {
    let api = api();
    let user = User::register(&api, "nostore").await;
    let login = api.post("/api/auth/login", None, json!({"email": user.email, "password": PASSWORD})).await;
    let profile = api.get("/api/auth/profile", Some(&user.token)).await;
    for answer in [login, profile] {
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_id_is_given_back_or_made() {
    let api = api();
    let id = unique("request");
    let given = api.send(api.request(Method::GET, "/api/health").header("x-request-id", &id)).await;
    assert_eq!(given.header("x-request-id"), Some(id.as_str()));
    let (first, second) = (api.get("/api/health", None).await, api.get("/api/health", None).await);
    assert!(first.header("x-request-id").is_some());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}
