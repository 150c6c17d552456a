//! Delivery over a real store, without sockets: replicas are hubs that share the store.
#![allow(clippy::unwrap_used)]

use std::{sync::Mutex, task::Waker, time::Duration};

use aether_common::{
    link::{self, Acceptor, Link},
    tls::{self, Stream},
};
use async_trait::async_trait;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, sync::watch, time::timeout};

use super::{live::Live, queue::Queue, *};
use crate::{
    frame, messages,
    model::{ClientId, Listed, Member, Membership, Message, Page, Role, Tail},
    rooms::Rooms,
    store::{
        Place, RoomsOf, Schema, Users,
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

/// A store that can be made to answer late or not at all.
struct Troubled {
    store: Arc<dyn Store>,
    /// What was inserted is stored, but not said to be.
    held: watch::Sender<bool>,
    /// What was inserted is stored, but said not to be.
    in_doubt: AtomicBool,
    unreadable: AtomicBool,
}

#[async_trait]
impl Store for Troubled {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn shared(&self) -> bool {
        self.store.shared()
    }

    async fn migrate(&self) -> Result<(), Error> {
        self.store.migrate().await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.store.ping().await
    }

    async fn schema(&self) -> Result<Schema, Error> {
        self.store.schema().await
    }

    async fn create_room(&self, room: &Room, owner: Option<&str>) -> Result<bool, Error> {
        self.store.create_room(room, owner).await
    }

    async fn rooms(&self, ids: &[String]) -> Result<Vec<Room>, Error> {
        self.store.rooms(ids).await
    }

    async fn room_by_name(&self, name: &str) -> Result<Option<Room>, Error> {
        self.store.room_by_name(name).await
    }

    async fn rename_room(&self, room: &str, name: &str) -> Result<(), Error> {
        self.store.rename_room(room, name).await
    }

    async fn public_rooms(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error> {
        self.store.public_rooms(user, search, page).await
    }

    async fn rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>, Error> {
        self.store.rooms_of(users).await
    }

    async fn members(&self, room: &str, page: Page) -> Result<(Vec<Member>, u64), Error> {
        self.store.members(room, page).await
    }

    async fn owner(&self, room: &str) -> Result<Option<String>, Error> {
        self.store.owner(room).await
    }

    async fn join(&self, room: &str, user: &str, role: Role) -> Result<bool, Error> {
        self.store.join(room, user, role).await
    }

    async fn leave(&self, room: &str, user: &str) -> Result<bool, Error> {
        self.store.leave(room, user).await
    }

    async fn memberships(&self, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
        self.store.memberships(wanted).await
    }

    async fn members_among(&self, room: &str, users: Users) -> Result<Users, Error> {
        self.store.members_among(room, users).await
    }

    async fn insert(&self, messages: &[Message]) -> Result<usize, Error> {
        let stored = self.store.insert(messages).await?;
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        if self.in_doubt.load(Ordering::Relaxed) { Err(busy()) } else { Ok(stored) }
    }

    async fn tail(&self, room: &str) -> Result<Tail, Error> {
        self.store.tail(room).await
    }

    async fn after(&self, room: &str, seq: u64, limit: u32) -> Result<Vec<Message>, Error> {
        if self.unreadable.load(Ordering::Relaxed) { Err(busy()) } else { self.store.after(room, seq, limit).await }
    }

    async fn find_sent(&self, room: &str, user: &str, client_id: &ClientId) -> Result<Option<Message>, Error> {
        self.store.find_sent(room, user, client_id).await
    }
}

struct Replicas {
    hubs: [Arc<Hub>; 2],
    buses: [Arc<TestBus>; 2],
    trouble: Arc<Troubled>,
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
        let trouble = Arc::new(Troubled {
            store: Arc::clone(&fresh.store),
            held: watch::Sender::new(false),
            in_doubt: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
        });
        let channels = [mpsc::channel(1000), mpsc::channel(1000)];
        let buses = [("a", channels[1].0.clone()), ("b", channels[0].0.clone())].map(|(name, peer)| {
            Arc::new(TestBus { name, peer: Mutex::new(Some(peer)), state: watch::Sender::new(State::Healthy) })
        });
        let [first, second] = channels.map(|(_, incoming)| incoming);
        let hub = |bus: &Arc<TestBus>, incoming| {
            let bus: Arc<dyn Bus> = Arc::<TestBus>::clone(bus);
            let metrics = Arc::new(Metrics::new().unwrap());
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            let store: Arc<dyn Store> = Arc::<Troubled>::clone(&trouble);
            Hub::start(store, bus, incoming, metrics, &tasks, stop)
        };
        let hubs = [hub(&buses[0], first), hub(&buses[1], second)];
        Self { hubs, buses, trouble, room, fresh, next_id: Mutex::new(1) }
    }

    /// A socket of a user at a replica.
    fn socket(&self, replica: usize, user: &str) -> Socket {
        let id = {
            let mut next = self.next_id.lock().unwrap();
            *next += 1;
            *next
        };
        let user = User { id: user.into(), username: format!("user{user}").into() };
        let queue = Arc::<Queue>::default();
        let subscriber = Subscriber::new(id, user, Arc::clone(&queue));
        self.hubs[replica].connected(&subscriber);
        let (hub, room) = (Arc::clone(&self.hubs[replica]), Arc::clone(&self.room));
        Socket { hub, room, subscriber, queue }
    }

    async fn stored(&self, seq: u64) {
        while self.fresh.store.tail(&self.room.id).await.unwrap().seq < seq {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
    queue: Arc<Queue>,
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
        let next = std::future::poll_fn(|cx| {
            if self.queue.wait(cx.waker()) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(self.take())
        });
        let event = timeout(Duration::from_secs(3), next).await.expect("an event").expect("a socket that is open");
        let (name, body): (String, Value) = serde_json::from_str(event.packet().strip_prefix("42").unwrap()).unwrap();
        (name.leak(), body[field].clone())
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
        self.queue.len() == 0
    }

    fn take(&self) -> Option<Event> {
        let mut taken = None;
        self.queue.take(|event| taken.is_none() && taken.replace(event.clone()).is_none());
        taken
    }
}

#[tokio::test]
async fn what_waits_for_the_store_is_counted_until_it_is_answered() {
    let replicas = Replicas::new().await;
    let (socket, hub) = (replicas.socket(0, "1"), Arc::clone(&replicas.hubs[0]));
    replicas.trouble.held.send_replace(true);
    let told: Vec<_> = (0..3).map(|n| socket.send(&n.to_string(), None)).collect();
    assert_eq!(hub.metrics.unstored.get(), 3);
    replicas.trouble.held.send_replace(false);
    for answer in told {
        answer.await.unwrap().unwrap();
    }
    while hub.metrics.unstored.get() > 0 {
        tokio::task::yield_now().await;
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
    let (ada, bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    bob.enter(None).await;
    for batch in 0..12 {
        let sent: Vec<_> = (0..100).map(|n| ada.send(&format!("{batch} {n}"), None)).collect();
        for told in sent {
            told.await.unwrap().unwrap();
        }
    }
    let overflow = async {
        while !bob.queue.overflowed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(1), overflow).await.unwrap();
    assert!(bob.take().is_none());
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

const OVER_A_POLL: Duration = Duration::from_millis(700);

#[tokio::test]
async fn nothing_is_delivered_before_it_is_acknowledged_however_often_the_store_is_looked_at() {
    let replicas = Replicas::new().await;
    let (mut ada, mut outside, bob) = (replicas.socket(0, "1"), replicas.socket(0, "1"), replicas.socket(1, "2"));
    ada.enter(None).await;
    replicas.cut_the_bus();
    replicas.trouble.held.send_replace(true);
    let told = ada.send("hello", Some("t"));
    replicas.stored(1).await;
    let next = bob.send("from elsewhere", None);
    replicas.stored(2).await;
    tokio::time::sleep(OVER_A_POLL).await;
    assert!(ada.quiet() && outside.quiet());
    replicas.trouble.held.send_replace(false);
    assert_eq!(told.await.unwrap(), Ok(1));
    assert_eq!(next.await.unwrap(), Ok(2));
    assert_eq!(ada.next("seq").await, ("new_message", 1.into()));
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
    assert_eq!(ada.next("seq").await, ("new_message", 2.into()));
    assert_eq!(outside.next("seq").await, ("message_confirmed", 1.into()));
    tokio::time::sleep(OVER_A_POLL).await;
    assert!(ada.quiet() && outside.quiet());
}

#[tokio::test]
async fn a_resend_under_way_is_not_delivered_by_a_hint_before_it_is_acknowledged() {
    let replicas = Replicas::new().await;
    let (mut ada, elsewhere) = (replicas.socket(0, "1"), replicas.socket(1, "1"));
    ada.enter(None).await;
    replicas.trouble.held.send_replace(true);
    let first = elsewhere.send("hello", Some("t"));
    replicas.stored(1).await;
    let again = ada.send("hello", Some("t"));
    tokio::time::sleep(OVER_A_POLL).await;
    let message = replicas.fresh.store.after(&replicas.room.id, 0, 1).await.unwrap().remove(0);
    replicas.buses[1].publish(Hint::Message { message: Arc::new(message) });
    tokio::time::sleep(OVER_A_POLL).await;
    assert!(ada.quiet());
    replicas.trouble.held.send_replace(false);
    assert_eq!([first.await.unwrap(), again.await.unwrap()], [Ok(1), Ok(1)]);
    assert_eq!(ada.next("seq").await, ("new_message", 1.into()));
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
    tokio::time::sleep(OVER_A_POLL).await;
    assert!(ada.quiet());
}

#[tokio::test]
async fn a_message_that_ended_in_doubt_is_delivered_once() {
    let replicas = Replicas::new().await;
    let mut ada = replicas.socket(0, "1");
    ada.enter(None).await;
    replicas.trouble.in_doubt.store(true, Ordering::Relaxed);
    assert!(ada.send("hello", None).await.unwrap().is_err());
    assert_eq!(ada.next("seq").await, ("new_message", 1.into()));
    assert_eq!(ada.next("seq").await, ("message_confirmed", 1.into()));
    tokio::time::sleep(OVER_A_POLL).await;
    assert!(ada.quiet());
}

#[tokio::test]
async fn a_socket_that_enters_while_its_message_is_under_way_gets_it_once_acknowledged() {
    let replicas = Replicas::new().await;
    for have in [None, Some(0)] {
        let mut ada = replicas.socket(0, "1");
        replicas.trouble.held.send_replace(true);
        let mut told = ada.send("hello", None);
        let seq = have.map_or(1, |_| 2);
        replicas.stored(seq).await;
        let acknowledge = async {
            tokio::time::sleep(OVER_A_POLL).await;
            assert!(told.try_recv().is_err());
            replicas.trouble.held.send_replace(false);
            told.await.unwrap().unwrap();
        };
        let (entered, ()) = tokio::join!(ada.enter(have.map(|_| 1)), acknowledge);
        assert_eq!(entered, Entered::Live);
        assert_eq!(ada.next("seq").await, ("new_message", seq.into()));
        assert_eq!(ada.next("seq").await, ("message_confirmed", seq.into()));
        tokio::time::sleep(OVER_A_POLL).await;
        assert!(ada.quiet());
        ada.hub.leave(&ada.room.id, &ada.subscriber);
    }
}

#[tokio::test]
async fn a_socket_that_fails_to_enter_again_keeps_its_live_feed() {
    let replicas = Replicas::new().await;
    let (ada, mut bob) = (replicas.socket(0, "1"), replicas.socket(0, "2"));
    bob.enter(None).await;
    ada.send("one", None).await.unwrap().unwrap();
    assert_eq!(bob.messages(1).await, [1]);
    replicas.trouble.unreadable.store(true, Ordering::Relaxed);
    let room = &replicas.room.id;
    assert!(bob.hub.enter(room, &bob.subscriber, Some(0), None).await.is_err());
    replicas.trouble.unreadable.store(false, Ordering::Relaxed);
    ada.send("two", None).await.unwrap().unwrap();
    assert_eq!(bob.messages(1).await, [2]);
}

#[tokio::test]
async fn a_lost_word_of_an_ended_membership_is_made_up_for_in_every_state() {
    for state in [State::Sole, State::Healthy] {
        let replicas = Replicas::new().await;
        replicas.buses[0].state.send_replace(state);
        let mut bob = replicas.socket(0, "2");
        replicas.fresh.store.leave(&replicas.room.id, "2").await.unwrap();
        bob.enter(None).await;
        assert_eq!(bob.next("roomId").await.0, "left_room");
    }
}

/// A gateway's link to this side, with a channel for each of two clients, and both ends of each.
async fn channels() -> (Link, [(Stream, Stream); 2]) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (acceptor, mut accepted) = Acceptor::new(CancellationToken::new());
    let routes = acceptor.routes();
    tokio::spawn(async move { axum::serve(tls::Listener::new(listener, None), routes).await });
    let link = link::connect(tls::connect(address, None).await.unwrap()).await.unwrap().unwrap();
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let near = Stream::Channel(link.open().unwrap());
        pairs.push((near, Stream::Channel(accepted.recv().await.unwrap())));
    }
    (link, pairs.try_into().ok().unwrap())
}

/// Writes what waits as a session's task does, and lets the rest go straight.
fn write(queue: &Arc<Queue>, end: &mut Stream) {
    let Stream::Channel(channel) = end else { panic!("no channel") };
    if !queue.wait(Waker::noop()) {
        let mut frames = Vec::new();
        queue.take(|event| {
            frame::text(&mut frames, event.bytes());
            true
        });
        assert_eq!(channel.try_give_together(&frames).unwrap(), frames.len());
    }
    if queue.wait(Waker::noop()) {
        queue.go_straight(channel.follower());
    }
}

#[tokio::test]
async fn over_a_link_a_clients_own_events_and_a_rooms_come_once_and_in_order() {
    for seed in 0..40 {
        let (mut random, room) = (StdRng::seed_from_u64(seed), Arc::<Live>::default());
        let (_link, clients) = channels().await;
        let mut clients = clients.map(|ends| (Arc::<Queue>::default(), ends, Vec::new(), false));
        for number in 0..300_u64 {
            let (queue, ends, expected, follows) = &mut clients[random.random_range(0..2)];
            match random.random_range(0..8) {
                0 | 1 => {
                    room.push(Event::named("room", &number));
                    for (_, _, expected, _) in clients.iter_mut().filter(|(.., follows)| *follows) {
                        expected.push(("room", number));
                    }
                }
                2 | 3 => {
                    queue.push(Event::named("own", &number));
                    expected.push(("own", number));
                }
                4 => {
                    // As a room lets a socket in, be it for the first time or again.
                    queue.push(Event::named("own", &number));
                    queue.follow(&room);
                    expected.extend([("own", number), ("entered", number)]);
                    *follows = true;
                }
                5 if random.random_bool(0.3) => {
                    queue.unfollow(&room);
                    *follows = false;
                }
                6 if random.random_bool(0.3) => queue.hold(),
                _ => write(queue, &mut ends.1),
            }
        }
        for (queue, (_, far), ..) in &mut clients {
            write(queue, far);
            queue.close();
        }
        room.push(Event::named("room", &"too late"));
        for (_, (mut near, far), expected, _) in clients {
            drop(far);
            let mut bytes = Vec::new();
            near.read_to_end(&mut bytes).await.unwrap();
            let mut came = Vec::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (frame, others) = rest.split_at(frame::length(rest));
                let text = std::str::from_utf8(&frame[frame.iter().position(|byte| *byte == b'4').unwrap() + 2..]);
                let (name, number): (String, u64) = serde_json::from_str(text.unwrap()).unwrap();
                came.push((if name == "own" { "own" } else { "room" }, number));
                rest = others;
            }
            let of = |name| move |event: &&(&'static str, u64)| event.0 == name;
            for name in ["own", "room"] {
                let expected: Vec<_> = expected.iter().filter(of(name)).collect();
                assert_eq!(came.iter().filter(of(name)).collect::<Vec<_>>(), expected, "seed {seed}");
            }
            // What is a client's own may come later than the room's, while it isn't straight, but for two things: it
            // doesn't overtake the room's, and what comes with the entrance comes before what follows that.
            let at = |event: &(&str, u64)| came.iter().position(|other| other == event).unwrap();
            for (place, event) in expected.iter().enumerate().filter(|(_, event)| event.0 == "own") {
                let before = expected[..place].iter().filter(of("room"));
                before.for_each(|room| assert!(at(room) < at(event), "seed {seed}: {event:?} overtook {room:?}"));
                if expected.get(place + 1) == Some(&("entered", event.1)) {
                    let after = expected[place..].iter().filter(of("room"));
                    after.for_each(|room| assert!(at(room) > at(event), "seed {seed}: {room:?} overtook {event:?}"));
                }
            }
        }
    }
}
