//! The least Socket.IO client that tests need: protocol 5 over HTTP long polling. The official client has tests of
//! its own in `tests/client`; this one can also say what that one never would.

use crate::{Answer, Api, User};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
const SEPARATOR: char = '\u{1e}';

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    api: Api,
    path: String,
    packets: VecDeque<String>,
    next_ack: u64,
}

impl Socket {
    /// Connects with a fresh WebSocket token of `user`.
    pub async fn connect(api: &Api, user: &User) -> Self {
        let token = user.ws_token(api).await;
        Self::try_connect(api, json!({"token": token})).await.unwrap_or_else(|error| panic!("refused: {error}"))
    }

    /// Connects with any auth payload; the error is the one of the client's `connect_error`.
    pub async fn try_connect(api: &Api, auth: Value) -> Result<Self, Value> {
        let mut socket = Self::open(api).await.unwrap_or_else(|answer| panic!("no handshake: {answer:?}"));
        socket.post(&format!("40{auth}")).await;
        let packet = socket.packet(|packet| packet.starts_with("40") || packet.starts_with("44")).await;
        match packet.strip_prefix("44") {
            Some(error) => Err(serde_json::from_str(error).unwrap()),
            None => Ok(socket),
        }
    }

    /// Only the Engine.IO handshake; the whole answer when it fails.
    pub async fn open(api: &Api) -> Result<Self, Answer> {
        let base = "/socket/?EIO=4&transport=polling";
        let answer = api.get(base, None).await;
        let Some(open) = answer.body.as_str().and_then(|text| text.strip_prefix('0')) else {
            return Err(answer);
        };
        let open: Value = serde_json::from_str(open).unwrap();
        let path = format!("{base}&sid={}", open["sid"].as_str().unwrap());
        Ok(Self { api: api.clone(), path, packets: VecDeque::new(), next_ack: 0 })
    }

    /// Emits an event without an acknowledgement.
    pub async fn emit(&mut self, event: &str, payload: Value) {
        self.post(&format!("42{}", json!([event, payload]))).await;
    }

    /// As [`Socket::emit`], however the server takes it.
    pub async fn try_emit(&mut self, event: &str, payload: Value) {
        let packet = format!("42{}", json!([event, payload]));
        self.api.send(self.api.request(Method::POST, &self.path).body(packet)).await;
    }

    /// Emits an event and returns what it is acknowledged with.
    pub async fn call(&mut self, event: &str, payload: Value) -> Value {
        self.call_within(event, payload, LIMIT).await
    }

    /// As [`Socket::call`], where the answer may take longer.
    pub async fn call_within(&mut self, event: &str, payload: Value, limit: Duration) -> Value {
        let ack = self.next_ack;
        self.next_ack += 1;
        self.post(&format!("42{ack}{}", json!([event, payload]))).await;
        let head = format!("43{ack}[");
        let packet = self.packet_within(limit, |packet| packet.starts_with(&head)).await;
        let acknowledged: Value = serde_json::from_str(&packet[head.len() - 1..]).unwrap();
        acknowledged[0].clone()
    }

    /// The payload of the next event of this name; others stay in the queue.
    pub async fn next(&mut self, event: &str) -> Value {
        let head = format!("42[\"{event}\",");
        let packet = self.packet(|packet| packet.starts_with(&head)).await;
        serde_json::from_str::<Value>(&packet[2..]).unwrap()[1].clone()
    }

    /// All events up to one that is waited for, which is left out, in the order in which they came.
    pub async fn until(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
        let mut before = Vec::new();
        let search = async {
            loop {
                while let Some(packet) = self.packets.pop_front() {
                    let Some((name, payload)) = event(&packet) else { continue };
                    if wanted(&name, &payload) {
                        return;
                    }
                    before.push((name, payload));
                }
                self.poll().await;
            }
        };
        let came = tokio::time::timeout(LIMIT, search).await.is_ok();
        assert!(came, "the awaited event did not come; others: {before:?}");
        before
    }

    /// The events that have come so far.
    pub fn heard(&mut self) -> Vec<(String, Value)> {
        self.packets.drain(..).filter_map(|packet| event(&packet)).collect()
    }

    /// Joins a room's live feed and returns the room's id.
    pub async fn join(&mut self, room: &str) -> String {
        self.emit("join_room", json!({"roomId": room})).await;
        self.next("joined_room").await["roomId"].as_str().unwrap().to_owned()
    }

    /// Sends a message and returns its acknowledgement, which has to be a success.
    pub async fn send(&mut self, room: &str, content: &str) -> Value {
        let ack = self.call("send_message", json!({"roomId": room, "content": content})).await;
        assert_eq!(ack["success"], true, "{ack}");
        ack
    }

    /// Waits until the server closes this socket; panics if it hasn't by then.
    pub async fn assert_closes_within(&mut self, limit: Duration) {
        // Of the namespace (41) or of the whole connection (1); a session that is gone is refused.
        let closing = |packet: &String| packet == "41" || packet == "1";
        let search = async {
            while !self.packets.iter().any(closing) {
                let answer = self.api.get(&self.path, None).await;
                if answer.status != 200 {
                    return;
                }
                self.keep(&answer).await;
            }
        };
        let closed = tokio::time::timeout(limit, search).await.is_ok();
        assert!(closed, "still open after {limit:?}; it got {:?}", self.packets);
    }

    async fn post(&self, packet: &str) {
        let request = self.api.request(Method::POST, &self.path).body(packet.to_owned());
        let answer = self.api.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn packet(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.packet_within(LIMIT, wanted).await
    }

    async fn packet_within(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let search = async {
            loop {
                if let Some(index) = self.packets.iter().position(|packet| wanted(packet)) {
                    return self.packets.remove(index).unwrap();
                }
                self.poll().await;
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(packet) => packet,
            Err(_) => panic!("the awaited packet did not come; others: {:?}", self.packets),
        }
    }

    async fn poll(&mut self) {
        let answer = self.api.get(&self.path, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.keep(&answer).await;
    }

    async fn keep(&mut self, answer: &Answer) {
        // A payload that is one JSON number or so has been read as JSON: packets are text all the same.
        let text = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
        for packet in text.split(SEPARATOR) {
            match packet {
                "2" => self.post("3").await,
                "6" => {}
                packet => self.packets.push_back(packet.to_owned()),
            }
        }
    }
}

/// The name and payload of a packet that is an event.
fn event(packet: &str) -> Option<(String, Value)> {
    let (name, payload): (String, Value) = serde_json::from_str(packet.strip_prefix("42")?).ok()?;
    Some((name, payload))
}
