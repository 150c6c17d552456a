//! Users, rooms, and what is in the store in the end.

use aether_tests::{Answer, Api, Options, Stack, Store, User, WebSocket, eventually, unique};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::time::Duration;

/// A page of history holds at most so many.
const PAGE: usize = 100;
const AT_ONCE: usize = 8;
const LIMIT: Duration = Duration::from_secs(20);

/// Two gateways, two auth and three message replicas on real stores; every service reaches all of another.
pub(crate) fn stack() -> Options {
    Options { store: Store::Indexed, gateways: 2, auth: 2, message: 3, spread: true, ..Options::default() }
}

/// A gateway for each of three message replicas: whoever is connected to gateway `i` is on replica `i`.
pub(crate) fn three_replicas() -> Options {
    Options { gateways: 3, spread: false, ..stack() }
}

/// Makes public rooms and returns their ids.
pub(crate) async fn rooms(stack: &Stack, owner: &User, number: usize) -> Vec<String> {
    let api = stack.api();
    let made = (0..number).map(|_| async {
        let answer = api.post("/api/rooms", Some(&owner.token), json!({"name": unique("room")})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["room"]["id"].as_str().unwrap().to_owned()
    });
    stream::iter(made).buffered(AT_ONCE).collect().await
}

/// A stored message; its number is its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) content: String,
}

/// A room's whole history, in its order.
pub(crate) async fn history(api: &Api, user: &User, room: &str) -> Vec<Kept> {
    let total = usize::try_from(page(api, user, room, 1).await["pagination"]["totalItems"].as_u64().unwrap()).unwrap();
    let pages = stream::iter((1..=total.div_ceil(PAGE)).rev()).map(|number| page(api, user, room, number)).buffered(4);
    let mut kept = Vec::with_capacity(total);
    for body in pages.collect::<Vec<_>>().await {
        for message in body["messages"].as_array().unwrap() {
            let text = |key: &str| message[key].as_str().unwrap().to_owned();
            kept.push(Kept { id: text("id"), content: text("content") });
        }
    }
    kept
}

/// The number of messages in a room.
pub(crate) async fn total(api: &Api, user: &User, room: &str) -> u64 {
    page(api, user, room, 1).await["pagination"]["totalItems"].as_u64().unwrap()
}

async fn page(api: &Api, user: &User, room: &str, number: usize) -> Value {
    let path = format!("/api/rooms/{room}/messages?page={number}&limit={PAGE}");
    // A service may have been started again just now.
    let ask = async || api.get(&path, Some(&user.token)).await;
    eventually("a page of history", LIMIT, ask, |answer: &Answer| answer.status == 200).await.body
}

/// Connects a user by a gateway and joins a room's live feed after what the socket has of it.
pub(crate) async fn enter(stack: &Stack, gateway: usize, user: &User, room: &str, after: u64) -> WebSocket {
    let mut socket = WebSocket::connect(&stack.api_of(gateway), user).await.unwrap();
    let answer = socket.answer("join_room", json!({"roomId": room, "afterSeq": after}), LIMIT).await;
    assert_eq!(answer["success"], true, "{answer}");
    socket
}

/// Sends a message, which has to be acknowledged.
pub(crate) async fn send(socket: &mut WebSocket, room: &str, content: &str) {
    let answer = socket.answer("send_message", json!({"roomId": room, "content": content}), LIMIT).await;
    assert_eq!(answer["success"], true, "{answer}");
}
