//! What the socket is, as an AsyncAPI document made from the types of the events.

use aether_common::json::sorted;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::payloads::{
    Confirmed, Connected, Failed, InRoom, JoinAnswer, JoinCall, MessageBody, MessageFailed, Presence, Refused,
    RoomAnswer, RoomCall, SendAnswer, SendCall, Typing,
};

/// Makes the schema of a type, and notes the types that it is made of.
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// Name, what it says, payload, and the answer where it succeeds.
const FROM_CLIENTS: [(&str, &str, Describe, Describe); 5] = [
    (
        "join_room",
        "Enters a room, a public one as a new member, too, and begins its live feed",
        of::<JoinCall>,
        of::<JoinAnswer>,
    ),
    ("leave_room", "Ends a room's live feed; the membership goes on", of::<RoomCall>, of::<RoomAnswer>),
    ("send_message", "Sends a message to a room that the user is a member of", of::<SendCall>, of::<SendAnswer>),
    ("typing_start", "The user types; it ends by itself after 3 seconds", of::<RoomCall>, of::<RoomAnswer>),
    ("typing_stop", "The user doesn't type any more", of::<RoomCall>, of::<RoomAnswer>),
];

/// Name, what it says, payload.
const FROM_SERVER: [(&str, &str, Describe); 10] = [
    ("connected", "The client is let in", of::<Connected>),
    ("error", "A call failed, or the session is over", of::<Failed>),
    ("joined_room", "The room's live feed begins", of::<InRoom>),
    ("left_room", "The room's live feed has ended", of::<InRoom>),
    ("message_confirmed", "A message of the user's is stored", of::<Confirmed>),
    ("message_error", "A message of the socket's is not stored", of::<MessageFailed>),
    ("new_message", "A message, in the order of `seq` and without a gap", of::<MessageBody>),
    ("user_joined", "Another user has entered the room", of::<Presence>),
    ("user_left", "Another user has left the room", of::<Presence>),
    ("user_typing", "Another user types, or doesn't any more", of::<Typing>),
];

const ABOUT: &str = "Socket.IO 5 (Engine.IO 4) by websocket or long polling, at the path /socket. An event is a \
                     Socket.IO event of the main namespace with one argument, the payload. Answers are Socket.IO \
                     acknowledgements: every call that wants one gets one, a failed one `success: false`.";
const TOKEN: &str = "A token from GET /api/auth/ws-token, valid for 60 seconds, in the auth payload of the Socket.IO \
                     connection: `auth: {token}`.";

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// The description, as `docs/asyncapi.json` has it.
#[must_use]
pub fn asyncapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&sorted(description())).unwrap_or_default();
    text.push('\n');
    text
}

fn description() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    // What may be left out by a client is not what this service leaves out.
    let mut calls = SchemaGenerator::new(settings.clone());
    let mut schemas = SchemaGenerator::new(settings.for_serialize());
    let (mut messages, mut operations) = (Map::new(), Map::new());
    let failed = of::<Refused>(&mut schemas);
    messages.insert("refused".into(), json!({"name": "refused", "title": "A call failed", "payload": failed}));
    for (name, says, payload, answer) in FROM_CLIENTS {
        let answered = format!("{name}_answer");
        messages.insert(name.into(), json!({"name": name, "title": says, "payload": payload(&mut calls)}));
        let title = format!("{name} succeeded");
        messages.insert(answered.clone(), json!({"name": answered, "title": title, "payload": answer(&mut schemas)}));
        let reply = json!({"channel": channel(), "messages": [message(&answered), message("refused")]});
        let asked = [message(name)];
        let operation =
            json!({"action": "receive", "channel": channel(), "messages": asked, "title": says, "reply": reply});
        operations.insert(name.into(), operation);
    }
    for (name, says, payload) in FROM_SERVER {
        messages.insert(name.into(), json!({"name": name, "title": says, "payload": payload(&mut schemas)}));
        let operation = json!({"action": "send", "channel": channel(), "messages": [message(name)], "title": says});
        operations.insert(name.into(), operation);
    }
    let mut types = schemas.take_definitions(true);
    types.extend(calls.take_definitions(true));
    let listed: Map<String, Value> = messages.keys().map(|name| (name.clone(), component(name))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "AetherConnect",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "localhost:3000",
                "pathname": "/socket/",
                "protocol": "ws",
                "description": "The gateway; wss behind an ingress with TLS",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            },
        },
        "channels": {"socket": {"address": "/", "title": "The main namespace", "messages": listed}},
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": types,
            "securitySchemes": {"token": {"type": "apiKey", "in": "user", "description": TOKEN}},
        },
    })
}

fn channel() -> Value {
    json!({"$ref": "#/channels/socket"})
}

fn message(name: &str) -> Value {
    json!({"$ref": format!("#/channels/socket/messages/{name}")})
}

fn component(name: &str) -> Value {
    json!({"$ref": format!("#/components/messages/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_field_has_a_type() {
        fn look(api: &Value, value: &Value, seen: &mut usize) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(to)) = fields.get("$ref") {
                        assert!(api.pointer(&to[1..]).is_some(), "{to}");
                        *seen += 1;
                    }
                    fields.values().for_each(|value| look(api, value, seen));
                }
                Value::Array(items) => items.iter().for_each(|value| look(api, value, seen)),
                _ => {}
            }
        }
        let (api, mut seen) = (description(), 0);
        look(&api, &api, &mut seen);
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn what_is_written_fits_its_description() {
        let api = description();
        let required = |schema: &str| api["components"]["schemas"][schema]["required"].clone();
        assert_eq!(required("SendCall"), json!(["roomId", "content"]));
        // A message that was sent without a `tempId` has none.
        let of_message = required("Message");
        assert!(!of_message.as_array().is_some_and(|names| names.contains(&json!("tempId"))), "{of_message}");
    }
}
