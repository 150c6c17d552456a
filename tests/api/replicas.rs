//! Two of each service: what one learns, the other knows within a second. Gateway 0 talks to replicas 0, gateway 1 to
//! replicas 1.
use aether_tests::{Options, Socket, Stack, Store, User, eventually};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(2);

fn pair(redis: bool) -> Stack {
    Stack::start(&Options { store: Store::Real, redis, ..Options::default() }.replicas(2))
}

async fn a_logout_reaches_every_replica(redis: bool) {
    let stack = pair(redis);
    let (here, there) = (stack.api(), stack.api_of(1));
    let user = User::register(&here, "everywhere").await;
    let mut socket = Socket::connect(&there, &user).await;
    for path in ["/api/auth/profile", "/api/rooms"] {
        assert_eq!(there.get(path, Some(&user.token)).await.status, 200);
    }
    assert_eq!(here.post("/api/auth/logout", Some(&user.token), json!({})).await.status, 200);
    for path in ["/api/auth/profile", "/api/rooms", "/api/auth/ws-token"] {
        let status = async || there.get(path, Some(&user.token)).await.status;
        eventually("the logout to arrive", SOON, status, |status| *status == 401).await;
    }
    socket.assert_closes_within(SOON).await;
}

#[tokio::test]
async fn a_logout_reaches_every_replica_over_redis() {
    a_logout_reaches_every_replica(true).await;
}

#[tokio::test]
async fn a_logout_reaches_every_replica_without_redis() {
    a_logout_reaches_every_replica(false).await;
}

async fn messages_of_both_replicas_come_in_one_order(redis: bool) {
    let stack = pair(redis);
    let (here, there) = (stack.api(), stack.api_of(1));
    let (ann, bob) = (User::register(&here, "ann").await, User::register(&there, "bob").await);
    let (mut a, mut b) = (Socket::connect(&here, &ann).await, Socket::connect(&there, &bob).await);
    let room = a.join("general").await;
    assert_eq!(b.join("general").await, room);
    for _ in 0..10 {
        futures::join!(a.send(&room, "from ann"), b.send(&room, "from bob"));
    }
    let mut seen = Vec::new();
    for socket in [&mut a, &mut b] {
        let mut messages = Vec::new();
        for _ in 0..20 {
            messages.push(socket.next("new_message").await["seq"].as_u64().unwrap());
        }
        seen.push(messages);
    }
    assert_eq!(seen[0], (1..=20).collect::<Vec<_>>());
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn messages_of_both_replicas_come_in_one_order_over_redis() {
    messages_of_both_replicas_come_in_one_order(true).await;
}

#[tokio::test]
async fn messages_of_both_replicas_come_in_one_order_without_redis() {
    messages_of_both_replicas_come_in_one_order(false).await;
}

#[tokio::test]
async fn a_user_registered_at_one_replica_can_log_in_at_the_other() {
    let stack = pair(false);
    let user = User::register(&stack.api(), "roams").await;
    let token = user.login(&stack.api_of(1)).await;
    assert_eq!(stack.api().get("/api/auth/profile", Some(&token)).await.status, 200);
}
