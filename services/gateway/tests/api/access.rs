//! CORS, headers, body limit: what every request gets.

use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{FRONTEND, World, send};

async fn headers(request: reqwest::RequestBuilder) -> HeaderMap {
    request.send().await.unwrap().headers().clone()
}

#[tokio::test]
async fn pages_of_the_frontend_may_read_answers_and_other_pages_may_not() {
    let world = World::new().await;
    let from = |origin: &str| headers(world.request(Method::GET, "/api/rooms").header("origin", origin));
    let allowed = from(FRONTEND).await;
    assert_eq!(allowed["access-control-allow-origin"], FRONTEND);
    assert_eq!(allowed["access-control-allow-credentials"], "true");
    assert!(allowed["access-control-expose-headers"].to_str().unwrap().contains("ratelimit-remaining"));
    assert!(allowed["vary"].to_str().unwrap().to_lowercase().contains("origin"));
    assert!(!from("http://evil.example").await.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_preflight_is_answered_and_counts_against_no_limit() {
    let world = World::with(&[("RATE_LIMIT_MAX", "1")]).await;
    for _ in 0..3 {
        let request = world
            .request(Method::OPTIONS, "/api/auth/profile")
            .header("origin", FRONTEND)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "authorization,content-type");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
        assert!(answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    }
}

#[tokio::test]
async fn every_answer_keeps_browsers_careful_and_has_a_request_id() {
    let world = World::new().await;
    for path in ["/health", "/api/rooms", "/nowhere", "/api/docs"] {
        let headers = headers(world.request(Method::GET, path)).await;
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(headers["x-request-id"].len(), 32);
        assert!(!headers.contains_key("strict-transport-security"));
    }
    let given = headers(world.request(Method::GET, "/health").header("x-request-id", "my-id_1")).await;
    assert_eq!(given["x-request-id"], "my-id_1");
    let odd = headers(world.request(Method::GET, "/health").header("x-request-id", "a b")).await;
    assert_ne!(odd["x-request-id"], "a b");
}

#[tokio::test]
async fn https_is_insisted_on_only_when_a_trusted_proxy_speaks_it() {
    let https = |world: &World| headers(world.request(Method::GET, "/health").header("x-forwarded-proto", "https"));
    let world = World::with(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    assert!(https(&world).await.contains_key("strict-transport-security"));
    assert!(!https(&World::new().await).await.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn a_body_over_64_kib_is_413() {
    let world = World::new().await;
    let body = json!({"email": "x".repeat(64 * 1024)});
    let (status, body) = send(world.request(Method::POST, "/api/auth/register").json(&body)).await;
    assert_eq!((status, body), (413, json!({"success": false, "message": "body must be at most 64 KiB"})));

    let parts = (0..70).map(|_| Ok::<_, std::io::Error>("x".repeat(1024)));
    let request = world.request(Method::POST, "/api/auth/register").header("content-type", "application/json");
    let chunked = request.body(reqwest::Body::wrap_stream(tokio_stream::iter(parts)));
    assert_eq!(send(chunked).await.0, 413);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408_and_no_outage() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    let head =
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("{\"success\":false,\"message\":\"body came too slowly: send it faster\"}"), "{answer}");
}

#[tokio::test]
async fn the_description_is_there_for_people_and_programs() {
    let world = World::new().await;
    let page = world.request(Method::GET, "/api/docs").send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("style-src 'sha256-"));
    assert!(page.text().await.unwrap().contains("/api/auth/register"));
    let (status, api) = send(world.request(Method::GET, "/api/docs/openapi.json")).await;
    assert_eq!((status, &api["openapi"]), (200, &json!("3.1.0")));
}

#[test]
fn the_description_in_docs_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap();
    let fresh = kept == aether_gateway::openapi_json();
    assert!(fresh, "run: cargo run -p aether-gateway -- openapi > docs/openapi.json");
}
