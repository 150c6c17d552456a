//! Delivery over a real store, without sockets: replicas are hubs that share the store.
#![allow(clippy::unwrap_used)]

use std::{sync::Mutex, time::Duration};

use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::*;
use crate::{
    messages,
    model::Role,
    rooms::Rooms,
    store::{
        conformance::{Fresh, sqlite},
        prepare,
    },
};

/// Carries hints to the other hub for as long as it is switched on.
struct TestBus {
    name: &'static str,
    peer: Mutex<Option<mpsc::Sender<Incoming>>>,
    state: watch::Sender<State>,
}

impl Bus for TestBus {
    fn publish(&self, hint: Hint) {
        if let Some(peer) = self.peer.lock().unwrap().as_ref() {
            peer.try_send(Incoming::Hint { from: self.name.into(), hint }).unwrap();
        }
    }

    fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

struct Replicas {
    hubs: [Arc<Hub>; 2],
    buses: [Arc<TestBus>; 2],
    room: Arc<Room>,
    fresh: Fresh,
    next_id: Mutex<SocketId>,
}

impl Replicas {
    async fn new() -> Self {
        let fresh = sqlite();
        prepare(fresh.store.as_ref()).await.unwrap();
        let room = Rooms::new(Arc::clone(&fresh.store)).find("general").await.unwrap();
        for user in ["1", "2"] {
            fresh.store.join(&room.id, user, Role::Member).await.unwrap();
        }
        let channels = [mpsc::channel(1000), mpsc::channel(1000)];
        let buses = [("a", channels[1].0.clone()), ("b", channels[0].0.clone())].map(|(name, peer)| {
            Arc::new(TestBus { name, peer: Mutex::new(Some(peer)), state: watch::Sender::new(State::Healthy) })
        });
        let [first, second] = channels.map(|(_, incoming)| incoming);
        let hub = |bus: &Arc<TestBus>, incoming| {
            let bus: Arc<dyn Bus> = Arc::<TestBus>::clone(bus);
            let metrics = Arc::new(Metrics::new().unwrap());
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            Hub::start(Arc::clone(&fresh.store), bus, incoming, metrics, &tasks, stop)
        };
        let hubs = [hub(&buses[0], first), hub(&buses[1], second)];
        Self { hubs, buses, room, fresh, next_id: Mutex::new(1) }
    }

    /// A socket of a user at a replica.
    fn socket(&self, replica: usize, user: &str) -> Socket {
        let id = {
            let mut next = self.next_id.lock().unwrap();
            *next += 1;
            *next
        };
        let user = User { id: user.into(), username: format!("user{user}") };
        let too_slow = CancellationToken::new();
        let (subscriber, events) = Subscriber::new(id, user, too_slow.clone());
        self.hubs[replica].connected(&subscriber);
        let (hub, room) = (Arc::clone(&self.hubs[replica]), Arc::clone(&self.room));
        Socket { hub, room, subscriber, events, too_slow }
    }

    fn cut_the_bus(&self) {
        for bus in &self.buses {
            bus.peer.lock().unwrap().take();
            bus.state.send_replace(State::Unhealthy);
        }
    }
}

struct Socket {
    hub: Arc<Hub>,
    room: Arc<Room>,
    subscriber: Arc<Subscriber>,
    events: mpsc::Receiver<Event>,
    too_slow: CancellationToken,
}

impl Socket {
    async fn enter(&self, have: Option<u64>) -> Entered {
        self.hub.enter(&self.room.id, &self.subscriber, have, None).await.unwrap()
    }

    fn send(&self, content: &str, temp_id: Option<&str>) -> oneshot::Receiver<Result<u64, String>> {
        let (tell, told) = oneshot::channel();
        let draft = messages::draft(self.subscriber.user.clone(), content, None, temp_id).unwrap();
        let answer: Answer = Box::new(move |result| {
            tell.send(result.map(|s| s.message.seq).map_err(|e| e.message.clone())).unwrap();
        });
        self.hub.send(Arc::clone(&self.room), draft, Some(self.subscriber.id), answer);
        told
    }

    /// The next event, as its name and one field of its body.
    async fn next(&mut self, field: &str) -> (&'static str, Value) {
        let event = timeout(Duration::from_secs(3), self.events.recv()).await.expect("an event").unwrap();
        let Event::Named(name, body) = event else { panic!("an answer") };
        let body: Value = serde_json::from_str(body.get()).unwrap();
        (name, body[field].clone())
    }

    /// The numbers of the next messages; other events are left out.
    async fn messages(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            if let ("new_message", seq) = self.next("seq").await {
                seqs.push(seq.as_u64().unwrap());
            }
        }
        seqs
    }

    fn quiet(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}

#[tokio::test]
async fn a_sender_gets_the_message_and_then_its_confirmation() {
    let replicas = Replicas::new().await;
    let (mut ada, mut other) = (replicas.socket(0, "1"), replicas.socket(0, "1"));
    ada.enter(None).await;
    assert_eq!(ada.send("hello", Some("t")).await.unwrap(), Ok(1));
    assert_eq!(ada.next("tempId").await, ("new_message", "t".into()));
    assert_eq!(ada.next("tempId").await, ("message_confirmed", "t".into()));
    // Without the live feed a socket of the sender only learns that it is stored.
    assert_eq!(other.next("seq").await, ("message_confirmed", 1.into()));
    assert!(other.quiet());
}

#[tokio::test]
async fn the_sending_socket_gets_its_message_without_a_live_feed() {
    let replicas = Replicas::new().await;
    let mut ada = replicas.socket(0, "1");
    assert_eq!(ada.send("hello", None).await.unwrap(), Ok(1));
    assert_eq!(ada.next("seq").await, ("new_message", 1.into()));
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
}

#[tokio::test]
async fn a_resend_is_answered_and_confirmed_and_not_delivered_again() {
    let replicas = Replicas::new().await;
    let (mut ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    ada.enter(None).await;
    bob.enter(None).await;
    assert_eq!(ada.next("userId").await, ("user_joined", "2".into()));
    assert_eq!(ada.send("hello", Some("t")).await.unwrap(), Ok(1));
    assert_eq!(ada.messages(1).await, [1]);
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
    assert_eq!(ada.send("hello", Some("t")).await.unwrap(), Ok(1));
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
    assert_eq!(bob.messages(1).await, [1]);
    assert!(ada.quiet() && bob.quiet());
}

#[tokio::test]
async fn a_stranger_is_refused_before_anything_is_stored() {
    let replicas = Replicas::new().await;
    let (eve, mut ada) = (replicas.socket(0, "9"), replicas.socket(0, "1"));
    ada.enter(None).await;
    assert_eq!(eve.send("x", None).await.unwrap(), Err("You are not a member of this room".into()));
    assert!(ada.quiet());
    assert_eq!(replicas.fresh.store.tail(&replicas.room.id).await.unwrap().seq, 0);
}

#[tokio::test]
async fn every_socket_of_every_replica_sees_one_order_with_and_without_a_bus() {
    let replicas = Replicas::new().await;
    let (mut ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(1, "2"));
    ada.enter(None).await;
    bob.enter(None).await;
    for cut in [false, true] {
        if cut {
            replicas.cut_the_bus();
        }
        let send = |n| [ada.send(&format!("a{n}"), None), bob.send(&format!("b{n}"), None)];
        for told in (0..50).flat_map(send).collect::<Vec<_>>() {
            told.await.unwrap().unwrap();
        }
        let from = if cut { 101 } else { 1 };
        let expected: Vec<u64> = (from..from + 100).collect();
        assert_eq!(ada.messages(100).await, expected);
        assert_eq!(bob.messages(100).await, expected);
    }
}

#[tokio::test]
async fn a_socket_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let replicas = Replicas::new().await;
    let (mut ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    ada.enter(None).await;
    for n in 0..30 {
        ada.send(&format!("{n}"), None).await.unwrap().unwrap();
    }
    assert_eq!(bob.enter(Some(10)).await, Entered::Live);
    ada.send("live", None).await.unwrap().unwrap();
    assert_eq!(bob.messages(21).await, (11..=31).collect::<Vec<_>>());
    assert_eq!(ada.messages(31).await, (1..=31).collect::<Vec<_>>());
    assert!(bob.quiet());
}

#[tokio::test]
async fn a_number_from_the_future_holds_no_message_back() {
    let replicas = Replicas::new().await;
    let (ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    assert_eq!(bob.enter(Some(1_000_000)).await, Entered::Live);
    ada.send("hello", None).await.unwrap().unwrap();
    assert_eq!(bob.messages(1).await, [1]);
}

#[tokio::test]
async fn a_socket_far_behind_is_told_to_read_first() {
    let replicas = Replicas::new().await;
    let (ada, bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    let sent: Vec<_> = (0..150).map(|n| ada.send(&format!("{n}"), None)).collect();
    for told in sent {
        told.await.unwrap().unwrap();
    }
    assert_eq!(bob.enter(Some(0)).await, Entered::Behind);
    assert_eq!(bob.enter(Some(100)).await, Entered::Live);
}

#[tokio::test]
async fn a_slow_socket_is_cut_off_and_gets_nothing_after_its_gap() {
    let replicas = Replicas::new().await;
    let (ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    bob.enter(None).await;
    for batch in 0..12 {
        let sent: Vec<_> = (0..100).map(|n| ada.send(&format!("{batch} {n}"), None)).collect();
        for told in sent {
            told.await.unwrap().unwrap();
        }
    }
    timeout(Duration::from_secs(1), bob.too_slow.cancelled()).await.unwrap();
    assert_eq!(bob.messages(subscriber::WAITING).await, (1..=subscriber::WAITING as u64).collect::<Vec<_>>());
    assert!(bob.quiet());
}

#[tokio::test]
async fn typing_is_shown_to_others_everywhere_until_the_socket_leaves() {
    let replicas = Replicas::new().await;
    let (ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(1, "2"));
    bob.enter(None).await;
    ada.enter(None).await;
    assert_eq!(bob.next("userId").await, ("user_joined", "1".into()));
    ada.hub.typing(&ada.room.id, &ada.subscriber, true);
    assert_eq!(bob.next("isTyping").await, ("user_typing", true.into()));
    ada.hub.leave(&ada.room.id, &ada.subscriber);
    assert_eq!(bob.next("isTyping").await, ("user_typing", false.into()));
    assert_eq!(bob.next("userId").await, ("user_left", "1".into()));
}

#[tokio::test]
async fn who_is_no_member_any_more_loses_the_live_feed() {
    let replicas = Replicas::new().await;
    let (ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(1, "2"));
    bob.enter(None).await;
    replicas.fresh.store.leave(&replicas.room.id, "2").await.unwrap();
    replicas.hubs[0].removed(&replicas.room.id, "2");
    assert_eq!(bob.next("roomId").await.0, "left_room");
    ada.send("secret", None).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(bob.quiet());
}
