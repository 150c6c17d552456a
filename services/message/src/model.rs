//! Rooms, messages and members, as every part of this service sees them.

use std::{fmt, sync::Arc};

use aether_common::Error;
use chrono::{DateTime, SubsecRound as _, Utc};
use mongodb::bson::oid::ObjectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The room that everybody may enter, made by `migrate`.
pub(crate) const GENERAL: &str = "general";
/// Who made [`GENERAL`].
pub(crate) const SYSTEM: &str = "system";

/// A new id: 24 hexadecimal digits, in every store.
#[must_use]
pub(crate) fn new_id() -> String {
    ObjectId::new().to_hex()
}

/// Whether a text has the form of an id.
#[must_use]
pub(crate) fn is_id(text: &str) -> bool {
    ObjectId::parse_str(text).is_ok()
}

/// The time, to the millisecond: what every store keeps and every client sees.
#[must_use]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// Who may enter a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoomType {
    /// Everybody.
    Public,
    /// Those whom its owner lets in.
    Private,
    /// Its two members, always.
    Direct,
}

impl RoomType {
    /// The word for it.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Direct => "direct",
        }
    }

    /// Reads the word.
    #[must_use]
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "public" => Some(Self::Public),
            "private" => Some(Self::Private),
            "direct" => Some(Self::Direct),
            _ => None,
        }
    }
}

/// A room without its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// 24 hexadecimal digits.
    pub(crate) id: String,
    /// Unique. In a direct room it is for the store alone, see [`Room::title`].
    pub(crate) name: String,
    /// For people.
    pub(crate) description: String,
    /// Who may enter.
    pub(crate) room_type: RoomType,
    /// A user's id, or [`SYSTEM`].
    pub(crate) created_by: String,
    /// When it was made.
    pub(crate) created_at: DateTime<Utc>,
}

impl Room {
    /// The name that people see: none for a direct room, which has the name of the other member.
    #[must_use]
    pub(crate) fn title(&self) -> &str {
        if self.room_type == RoomType::Direct { "" } else { &self.name }
    }
}

/// A public room as somebody finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The room.
    pub(crate) room: Room,
    /// How many members it has.
    pub(crate) members: u64,
    /// Whether the one who looks is a member.
    pub(crate) joined: bool,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Whose membership it is.
    pub(crate) user_id: String,
    /// Since when.
    pub(crate) joined_at: DateTime<Utc>,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Page {
    /// How many come before it.
    pub(crate) skip: u64,
    /// The most that it holds.
    pub(crate) limit: u32,
}

impl Page {
    /// The most that a page may hold when somebody asks for one.
    pub(crate) const LARGEST: u32 = 100;
    /// The whole list.
    pub(crate) const ALL: Self = Self { skip: 0, limit: u32::MAX };

    /// Checks what somebody asks for; pages are counted from 1.
    pub(crate) fn new(page: u32, limit: u32) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        if page == 0 {
            wrong.push(("page".to_owned(), "must be a positive integer".to_owned()));
        }
        if limit == 0 || limit > Self::LARGEST {
            wrong.push(("limit".to_owned(), format!("must be an integer from 1 to {}", Self::LARGEST)));
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        Ok(Self { skip: u64::from(page - 1) * u64::from(limit), limit })
    }

    /// The length of the whole list, if a page of so many tells it.
    pub(crate) fn end(self, found: usize) -> Option<u64> {
        (found < self.limit as usize && (found > 0 || self.skip == 0)).then_some(self.skip + found as u64)
    }
}

/// What a member is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Made it. When nobody in the room has, the member who entered first is the owner.
    Owner,
    /// Entered it.
    Member,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }

    /// Reads the word; an unknown one is the lesser role.
    #[must_use]
    pub(crate) fn parse(word: &str) -> Self {
        if word == "owner" { Self::Owner } else { Self::Member }
    }
}

/// A user's place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    /// What the user is to the room.
    pub(crate) role: Role,
    /// Since when.
    pub(crate) joined_at: DateTime<Utc>,
}

/// A user as far as this service is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct User {
    /// Decimal digits.
    pub(crate) id: Arc<str>,
    /// As in the token.
    pub(crate) username: Arc<str>,
}

/// What makes a message the same one when it is sent again: unique for a room and a user. A sender's own id and a
/// generated one never collide.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ClientId(Arc<str>);

impl ClientId {
    /// From the sender's `tempId`; without one, an id that no resend can have.
    #[must_use]
    pub(crate) fn new(temp_id: Option<&str>) -> Self {
        match temp_id {
            Some(id) => Self(format!("t:{id}").into()),
            None => Self(format!("g:{}", uuid::Uuid::new_v4()).into()),
        }
    }

    /// Of a message that an earlier backend knew by this id.
    #[must_use]
    pub(crate) fn imported(old_id: &str) -> Self {
        Self(format!("i:{old_id}").into())
    }

    /// As it was stored.
    #[must_use]
    pub(crate) fn from_stored(text: Arc<str>) -> Self {
        Self(text)
    }

    /// As it is stored.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, shared.
    #[must_use]
    pub(crate) fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The sender's `tempId`, where there was one.
    #[must_use]
    pub(crate) fn temp_id(&self) -> Option<&str> {
        self.0.strip_prefix("t:")
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored message. Its texts are shared by all that it goes through: a busy service would copy each a dozen times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// 24 hexadecimal digits.
    pub(crate) id: Arc<str>,
    /// The room's id.
    pub(crate) room_id: Arc<str>,
    /// 1, 2, 3, … in each room, without a gap.
    pub(crate) seq: u64,
    /// Who sent it.
    pub(crate) sender: User,
    /// 1 to 1,000 characters.
    pub(crate) content: Arc<str>,
    /// `text`, `image` or `file`.
    pub(crate) message_type: Arc<str>,
    /// What a resend is known by.
    pub(crate) client_id: ClientId,
    /// When it was stored; never before its predecessor's.
    pub(crate) created_at: DateTime<Utc>,
}

/// A message that is valid and not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Who sends it.
    pub(crate) sender: User,
    /// 1 to 1,000 characters.
    pub(crate) content: Arc<str>,
    /// `text`, `image` or `file`.
    pub(crate) message_type: Arc<str>,
    /// What a resend is known by.
    pub(crate) client_id: ClientId,
}

impl Draft {
    /// The message that this becomes under a sequence number.
    #[must_use]
    pub(crate) fn into_message(self, room_id: impl Into<Arc<str>>, seq: u64, created_at: DateTime<Utc>) -> Message {
        Message {
            id: new_id().into(),
            room_id: room_id.into(),
            seq,
            sender: self.sender,
            content: self.content,
            message_type: self.message_type,
            client_id: self.client_id,
            created_at,
        }
    }
}

/// The last message of a room; number 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tail {
    /// Its number.
    pub(crate) seq: u64,
    /// When it was stored.
    pub(crate) created_at: DateTime<Utc>,
}
