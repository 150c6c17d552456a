//! Users, rooms and messages as clients see them.

use aether_common::Error;
use aether_proto::{auth as auth_pb, message as message_pb};
use chrono::{DateTime, SecondsFormat, Utc};
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Decimal digits.
    #[schema(example = "1")]
    id: String,
    #[schema(example = "john_doe")]
    username: String,
    #[schema(example = "john@example.com")]
    email: String,
    #[schema(example = "John")]
    first_name: String,
    #[schema(example = "Doe")]
    last_name: String,
    /// First and last name.
    #[schema(example = "John Doe")]
    name: String,
    #[schema(example = json!(["user"]))]
    roles: Vec<String>,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    created_at: String,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    updated_at: String,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    #[schema(example = "635a5e3b8bb9e8b3c8e9f5d2")]
    id: String,
    /// In a direct room the other member's user name.
    #[schema(example = "general")]
    name: String,
    #[schema(example = "General discussion room")]
    description: String,
    /// `public`, `private` or `direct`.
    #[schema(example = "public")]
    room_type: String,
    /// A user's id, or `system`.
    #[schema(example = "system")]
    created_by: String,
    /// Users' ids.
    #[schema(example = json!(["1", "2"]))]
    members: Vec<String>,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    created_at: String,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    updated_at: String,
}

/// A room that anybody may join.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicRoom {
    #[schema(example = "635a5e3b8bb9e8b3c8e9f5d2")]
    id: String,
    #[schema(example = "general")]
    name: String,
    #[schema(example = "General discussion room")]
    description: String,
    #[schema(example = "public")]
    room_type: String,
    /// A user's id, or `system`.
    #[schema(example = "system")]
    created_by: String,
    #[schema(example = 2)]
    member_count: u64,
    /// Whether the caller is a member.
    #[schema(example = false)]
    is_member: bool,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    created_at: String,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    updated_at: String,
}

/// A member of a room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    #[schema(example = "1")]
    user_id: String,
    #[schema(example = "john_doe")]
    username: String,
    /// `owner` or `member`.
    #[schema(example = "owner")]
    role: String,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    joined_at: String,
}

impl Member {
    /// A member of this name.
    pub(crate) fn new(member: message_pb::Member, username: String) -> Result<Self, Error> {
        let joined_at = time(member.joined_at)?;
        Ok(Self { user_id: member.user_id, username, role: member.role, joined_at })
    }
}

/// A message.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the message service writes it")]
pub(crate) struct Message {
    #[schema(example = "635a5e3b8bb9e8b3c8e9f5d3")]
    id: String,
    #[schema(example = "1")]
    user_id: String,
    #[schema(example = "john_doe")]
    username: String,
    #[schema(example = "635a5e3b8bb9e8b3c8e9f5d2")]
    room_id: String,
    #[schema(example = "Hello, world!")]
    content: String,
    #[schema(example = "text")]
    message_type: String,
    /// An object, or `null`.
    metadata: Value,
    #[schema(example = "2023-10-27T10:01:00.000Z")]
    created_at: String,
    #[schema(example = "2023-10-27T10:01:00.000Z")]
    updated_at: String,
}

/// A time as clients see it: `2023-10-27T10:00:00.000Z`.
pub(crate) fn milliseconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(crate) fn time(value: Option<Timestamp>) -> Result<String, Error> {
    let time = value.and_then(|t| DateTime::from_timestamp(t.seconds, t.nanos.try_into().ok()?));
    time.map(milliseconds).ok_or_else(|| missing("a time"))
}

/// When it was made and last changed. Most things never change, and a time is dear to write.
fn times(created: Option<Timestamp>, updated: Option<Timestamp>) -> Result<(String, String), Error> {
    let created_at = time(created)?;
    let updated_at = if updated == created { created_at.clone() } else { time(updated)? };
    Ok((created_at, updated_at))
}

/// Another service broke its contract.
pub(crate) fn missing(what: &str) -> Error {
    Error::internal(std::io::Error::other(format!("an answer lacks {what}")))
}

impl TryFrom<Option<auth_pb::User>> for User {
    type Error = Error;

    fn try_from(user: Option<auth_pb::User>) -> Result<Self, Error> {
        let user = user.ok_or_else(|| missing("its user"))?;
        let (created_at, updated_at) = times(user.created_at, user.updated_at)?;
        Ok(Self {
            name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
            created_at,
            updated_at,
            id: user.id,
            username: user.username,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            roles: user.roles,
        })
    }
}

impl TryFrom<Option<message_pb::Room>> for Room {
    type Error = Error;

    fn try_from(room: Option<message_pb::Room>) -> Result<Self, Error> {
        let room = room.ok_or_else(|| missing("its room"))?;
        let (created_at, updated_at) = times(room.created_at, room.updated_at)?;
        Ok(Self {
            created_at,
            updated_at,
            id: room.id,
            name: room.name,
            description: room.description,
            room_type: room.room_type,
            created_by: room.created_by,
            members: room.members,
        })
    }
}

impl TryFrom<message_pb::PublicRoom> for PublicRoom {
    type Error = Error;

    fn try_from(found: message_pb::PublicRoom) -> Result<Self, Error> {
        let room: Room = found.room.try_into()?;
        Ok(Self {
            id: room.id,
            name: room.name,
            description: room.description,
            room_type: room.room_type,
            created_by: room.created_by,
            member_count: found.member_count,
            is_member: found.joined,
            created_at: room.created_at,
            updated_at: room.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        let at = |seconds, nanos| time(Some(Timestamp { seconds, nanos })).unwrap();
        assert_eq!(at(1_698_400_800, 0), "2023-10-27T10:00:00.000Z");
        assert_eq!(at(1_698_400_800, 7_999_999), "2023-10-27T10:00:00.007Z");
    }

    #[test]
    fn a_missing_time_is_a_fault_and_no_invention() {
        assert!(time(None).is_err());
    }
}
