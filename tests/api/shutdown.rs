//! SIGTERM, as Kubernetes sends it, lets what is under way come to its end.
use aether_tests::{Options, PASSWORD, Stack, Store, User, eventually};
use serde_json::json;
use std::time::Duration;

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
