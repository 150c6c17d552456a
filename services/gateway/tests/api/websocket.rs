//! Socket.IO by websocket.

use std::time::{Duration, Instant};

use futures::SinkExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt as _;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use crate::support::{FRONTEND, FakeSocket, World, eventually};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(world: &World, query: &str, origin: Option<&str>) -> Result<Socket, u16> {
    let url = format!("ws://127.0.0.1:{}/socket/?EIO=4&transport=websocket{query}", world.port);
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn echo(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.unwrap();
    socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn a_websocket_passes_text_of_any_size_both_ways() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let mut socket = connect(&world, "", Some(FRONTEND)).await.unwrap();
    assert_eq!(echo(&mut socket, "2probe").await, "2probe");
    let long = "x".repeat(300_000);
    assert_eq!(echo(&mut socket, &long).await, long);
    assert!(world.metrics("/metrics").await.1.contains("aetherconnect_gateway_websocket_tunnels 1"));
    drop(socket);
    eventually(|| async { world.metrics("/metrics").await.1.contains("websocket_tunnels 0") }).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_replica_does() {
    let (a, guard) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let mut one = connect(&world, "", None).await.unwrap();
    one.send(Message::text("hang up")).await.unwrap();
    assert!(!matches!(one.next().await, Some(Ok(Message::Text(_)))));
    let mut two = connect(&world, "", None).await.unwrap();
    assert_eq!(echo(&mut two, "a").await, "a");
    drop(guard);
    assert!(!matches!(two.next().await, Some(Ok(Message::Text(_)))));
    eventually(|| async { world.metrics("/metrics").await.1.contains("websocket_tunnels 0") }).await;
    assert_eq!(connect(&world, "", None).await.err(), Some(503));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    assert_eq!(connect(&world, "", Some("http://evil.example")).await.err(), Some(403));
    assert!(a.seen.lock().unwrap().is_empty());
    assert!(connect(&world, "", Some(&format!("http://127.0.0.1:{}", world.port))).await.is_ok());
}

#[tokio::test]
async fn an_upgrade_of_a_polling_session_reaches_its_replica_under_its_own_id() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let (b, _b) = FakeSocket::at("b", "127.0.0.2", 0).await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &format!("{},{}", a.url(), b.url()))]).await;
    for _ in 0..2 {
        let url = world.url("/socket/?EIO=4&transport=polling");
        let opened = world.client.get(url).send().await.unwrap().text().await.unwrap();
        let sid = opened.split('"').nth(3).unwrap();
        let replica = if sid.starts_with("a-") { &a } else { &b };
        let mut socket = connect(&world, &format!("&sid={sid}"), None).await.unwrap();
        echo(&mut socket, "2probe").await;
        let (target, headers) = replica.seen.lock().unwrap().last().unwrap().clone();
        assert_eq!(target, format!("/socket/?EIO=4&transport=websocket&sid={}", sid.split('.').next().unwrap()));
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    }
    assert_eq!(connect(&world, "&sid=a-0.00000000", None).await.err(), Some(400));
}

/// The URL of a replica that takes connections and says nothing, for as long as the listener lives.
async fn hung() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.3:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_replica_that_hangs_delays_a_handshake_once_and_not_for_long() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let (_hangs, hung) = hung().await;
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &format!("{},{hung}", a.url()))]).await;
    let start = Instant::now();
    for _ in 0..6 {
        let mut socket = connect(&world, "", None).await.unwrap();
        assert_eq!(echo(&mut socket, "a").await, "a");
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &format!("{},{hung}", a.url()))]).await;
    let start = Instant::now();
    for _ in 0..6 {
        let opened = world.client.get(world.url("/socket/?EIO=4&transport=polling")).send().await.unwrap();
        assert!(opened.text().await.unwrap().starts_with("0{\"sid\":\"a-"));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
