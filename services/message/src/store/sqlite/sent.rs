//! What a resend is known by: its room, its sender and its client's id, for ever.
//!
//! The newest are known here alone, and come into the table `sent` later and in order, so that many share a page. After
//! a start they are read from the messages.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io,
    ops::Bound,
    path::Path,
    sync::Arc,
};

use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use crate::model::Message;

/// More than this many aren't kept here: some 3 MiB, and under load a page in `sent` gets tens of them at once.
pub(super) const MOST: usize = 16_384;
/// So many are sorted in at a time: some milliseconds that the next insert waits.
const SLICE: usize = 512;

/// Room, user and client id.
pub(super) type Key = (Arc<str>, Arc<str>, Arc<str>);

/// The newest messages' keys and numbers. It must know of each message that isn't in `sent`.
pub(super) struct Newest {
    seqs: BTreeMap<Key, u64>,
    round: Option<Round>,
    /// Keeps other processes from storing messages that nobody here would know of, until this one has ended.
    _lock: File,
}

/// On its way over all keys that there were when it began.
struct Round {
    after: Bound<Key>,
    last: Key,
}

impl Newest {
    /// What `sent` doesn't have yet. Fails while another process holds the lock.
    pub(super) async fn read(writer: &SqlitePool, lock: &Path) -> Result<Self, sqlx::Error> {
        let file = File::options().create(true).truncate(false).write(true).open(lock)?;
        file.try_lock().map_err(|error| {
            io::Error::other(format!("{}: another process stores messages in this database: {error}", lock.display()))
        })?;
        let query = "SELECT room_id, user_id, client_id, seq FROM messages
             WHERE rowid > (SELECT done FROM sent_until) AND client_id GLOB 't:*'";
        let rows: Vec<(_, _, _, i64)> = sqlx::query_as(query).fetch_all(writer).await?;
        let seqs = rows.into_iter().map(|(room, user, client, seq)| ((room, user, client), seq.cast_unsigned()));
        Ok(Self { seqs: seqs.collect(), round: None, _lock: file })
    }

    /// A message's number, if it is one of the newest.
    pub(super) fn seq(&self, key: &Key) -> Option<u64> {
        self.seqs.get(key).copied()
    }

    /// Of messages in their order, the first ones until one that was sent before: they are known from now on.
    pub(super) fn add<'a>(&mut self, messages: &'a [Message]) -> &'a [Message] {
        let is_new = |message: &&Message| match key(message).map(|key| self.seqs.entry(key)) {
            Some(Entry::Occupied(_)) => false,
            Some(Entry::Vacant(place)) => {
                place.insert(message.seq);
                true
            }
            None => true,
        };
        let count = messages.iter().take_while(is_new).count();
        &messages[..count]
    }

    /// Messages that were added, and not stored.
    pub(super) fn remove(&mut self, messages: &[Message]) {
        for key in messages.iter().filter_map(key) {
            self.seqs.remove(&key);
        }
    }

    /// Whether some should be sorted in.
    pub(super) fn is_full(&self) -> bool {
        self.seqs.len() > MOST
    }

    /// Brings the next ones, in their order, into `sent`.
    pub(super) async fn sort_in(&mut self, writer: &SqlitePool) -> Result<(), sqlx::Error> {
        let Some((last, _)) = self.seqs.last_key_value() else { return Ok(()) };
        let round = self.round.get_or_insert_with(|| Round { after: Bound::Unbounded, last: last.clone() });
        let range = (round.after.as_ref(), Bound::Included(&round.last));
        let slice: Vec<_> = self.seqs.range(range).take(SLICE).collect();
        if !slice.is_empty() {
            // Some of a round that was broken off by the process's end are there already.
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO sent (room_id, user_id, client_id, seq) ");
            query.push_values(&slice, |mut row, ((room, user, client), seq)| {
                row.push_bind(Arc::clone(room)).push_bind(Arc::clone(user)).push_bind(Arc::clone(client));
                row.push_bind(seq.cast_signed());
            });
            query.build().persistent(slice.len() == SLICE).execute(writer).await?;
        }
        let mut sorted: Vec<Key> = slice.into_iter().map(|(key, _)| key.clone()).collect();
        for key in &sorted {
            self.seqs.remove(key);
        }
        if let Some(last) = sorted.pop().filter(|_| sorted.len() + 1 == SLICE) {
            round.after = Bound::Excluded(last);
            return Ok(());
        }
        let query = "UPDATE sent_until SET done = next, next = (SELECT COALESCE(MAX(rowid), 0) FROM messages)";
        sqlx::query(query).execute(writer).await?;
        self.round = None;
        Ok(())
    }
}

/// None for a message that can't be sent again.
fn key(message: &Message) -> Option<Key> {
    message.client_id.temp_id()?;
    Some((message.room_id.clone(), message.sender.id.clone(), message.client_id.text()))
}
