//! A client as the contract wants it: it comes back by itself with a new token, to whichever gateway answers, joins its
//! rooms again with `afterSeq`, and sends again by `tempId` what wasn't acknowledged. It notes all that it sees.

use crate::scene::Kept;
use aether_tests::{Api, Packet, User, WebSocket};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// So many messages of a client may wait for their acknowledgement.
const WINDOW: usize = 4;
/// A connection that answers nothing for so long is given up.
const SILENT: Duration = Duration::from_secs(6);
const TICK: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_millis(200);

/// What all members of a run note together.
#[derive(Debug)]
pub(crate) struct Journal {
    started: Instant,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) resent: AtomicU64,
    /// From the first sending to each arrival.
    pub(crate) latencies: Mutex<Vec<Duration>>,
    /// What must never happen.
    pub(crate) wrongs: Mutex<Vec<String>>,
}

/// One client.
pub(crate) struct Member {
    user: User,
    gateways: Vec<Api>,
    gateway: usize,
    /// What it has of each of its rooms, in the order in which it came.
    pub(crate) rooms: HashMap<String, Vec<Kept>>,
    /// Room, number and id of what was acknowledged, by content.
    pub(crate) acknowledged: HashMap<String, (String, u64, String)>,
    waiting: VecDeque<Draft>,
    in_flight: HashMap<u64, Draft>,
    hold_until: Instant,
    journal: Arc<Journal>,
    random: SmallRng,
}

#[derive(Clone, Debug)]
struct Draft {
    temp_id: String,
    room: String,
    /// Its `tempId` and when it was first sent.
    content: Option<String>,
}

impl Journal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            acknowledged: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            latencies: Mutex::default(),
            wrongs: Mutex::default(),
        })
    }

    fn wrong(&self, what: String) {
        self.wrongs.lock().unwrap().push(what);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap()
    }
}

impl Member {
    /// A client that begins at gateway `gateway` and is going to send so many messages, to its rooms in turn.
    pub(crate) fn new(
        user: &User,
        urls: &[String],
        gateway: usize,
        rooms: &[String],
        messages: usize,
        journal: &Arc<Journal>,
    ) -> Self {
        let gateways = urls.iter().map(|url| Api::new(url)).collect();
        let waiting = (0..messages).map(|n| Draft {
            temp_id: format!("{}-{n}", user.username),
            room: rooms[n % rooms.len()].clone(),
            content: None,
        });
        Self {
            user: user.clone(),
            gateways,
            gateway,
            rooms: rooms.iter().map(|room| (room.clone(), Vec::new())).collect(),
            acknowledged: HashMap::new(),
            waiting: waiting.collect(),
            in_flight: HashMap::new(),
            hold_until: Instant::now(),
            journal: Arc::clone(journal),
            random: SmallRng::seed_from_u64(gateway as u64),
        }
    }

    /// Works until everything is acknowledged and it has as many messages of each room as `ends` says in the end.
    pub(crate) async fn run(mut self, mut ends: watch::Receiver<Option<HashMap<String, u64>>>) -> Self {
        let mut connected_before = false;
        while !self.has_all(&ends) {
            let end = match self.connect().await {
                Ok(socket) => {
                    self.journal.reconnects.fetch_add(connected_before.into(), Ordering::Relaxed);
                    connected_before = true;
                    self.live(socket, &mut ends).await
                }
                Err(reason) => Err(reason),
            };
            if end.is_ok() {
                break;
            }
            self.gateway += 1;
            tokio::time::sleep(Duration::from_millis(self.random.random_range(50..400))).await;
        }
        self
    }

    fn has_all(&self, ends: &watch::Receiver<Option<HashMap<String, u64>>>) -> bool {
        let ends = ends.borrow();
        self.waiting.is_empty()
            && self.in_flight.is_empty()
            && ends.as_ref().is_some_and(|ends| self.rooms.iter().all(|(room, seen)| seen.len() as u64 >= ends[room]))
    }

    /// Connects and joins every room after what it has of it; what wasn't acknowledged is sent first then.
    async fn connect(&mut self) -> Result<WebSocket, String> {
        let lost: Vec<Draft> = self.in_flight.drain().map(|(_, draft)| draft).collect();
        self.journal.resent.fetch_add(lost.len() as u64, Ordering::Relaxed);
        lost.into_iter().for_each(|draft| self.waiting.push_front(draft));
        let gateway = &self.gateways[self.gateway % self.gateways.len()];
        let mut socket = WebSocket::connect(gateway, &self.user).await?;
        let rooms: Vec<String> = self.rooms.keys().cloned().collect();
        for room in rooms {
            let payload = json!({"roomId": room, "afterSeq": self.rooms[&room].len()});
            let number = socket.call("join_room", payload).await?;
            while self.next(&mut socket).await? != Some(number) {}
        }
        Ok(socket)
    }

    /// Sends and receives until it has all; an error when the connection is over.
    async fn live(
        &mut self,
        mut socket: WebSocket,
        ends: &mut watch::Receiver<Option<HashMap<String, u64>>>,
    ) -> Result<(), String> {
        let mut heard = Instant::now();
        while !self.has_all(ends) {
            self.send_waiting(&mut socket).await?;
            match tokio::time::timeout(TICK, socket.next()).await {
                Ok(packet) => {
                    heard = Instant::now();
                    self.note(packet?)?;
                }
                Err(_) if !self.in_flight.is_empty() && heard.elapsed() > SILENT => {
                    return Err("silent".to_owned());
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn next(&mut self, socket: &mut WebSocket) -> Result<Option<u64>, String> {
        let packet = tokio::time::timeout(SILENT, socket.next()).await.map_err(|_| "silent".to_owned())??;
        self.note(packet)
    }

    async fn send_waiting(&mut self, socket: &mut WebSocket) -> Result<(), String> {
        while self.in_flight.len() < WINDOW && Instant::now() >= self.hold_until {
            let Some(mut draft) = self.waiting.pop_front() else { break };
            let content = format!("{} {}", draft.temp_id, self.journal.now());
            let content = draft.content.get_or_insert(content).clone();
            let payload = json!({"roomId": draft.room, "content": content, "tempId": draft.temp_id});
            let sent = socket.call("send_message", payload).await;
            // Not to be lost where the connection is.
            self.in_flight.insert(sent.as_ref().copied().unwrap_or(u64::MAX), draft);
            sent?;
        }
        Ok(())
    }

    /// Notes what came; the number of the call that it answers, if it does.
    fn note(&mut self, packet: Packet) -> Result<Option<u64>, String> {
        match packet {
            Packet::Event(event, message) if event == "new_message" => self.received(&message),
            Packet::Event(event, what) if event == "left_room" => {
                self.journal.wrong(format!("{} was put out of a room: {what}", self.user.username));
            }
            Packet::Event(event, what) if event == "error" => return Err(what.to_string()),
            Packet::Answer(number, body) => {
                if let Some(draft) = self.in_flight.remove(&number) {
                    self.answered(draft, &body);
                }
                return Ok(Some(number));
            }
            Packet::Event(..) => {}
        }
        Ok(None)
    }

    fn received(&mut self, message: &Value) {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let (room, seq) = (text("roomId"), message["seq"].as_u64().unwrap_or_default());
        let Some(seen) = self.rooms.get_mut(&room) else {
            return self.journal.wrong(format!("a message of a strange room: {message}"));
        };
        let last = seen.len() as u64;
        if seq != last + 1 {
            return self.journal.wrong(format!("{} got {seq} after {last} in {room}", self.user.username));
        }
        let kept = Kept { id: text("id"), content: text("content") };
        let sent: Option<u64> = kept.content.split(' ').nth(1).and_then(|at| at.parse().ok());
        let latency = self.journal.now().saturating_sub(sent.unwrap_or_default());
        self.journal.latencies.lock().unwrap().push(Duration::from_micros(latency));
        seen.push(kept);
    }

    fn answered(&mut self, draft: Draft, body: &Value) {
        if body["success"] != true {
            self.journal.refused.fetch_add(1, Ordering::Relaxed);
            self.waiting.push_front(draft);
            self.hold_until = Instant::now() + RETRY;
            return;
        }
        if body["tempId"] != draft.temp_id.as_str() {
            self.journal.wrong(format!("{} was acknowledged as {body}", draft.temp_id));
        }
        let (seq, id) = (body["seq"].as_u64().unwrap_or_default(), body["id"].as_str().unwrap_or_default().to_owned());
        self.acknowledged.insert(draft.content.unwrap_or_default(), (draft.room, seq, id));
        self.journal.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}
