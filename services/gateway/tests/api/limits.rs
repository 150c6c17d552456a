//! Rate limits.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{World, send};

async fn rooms(world: &World, forwarded: &str) -> Response {
    world.request(Method::GET, "/api/rooms").header("x-forwarded-for", forwarded).send().await.unwrap()
}

#[tokio::test]
async fn beyond_its_limit_a_client_gets_429_with_the_time_to_wait() {
    let world = World::with(&[("RATE_LIMIT_MAX", "2"), ("RATE_LIMIT_WINDOW_SECONDS", "60")]).await;
    let first = rooms(&world, "").await;
    assert_eq!((first.status().as_u16(), &first.headers()["ratelimit-remaining"]), (401, &"1".parse().unwrap()));
    rooms(&world, "").await;
    let refused = rooms(&world, "").await;
    let headers = refused.headers().clone();
    assert_eq!(refused.status(), 429);
    assert_eq!(headers["ratelimit-limit"], "2");
    assert_eq!(headers["x-ratelimit-remaining"], "0");
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(headers["ratelimit-reset"], headers["retry-after"]);
    let message = format!("Too many requests, please try again in {wait} seconds");
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({"success": false, "message": message}));
    // Health is never limited.
    assert_eq!(send(world.request(Method::GET, "/health")).await.0, 200);
    assert!(world.metrics("/metrics").await.1.contains("limited_requests_total{limit=\"requests\"} 1"));
}

#[tokio::test]
async fn a_window_ends_on_time_though_refused_attempts_go_on() {
    let world = World::with(&[("RATE_LIMIT_MAX", "1"), ("RATE_LIMIT_WINDOW_SECONDS", "1")]).await;
    let start = std::time::Instant::now();
    while rooms(&world, "").await.status() != 429 {}
    while rooms(&world, "").await.status() == 429 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(start.elapsed().as_secs() < 4);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_counted_apart_and_a_strangers_word_counts_nothing() {
    let world = World::with(&[("RATE_LIMIT_MAX", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    assert_eq!(rooms(&world, "198.51.100.1").await.status(), 401);
    assert_eq!(rooms(&world, "198.51.100.2").await.status(), 401);
    assert_eq!(rooms(&world, "6.6.6.6, 198.51.100.1").await.status(), 429);
    let world = World::with(&[("RATE_LIMIT_MAX", "1")]).await;
    assert_eq!(rooms(&world, "198.51.100.1").await.status(), 401);
    assert_eq!(rooms(&world, "198.51.100.2").await.status(), 429);
}

#[tokio::test]
async fn logins_have_a_limit_of_their_own() {
    let world = World::with(&[("LOGIN_RATE_LIMIT_MAX", "2")]).await;
    let body = json!({"email": "a@b.c", "password": "wrong horse"});
    let login = || send(world.request(Method::POST, "/api/auth/login").json(&body));
    assert_eq!([login().await.0, login().await.0, login().await.0], [401, 401, 429]);
    world.register("ada").await;
}

#[tokio::test]
async fn a_socket_counts_by_its_handshake_alone() {
    let replica = ("MESSAGE_SERVICE_HTTP_URL", "http://127.0.0.1:1");
    let world = World::with(&[("RATE_LIMIT_MAX", "1"), ("SOCKET_RATE_LIMIT_MAX", "5"), replica]).await;
    for _ in 0..3 {
        assert_eq!(send(world.request(Method::POST, "/socket/?EIO=4&sid=a.b")).await.0, 400);
    }
    assert_eq!(send(world.request(Method::GET, "/socket/?EIO=4")).await.0, 503);
    assert_eq!(send(world.request(Method::GET, "/socket/?EIO=4")).await.0, 429);
}

#[tokio::test]
async fn sockets_have_a_limit_of_their_own_that_made_up_sessions_do_not_get_around() {
    let world =
        World::with(&[("SOCKET_RATE_LIMIT_MAX", "2"), ("MESSAGE_SERVICE_HTTP_URL", "http://127.0.0.1:1")]).await;
    let ask = |path: &'static str| async { send(world.request(Method::GET, path)).await.0 };
    assert_eq!(
        [ask("/socket/?EIO=4").await, ask("/socket/?EIO=4").await, ask("/socket/?EIO=4").await],
        [503, 503, 429]
    );
    let stray = "/socket/?EIO=4&sid=made.up";
    assert_eq!([ask(stray).await, ask(stray).await, ask(stray).await], [400, 400, 429]);
    assert_eq!(ask("/api/rooms").await, 401);
}

#[tokio::test]
async fn connections_beyond_those_of_an_address_are_closed_until_one_is_free() {
    let world = World::with(&[("MAX_CONNECTIONS", "10"), ("MAX_CONNECTIONS_PER_ADDRESS", "3")]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.unwrap());
    }
    let ask = || async { world.request(Method::GET, "/health").send().await.is_ok() };
    crate::support::eventually(|| async { !ask().await }).await;
    held.clear();
    crate::support::eventually(ask).await;
}
