//! When a service or store is away, callers are told so: 503 with Retry-After, soon, never 401 and never a success.
use crate::failure;
use aether_tests::{Answer, Api, Options, PASSWORD, Stack, Store, User, eventually};
use serde_json::json;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn embedded() -> Stack {
    Stack::start(&Options { store: Store::Embedded, ..Options::default() })
}

pub(crate) fn assert_unavailable(answer: &Answer) {
    answer.assert(503, failure("<string>"));
    let wait: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

pub(crate) async fn login(api: &Api, user: &User) -> Answer {
    api.post("/api/auth/login", None, json!({"email": user.email, "password": PASSWORD})).await
}

#[tokio::test]
async fn without_auth_every_call_that_needs_it_is_a_503_and_none_a_401() {
    let mut stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "outage").await;
    stack.auth[0].kill();
    assert_unavailable(&login(&api, &user).await);
    assert_unavailable(&api.post("/api/auth/register", None, User::form("someone_else")).await);
    assert_unavailable(&api.get("/api/auth/profile", Some(&user.token)).await);
    assert_unavailable(&api.get("/api/auth/ws-token", Some(&user.token)).await);

    // Rooms may go on while the last word of auth is fresh, and then are refused too.
    let rooms = async || {
        let answer = api.get("/api/rooms", Some(&user.token)).await;
        assert_ne!(answer.status, 401, "{answer:?}");
        answer
    };
    let answer = eventually("rooms to be refused", LIMIT, rooms, |answer| answer.status != 200).await;
    assert_unavailable(&answer);

    stack.auth[0].restart();
    eventually("auth to be back", LIMIT, async || login(&api, &user).await.status, |status| *status == 200).await;
    eventually("rooms to be back", LIMIT, rooms, |answer| answer.status == 200).await;
}

#[tokio::test]
async fn a_hung_auth_service_is_a_503_within_seconds() {
    let stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "hung").await;
    stack.auth[0].pause();
    let start = Instant::now();
    assert_unavailable(&login(&api, &user).await);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    stack.auth[0].resume();
    eventually("auth to be back", LIMIT, async || login(&api, &user).await.status, |status| *status == 200).await;
}

#[tokio::test]
async fn a_logout_during_an_outage_of_the_message_service_still_holds_when_it_is_back() {
    let mut stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "missed").await;
    stack.message[0].kill();
    assert_unavailable(&api.get("/api/rooms", Some(&user.token)).await);
    assert_eq!(api.post("/api/auth/logout", Some(&user.token), json!({})).await.status, 200);
    stack.message[0].restart();
    let rooms = async || api.get("/api/rooms", Some(&user.token)).await.status;
    eventually("the token to be refused", LIMIT, rooms, |status| *status != 503).await;
    assert_eq!(rooms().await, 401);
}

#[tokio::test]
async fn without_the_message_service_auth_goes_on_and_rooms_are_a_503() {
    let mut stack = embedded();
    let api = stack.api();
    let user = User::register(&api, "half").await;
    stack.message[0].kill();
    assert_unavailable(&api.get("/api/rooms", Some(&user.token)).await);
    assert_unavailable(&api.get("/api/rooms/general/messages", Some(&user.token)).await);
    assert_unavailable(&api.post("/api/rooms", Some(&user.token), json!({"name": "a room"})).await);
    let handshake = api.get("/socket/?EIO=4&transport=polling", None).await;
    assert!(handshake.status == 502 || handshake.status == 503, "{handshake:?}");
    assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
    assert_eq!(login(&api, &user).await.status, 200);
    stack.message[0].restart();
    let rooms = async || api.get("/api/rooms", Some(&user.token)).await.status;
    eventually("rooms to be back", LIMIT, rooms, |status| *status == 200).await;
}

#[tokio::test]
async fn health_stays_up_and_names_what_is_down() {
    let mut stack = embedded();
    let api = stack.api();
    stack.auth[0].kill();
    assert_eq!(api.get("/health", None).await.status, 200);
    let detailed = async || api.get("/api/health/detailed", None).await;
    eventually("the outage to be shown", LIMIT, detailed, |answer| answer.status == 503).await;
    assert!(stack.message[0].is_ready() || !stack.gateways[0].is_ready(), "probes answer");
}

#[tokio::test]
async fn a_restarted_auth_service_still_knows_users_sessions_and_logouts() {
    let mut stack = embedded();
    let api = stack.api();
    let (stays, goes) = (User::register(&api, "stays").await, User::register(&api, "goes").await);
    assert_eq!(api.post("/api/auth/logout", Some(&goes.token), json!({})).await.status, 200);
    stack.auth[0].kill();
    stack.auth[0].restart();
    let profile = async |user: &User| api.get("/api/auth/profile", Some(&user.token)).await.status;
    eventually("auth to be back", LIMIT, async || profile(&stays).await, |status| *status == 200).await;
    assert_eq!(profile(&goes).await, 401);
}
