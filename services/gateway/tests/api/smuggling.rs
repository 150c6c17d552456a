//! Requests whose end two servers may see in two places: none brings a second request with it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{FakeSocket, World};

const SECOND: &str = "GET /socket/?EIO=4&transport=polling&smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends bytes as they are and reads until the gateway closes the connection, as it has to.
async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut has been closed as well.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("closed");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn session(world: &World) -> String {
    let answer = world.request(Method::GET, "/socket/?EIO=4&transport=polling").send().await.unwrap();
    let body: Value = serde_json::from_str(answer.text().await.unwrap().strip_prefix('0').unwrap()).unwrap();
    format!("/socket/?EIO=4&transport=polling&sid={}", body["sid"].as_str().unwrap())
}

#[tokio::test]
async fn a_request_with_two_possible_ends_is_refused_and_nothing_behind_it_is_read() {
    let (replica, _guard) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replica.url())]).await;
    let path = session(&world).await;
    let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(20_000));
    let cases: &[(&str, &str)] = &[
        ("Content-Length: 4\r\nContent-Length: 5", "abcd"),
        ("Content-Length: 4, 5", "abcd"),
        ("Content-Length: +4", "abcd"),
        ("Content-Length: 0x4", "abcd"),
        ("Content-Length: -1", ""),
        ("Content-Length: 99999999999999999999999", ""),
        ("Content-Length : 4", "abcd"),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding: identity", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "zz\r\na\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "-1\r\na\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0x1\r\na\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "1FFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "1\r\nab\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", &extension),
        ("X: a\r\n Content-Length: 4", "abcd"),
        ("X: a\0b", ""),
        ("X: a\rContent-Length: 4", "abcd"),
        ("X\r\nContent-Length: 4", "abcd"),
    ];
    for (header, body) in cases {
        let answer =
            raw(&world, format!("POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n{body}{SECOND}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{header} {body}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{header} {body}: {answer}");
    }
    for line in [
        "GET /socket/\0 HTTP/1.1",
        "GET /socket/\r HTTP/1.1",
        "GET  /socket/ HTTP/1.1",
        "GET /socket/ HTTP/1.1 x",
        "GET /socket/ HTTP/1.9",
        " GET /socket/ HTTP/1.1",
    ] {
        let answer = raw(&world, format!("{line}\r\nHost: x\r\n\r\n{SECOND}").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{line}: {answer}");
    }
    let seen = replica.seen.lock().unwrap();
    assert!(seen.iter().all(|(target, _)| !target.contains("smuggled")), "{seen:?}");
}

#[tokio::test]
async fn nothing_is_read_behind_a_chunked_request_whichever_length_it_claims_as_well() {
    let (replica, _guard) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replica.url())]).await;
    let path = session(&world).await;
    for header in [
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
    ] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n2\r\n40\r\n0\r\n\r\n{SECOND}");
        let answer = raw(&world, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{header}: {answer}");
    }
    let old = format!("POST {path} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SECOND}");
    assert!(raw(&world, old.as_bytes()).await.contains(" 400 "));
    let seen = replica.seen.lock().unwrap();
    assert!(seen.iter().all(|(target, _)| !target.contains("smuggled")), "{seen:?}");
}

#[tokio::test]
async fn what_follows_an_upgrade_is_no_request_of_the_replicas_connection() {
    let (replica, _guard) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replica.url())]).await;
    let upgrade = "GET /socket/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = raw(&world, format!("{upgrade}{SECOND}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(replica.seen.lock().unwrap().iter().all(|(target, _)| !target.contains("smuggled")));
}

#[tokio::test]
async fn a_request_that_names_another_host_is_still_for_our_replicas() {
    let (replica, _guard) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &replica.url())]).await;
    let request =
        "GET http://127.0.0.1:1/socket/?EIO=4&transport=polling HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n";
    let answer = raw(&world, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(replica.seen.lock().unwrap().len(), 1);
}
