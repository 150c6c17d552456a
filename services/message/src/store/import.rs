//! What only an import needs of a store.

use std::collections::HashSet;

use aether_common::Error;
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Store;
use crate::model::Role;

/// A membership that began elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose.
    pub(crate) user_id: String,
    /// What the user is to the room.
    pub(crate) role: Role,
    /// Since when.
    pub(crate) joined_at: DateTime<Utc>,
}

/// See the module.
#[async_trait]
pub(crate) trait ImportStore: Store {
    /// Those of the messages that are there.
    async fn messages_among(&self, ids: &[String]) -> Result<HashSet<String>, Error>;
    /// Makes users members, but for those who are, and tells how many.
    async fn enter(&self, room: &str, entries: &[Entry]) -> Result<u64, Error>;
}
