//! `aetherconnect-auth users` beside a backend of two replicas of each service: who is disabled is out everywhere.
use crate::{failure, shared};
use aether_tests::{Options, Socket, Stack, User, eventually, unique};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the program answers.
fn users(stack: &Stack, request: Value) -> Value {
    let (success, told) = stack.administer(&request.to_string());
    let answer: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("no answer: {told}"));
    assert_eq!(success, answer.get("refused").is_none(), "{answer}");
    answer
}

#[tokio::test]
async fn a_disabled_user_is_out_everywhere_within_a_second_and_cannot_come_back() {
    let stack = Stack::start(&Options::default().replicas(2));
    let apis = [stack.api(), stack.api_of(1)];
    let (ada, bob) = (User::register(&apis[0], "out").await, User::register(&apis[0], "stays").await);
    let mut socket = Socket::connect(&apis[1], &ada).await;
    let wrong = ada.try_login(&apis[0], "wrong horse battery").await;

    let told = users(&stack, json!({"action": "disable", "user": ada.username}));
    assert_eq!(told["done"]["endedSessions"], 1, "{told}");
    let asked = Instant::now();
    let limit = Duration::from_secs(1);
    for api in &apis {
        let profile = async || api.get("/api/auth/profile", Some(&ada.token)).await;
        eventually("the token to be refused", limit, profile, |answer| answer.status == 401).await;
        let rooms = async || api.get("/api/rooms", Some(&ada.token)).await;
        eventually("rooms to be refused", limit, rooms, |answer| answer.status == 401).await;
    }
    socket.assert_closes_within(Duration::from_secs(2)).await;
    println!("out of both gateways and the socket after {:?}", asked.elapsed());
    for api in &apis {
        let refused = ada.try_login(api, aether_tests::PASSWORD).await;
        assert_eq!((refused.status, &refused.body), (wrong.status, &wrong.body), "as for a wrong password");
        refused.assert(401, failure("Invalid credentials"));
        assert_eq!(api.get("/api/auth/profile", Some(&bob.token)).await.status, 200, "others stay");
    }
    users(&stack, json!({"action": "enable", "user": ada.email}));
    ada.login(&apis[1]).await;
}

#[tokio::test]
async fn a_user_is_made_and_gets_another_password_by_the_rules_of_registration() {
    let stack = shared();
    let (api, name) = (stack.api(), unique("made"));
    let create = |password: &str| {
        json!({"action": "create", "email": format!("{name}@example.com"), "username": name, "firstName": "Ada",
               "lastName": "Lovelace", "password": password})
    };
    let told = users(stack, create("password1"));
    assert!(told["refused"]["message"].as_str().unwrap().contains("commonest"), "{told}");
    let told = users(stack, create("a fine horse battery"));
    assert_eq!((&told["done"]["user"]["username"], &told["done"]["user"]["sessions"]), (&json!(name), &json!(0)));
    assert_eq!(users(stack, create("a fine horse battery"))["refused"]["reason"], "USER_EXISTS");
    let log_in = async |password: &str| {
        let body = json!({"email": format!("{name}@example.com"), "password": password});
        api.post("/api/auth/login", None, body).await.status
    };
    assert_eq!(log_in("a fine horse battery").await, 200);
    let told = users(stack, json!({"action": "reset-password", "user": name, "password": "another horse battery"}));
    assert_eq!(told["done"]["endedSessions"], 1, "{told}");
    assert_eq!((log_in("a fine horse battery").await, log_in("another horse battery").await), (401, 200));
}

#[test]
fn a_request_that_is_none_is_refused_without_being_repeated() {
    let (success, told) = shared().administer(r#"{"action":"create","password":"hunter2 is secret"}"#);
    assert!(!success && told.contains("standard input must be") && !told.contains("hunter2"), "{told}");
}
