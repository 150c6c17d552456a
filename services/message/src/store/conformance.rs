//! What every store must do, run over each.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aether_common::Secret;
use futures::future::join_all;
use tokio::sync::watch;

use super::{ImportStore, MongoStore, Schema, SqliteStore, Store, prepare, prepared};
use crate::{
    messages,
    model::{ClientId, Draft, GENERAL, Message, Page, Room, RoomType, SYSTEM, Tail, User, new_id, now},
};

/// A store of its own for one test; what it needs lives as long as this.
pub(crate) struct Fresh<S: ?Sized = dyn Store> {
    pub(crate) store: Arc<S>,
    _directory: Option<tempfile::TempDir>,
}

pub(crate) fn sqlite() -> Fresh {
    let Fresh { store, _directory } = sqlite_for_import();
    Fresh { store, _directory }
}

pub(crate) fn sqlite_for_import() -> Fresh<dyn ImportStore> {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&directory.path().join("message.db")));
    Fresh { store, _directory: Some(directory) }
}

pub(crate) async fn mongodb() -> Fresh {
    let Fresh { store, _directory } = mongodb_for_import().await;
    Fresh { store, _directory }
}

pub(crate) async fn mongodb_for_import() -> Fresh<dyn ImportStore> {
    let url = std::env::var("TEST_MONGODB_URL").expect("TEST_MONGODB_URL is not set: this test is run by `make test`");
    let (server, query) = url.split_once('?').map_or((url.as_str(), String::new()), |(s, q)| (s, format!("?{q}")));
    let base = server.rsplit_once('/').map_or(server, |(base, _)| base);
    let url = Secret::new(format!("{base}/test_{}{query}", new_id()));
    Fresh { store: Arc::new(MongoStore::open(&url).await.unwrap()), _directory: None }
}

macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod sqlite_conforms {
            $(#[tokio::test]
            async fn $name() {
                let fresh = super::sqlite();
                super::prepare(fresh.store.as_ref()).await.unwrap();
                super::$name(fresh.store).await;
            })*
        }
        mod mongodb_conforms {
            $(#[tokio::test]
            async fn $name() {
                let fresh = super::mongodb().await;
                super::prepare(fresh.store.as_ref()).await.unwrap();
                super::$name(fresh.store).await;
            })*
        }
    };
}

mod cost;
mod rooms;
mod upgrade;

conformance![
    migrating_twice_changes_nothing,
    the_public_room_is_made_once,
    messages_come_back_as_they_were,
    an_insert_stops_at_the_first_number_that_is_taken,
    an_insert_stops_at_the_first_client_id_that_is_taken,
    of_rooms_that_store_at_once_each_stops_at_its_own_collision,
    numbers_have_no_gaps_when_replicas_append_at_once,
    a_resend_gets_the_first_ones_message,
    a_resend_within_one_batch_is_one_message,
    pages_of_history_hold_the_newest_first_and_ascend,
];

#[tokio::test]
async fn a_store_that_was_never_migrated_says_so() {
    let fresh = sqlite();
    // The file isn't there.
    assert!(prepared(fresh.store.as_ref()).await.is_err());
    fresh.store.migrate().await.unwrap();
    assert!(matches!(prepared(fresh.store.as_ref()).await.unwrap(), Schema::Behind(_)));
    let fresh = mongodb().await;
    assert!(matches!(prepared(fresh.store.as_ref()).await.unwrap(), Schema::Behind(_)));
}

#[tokio::test]
async fn a_store_out_of_reach_is_an_outage_within_the_deadline() {
    let url = Secret::new("mongodb://127.0.0.1:1/aetherconnect");
    let store = MongoStore::open(&url).await.unwrap();
    let started = std::time::Instant::now();
    let error = store.tail(&new_id()).await.unwrap_err();
    assert_eq!(error.code, aether_common::Code::Unavailable);
    assert!(started.elapsed() < super::DEADLINE + std::time::Duration::from_millis(500));
}

fn user(id: &str) -> User {
    User { id: id.into(), username: format!("user{id}").into() }
}

fn draft(sender: &str, content: &str, temp_id: Option<&str>) -> Draft {
    messages::draft(user(sender), content, None, temp_id).unwrap()
}

async fn new_room(store: &dyn Store) -> Room {
    let room = Room {
        id: new_id(),
        name: format!("room {}", new_id()),
        description: "for a test".into(),
        room_type: RoomType::Private,
        created_by: "1".into(),
        created_at: now(),
    };
    assert!(store.create_room(&room, Some("1")).await.unwrap());
    room
}

fn numbered(room: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<Message> {
    seqs.into_iter().map(|seq| draft("1", &format!("message {seq}"), None).into_message(room, seq, now())).collect()
}

async fn append(
    store: &Arc<dyn Store>,
    room: &str,
    tail: &mut Option<Tail>,
    drafts: Vec<Draft>,
) -> Vec<Result<messages::Stored, aether_common::Error>> {
    let told = watch::Sender::new(Tail::default()).subscribe();
    messages::append(store.as_ref(), room, tail, &told, drafts).await
}

async fn seqs(store: &dyn Store, room: &str) -> Vec<u64> {
    store.after(room, 0, 10_000).await.unwrap().iter().map(|m| m.seq).collect()
}

async fn migrating_twice_changes_nothing(store: Arc<dyn Store>) {
    prepare(store.as_ref()).await.unwrap();
    assert_eq!(prepared(store.as_ref()).await.unwrap(), Schema::Current);
    store.ping().await.unwrap();
}

async fn the_public_room_is_made_once(store: Arc<dyn Store>) {
    let first = store.room_by_name(GENERAL).await.unwrap().unwrap();
    prepare(store.as_ref()).await.unwrap();
    let second = store.room_by_name(GENERAL).await.unwrap().unwrap();
    assert_eq!(first, second);
    assert_eq!((first.created_by.as_str(), first.room_type), (SYSTEM, RoomType::Public));
    assert_eq!(store.members(&first.id, Page::ALL).await.unwrap(), (vec![], 0));
}

async fn messages_come_back_as_they_were(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    let content = "line\n\u{1F600} \u{0000}\"quoted\" 'and' \\ $where";
    let message = draft("1", content, Some("t-1")).into_message(room.as_str(), 1, now());
    assert_eq!(store.insert(std::slice::from_ref(&message)).await.unwrap(), 1);
    assert_eq!(store.after(&room, 0, 10).await.unwrap(), std::slice::from_ref(&message));
    assert_eq!(store.after(&room, 1, 10).await.unwrap(), []);
    assert_eq!(store.after(&room, u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.find_sent(&room, "1", &ClientId::new(Some("t-1"))).await.unwrap(), Some(message.clone()));
    assert_eq!(store.find_sent(&room, "2", &ClientId::new(Some("t-1"))).await.unwrap(), None);
    let tail = store.tail(&room).await.unwrap();
    assert_eq!((tail.seq, tail.created_at), (1, message.created_at));
    assert_eq!(store.tail(&new_id()).await.unwrap().seq, 0);
}

async fn an_insert_stops_at_the_first_number_that_is_taken(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    assert_eq!(store.insert(&numbered(&room, [3])).await.unwrap(), 1);
    assert_eq!(store.insert(&numbered(&room, 1..=5)).await.unwrap(), 2);
    assert_eq!(seqs(store.as_ref(), &room).await, [1, 2, 3]);
    assert_eq!(store.insert(&numbered(&room, [2, 4])).await.unwrap(), 0);
    assert_eq!(seqs(store.as_ref(), &room).await, [1, 2, 3]);
}

async fn an_insert_stops_at_the_first_client_id_that_is_taken(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    let message = |seq, temp_id| draft("1", "x", Some(temp_id)).into_message(room.as_str(), seq, now());
    assert_eq!(store.insert(&[message(1, "a")]).await.unwrap(), 1);
    assert_eq!(store.insert(&[message(2, "b"), message(3, "a"), message(4, "c")]).await.unwrap(), 1);
    assert_eq!(seqs(store.as_ref(), &room).await, [1, 2]);
}

async fn of_rooms_that_store_at_once_each_stops_at_its_own_collision(store: Arc<dyn Store>) {
    let rooms = join_all((0..60).map(|_| new_room(store.as_ref()))).await;
    // In every third room number 3 is taken, and in every fifth number 1.
    let taken = |place: usize| if place.is_multiple_of(5) { Some(1) } else { place.is_multiple_of(3).then_some(3) };
    for (place, room) in rooms.iter().enumerate() {
        if let Some(seq) = taken(place) {
            store.insert(&numbered(&room.id, [seq])).await.unwrap();
        }
    }
    let batches: Vec<Vec<Message>> = rooms.iter().map(|room| numbered(&room.id, 1..=4)).collect();
    let stored = join_all(batches.iter().map(|batch| store.insert(batch))).await;
    for (place, (stored, batch)) in stored.into_iter().zip(&batches).enumerate() {
        let expected = taken(place).map_or(4, |seq| seq as usize - 1);
        assert_eq!(stored.unwrap(), expected, "room {place}");
        let there = store.after(&rooms[place].id, 0, 10).await.unwrap();
        assert_eq!(there[..expected], batch[..expected], "room {place}");
        assert_eq!(there.len(), if taken(place) == Some(1) { 1 } else { expected + usize::from(expected < 4) });
    }
}

async fn numbers_have_no_gaps_when_replicas_append_at_once(store: Arc<dyn Store>) {
    const REPLICAS: u64 = 4;
    const EACH: u64 = 25;
    let room = new_room(store.as_ref()).await.id;
    let replicas = (0..REPLICAS).map(|replica| {
        let (store, room) = (Arc::clone(&store), room.clone());
        tokio::spawn(async move {
            let mut tail = None;
            for n in 0..EACH / 5 {
                let drafts = (0..5).map(|k| draft("1", &format!("{replica} {n} {k}"), None)).collect();
                for result in append(&store, &room, &mut tail, drafts).await {
                    assert!(!result.unwrap().resent);
                }
            }
        })
    });
    for replica in replicas.collect::<Vec<_>>() {
        replica.await.unwrap();
    }
    assert_eq!(seqs(store.as_ref(), &room).await, (1..=REPLICAS * EACH).collect::<Vec<_>>());
}

async fn a_resend_gets_the_first_ones_message(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    let mut tail = None;
    let drafts = vec![draft("1", "first", Some("a")), draft("1", "second", Some("b"))];
    let first = append(&store, &room, &mut tail, drafts).await;
    // Another replica, which knows nothing of the first sending, and other content, which doesn't count.
    let drafts = vec![draft("1", "again", Some("a")), draft("2", "other sender", Some("a"))];
    let second = append(&store, &room, &mut None, drafts).await;
    let (first, second): (Vec<_>, Vec<_>) =
        (first.into_iter().map(Result::unwrap).collect(), second.into_iter().map(Result::unwrap).collect());
    assert!(second[0].resent);
    assert_eq!(second[0].message, first[0].message);
    assert!(!second[1].resent);
    assert_eq!(second[1].message.seq, 3);
    assert_eq!(seqs(store.as_ref(), &room).await, [1, 2, 3]);
}

async fn a_resend_within_one_batch_is_one_message(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    let drafts = vec![draft("1", "x", Some("a")), draft("1", "x", Some("a")), draft("1", "y", None)];
    let results = append(&store, &room, &mut None, drafts).await;
    let got: Vec<_> = results.into_iter().map(|r| r.map(|s| (s.message.seq, s.resent)).unwrap()).collect();
    assert_eq!(got, [(1, false), (1, true), (2, false)]);
}

async fn pages_of_history_hold_the_newest_first_and_ascend(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    store.insert(&numbered(&room, 1..=5)).await.unwrap();
    for (page, expected) in [(1, vec![4, 5]), (2, vec![2, 3]), (3, vec![1]), (4, vec![]), (u32::MAX, vec![])] {
        let (messages, total) = store.history(&room, Page::new(page, 2).unwrap()).await.unwrap();
        assert_eq!(messages.iter().map(|m| m.seq).collect::<Vec<_>>(), expected, "page {page}");
        assert_eq!(total, 5, "page {page}");
    }
    assert_eq!(store.history(&new_id(), Page::ALL).await.unwrap(), (vec![], 0));
    for (page, limit) in [(0, 10), (1, 0), (1, 101)] {
        assert!(Page::new(page, limit).is_err());
    }
}
