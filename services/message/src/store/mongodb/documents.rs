//! What is kept, as MongoDB has it.

use std::sync::Arc;

use aether_common::Error;
use chrono::{DateTime, Utc};
use mongodb::bson::{self, oid::ObjectId};
use serde::{Deserialize, Serialize};

use crate::model::{ClientId, Member, Message, Room, RoomType, User};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) room_type: RoomType,
    pub(super) created_by: String,
    pub(super) created_at: bson::DateTime,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParticipantDocument {
    pub(super) room_id: ObjectId,
    pub(super) user_id: String,
    pub(super) role: String,
    pub(super) joined_at: bson::DateTime,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) room_id: ObjectId,
    pub(super) seq: i64,
    pub(super) user_id: Arc<str>,
    pub(super) username: Arc<str>,
    pub(super) content: Arc<str>,
    pub(super) message_type: Arc<str>,
    pub(super) client_id: Arc<str>,
    pub(super) created_at: bson::DateTime,
}

pub(super) fn object_id(id: &str) -> Result<ObjectId, Error> {
    ObjectId::parse_str(id).map_err(Error::internal)
}

pub(super) fn stamp(time: DateTime<Utc>) -> bson::DateTime {
    bson::DateTime::from_millis(time.timestamp_millis())
}

pub(super) fn time(stamp: bson::DateTime) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(stamp.timestamp_millis()).unwrap_or_default()
}

impl RoomDocument {
    pub(super) fn new(room: &Room) -> Result<Self, Error> {
        Ok(Self {
            id: object_id(&room.id)?,
            name: room.name.clone(),
            description: room.description.clone(),
            room_type: room.room_type,
            created_by: room.created_by.clone(),
            created_at: stamp(room.created_at),
        })
    }
}

impl From<RoomDocument> for Room {
    fn from(room: RoomDocument) -> Self {
        Self {
            id: room.id.to_hex(),
            name: room.name,
            description: room.description,
            room_type: room.room_type,
            created_by: room.created_by,
            created_at: time(room.created_at),
        }
    }
}

impl From<ParticipantDocument> for Member {
    fn from(participant: ParticipantDocument) -> Self {
        Self { user_id: participant.user_id, joined_at: time(participant.joined_at) }
    }
}

impl MessageDocument {
    pub(super) fn new(message: &Message) -> Result<Self, Error> {
        Ok(Self {
            id: object_id(&message.id)?,
            room_id: object_id(&message.room_id)?,
            seq: message.seq.cast_signed(),
            user_id: message.sender.id.clone(),
            username: message.sender.username.clone(),
            content: message.content.clone(),
            message_type: message.message_type.clone(),
            client_id: message.client_id.text(),
            created_at: stamp(message.created_at),
        })
    }
}

impl From<MessageDocument> for Message {
    fn from(message: MessageDocument) -> Self {
        Self {
            id: message.id.to_hex().into(),
            room_id: message.room_id.to_hex().into(),
            seq: message.seq.cast_unsigned(),
            sender: User { id: message.user_id, username: message.username },
            content: message.content,
            message_type: message.message_type,
            client_id: ClientId::from_stored(message.client_id),
            created_at: time(message.created_at),
        }
    }
}
