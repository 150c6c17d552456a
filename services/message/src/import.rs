//! Rooms and messages of an earlier backend: `aetherconnect-message import`, which `aetherconnect import` runs or, on a
//! laptop, is.
//!
//! Requests and answers are a line of JSON each. Ids stay where they have the form of ours, and are made from what they
//! were where they don't, so that everything may be asked for again. A room's messages come in order of time; each
//! gets the next number.

mod messages;
mod rooms;

use std::sync::Arc;

use aether_common::{Env, Error};
use chrono::{DateTime, Utc};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::{
    config,
    model::is_id,
    store::{self, ImportStore},
};

/// What is asked for. All ids of users are those of today.
#[derive(Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// Make those rooms that aren't here yet, and let their members in.
    Rooms {
        /// Any number.
        rooms: Vec<Room>,
        /// Only look whether they could be made.
        dry_run: bool,
    },
    /// Which of these rooms are here?
    Find {
        /// Ids or names in the earlier backend.
        references: Vec<String>,
    },
    /// Store those messages that aren't here yet, in their order.
    Messages {
        /// The room's id here.
        room: String,
        /// Of this room, none before the one in front of it; some hundred at most.
        messages: Vec<Message>,
        /// Only look whether they could be stored.
        dry_run: bool,
    },
}

/// A room of an earlier backend.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Room {
    /// In the earlier backend.
    pub id: String,
    /// Not looked at in a direct room.
    pub name: String,
    /// For people.
    pub description: String,
    /// `public`, `private` or `direct`.
    pub room_type: String,
    /// A user's id; empty for one that the system made.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// A member of such a room.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// Whose membership it is.
    pub user_id: String,
    /// Since when; since there is the room where nobody knows.
    pub joined_at: Option<DateTime<Utc>>,
}

/// A message of an earlier backend.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// In the earlier backend.
    pub id: String,
    /// Who sent it.
    pub user_id: String,
    /// The sender's name, as it was shown then.
    pub username: String,
    /// 1 to 1,000 characters.
    pub content: String,
    /// `text`, `image` or `file`.
    pub message_type: String,
    /// When it was sent.
    pub created_at: DateTime<Utc>,
}

/// What came of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Answer {
    /// What became of each room, in their order.
    Rooms(Vec<Outcome>),
    /// The id of each reference here, or none.
    Found(Vec<Option<String>>),
    /// What became of messages.
    Messages {
        /// How many were stored, or would be.
        made: usize,
        /// How many were there.
        there: usize,
    },
    /// Of these messages one can't be stored; those before it may be.
    Refused {
        /// Which, counted from 0.
        index: usize,
        /// Fields, each with its mend.
        fields: Vec<(String, String)>,
    },
    /// It failed, perhaps in the middle: it may be asked again.
    Failed {
        /// Why.
        message: String,
    },
}

/// What became of a room.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Made, or would be.
    Made {
        /// As in the API.
        id: String,
        /// How many members it got.
        entered: u64,
    },
    /// There, by its id or as the room that everybody may enter.
    There {
        /// As in the API.
        id: String,
        /// How many members it got.
        entered: u64,
    },
    /// Not made.
    Refused {
        /// Fields, each with its mend.
        fields: Vec<(String, String)>,
    },
}

/// Imports into a store.
pub struct Importer {
    store: Arc<dyn ImportStore>,
}

impl Importer {
    /// Of the environment only `MONGODB_URL` counts. It connects when it is first used.
    pub async fn from_env(env: &Env) -> anyhow::Result<Self> {
        Ok(Self { store: store::open_for_import(&config::store_address(env)?).await? })
    }

    #[cfg(test)]
    pub(crate) fn over(store: Arc<dyn ImportStore>) -> Self {
        Self { store }
    }

    /// Brings the schema up to date, as `aetherconnect run` does at its start.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        let store: &dyn ImportStore = self.store.as_ref();
        store::prepare(store).await.map_err(|error| error.cause.unwrap_or_else(|| anyhow::anyhow!(error.message)))
    }

    /// Does what is asked for.
    pub async fn answer(&self, request: Request) -> Answer {
        self.act(request).await.unwrap_or_else(|error| Answer::Failed {
            message: error.cause.as_ref().map_or_else(|| error.message.clone(), |cause| format!("{cause:#}")),
        })
    }

    async fn act(&self, request: Request) -> Result<Answer, Error> {
        let store = self.store.as_ref();
        match request {
            Request::Rooms { rooms, dry_run } => {
                let mut outcomes = Vec::with_capacity(rooms.len());
                for room in &rooms {
                    outcomes.push(rooms::import(store, room, dry_run).await?);
                }
                Ok(Answer::Rooms(outcomes))
            }
            Request::Find { references } => {
                let mut found = Vec::with_capacity(references.len());
                for reference in &references {
                    found.push(rooms::find(store, reference).await?);
                }
                Ok(Answer::Found(found))
            }
            Request::Messages { room, messages, dry_run } => messages::import(store, &room, &messages, dry_run).await,
        }
    }
}

/// The id here of what had one in an earlier backend.
fn id_of(kind: &str, old: &str) -> String {
    if is_id(old) {
        return old.to_ascii_lowercase();
    }
    let digest = digest::digest(&digest::SHA256, format!("aetherconnect import {kind} {old}").as_bytes());
    digest.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
