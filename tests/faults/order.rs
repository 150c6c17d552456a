//! A crowd that talks: all members of a room see one order, that of the history.

use crate::member::{Journal, Member};
use crate::report::{percentile, tell};
use crate::scene::{Kept, history, rooms, stack, total};
use crate::{alone, size};
use aether_tests::{Options, Redis, Stack, User};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// For so long the last messages may be on their way to the last member.
const LAST: Duration = Duration::from_secs(60);

/// Members that are at work, and how they learn that it is over.
pub(crate) struct Talk {
    pub(crate) journal: Arc<Journal>,
    rooms: Vec<String>,
    members: Vec<JoinHandle<Member>>,
    ends: watch::Sender<Option<HashMap<String, u64>>>,
}

impl Talk {
    /// Starts nobody yet.
    pub(crate) fn new(rooms: &[String]) -> Self {
        Self { journal: Journal::new(), rooms: rooms.to_vec(), members: Vec::new(), ends: watch::Sender::new(None) }
    }

    /// Lets a user talk in some of the rooms.
    pub(crate) fn start(&mut self, user: &User, stack: &Stack, rooms: &[String], messages: usize) {
        let member = Member::new(user, &stack.urls, self.members.len(), rooms, messages, &self.journal);
        self.members.push(tokio::spawn(member.run(self.ends.subscribe())));
    }

    /// Waits until so many messages are acknowledged.
    pub(crate) async fn until_acknowledged(&self, number: u64, limit: Duration) {
        let end = Instant::now() + limit;
        while self.journal.acknowledged.load(Ordering::Relaxed) < number {
            let far = self.journal.acknowledged.load(Ordering::Relaxed);
            assert!(Instant::now() < end, "{far} of {number} are acknowledged after {limit:?}");
            assert!(!self.members.iter().any(JoinHandle::is_finished), "a member ended early");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everybody has everything, and compares that with the history.
    pub(crate) async fn end(self, stack: &Stack, reader: &User, sent: usize) {
        let api = stack.api();
        let mut ends = HashMap::new();
        for room in &self.rooms {
            ends.insert(room.clone(), total(&api, reader, room).await);
        }
        self.ends.send_replace(Some(ends));
        let members = tokio::time::timeout(LAST, futures::future::join_all(self.members)).await;
        let wrongs = self.journal.wrongs.lock().unwrap().clone();
        assert!(wrongs.is_empty(), "{} wrongs, the first: {:#?}", wrongs.len(), &wrongs[..wrongs.len().min(10)]);
        let members = members.unwrap_or_else(|_| panic!("not everybody has all messages after {LAST:?}"));
        let members: Vec<Member> = members.into_iter().map(Result::unwrap).collect();
        let mut histories = HashMap::new();
        for room in &self.rooms {
            histories.insert(room.clone(), history(&api, reader, room).await);
        }
        compare(&members, &histories, sent);
    }
}

fn compare(members: &[Member], histories: &HashMap<String, Vec<Kept>>, sent: usize) {
    let contents: HashSet<&String> = histories.values().flatten().map(|kept| &kept.content).collect();
    let kept: usize = histories.values().map(Vec::len).sum();
    assert_eq!((kept, contents.len()), (sent, sent), "the histories hold each message once");
    for member in members {
        for (room, seen) in &member.rooms {
            assert!(seen == &histories[room], "a member saw another order than that of the history of {room}");
        }
        for (content, (room, seq, id)) in &member.acknowledged {
            let place = usize::try_from(*seq).unwrap() - 1;
            let expected = Kept { id: id.clone(), content: content.clone() };
            assert_eq!(histories[room].get(place), Some(&expected), "acknowledged as number {seq} of {room}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_of_a_room_on_three_replicas_see_one_order_that_of_the_history() {
    let _alone = alone().await;
    let number = usize::try_from(size("FAULTS_ROOMS", 50, 10)).unwrap();
    let senders = usize::try_from(size("FAULTS_SENDERS", 20, 10)).unwrap();
    let each = usize::try_from(size("FAULTS_EACH", 20, 10)).unwrap();
    let redis = Redis::start();
    let stack = Stack::start(&Options { redis: true, ..stack() }.env("REDIS_URL", redis.url()));
    let users = stack.crowd(number * senders).await;
    let rooms = rooms(&stack, &users[0], number).await;
    let started = Instant::now();
    let mut talk = Talk::new(&rooms);
    for (index, user) in users.iter().enumerate() {
        talk.start(user, &stack, &rooms[index % number..=index % number], each);
    }
    let sent = number * senders * each;
    talk.until_acknowledged(sent as u64, Duration::from_secs(600)).await;
    let took = started.elapsed();
    let journal = Arc::clone(&talk.journal);
    talk.end(&stack, &users[0], sent).await;
    let latencies = journal.latencies.lock().unwrap().clone();
    let figures = json!({
        "rooms": number, "senders": senders, "messages": sent, "deliveries": latencies.len(),
        "seconds": took.as_secs_f64(), "p50_ms": percentile(&latencies, 50), "p99_ms": percentile(&latencies, 99),
        "refused": journal.refused.load(Ordering::Relaxed), "reconnects": journal.reconnects.load(Ordering::Relaxed),
    });
    tell("order", figures);
}
