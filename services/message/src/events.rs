//! What clients are told: the bodies of events, written once and shared by all who get them.

use std::{cell::RefCell, fmt, io::Write as _};

use aether_common::Error;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use tokio_util::bytes::Bytes;

use crate::{
    model::{Message, User},
    payloads::{
        Confirmed, Connected, Failed, InRoom, MessageBody, MessageFailed, PastMessage, Presence, Refused,
        SENDING_FAILED, Typing,
    },
};

thread_local! {
    /// Where an event is written before its length is known.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Something to send to one client: an Engine.IO packet, written once and shared by all who get it.
#[derive(Debug, Clone)]
pub(crate) struct Event(Bytes);

impl Event {
    /// An event with a body.
    pub(crate) fn named(name: &'static str, body: &impl Serialize) -> Self {
        Self::written(format_args!("42[\"{name}\","), body)
    }

    /// An answer, if the client wants one.
    pub(crate) fn answer(call: Option<u64>, body: &impl Serialize) -> Option<Self> {
        call.map(|call| Self::written(format_args!("43{call}["), body))
    }

    /// A packet that is no event.
    pub(crate) fn raw(packet: impl Into<Bytes>) -> Self {
        Self(packet.into())
    }

    fn written(head: fmt::Arguments<'_>, body: &impl Serialize) -> Self {
        SCRATCH.with_borrow_mut(|packet| {
            packet.clear();
            // Bodies are made of texts, numbers and maps with text keys, which always have a JSON form.
            let written = write!(packet, "{head}").and_then(|()| Ok(serde_json::to_writer(&mut *packet, body)?));
            if let Err(error) = written {
                tracing::error!(%error, "an event has no JSON form");
            }
            packet.push(b']');
            Self(Bytes::copy_from_slice(packet))
        })
    }

    /// The packet's bytes, which are UTF-8.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The packet as text.
    #[cfg(test)]
    pub(crate) fn packet(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Milliseconds and `Z`.
#[must_use]
pub(crate) fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A message as in the history, with its number and the sender's `tempId`.
#[must_use]
pub(crate) fn new_message(message: &Message) -> Event {
    let body = MessageBody { past: past(message), seq: message.seq, temp_id: message.client_id.temp_id() };
    Event::named("new_message", &body)
}

/// Messages as the history has them over HTTP: a JSON array.
pub(crate) fn history(messages: &[Message]) -> Bytes {
    let bodies: Vec<PastMessage<'_>> = messages.iter().map(past).collect();
    // Texts alone always have a JSON form.
    serde_json::to_vec(&bodies).unwrap_or_default().into()
}

fn past(message: &Message) -> PastMessage<'_> {
    let at = iso(message.created_at);
    PastMessage {
        id: &message.id,
        user_id: &message.sender.id,
        username: &message.sender.username,
        room_id: &message.room_id,
        content: &message.content,
        message_type: &message.message_type,
        metadata: None,
        created_at: at.clone(),
        updated_at: at,
    }
}

/// To the sender's sockets: it is stored.
#[must_use]
pub(crate) fn message_confirmed(message: &Message) -> Event {
    let body = Confirmed {
        id: &message.id,
        temp_id: message.client_id.temp_id(),
        room_id: &message.room_id,
        status: "confirmed",
        seq: message.seq,
        timestamp: iso(message.created_at),
    };
    Event::named("message_confirmed", &body)
}

/// To the sending socket: it is not stored. Clients read `error`.
#[must_use]
pub(crate) fn message_error(error: &Error, temp_id: Option<&str>) -> Event {
    let timestamp = iso(Utc::now());
    let body = MessageFailed { message: SENDING_FAILED, error: &error.message, temp_id, timestamp };
    Event::named("message_error", &body)
}

/// `context` names the event that failed.
#[must_use]
pub(crate) fn error(message: &str, context: &str) -> Event {
    Event::named("error", &Failed { message, context })
}

/// The answer to a call that failed.
pub(crate) fn refusal(call: Option<u64>, error: &Error) -> Option<Event> {
    Event::answer(call, &Refused { success: false, message: &error.message, error: &error.message })
}

/// The first event of a connection.
#[must_use]
pub(crate) fn connected(user: &User) -> Event {
    Event::named("connected", &Connected { message: "Connected to AetherConnect", user })
}

/// To the socket that entered.
#[must_use]
pub(crate) fn joined_room(name: &str, room: &str) -> Event {
    let message = if name.is_empty() { "Joined direct room".to_owned() } else { format!("Joined room {name}") };
    Event::named("joined_room", &InRoom { message: &message, room_id: room })
}

/// To a socket whose live feed has ended.
#[must_use]
pub(crate) fn left_room(room: &str) -> Event {
    Event::named("left_room", &InRoom { message: "Left room", room_id: room })
}

/// To the others in a room: somebody is there now, or isn't any more.
#[must_use]
pub(crate) fn presence(user: &User, room: &str, here: bool) -> Event {
    let name = if here { "user_joined" } else { "user_left" };
    Event::named(name, &Presence { user_id: &user.id, username: &user.username, room_id: room })
}

/// To the others in a room.
#[must_use]
pub(crate) fn user_typing(user: &User, room: &str, on: bool) -> Event {
    let body = Typing { user_id: &user.id, username: &user.username, room_id: room, is_typing: on };
    Event::named("user_typing", &body)
}
