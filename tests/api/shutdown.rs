//! SIGTERM, as Kubernetes sends it, lets what is under way come to its end.
use aether_tests::{Options, PASSWORD, Stack, Store, User, eventually};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const GRACE: Duration = Duration::from_secs(25);

fn embedded() -> Stack {
    Stack::start(&Options { store: Store::Embedded, ..Options::default() })
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_gateway_goes() {
    let mut stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "underway").await;
    stack.auth[0].pause(); // so that the login is surely under way when the signal comes
    let login = {
        let (api, body) = (api.clone(), json!({"email": user.email, "password": PASSWORD}));
        tokio::spawn(async move { api.post("/api/auth/login", None, body).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    stack.gateways[0].terminate();
    eventually("the gateway to take no more work", GRACE, async || stack.gateways[0].is_ready(), |ready| !ready).await;
    stack.auth[0].resume();
    assert_eq!(login.await.unwrap().status, 200);
    assert_eq!(stack.gateways[0].wait_for_exit(GRACE), Some(0));
}

#[tokio::test]
async fn a_request_that_meets_the_end_of_an_open_connection_is_answered_as_the_last() {
    let mut stack = embedded();
    let mut connection = TcpStream::connect(stack.api().url.strip_prefix("http://").unwrap()).await.unwrap();
    let mut ask = async || {
        connection.write_all(b"GET /api/health HTTP/1.1\r\nHost: chat\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") && connection.read_buf(&mut answer).await.unwrap() > 0 {}
        String::from_utf8(answer).unwrap()
    };
    let first = ask().await;
    assert!(first.starts_with("HTTP/1.1 200") && !first.contains("connection: close"), "{first}");
    stack.gateways[0].terminate();
    eventually("the gateway to take no more work", GRACE, async || stack.gateways[0].is_ready(), |ready| !ready).await;
    let last = ask().await;
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0, "it is closed");
    assert_eq!(stack.gateways[0].wait_for_exit(GRACE), Some(0));
}

#[tokio::test]
async fn every_idle_service_ends_by_itself_with_status_zero() {
    let mut stack = embedded();
    let api = stack.api();
    User::register(&api, "idle").await;
    for service in stack.gateways.iter_mut().chain(&mut stack.message).chain(&mut stack.auth) {
        service.terminate();
        assert_eq!(service.wait_for_exit(GRACE), Some(0));
    }
}

#[tokio::test]
async fn no_log_holds_a_password_a_token_or_a_secret() {
    let stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "secretive").await;
    user.login(&api).await;
    let ws_token = user.ws_token(&api).await;
    api.post("/api/auth/login", None, json!({"email": user.email, "password": "a wrong passphrase"})).await;
    for service in stack.gateways.iter().chain(&stack.message).chain(&stack.auth) {
        let log = service.log();
        for secret in [PASSWORD, "a wrong passphrase", &user.token, &ws_token, &stack.jwt_secret, &stack.ws_secret] {
            assert!(!log.contains(secret), "{secret} is in:\n{log}");
        }
    }
}

#[tokio::test]
async fn a_client_that_is_connecting_while_message_drains_is_cut_off_rather_than_refused() {
    // The official client comes back by itself after a cut, but not after a refusal.
    let stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "connecting").await;
    let token = json!({"token": user.ws_token(&api).await});
    let url = format!("{}/socket/?EIO=4&transport=websocket", api.url).replacen("http", "ws", 1);
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        let handshake = socket.next().await.unwrap().unwrap();
        assert!(handshake.to_text().unwrap().starts_with('0'));
        sockets.push(socket);
    }
    stack.message[0].terminate();
    for (n, mut socket) in sockets.into_iter().enumerate() {
        // Some before, some while and some after the connections are cut.
        tokio::time::sleep(Duration::from_millis(n as u64)).await;
        let _ = socket.send(format!("40{token}").into()).await;
        while let Ok(Some(Ok(packet))) = tokio::time::timeout(GRACE, socket.next()).await {
            let text = packet.to_text().unwrap_or_default();
            assert!(!text.starts_with("44"), "socket {n} was refused: {text}");
        }
    }
}
