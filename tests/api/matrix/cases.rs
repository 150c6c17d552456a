//! The table: what can be done, and what comes of it for whom.
use super::{Kind, People, Role};
use aether_tests::unique;
use serde_json::{Value, json};

/// What an action changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// The actor becomes a member.
    Enters,
    /// The newcomer does.
    LetsIn,
    /// The actor is no member any more.
    Leaves,
    /// The other one isn't.
    PutsOut,
    /// One message more.
    Stores,
}

/// What comes of an action. An event has no status: 200 stands for success, any other for a refusal.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) status: u16,
    pub(super) message: &'static str,
    pub(super) effect: Effect,
    /// The events that others hear.
    pub(super) heard: &'static [&'static str],
    /// Whether the answer holds the room's id.
    pub(super) shows: bool,
}

/// A route or an event.
pub(super) struct Does {
    pub(super) method: &'static str,
    pub(super) name: &'static str,
    pub(super) body: fn(&People, Role) -> Value,
    pub(super) verdict: fn(Kind, Role) -> Verdict,
}

/// Routes by their first part that know no rooms; what guards them is tested with each of them.
pub(super) const ROOMLESS: &[&str] = &["/api/auth/", "/api/health", "/api/docs"];

pub(super) const ROUTES: &[Does] = &[
    Does { method: "GET", name: "/api/rooms", body: nothing, verdict: list },
    Does { method: "POST", name: "/api/rooms", body: a_new_room, verdict: create },
    Does { method: "POST", name: "/api/rooms/direct", body: the_other, verdict: direct },
    Does { method: "GET", name: "/api/rooms/public?limit=100&search=matrix", body: nothing, verdict: public },
    Does { method: "POST", name: "/api/rooms/{roomId}/join", body: nothing, verdict: join },
    Does { method: "POST", name: "/api/rooms/{roomId}/leave", body: nothing, verdict: leave },
    Does { method: "GET", name: "/api/rooms/{roomId}/members", body: nothing, verdict: members },
    Does { method: "POST", name: "/api/rooms/{roomId}/members", body: the_newcomer, verdict: add },
    Does { method: "DELETE", name: "/api/rooms/{roomId}/members/{userId}", body: nothing, verdict: remove },
    Does { method: "GET", name: "/api/rooms/{roomId}/messages", body: nothing, verdict: messages },
];

pub(super) const EVENTS: &[Does] = &[
    Does { method: "", name: "join_room", body: empty, verdict: on_join },
    Does { method: "", name: "leave_room", body: empty, verdict: on_leave },
    Does { method: "", name: "send_message", body: a_message, verdict: on_send },
    Does { method: "", name: "typing_start", body: empty, verdict: on_typing },
    Does { method: "", name: "typing_stop", body: empty, verdict: on_typing_stop },
];

fn nothing(_: &People, _: Role) -> Value {
    Value::Null
}

fn empty(_: &People, _: Role) -> Value {
    json!({})
}

fn a_message(_: &People, _: Role) -> Value {
    json!({"content": "hello"})
}

fn a_new_room(_: &People, _: Role) -> Value {
    json!({"name": unique("matrix")})
}

fn the_newcomer(people: &People, _: Role) -> Value {
    json!({"username": people.newcomer.username})
}

fn the_other(people: &People, role: Role) -> Value {
    json!({"userId": people.other(role).id})
}

const NOT_A_MEMBER: &str = "You are not a member of this room";
const NOT_THE_OWNER: &str = "Only the room's owner may do this";
const ALWAYS_TWO: &str = "A direct room always has the same two members";

fn refused(status: u16, message: &'static str) -> Verdict {
    Verdict { status, message, effect: Effect::None, heard: &[], shows: false }
}

fn done(effect: Effect) -> Verdict {
    Verdict { status: 200, message: "", effect, heard: &[], shows: false }
}

fn showing(shows: bool) -> Verdict {
    Verdict { shows, ..done(Effect::None) }
}

/// What holds in every room for those who aren't in it; `None` for those who are.
fn outside(kind: Kind, role: Role) -> Option<Verdict> {
    match (role, kind) {
        (Role::Anonymous, _) => Some(refused(401, "Unauthorized")),
        (Role::Stranger, Kind::Public) => Some(refused(403, NOT_A_MEMBER)),
        (Role::Stranger, _) => Some(refused(404, "Room not found")),
        _ => None,
    }
}

fn list(_: Kind, role: Role) -> Verdict {
    match role {
        Role::Anonymous => refused(401, "Unauthorized"),
        _ => showing(role != Role::Stranger),
    }
}

fn create(_: Kind, role: Role) -> Verdict {
    match role {
        Role::Anonymous => refused(401, "Unauthorized"),
        _ => Verdict { status: 201, ..showing(false) },
    }
}

fn direct(kind: Kind, role: Role) -> Verdict {
    match role {
        Role::Anonymous => refused(401, "Unauthorized"),
        _ => showing(kind == Kind::Direct && role != Role::Stranger),
    }
}

fn public(kind: Kind, role: Role) -> Verdict {
    match role {
        Role::Anonymous => refused(401, "Unauthorized"),
        _ => showing(kind == Kind::Public),
    }
}

fn join(kind: Kind, role: Role) -> Verdict {
    match (role, kind) {
        (Role::Stranger, Kind::Public) => Verdict { effect: Effect::Enters, ..showing(true) },
        _ => outside(kind, role).unwrap_or(showing(true)),
    }
}

fn leave(kind: Kind, role: Role) -> Verdict {
    match (role, kind) {
        (Role::Stranger, Kind::Public) => done(Effect::None),
        (Role::Owner | Role::Member, Kind::Direct) => refused(403, ALWAYS_TWO),
        _ => outside(kind, role).unwrap_or(done(Effect::Leaves)),
    }
}

fn members(kind: Kind, role: Role) -> Verdict {
    outside(kind, role).unwrap_or(showing(false))
}

fn owners(kind: Kind, role: Role, verdict: Verdict) -> Verdict {
    outside(kind, role).unwrap_or(match (kind, role) {
        (Kind::Direct, _) => refused(403, ALWAYS_TWO),
        (_, Role::Owner) => verdict,
        _ => refused(403, NOT_THE_OWNER),
    })
}

fn add(kind: Kind, role: Role) -> Verdict {
    owners(kind, role, Verdict { effect: Effect::LetsIn, ..showing(true) })
}

fn remove(kind: Kind, role: Role) -> Verdict {
    owners(kind, role, done(Effect::PutsOut))
}

fn messages(kind: Kind, role: Role) -> Verdict {
    outside(kind, role).unwrap_or(showing(true))
}

fn on_join(kind: Kind, role: Role) -> Verdict {
    let heard: &[&str] = if kind == Kind::Direct { &[] } else { &["user_joined"] };
    match (role, kind) {
        (Role::Stranger, Kind::Public) => Verdict { heard, ..done(Effect::Enters) },
        _ => outside(kind, role).unwrap_or(Verdict { heard, ..done(Effect::None) }),
    }
}

fn on_leave(kind: Kind, role: Role) -> Verdict {
    match (role, kind) {
        (Role::Stranger, Kind::Public) => done(Effect::None),
        _ => outside(kind, role).unwrap_or(done(Effect::None)),
    }
}

fn on_send(kind: Kind, role: Role) -> Verdict {
    outside(kind, role).unwrap_or(Verdict { heard: &["new_message"], ..done(Effect::Stores) })
}

fn on_typing(kind: Kind, role: Role) -> Verdict {
    outside(kind, role).unwrap_or(Verdict { heard: &["user_typing"], ..done(Effect::None) })
}

fn on_typing_stop(kind: Kind, role: Role) -> Verdict {
    outside(kind, role).unwrap_or(done(Effect::None))
}
