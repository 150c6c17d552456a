//! The end of a gateway.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio_stream::StreamExt as _;
use tokio_tungstenite::connect_async;

use crate::support::{FakeSocket, World};

#[tokio::test]
async fn a_stopped_gateway_closes_what_is_long_lived_and_is_gone_within_its_grace() {
    let (a, _a) = FakeSocket::at("a", "127.0.0.1", 0).await;
    let mut world = World::with(&[("MESSAGE_SERVICE_HTTP_URL", &a.url())]).await;
    let url = format!("ws://127.0.0.1:{}/socket/?EIO=4&transport=websocket", world.port);
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(connect_async(&url).await.unwrap().0);
    }
    let handshake = world.request(Method::GET, "/socket/?EIO=4&transport=polling").send().await.unwrap();
    let sid = handshake.text().await.unwrap().split('"').nth(3).unwrap().to_owned();
    let hanging = world.request(Method::GET, &format!("/socket/?EIO=4&sid={sid}&hang=1"));
    let poll = tokio::spawn(hanging.send());
    tokio::time::sleep(Duration::from_millis(300)).await;

    let start = Instant::now();
    world.stop().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    for socket in &mut sockets {
        assert!(!matches!(socket.next().await, Some(Ok(message)) if message.is_text()));
    }
    assert_eq!(poll.await.unwrap().unwrap().status(), 503);
    assert!(world.request(Method::GET, "/health").send().await.is_err());
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_finished() {
    let mut world = World::new().await;
    let token = world.register("ada").await;
    let requests = (0..20).map(|_| tokio::spawn(world.get("/api/auth/profile", &token).send())).collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.stop().await;
    for request in requests {
        // Either it was accepted and answered, or it never got in; nothing is cut off half-way.
        match request.await.unwrap() {
            Ok(answer) => assert_eq!(answer.status(), 200),
            Err(error) => assert!(error.is_connect() || error.is_request(), "{error:?}"),
        }
    }
}
