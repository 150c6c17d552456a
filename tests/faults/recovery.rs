//! What a client finds when it comes back, and what others see of it on other replicas.

use crate::beside_others;
use crate::scene::{enter, rooms, send, three_replicas};
use aether_tests::{Options, Packet, Redis, Stack, User, WebSocket};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

const LIMIT: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(2);

/// One backend for all that stops nothing.
async fn shared() -> &'static (Stack, Redis) {
    static SHARED: OnceCell<(Stack, Redis)> = OnceCell::const_new();
    let start = || {
        let redis = Redis::start();
        (Stack::start(&Options { redis: true, ..three_replicas() }.env("REDIS_URL", redis.url())), redis)
    };
    SHARED.get_or_init(|| async { tokio::task::spawn_blocking(start).await.unwrap() }).await
}

async fn users_and_room(stack: &Stack) -> (Vec<User>, String) {
    let users = stack.crowd(3).await;
    let room = rooms(stack, &users[0], 1).await.remove(0);
    (users, room)
}

#[tokio::test]
async fn a_socket_that_was_away_gets_all_it_missed_once_at_another_replica_while_others_talk_on() {
    const MISSED: u64 = 250;
    const ALL: u64 = 400;
    let _beside = beside_others().await;
    let (stack, _) = shared().await;
    let (users, room) = users_and_room(stack).await;
    let mut talker = enter(stack, 0, &users[0], &room, 0).await;
    let mut ann = enter(stack, 1, &users[1], &room, 0).await;
    send(&mut talker, &room, "1").await;
    assert_eq!(ann.next_event("new_message", LIMIT).await["seq"], 1);
    drop(ann);
    for number in 2..=MISSED {
        send(&mut talker, &room, &number.to_string()).await;
    }
    let go_on = async {
        for number in MISSED + 1..=ALL {
            send(&mut talker, &room, &number.to_string()).await;
        }
    };
    let come_back = async {
        let mut ann = WebSocket::connect(&stack.api_of(2), &users[1]).await.unwrap();
        ann.emit("join_room", json!({"roomId": room, "afterSeq": 1})).await.unwrap();
        for number in 2..=ALL {
            let message = ann.next_event("new_message", LIMIT).await;
            assert_eq!((&message["seq"], &message["content"]), (&json!(number), &json!(number.to_string())));
        }
    };
    tokio::join!(go_on, come_back);
}

async fn typing(socket: &mut WebSocket, user: &User, limit: Duration) -> bool {
    let event = socket.next_event("user_typing", limit).await;
    assert_eq!(event["userId"], user.id.as_str(), "{event}");
    event["isTyping"].as_bool().unwrap()
}

#[tokio::test]
async fn typing_is_shown_on_other_replicas_and_ends_three_seconds_after_the_last_word() {
    let _beside = beside_others().await;
    let (stack, _) = shared().await;
    let (users, room) = users_and_room(stack).await;
    let mut ann = enter(stack, 0, &users[0], &room, 0).await;
    let mut bob = enter(stack, 1, &users[1], &room, 0).await;
    ann.emit("typing_start", json!({"roomId": room})).await.unwrap();
    let started = Instant::now();
    assert!(typing(&mut bob, &users[0], SOON).await);
    assert!(!typing(&mut bob, &users[0], LIMIT).await);
    let lasted = started.elapsed();
    assert!((Duration::from_millis(2900)..Duration::from_millis(4500)).contains(&lasted), "{lasted:?}");
}

#[tokio::test]
async fn typing_ends_on_other_replicas_when_the_socket_goes_and_when_its_replica_dies() {
    let _beside = beside_others().await;
    let redis = Redis::start();
    let mut stack = Stack::start(&Options { redis: true, ..three_replicas() }.env("REDIS_URL", redis.url()));
    let (users, room) = users_and_room(&stack).await;
    let mut bob = enter(&stack, 1, &users[1], &room, 0).await;
    let mut ann = enter(&stack, 0, &users[0], &room, 0).await;
    ann.emit("typing_start", json!({"roomId": room})).await.unwrap();
    assert!(typing(&mut bob, &users[0], SOON).await);
    drop(ann);
    assert!(!typing(&mut bob, &users[0], SOON).await);
    let mut ann = enter(&stack, 0, &users[0], &room, 0).await;
    ann.emit("typing_start", json!({"roomId": room})).await.unwrap();
    assert!(typing(&mut bob, &users[0], SOON).await);
    stack.message[0].kill();
    assert!(!typing(&mut bob, &users[0], Duration::from_secs(6)).await);
}

/// The names and numbers of the next so many events about messages.
async fn news(socket: &mut WebSocket, number: usize) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    while found.len() < number {
        let packet = tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap();
        if let Packet::Event(name, body) = packet
            && (name == "new_message" || name == "message_confirmed")
        {
            found.push((name, body["seq"].as_u64().unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn two_sockets_of_a_user_on_two_replicas_both_get_and_confirm_and_one_may_go() {
    let _beside = beside_others().await;
    let (stack, _) = shared().await;
    let (users, room) = users_and_room(stack).await;
    let mut bob = enter(stack, 2, &users[1], &room, 0).await;
    let mut one = enter(stack, 0, &users[0], &room, 0).await;
    let mut other = enter(stack, 1, &users[0], &room, 0).await;
    one.emit("send_message", json!({"roomId": room, "content": "first", "tempId": "t-1"})).await.unwrap();
    let both = |seq| [("new_message".to_owned(), seq), ("message_confirmed".to_owned(), seq)];
    assert_eq!(news(&mut one, 2).await, both(1));
    assert_eq!(news(&mut other, 2).await, both(1));
    drop(one);
    other.emit("send_message", json!({"roomId": room, "content": "second"})).await.unwrap();
    assert_eq!(news(&mut other, 2).await, both(2));
    assert_eq!(bob.next_event("new_message", LIMIT).await["content"], "first");
    assert_eq!(bob.next_event("new_message", LIMIT).await["content"], "second");
}
