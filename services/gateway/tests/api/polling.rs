//! Socket.IO by polling, before several replicas.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{FRONTEND, FakeSocket, World, send};

const HANDSHAKE: &str = "/socket/?EIO=4&transport=polling";

async fn text(world: &World, method: Method, path: &str, body: &'static str) -> (u16, String) {
    let answer = world.request(method, path).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn open(world: &World) -> String {
    let (status, body) = text(world, Method::GET, HANDSHAKE, "").await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(body["upgrades"], json!(["websocket"]));
    body["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_request_of_a_session_reaches_the_replica_that_opened_it() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let (b, _b) = FakeSocket::at("b", "127.0.0.2", 0).await;
    let replicas = format!("{},{}", a.url(), b.url());
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replicas)]).await;
    // Another gateway that has never seen the session serves it as well.
    let other = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replicas)]).await;
    let mut names = HashSet::new();
    for _ in 0..4 {
        let sid = open(&world).await;
        let name = sid.split('-').next().unwrap().to_owned();
        for gateway in [&world, &other, &world] {
            let path = format!("{HANDSHAKE}&sid={sid}");
            assert_eq!(text(gateway, Method::POST, &path, "40").await, (200, format!("4{name} got 40")));
            assert_eq!(text(gateway, Method::GET, &path, "").await, (200, format!("4{name} got ")));
        }
        names.insert(name);
    }
    assert_eq!(names.len(), 2, "new sessions go to both replicas");
}

#[tokio::test]
async fn the_path_without_its_slash_is_served_too() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    assert_eq!(text(&world, Method::GET, "/socket?EIO=4&transport=polling", "").await.0, 200);
}

#[tokio::test]
async fn a_session_of_no_known_replica_is_refused_as_engine_io_does() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    for sid in ["a-0", "a-0.00000000", ""] {
        let answer = send(world.request(Method::GET, &format!("{HANDSHAKE}&sid={sid}"))).await;
        assert_eq!(answer, (400, json!({"code": 1, "message": "Session ID unknown"})));
    }
    assert_eq!(send(world.request(Method::POST, HANDSHAKE)).await.0, 400);
    assert!(a.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_replicas_refusal_has_a_number_as_its_code() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let version = send(world.request(Method::GET, "/socket/?EIO=3&transport=polling")).await;
    assert_eq!(version, (400, json!({"code": 5, "message": "Unsupported protocol version"})));
    let sid = open(&world).await;
    let ended = format!("{HANDSHAKE}&sid=ended.{}", sid.rsplit_once('.').unwrap().1);
    let unknown = send(world.request(Method::GET, &ended)).await;
    assert_eq!(unknown, (400, json!({"code": 1, "message": "Session ID unknown"})));
}

#[tokio::test]
async fn a_replica_that_refuses_to_connect_is_passed_over() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &format!("{},http://127.0.0.2:1", a.url()))]).await;
    for _ in 0..4 {
        assert!(open(&world).await.starts_with("a-"));
    }
}

#[tokio::test]
async fn without_any_replica_it_is_503_with_the_time_to_wait() {
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", "http://127.0.0.1:1,http://127.0.0.2:1")]).await;
    let answer = world.request(Method::GET, HANDSHAKE).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
}

#[tokio::test]
async fn the_replica_learns_of_client_and_request_and_the_gateway_alone_speaks_of_origins() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let handshake =
        |origin| world.request(Method::GET, HANDSHAKE).header("origin", origin).header("x-request-id", "r1");
    let own = handshake(FRONTEND).send().await.unwrap();
    let allowed: Vec<_> = own.headers().get_all("access-control-allow-origin").iter().collect();
    assert_eq!(allowed, [FRONTEND]);
    let (_, seen) = a.seen.lock().unwrap()[0].clone();
    assert_eq!(
        (&seen["x-forwarded-for"], &seen["x-request-id"]),
        (&"127.0.0.1".parse().unwrap(), &"r1".parse().unwrap())
    );
}

#[tokio::test]
async fn a_page_of_another_origin_reaches_no_replica_by_polling() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let sid = open(&world).await;
    for (method, path) in [(Method::GET, HANDSHAKE.to_owned()), (Method::POST, format!("{HANDSHAKE}&sid={sid}"))] {
        let answer = send(world.request(method, &path).header("origin", "http://evil.example")).await;
        assert_eq!(answer, (403, json!({"code": 4, "message": "Forbidden"})));
    }
    assert_eq!(a.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_never_ends_is_the_clients_fault_and_reaches_no_replica() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let path = format!("{HANDSHAKE}&sid={}", open(&world).await);
    let large = world.request(Method::POST, &path).body("x".repeat(65 * 1024)).send().await.unwrap();
    assert_eq!(large.status(), 413);
    let endless = reqwest::Body::wrap_stream(tokio_stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let slow = world.request(Method::POST, &path).body(endless).send().await.unwrap();
    assert_eq!((slow.status().as_u16(), &slow.headers()["connection"]), (408, &"close".parse().unwrap()));
    assert_eq!(a.seen.lock().unwrap().len(), 1);
}
