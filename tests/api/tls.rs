//! TLS between the services, and to the stores.
use crate::rooms::create;
use aether_tests::{Authority, Options, Service, Socket, Stack, Store, User, WebSocket, eventually, eventually_sync};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn encrypted() -> (Arc<Authority>, Stack) {
    let tls = Arc::new(Authority::new());
    let options = Options { store: Store::Embedded, tls: Some(Arc::clone(&tls)), ..Options::default() };
    (tls, Stack::start(&options))
}

/// Sees that logins, rooms and messages, over both of the socket's transports, work.
async fn assert_works(stack: &Stack) {
    let api = stack.api();
    let user = User::register(&api, "tls").await;
    user.login(&api).await;
    let room = create(&api, &user, "public").await;
    let id = room["id"].as_str().unwrap();
    let mut polling = Socket::connect(&api, &user).await;
    let mut websocket = WebSocket::connect(&api, &user).await.unwrap();
    websocket.answer("join_room", json!({"roomId": id}), LIMIT).await;
    let content = "x".repeat(1000);
    for _ in 0..50 {
        polling.send(id, &content).await;
        assert_eq!(websocket.next_event("new_message", LIMIT).await["content"], content);
    }
    // More than a TLS record holds, all at once.
    let mut late = WebSocket::connect(&api, &user).await.unwrap();
    late.emit("join_room", json!({"roomId": id, "afterSeq": 0})).await.unwrap();
    for seq in 1..=50 {
        assert_eq!(late.next_event("new_message", LIMIT).await["seq"], seq);
    }
    websocket.answer("send_message", json!({"roomId": id, "content": "over a websocket"}), LIMIT).await;
    let history = api.get(&format!("/api/rooms/{id}/messages"), Some(&user.token)).await;
    assert_eq!(history.body["messages"][49]["content"], "over a websocket");
}

#[tokio::test]
async fn everything_works_with_tls_between_the_services() {
    let (_tls, stack) = encrypted();
    assert_works(&stack).await;
}

#[tokio::test]
async fn a_caller_without_tls_gets_no_answer() {
    let (_tls, stack) = encrypted();
    for (service, variable) in [
        (&stack.auth[0], "AUTH_SERVICE_GRPC_PORT"),
        (&stack.auth[0], "AUTH_SERVICE_HTTP_PORT"),
        (&stack.message[0], "MESSAGE_SERVICE_GRPC_PORT"),
        (&stack.message[0], "MESSAGE_SERVICE_HTTP_PORT"),
    ] {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", service.env(variable).unwrap())).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{variable}");
    }
}

/// Starts a service with other files, and waits until its log names the one to be mended.
fn assert_names(service: &mut Service, changes: &[(&'static str, &str)], expected: &str) {
    service.kill();
    changes.iter().for_each(|(name, value)| service.set_env(name, value));
    service.start_again();
    eventually_sync(&format!("the log to name {expected}"), LIMIT, || service.log().contains(expected));
    assert!(!service.is_ready());
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_whoever_shows_it_and_the_log_says_what_to_mend() {
    let (tls, mut stack) = encrypted();
    let other = Authority::new();
    let gateway = &mut stack.gateways[0];
    assert_names(gateway, &[("TLS_CA_FILE", &other.ca())], "see that TLS_CA_FILE names the CA");
    let theirs = [("TLS_CA_FILE", tls.ca()), ("TLS_CERT_FILE", other.certificate()), ("TLS_KEY_FILE", other.key())];
    let theirs = theirs.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_names(gateway, &theirs, "see that TLS_CERT_FILE and TLS_KEY_FILE");
    let ours = [("TLS_CERT_FILE", tls.certificate()), ("TLS_KEY_FILE", tls.key())];
    ours.iter().for_each(|(name, value)| gateway.set_env(name, value));
    gateway.kill();
    gateway.restart();
}

#[tokio::test]
async fn everything_works_with_tls_to_every_store() {
    let tls = Arc::new(Authority::new());
    let stack = Stack::start(&Options {
        store: Store::Real,
        redis: true,
        store_tls: Some(Arc::clone(&tls)),
        ..Options::default()
    });
    assert_works(&stack).await;
    for service in [&stack.auth[0], &stack.message[0]] {
        let up = |text: &String| text.contains(r#""redis":"up""#);
        eventually("Redis to be up", LIMIT, async || service.readiness(), up).await;
    }
}

#[tokio::test]
async fn a_store_with_a_certificate_of_another_ca_is_refused_and_the_log_says_what_to_mend() {
    let (tls, other) = (Arc::new(Authority::new()), Authority::new());
    let options = Options { store: Store::Real, redis: true, store_tls: Some(Arc::clone(&tls)), ..Options::default() };
    let mut stack = Stack::start(&options);
    let (mine, theirs) = (tls.ca(), other.ca());
    for (service, variable, expected) in [
        (&mut stack.auth[0], "DATABASE_URL", "sslrootcert in DATABASE_URL"),
        (&mut stack.message[0], "MONGODB_URL", "tlsCAFile in MONGODB_URL"),
    ] {
        let right = service.env(variable).unwrap().to_owned();
        assert_names(service, &[(variable, &right.replace(&mine, &theirs))], expected);
        service.set_env(variable, &right);
        service.set_env("REDIS_TLS_CA_FILE", &theirs);
        service.kill();
        service.restart();
        eventually_sync("the log to name the file", LIMIT, || service.log().contains("see that REDIS_TLS_CA_FILE"));
    }
}
