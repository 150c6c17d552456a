//! When a store is cut off or hangs: callers get 503 and never a 401, nothing acknowledged is lost, and all goes on by
//! itself once the store is back. Without Redis everything goes on.
use crate::outage::{assert_unavailable, login};
use aether_tests::{Cable, Options, Socket, Stack, Store, User, eventually};
use serde_json::json;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

fn real(redis: bool) -> Stack {
    Stack::start(&Options { store: Store::Real, redis, ..Options::default() })
}

async fn auth_without_postgres(stack: &Stack, stop: impl Fn(&Cable)) {
    let api = stack.api();
    let user = User::register(&api, "pg").await;
    let cable = stack.cables.postgres.as_ref().unwrap();
    stop(cable);
    let start = Instant::now();
    assert_unavailable(&login(&api, &user).await);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_unavailable(&api.get("/api/auth/profile", Some(&user.token)).await);
    assert_unavailable(&api.post("/api/auth/register", None, User::form("pg_someone")).await);
    eventually("auth not to be ready", LIMIT, async || stack.auth[0].is_ready(), |ready| !ready).await;
    cable.mend();
    eventually("logins to work", LIMIT, async || login(&api, &user).await.status, |status| *status == 200).await;
    assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
}

#[tokio::test]
async fn with_postgresql_cut_off_auth_says_503_and_comes_back_by_itself() {
    auth_without_postgres(&real(false), Cable::cut).await;
}

#[tokio::test]
async fn with_postgresql_hung_auth_says_503_and_comes_back_by_itself() {
    auth_without_postgres(&real(false), Cable::clog).await;
}

async fn messages_without_mongodb(stack: &Stack, stop: impl Fn(&Cable)) {
    let api = stack.api();
    let user = User::register(&api, "mongo").await;
    let mut socket = Socket::connect(&api, &user).await;
    let room = socket.join("general").await;
    socket.send(&room, "before").await;
    let cable = stack.cables.mongodb.as_ref().unwrap();
    stop(cable);
    let payload = json!({"roomId": room, "content": "meanwhile", "tempId": "t-1"});
    let during = socket.call_within("send_message", payload.clone(), LIMIT).await;
    assert_eq!(during["success"], false, "{during}");
    assert_unavailable(&api.get("/api/rooms", Some(&user.token)).await);
    assert_unavailable(&api.get("/api/rooms/general/messages", Some(&user.token)).await);
    cable.mend();
    let rooms = async || api.get("/api/rooms", Some(&user.token)).await.status;
    eventually("rooms to be back", LIMIT, rooms, |status| *status == 200).await;
    let again = socket.call_within("send_message", payload, LIMIT).await;
    assert_eq!(again["success"], true, "{again}");
    let history = api.get("/api/rooms/general/messages", Some(&user.token)).await;
    let contents: Vec<_> = history.body["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(contents, ["before", "meanwhile"]);
}

#[tokio::test]
async fn with_mongodb_cut_off_a_message_is_refused_and_can_be_sent_again() {
    messages_without_mongodb(&real(false), Cable::cut).await;
}

#[tokio::test]
async fn with_mongodb_hung_a_message_is_refused_and_can_be_sent_again() {
    messages_without_mongodb(&real(false), Cable::clog).await;
}

async fn all_goes_on_without_redis(stop: impl Fn(&Cable)) {
    let stack = Stack::start(&Options { store: Store::Real, redis: true, ..Options::default() }.replicas(2));
    let (here, there) = (stack.api(), stack.api_of(1));
    let (ann, bob) = (User::register(&here, "ann").await, User::register(&there, "bob").await);
    let (mut a, mut b) = (Socket::connect(&here, &ann).await, Socket::connect(&there, &bob).await);
    let room = a.join("general").await;
    b.join("general").await;
    let cable = stack.cables.redis.as_ref().unwrap();
    stop(cable);
    for number in 0..3 {
        let sent = Instant::now();
        a.send(&room, &format!("without {number}")).await;
        assert_eq!(b.next("new_message").await["content"], format!("without {number}"));
        assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    }
    assert_eq!(login(&here, &ann).await.status, 200);
    assert_eq!(here.post("/api/auth/logout", Some(&ann.token), json!({})).await.status, 200);
    let profile = async || there.get("/api/auth/profile", Some(&ann.token)).await.status;
    eventually("the logout to arrive", Duration::from_secs(5), profile, |status| *status == 401).await;
    cable.mend();
    b.send(&room, "and after").await;
}

#[tokio::test]
async fn with_redis_cut_off_messages_and_logouts_still_reach_every_replica() {
    all_goes_on_without_redis(Cable::cut).await;
}

#[tokio::test]
async fn with_redis_hung_messages_and_logouts_still_reach_every_replica() {
    all_goes_on_without_redis(Cable::clog).await;
}
