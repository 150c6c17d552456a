//! Imports into SQLite.

use std::collections::HashSet;

use aether_common::Error;
use async_trait::async_trait;
use sqlx::{QueryBuilder, Sqlite};

use super::{
    super::{
        import::{Entry, ImportStore},
        in_time,
    },
    SqliteStore, json,
};

#[async_trait]
impl ImportStore for SqliteStore {
    async fn messages_among(&self, ids: &[String]) -> Result<HashSet<String>, Error> {
        let query = sqlx::query_scalar("SELECT id FROM messages WHERE id IN (SELECT value FROM json_each(?))");
        let there: Vec<String> = in_time(query.bind(json(ids)?).fetch_all(&self.readers)).await?;
        Ok(there.into_iter().collect())
    }

    async fn enter(&self, room: &str, entries: &[Entry]) -> Result<u64, Error> {
        if entries.is_empty() {
            return Ok(0);
        }
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO participants (room_id, user_id, role, joined_at) ");
        query.push_values(entries, |mut row, entry| {
            row.push_bind(room)
                .push_bind(&entry.user_id)
                .push_bind(entry.role.as_str())
                .push_bind(entry.joined_at.timestamp_millis());
        });
        query.push(" ON CONFLICT (room_id, user_id) DO NOTHING");
        Ok(in_time(query.build().persistent(false).execute(&self.writer)).await?.rows_affected())
    }
}
