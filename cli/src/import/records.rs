//! What the lines of each file say, under the names that NestJS projects use.

use aether_auth::import::User;
use aether_message::import::{Member, Message, Room};
use chrono::{DateTime, Utc};

use super::fields::Fields;

const CREATED: [&str; 3] = ["createdAt", "created", "timestamp"];
const USER: [&str; 6] = ["userId", "senderId", "sender", "authorId", "author", "user"];
const ROOM: [&str; 5] = ["roomId", "room", "conversationId", "channelId", "chatId"];

/// A user. What isn't allowed here the auth service says.
pub(super) fn user(fields: &mut Fields, now: DateTime<Utc>) -> User {
    let id = fields.required_id(&["id", "userId"]);
    let name = fields.text(&["name", "fullName", "displayName"]).unwrap_or_default();
    let (first, last) = name.trim().split_once(' ').unwrap_or((name.trim(), ""));
    let mut named = |names: &[&str], part: &str| match fields.text(names) {
        Some(text) => text,
        None => part.trim().to_owned(),
    };
    let (first_name, last_name) = (named(&["firstName", "givenName"], first), named(&["lastName", "familyName"], last));
    let created_at = fields.time(&CREATED).unwrap_or(now);
    let updated_at = fields.time(&["updatedAt", "updated"]).unwrap_or(created_at);
    let disabled_at = fields.time(&["disabledAt", "deactivatedAt", "bannedAt", "deletedAt"]);
    let is_off = fields.flag(&["isActive", "active", "enabled"]) == Some(false)
        || fields.flag(&["isDisabled", "disabled", "isBanned", "banned", "isDeleted"]) == Some(true);
    let mut roles = fields.texts(&["roles"]);
    roles.extend(fields.text(&["role"]).filter(|role| !roles.contains(role)));
    User {
        id,
        email: fields.required_text(&["email", "mail"]),
        username: fields.required_text(&["username", "login"]),
        first_name,
        last_name,
        password_hash: fields.text(&["passwordHash", "password", "hash", "hashedPassword"]),
        roles,
        created_at,
        updated_at,
        disabled_at: disabled_at.or(is_off.then_some(updated_at)),
    }
}

/// A room, whose members and maker have the ids of then.
pub(super) fn room(fields: &mut Fields, now: DateTime<Utc>) -> Room {
    let id = fields.required_id(&["id", "roomId"]);
    let is_private = fields.flag(&["isPrivate", "private"]).unwrap_or_default();
    let is_direct = fields.flag(&["isDirect", "direct"]).unwrap_or_default();
    let kind = fields.text(&["roomType", "type", "kind"]).map(|kind| kind.trim().to_lowercase());
    let room_type = match kind.as_deref() {
        Some("direct" | "dm" | "direct_message" | "one-to-one") => "direct",
        Some("private") => "private",
        Some("public") => "public",
        // What else there is says how it looks, not who may enter.
        None | Some("group" | "channel" | "room" | "") if is_direct => "direct",
        None | Some("group" | "channel" | "room" | "") if is_private => "private",
        None | Some("channel" | "room" | "") => "public",
        Some("group") => "private",
        Some(_) => {
            fields.wrong("roomType", "must be public, private or direct");
            "private"
        }
    };
    let members = members(fields);
    let created_by = fields.id(&["createdBy", "creatorId", "creator", "ownerId", "owner"]).unwrap_or_default();
    Room {
        id,
        name: if room_type == "direct" {
            fields.text(&["name", "title"]).unwrap_or_default()
        } else {
            fields.required_text(&["name", "title"])
        },
        description: fields.text(&["description", "topic"]).unwrap_or_default(),
        room_type: room_type.to_owned(),
        created_by: if created_by == "system" { String::new() } else { created_by },
        created_at: fields.time(&CREATED).unwrap_or(now),
        members,
    }
}

fn members(fields: &mut Fields) -> Vec<Member> {
    let Some(value) = fields.value(&["members", "participants", "memberIds", "participantIds", "users"]) else {
        return Vec::new();
    };
    let Some(items) = value.as_array() else {
        fields.wrong("members", "must be an array of ids, or of objects with a userId");
        return Vec::new();
    };
    let mut members: Vec<Member> = Vec::new();
    for item in items {
        let mut inner = Fields::inner(item.clone());
        let member = Member {
            user_id: inner.required_id(&["userId", "user", "memberId", "id"]),
            joined_at: inner.time(&["joinedAt", "createdAt"]),
        };
        if let Some((_, mend)) = inner.problems.pop() {
            fields.wrong("members", format!("has one that {mend}"));
        } else if !members.iter().any(|other| other.user_id == member.user_id) {
            members.push(member);
        }
    }
    members
}

/// A membership of a file of its own: the room's id or name, and the member. `None` for one who has left.
pub(super) fn member(fields: &mut Fields) -> Option<(String, Member)> {
    let has_left = fields.value(&["leftAt", "deletedAt"]).is_some() || fields.flag(&["isActive"]) == Some(false);
    let room = fields.required_id(&ROOM);
    let user_id = fields.required_id(&USER);
    let joined_at = fields.time(&["joinedAt", "createdAt"]);
    (!has_left).then_some((room, Member { user_id, joined_at }))
}

/// A message: the room's id or name, and the message with its sender's id of then. `None` for one that was deleted.
pub(super) fn message(fields: &mut Fields) -> Option<(String, Message)> {
    let is_deleted = fields.value(&["deletedAt"]).is_some() || fields.flag(&["isDeleted", "deleted"]) == Some(true);
    let id = fields.required_id(&["id", "messageId"]);
    let room = fields.required_id(&ROOM);
    let username = fields.text(&["username", "senderName", "userName"]).unwrap_or_default();
    let user_id = fields.required_id(&USER);
    if is_deleted {
        return None;
    }
    let content = fields.required_text(&["content", "text", "body", "message"]);
    let message_type = fields.text(&["messageType", "type"]).unwrap_or_default().to_lowercase();
    let created_at = fields.time(&["createdAt", "created", "timestamp", "sentAt"]);
    if created_at.is_none() {
        fields.wrong("createdAt", "must be given: it decides the order");
    }
    let created_at = created_at.unwrap_or_default();
    Some((room, Message { id, user_id, username, content, message_type, created_at }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(2_000_000_000, 0).unwrap()
    }

    #[test]
    fn a_user_of_typeorm_and_one_of_mongoose_are_the_same() {
        let typeorm = r#"{"id":7,"email":"ada@example.com","username":"ada","first_name":"Ada","last_name":"Lovelace",
            "password":"$2b$10$x","roles":"user,admin","created_at":"2023-10-27T10:00:00","is_active":false}"#;
        let mongoose = r#"{"_id":{"$numberInt":"7"},"email":"ada@example.com","username":"ada","name":"Ada Lovelace",
            "passwordHash":"$2b$10$x","roles":["user","admin"],"createdAt":{"$date":"2023-10-27T10:00:00Z"},
            "isDisabled":true,"__v":0}"#;
        let [one, other] = [typeorm, mongoose].map(|line| {
            let mut fields = Fields::parse(line);
            let user = user(&mut fields, now());
            assert_eq!(fields.problems, []);
            serde_json::to_value(user).unwrap()
        });
        assert_eq!(one, other);
        assert_eq!(one["disabledAt"], one["createdAt"]);
    }

    #[test]
    fn rooms_have_members_as_ids_or_objects_and_types_in_several_words() {
        let line = r#"{"_id":{"$oid":"635a5e3b8bb9e8b3c8e9f5d2"},"name":"x","isPrivate":true,"createdBy":"system",
            "members":["1",2,{"userId":{"$oid":"635a5e3b8bb9e8b3c8e9f5d3"},"joinedAt":{"$date":"2023-10-27T10:00:00Z"}},
            {"$oid":"635a5e3b8bb9e8b3c8e9f5d4"},"1"]}"#;
        let mut fields = Fields::parse(line);
        let room = room(&mut fields, now());
        assert_eq!(fields.problems, []);
        assert_eq!((room.room_type.as_str(), room.created_by.as_str()), ("private", ""));
        let ids: Vec<_> = room.members.iter().map(|member| member.user_id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "635a5e3b8bb9e8b3c8e9f5d3", "635a5e3b8bb9e8b3c8e9f5d4"]);
        for (kind, expected) in
            [("\"DM\"", "direct"), ("\"group\"", "private"), ("\"channel\"", "public"), ("null", "public")]
        {
            let line = format!(r#"{{"id":1,"name":"x","type":{kind}}}"#);
            assert_eq!(super::room(&mut Fields::parse(&line), now()).room_type, expected);
        }
    }

    #[test]
    fn a_deleted_message_is_left_out_and_one_without_a_time_is_told() {
        assert!(message(&mut Fields::parse(r#"{"id":1,"roomId":1,"userId":1,"isDeleted":true}"#)).is_none());
        let mut fields = Fields::parse(r#"{"id":1,"room":"general","sender":{"_id":"9"},"text":"hello"}"#);
        let (room, message) = message(&mut fields).unwrap();
        assert_eq!((room.as_str(), message.user_id.as_str(), message.content.as_str()), ("general", "9", "hello"));
        assert_eq!(fields.problems[0].0, "createdAt");
    }
}
