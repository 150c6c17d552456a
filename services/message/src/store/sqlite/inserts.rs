//! Messages on their way into the file.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex as Lock},
};

use aether_common::lock;
use sqlx::{
    Arguments as _, AssertSqlSafe, SqlitePool,
    error::{BoxDynError, ErrorKind},
    sqlite::SqliteArguments,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{
    is_duplicate,
    sent::{Key, Newest},
};
use crate::{delivery::BATCH, model::Message};

/// How many values a message has.
const COLUMNS: usize = 9;
/// The most messages in a statement: SQLite takes 32,766 values.
const MOST: usize = 32_766 / COLUMNS;
/// So many rooms' messages are stored together.
const TOGETHER: usize = MOST / BATCH;

/// Stores messages, each client id once.
#[derive(Clone)]
pub(super) struct Inserts {
    writer: SqlitePool,
    lock: Arc<Path>,
    /// `None` until it is read, and when it may not be what is in the file.
    newest: Arc<Mutex<Option<Newest>>>,
}

impl Inserts {
    /// Into the database `file`.
    pub(super) fn into(writer: SqlitePool, file: &Path) -> Self {
        Self { writer, lock: file.with_added_extension("lock").into(), newest: Arc::default() }
    }

    /// A message's number, if it is one of the newest: of others `sent` tells.
    pub(super) async fn seq(&self, key: &Key) -> Result<Option<u64>, sqlx::Error> {
        Ok(self.read_once(&mut *self.newest.lock().await).await?.seq(key))
    }

    async fn read_once<'a>(&self, newest: &'a mut Option<Newest>) -> Result<&'a mut Newest, sqlx::Error> {
        match newest {
            Some(newest) => Ok(newest),
            None => Ok(newest.insert(Newest::read(&self.writer, &self.lock).await?)),
        }
    }

    /// Stores the messages of several rooms; of each room, how many. Once it has begun it comes to its end, whether or
    /// not somebody waits for it.
    pub(super) async fn insert(&self, rooms: Vec<Vec<Message>>) -> anyhow::Result<Vec<usize>> {
        let newest = Arc::clone(&self.newest).lock_owned().await;
        let (counted, counts) = oneshot::channel();
        tokio::spawn(self.clone().insert_all(newest, rooms, counted));
        Ok(counts.await??)
    }

    async fn insert_all(
        self,
        mut slot: OwnedMutexGuard<Option<Newest>>,
        rooms: Vec<Vec<Message>>,
        counted: oneshot::Sender<Result<Vec<usize>, sqlx::Error>>,
    ) {
        let mut newest = slot.take();
        let counts = self.insert_in_parts(&mut newest, &rooms).await;
        let failed = counts.is_err();
        _ = counted.send(counts);
        if failed {
            return;
        }
        if let Some(newest) = &mut newest {
            self.sort_in(newest).await;
        }
        *slot = newest;
    }

    async fn insert_in_parts(
        &self,
        newest: &mut Option<Newest>,
        rooms: &[Vec<Message>],
    ) -> Result<Vec<usize>, sqlx::Error> {
        // An import has none, and may be another process's.
        if rooms.iter().flatten().any(|message| message.client_id.temp_id().is_some()) {
            self.read_once(newest).await?;
        }
        let mut counts = Vec::with_capacity(rooms.len());
        for rooms in rooms.chunks(TOGETHER) {
            counts.extend(self.insert_together(newest.as_mut(), rooms).await?);
        }
        Ok(counts)
    }

    async fn insert_together(
        &self,
        mut newest: Option<&mut Newest>,
        rooms: &[Vec<Message>],
    ) -> Result<Vec<usize>, sqlx::Error> {
        let new: Vec<&[Message]> = match &mut newest {
            Some(newest) => rooms.iter().map(|messages| newest.add(messages)).collect(),
            None => rooms.iter().map(Vec::as_slice).collect(),
        };
        if rooms.len() > 1 && insert(&self.writer, &new).await? {
            return Ok(new.iter().map(|messages| messages.len()).collect());
        }
        // One room after the other: what can't be stored is its own room's affair, and what is there already counts.
        let mut counts = Vec::with_capacity(rooms.len());
        for new in new {
            let count = if insert(&self.writer, &[new]).await? { new.len() } else { stored(&self.writer, new).await? };
            if let Some(newest) = &mut newest {
                newest.remove(&new[count..]);
            }
            counts.push(count);
        }
        Ok(counts)
    }

    /// The next insert waits for it: else the newest could become ever more.
    async fn sort_in(&self, newest: &mut Newest) {
        while newest.is_full() {
            if let Err(error) = newest.sort_in(&self.writer).await {
                tracing::warn!(%error, "the newest messages' ids could not be sorted in, and stay in memory for now");
                return;
            }
        }
    }
}

/// One statement, because each costs a way to SQLite's thread and back. What comes before a message that can't be
/// stored stays; whether there was none.
async fn insert(writer: &SqlitePool, rooms: &[&[Message]]) -> Result<bool, sqlx::Error> {
    let messages: Vec<&Message> = rooms.iter().copied().flatten().collect();
    if messages.is_empty() {
        return Ok(true);
    }
    let values = values(&messages).map_err(sqlx::Error::Encode)?;
    let statement = AssertSqlSafe(statement(shape(messages.len())));
    match sqlx::query_with(statement, values).execute(writer).await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) || has_no_number(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn values(messages: &[&Message]) -> Result<SqliteArguments, BoxDynError> {
    let mut values = SqliteArguments::default();
    values.reserve(messages.len() * COLUMNS, 0);
    for message in messages {
        values.add(Arc::clone(&message.id))?;
        values.add(Arc::clone(&message.room_id))?;
        values.add(message.seq.cast_signed())?;
        values.add(Arc::clone(&message.sender.id))?;
        values.add(Arc::clone(&message.sender.username))?;
        values.add(Arc::clone(&message.content))?;
        values.add(Arc::clone(&message.message_type))?;
        values.add(message.client_id.text())?;
        values.add(message.created_at.timestamp_millis())?;
    }
    Ok(values)
}

/// Stores up to so many messages: what isn't bound is null, and left out. A message that was sent before has no number,
/// which is refused.
fn statement(rows: usize) -> Arc<str> {
    static STATEMENTS: Lock<BTreeMap<usize, Arc<str>>> = Lock::new(BTreeMap::new());
    let write = || {
        let rows = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        let statement = format!(
            "INSERT OR FAIL INTO messages
                 (id, room_id, seq, user_id, username, content, message_type, client_id, created_at)
             SELECT column1, column2,
                 CASE WHEN EXISTS (
                     SELECT 1 FROM sent WHERE room_id = column2 AND user_id = column4 AND client_id = column8
                 ) THEN NULL ELSE column3 END,
                 column4, column5, column6, column7, column8, column9
             FROM (VALUES {rows}) WHERE column1 IS NOT NULL"
        );
        Arc::from(statement)
    };
    Arc::clone(lock(&STATEMENTS).entry(rows).or_insert_with(write))
}

/// For how many messages there is a statement: to parse one takes a fifth of the time that it runs, so there are few,
/// which stay prepared.
fn shape(count: usize) -> usize {
    let most = count.next_power_of_two();
    let less = most / 4 * 3;
    if count <= less { less } else { most.min(MOST) }
}

/// How many of the first messages are there.
async fn stored(writer: &SqlitePool, messages: &[Message]) -> Result<usize, sqlx::Error> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(0) };
    let query = sqlx::query_scalar("SELECT id FROM messages WHERE room_id = ? AND seq BETWEEN ? AND ? ORDER BY seq");
    let query = query.bind(&first.room_id).bind(first.seq.cast_signed()).bind(last.seq.cast_signed());
    let there: Vec<String> = query.fetch_all(writer).await?;
    Ok(messages.iter().zip(there).take_while(|(message, there)| *message.id == *there).count())
}

/// SQLITE_CONSTRAINT_NOTNULL.
fn has_no_number(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::NotNullViolation)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::{
        messages,
        model::{ClientId, User, now},
        store::{SqliteStore, Store, prepare},
    };

    const ROOM: &str = "65f000000000000000000001";
    const EACH: u64 = 1000;
    const DUMP: &str = include_str!("../../../../../tests/upgrade/0.1.0/message.sqlite.sql");

    async fn open(file: &Path) -> SqliteStore {
        let store = SqliteStore::open(file);
        prepare(&store).await.unwrap();
        store
    }

    async fn connect(file: &Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true).foreign_keys(false);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// As `temp_id` of one of `SENDERS`.
    fn message<const SENDERS: u64>(seq: u64, temp_id: u64) -> Message {
        let sender = User { id: (temp_id % SENDERS).to_string().into(), username: "ada".into() };
        let draft = messages::draft(sender, "hello", None, Some(&format!("{temp_id:08}"))).unwrap();
        draft.into_message(ROOM, seq, now())
    }

    async fn insert<const SENDERS: u64>(store: &SqliteStore, seqs: std::ops::RangeInclusive<u64>) -> usize {
        store.insert(&seqs.map(|seq| message::<SENDERS>(seq, seq)).collect::<Vec<_>>()).await.unwrap()
    }

    async fn with_room(file: &Path) -> SqliteStore {
        let store = open(file).await;
        let general = store.room_by_name(crate::model::GENERAL).await.unwrap().unwrap();
        let room = crate::model::Room { id: ROOM.into(), name: "hall".into(), ..general };
        assert!(store.create_room(&room, None).await.unwrap());
        store
    }

    /// Sends messages again that were stored as numbers 1 to `last`.
    async fn all_are_known<const SENDERS: u64>(store: &SqliteStore, last: u64) {
        for sent in [1, 2, last / 2, last - 1, last] {
            assert_eq!(store.insert(&[message::<SENDERS>(last + 1, sent)]).await.unwrap(), 0, "{sent}");
            let Message { sender, client_id, .. } = message::<SENDERS>(sent, sent);
            assert_eq!(store.find_sent(ROOM, &sender.id, &client_id).await.unwrap().unwrap().seq, sent);
        }
        let Message { sender, client_id, .. } = message::<SENDERS>(last + 1, last + 1);
        assert_eq!(store.find_sent(ROOM, &sender.id, &client_id).await.unwrap(), None);
    }

    /// Messages that nobody would know after a restart.
    async fn forgotten(connection: &mut SqliteConnection) -> i64 {
        let query = "SELECT COUNT(*) FROM messages m WHERE rowid <= (SELECT done FROM sent_until) AND NOT EXISTS (
            SELECT 1 FROM sent s WHERE (s.room_id, s.user_id, s.client_id) = (m.room_id, m.user_id, m.client_id))";
        sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
    }

    async fn resends_are_known<const SENDERS: u64>() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.db");
        let store = with_room(&file).await;
        let mut connection = connect(&file).await;
        let (mut last, deadline) = (0, Instant::now() + Duration::from_secs(60));
        // Until two rounds are through and the next is under way.
        let (mut rounds, mut done_before) = (0, 0);
        loop {
            assert!(Instant::now() < deadline, "{last} messages, and {rounds} rounds are through");
            assert_eq!(insert::<SENDERS>(&store, last + 1..=last + EACH).await, EACH as usize);
            last += EACH;
            let query = "SELECT (SELECT done FROM sent_until), (SELECT COUNT(*) FROM sent)";
            let (done, sorted): (i64, i64) = sqlx::query_as(query).fetch_one(&mut connection).await.unwrap();
            rounds += u32::from(done > done_before);
            done_before = done;
            assert_eq!(forgotten(&mut connection).await, 0);
            if rounds == 2 && sorted > done {
                break;
            }
        }
        all_are_known::<SENDERS>(&store, last).await;
        // What goes on holds the lock.
        drop(store.inserts.newest.lock().await);
        drop(store);
        let store = open(&file).await;
        all_are_known::<SENDERS>(&store, last).await;
        let [first, third] = [last + 1, last + 3].map(|seq| message::<SENDERS>(seq, seq));
        assert_eq!(store.insert(&[first, message::<SENDERS>(last + 2, 1), third]).await.unwrap(), 1);
        all_are_known::<SENDERS>(&store, last + 1).await;
    }

    #[tokio::test]
    async fn a_resend_is_known_while_ids_are_sorted_in_and_after_a_restart() {
        resends_are_known::<7>().await;
    }

    #[tokio::test]
    async fn ids_are_sorted_in_though_newer_ones_always_come_behind_them() {
        resends_are_known::<1>().await;
    }

    #[tokio::test]
    async fn a_resend_in_one_room_keeps_nothing_out_of_others_that_are_stored_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_room(&folder.path().join("message.db")).await;
        let general = store.room_by_name(crate::model::GENERAL).await.unwrap().unwrap().id;
        let to_general = |seq, temp_id| Message { room_id: general.as_str().into(), ..message::<7>(seq, temp_id) };
        assert_eq!(store.insert(&[to_general(1, 1)]).await.unwrap(), 1);
        sqlx::query("INSERT INTO sent SELECT room_id, user_id, client_id, seq FROM messages")
            .execute(&store.writer)
            .await
            .unwrap();
        *store.inserts.newest.lock().await = None;
        sqlx::query("UPDATE sent_until SET done = 1").execute(&store.writer).await.unwrap();
        let rooms = vec![
            vec![message::<7>(1, 1)],
            vec![to_general(2, 2), to_general(3, 1), to_general(4, 4)],
            vec![message::<7>(2, 2), message::<7>(3, 3)],
        ];
        assert_eq!(store.inserts.insert(rooms).await.unwrap(), [1, 1, 2]);
        assert_eq!(store.tail(ROOM).await.unwrap().seq, 3);
        assert_eq!(store.tail(&general).await.unwrap().seq, 2);
    }

    #[tokio::test]
    async fn while_a_process_stores_what_is_sent_another_one_only_imports() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.db");
        let (first, second) = (with_room(&file).await, open(&file).await);
        assert_eq!(insert::<7>(&first, 1..=1).await, 1);
        second.insert(&[message::<7>(2, 2)]).await.unwrap_err();
        let Message { sender, client_id, .. } = message::<7>(1, 1);
        second.find_sent(ROOM, &sender.id, &client_id).await.unwrap_err();
        let imported = Message { client_id: ClientId::imported("a"), ..message::<7>(2, 2) };
        assert_eq!(second.insert(&[imported]).await.unwrap(), 1);
        assert_eq!(insert::<7>(&first, 3..=3).await, 1);
        drop(first.inserts.newest.lock().await);
        drop(first);
        assert_eq!(insert::<7>(&second, 3..=3).await, 0);
        assert_eq!(insert::<7>(&second, 4..=4).await, 1);
    }

    #[test]
    fn a_statement_has_room_for_its_messages_and_for_half_as_many_at_most() {
        for count in 1..=TOGETHER * BATCH {
            assert!((count..=count + count / 2).contains(&shape(count)), "{count}");
        }
        let mut shapes: Vec<usize> = (1..=TOGETHER * BATCH).map(shape).collect();
        shapes.dedup();
        assert!(shapes.len() < 30 && shapes.iter().all(|shape| *shape <= MOST));
    }

    #[tokio::test]
    async fn a_resend_of_what_the_first_release_stored_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.db");
        sqlx::raw_sql(DUMP).execute(&mut connect(&file).await).await.unwrap();
        let store = open(&file).await;
        let room = store.room_by_name("project x").await.unwrap().unwrap().id;
        let resent = ClientId::new(Some("temp-2"));
        assert_eq!(store.find_sent(&room, "4", &resent).await.unwrap().unwrap().seq, 2);
        let sender = User { id: "4".into(), username: "ada".into() };
        let draft = |temp_id| messages::draft(sender.clone(), "hello", None, Some(temp_id)).unwrap();
        assert_eq!(store.insert(&[draft("temp-2").into_message(room.as_str(), 4, now())]).await.unwrap(), 0);
        assert_eq!(store.insert(&[draft("temp-4").into_message(room.as_str(), 4, now())]).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_could_not_be_stored_was_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.db");
        let store = with_room(&file).await;
        assert_eq!(insert::<7>(&store, 1..=2).await, 2);
        let mut other = connect(&file).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        store.insert(&[message::<7>(3, 3)]).await.unwrap_err();
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        // Which of both it was isn't known to the sender, who sends it again.
        let stored = store.insert(&[message::<7>(3, 3)]).await.unwrap();
        let found = store.find_sent(ROOM, "3", &ClientId::new(Some("00000003"))).await.unwrap().unwrap();
        assert!(stored == 1 || found.seq == 3);
        all_are_known::<7>(&store, 3).await;
    }
}
