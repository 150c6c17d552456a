//! What events carry, both ways. The description of the socket is made from these types.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{messages::TYPES, model::User};

/// What [`MessageFailed`] says first.
pub(crate) const SENDING_FAILED: &str = "Message could not be sent";

/// The room that a call is about.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomCall {
    /// The room's id or name.
    pub(crate) room_id: String,
}

/// A room to enter.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinCall {
    /// The room's id or name.
    pub(crate) room_id: String,
    /// The `seq` of the last message that the client has: what it missed since comes first.
    pub(crate) after_seq: Option<u64>,
}

/// A message to send.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendCall<'a> {
    /// The room's id or name.
    #[serde(borrow)]
    pub(crate) room_id: Cow<'a, str>,
    /// 1 to 1,000 characters after trimming.
    #[serde(borrow)]
    pub(crate) content: Cow<'a, str>,
    /// `text` where it is left out.
    #[schemars(extend("enum" = ["text", "image", "file", null]))]
    pub(crate) message_type: Option<String>,
    /// The client's own id for it, at most 128 characters: sent again with the same one, it is stored once.
    pub(crate) temp_id: Option<String>,
}

/// The answer to `send_message`, once the message is safely stored.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendAnswer<'a> {
    #[schemars(extend("const" = true))]
    pub(crate) success: bool,
    pub(crate) id: &'a str,
    /// The message's number in its room: 1, 2, 3, …
    pub(crate) seq: u64,
    pub(crate) temp_id: Option<&'a str>,
}

/// The answer to `join_room`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinAnswer<'a> {
    #[schemars(extend("const" = true))]
    pub(crate) success: bool,
    /// The room's id, whichever form the client used.
    pub(crate) room_id: &'a str,
    /// The newest message that doesn't come as an event any more.
    pub(crate) seq: u64,
    /// Who else is in the room by a socket at the same replica of the service, at most 100 users. Who is there by
    /// another replica, or comes later, is heard of by events.
    pub(crate) here: Vec<Here<'a>>,
}

/// A user who is in a room.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Here<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) username: &'a str,
}

/// The answer to calls about a room.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomAnswer<'a> {
    #[schemars(extend("const" = true))]
    pub(crate) success: bool,
    /// The room's id, whichever form the client used.
    pub(crate) room_id: &'a str,
}

/// The answer to any call that failed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Refused<'a> {
    #[schemars(extend("const" = false))]
    pub(crate) success: bool,
    pub(crate) message: &'a str,
    /// The same as `message`.
    pub(crate) error: &'a str,
}

/// The first event of a connection.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Connected<'a> {
    pub(crate) message: &'a str,
    pub(crate) user: &'a User,
}

/// A call that failed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Failed<'a> {
    pub(crate) message: &'a str,
    /// The event that failed, or `session` when it is over.
    pub(crate) context: &'a str,
}

/// A room whose live feed begins or ends for this socket.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InRoom<'a> {
    pub(crate) message: &'a str,
    /// The room's id, whichever form the client used.
    pub(crate) room_id: &'a str,
}

/// Another user who is in the room now, or isn't any more.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Presence<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) room_id: &'a str,
}

/// A message as in the history, with its number and its sender's id for it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Message")]
pub(crate) struct MessageBody<'a> {
    #[serde(flatten)]
    pub(crate) past: PastMessage<'a>,
    /// The message's number in its room: 1, 2, 3, …
    pub(crate) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temp_id: Option<&'a str>,
}

/// A message as the history has it over HTTP, which the gateway describes.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PastMessage<'a> {
    pub(crate) id: &'a str,
    pub(crate) user_id: &'a str,
    /// The sender's user name.
    pub(crate) username: &'a str,
    pub(crate) room_id: &'a str,
    pub(crate) content: &'a str,
    #[schemars(extend("enum" = TYPES))]
    pub(crate) message_type: &'a str,
    pub(crate) metadata: Option<()>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) updated_at: String,
}

/// To all of the sender's sockets, each time after that socket's `new_message`: it is stored.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmed<'a> {
    pub(crate) id: &'a str,
    pub(crate) temp_id: Option<&'a str>,
    pub(crate) room_id: &'a str,
    #[schemars(extend("const" = "confirmed"))]
    pub(crate) status: &'a str,
    pub(crate) seq: u64,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) timestamp: String,
}

/// A message that isn't stored.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFailed<'a> {
    pub(crate) message: &'a str,
    /// Why.
    pub(crate) error: &'a str,
    pub(crate) temp_id: Option<&'a str>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) timestamp: String,
}

/// Another user of the room types, or doesn't any more.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Typing<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) username: &'a str,
    pub(crate) room_id: &'a str,
    pub(crate) is_typing: bool,
}
