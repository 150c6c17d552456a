//! How what was written comes from SQLite's log into its file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::SqlitePool;
use tokio::sync::Notify;

/// In pages of 4 KiB. While somebody always writes, the log never ends, and grows to this: then one write waits until
/// the rest of it is copied, and the log begins anew. A message takes half a page to a whole one, so that at 25,000 a
/// second this happens every three to five seconds.
pub(super) const LONGEST: &str = "65536";
const EVERY: Duration = Duration::from_millis(250);
/// So many messages are copied earlier: a write that comes while the disk takes what was copied waits behind it, some ten
/// milliseconds for what 10,000 messages change.
const MANY: usize = 2_000;

/// Copies the log into the file now and then, over a connection that nobody waits for: SQLite's own way is to do so
/// every 1,000 pages in the middle of a write, which then takes tens of milliseconds.
pub(super) struct Log {
    connections: SqlitePool,
    every: Duration,
    waiting: Arc<Waiting>,
}

/// What is in the log alone, and will be copied.
#[derive(Default)]
struct Waiting {
    messages: AtomicUsize,
    many: Notify,
}

impl Log {
    pub(super) fn of(connections: SqlitePool) -> Self {
        Self { connections, every: EVERY, waiting: Arc::default() }
    }

    /// To be called when so many messages, one or more, are written. Needs a Tokio runtime.
    pub(super) fn copy_soon(&self, messages: usize) {
        let before = self.waiting.messages.fetch_add(messages, Ordering::AcqRel);
        if before < MANY && before + messages >= MANY {
            self.waiting.many.notify_one();
        }
        if before > 0 {
            return;
        }
        let (connections, every, waiting) = (self.connections.clone(), self.every, Arc::clone(&self.waiting));
        tokio::spawn(async move {
            // Whichever comes first.
            let _ = tokio::time::timeout(every, waiting.many.notified()).await;
            waiting.messages.store(0, Ordering::Release);
            // Passive: it waits for no reader or writer, and what it can't copy yet is copied the next time.
            if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connections).await {
                tracing::debug!(%error, "the log could not be copied into the database's file");
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{path::Path, time::Instant};

    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    const TEXT: &str = "a text that is nowhere else";

    /// A text in the log of a file.
    async fn written(file: &Path) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", LONGEST);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        sqlx::query("CREATE TABLE texts (text TEXT)").execute(&pool).await.unwrap();
        sqlx::query("INSERT INTO texts VALUES (?)").bind(TEXT).execute(&pool).await.unwrap();
        assert!(!is_in(file));
        pool
    }

    fn is_in(file: &Path) -> bool {
        std::fs::read(file).unwrap().windows(TEXT.len()).any(|part| part == TEXT.as_bytes())
    }

    async fn is_in_soon(file: &Path) {
        let end = Instant::now() + Duration::from_secs(10);
        while !is_in(file) {
            assert!(Instant::now() < end, "it is still in the log alone");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn what_is_written_is_in_the_file_soon_though_no_write_copied_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("messages.db");
        let log = Log::of(written(&file).await);
        log.copy_soon(1);
        is_in_soon(&file).await;
    }

    #[tokio::test]
    async fn many_messages_are_copied_before_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("messages.db");
        let log = Log { every: Duration::from_secs(3600), ..Log::of(written(&file).await) };
        (0..MANY).for_each(|_| log.copy_soon(1));
        is_in_soon(&file).await;
    }
}
