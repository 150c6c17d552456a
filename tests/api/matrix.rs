//! Who may do what in which room: {owner, member, stranger, anonymous} x {public, private, direct} x {every route and
//! event}. A refusal has no effect that anybody could see or hear, and tells a stranger of a private or direct room
//! exactly what they would be told of one that isn't there.
use crate::{api, guard_401};
use aether_tests::{Api, Socket, User, unique};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod cases;

use cases::{Does, Effect, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Owner,
    Member,
    Stranger,
    Anonymous,
}

const ROLES: [Role; 4] = [Role::Owner, Role::Member, Role::Stranger, Role::Anonymous];

/// The users of one kind of room.
struct People {
    api: Api,
    kind: Kind,
    owner: User,
    member: User,
    stranger: User,
    newcomer: User,
}

/// One case: a room of its own (of two users there is but one direct room), and somebody in it who listens.
struct Case<'a> {
    people: &'a People,
    role: Role,
    room: String,
    listener: Socket,
    messages: u64,
}

fn path_of(room: &str, rest: &str) -> String {
    format!("/api/rooms/{room}{rest}")
}

/// An id that no room has: it begins with a time far ahead.
fn absent(room: &str) -> String {
    format!("ffffffff{}", &room[8..])
}

impl People {
    async fn new(kind: Kind) -> Self {
        let api = api();
        let user = async |name| User::register(&api, name).await;
        let (owner, member) = (user("owner").await, user("member").await);
        let (stranger, newcomer) = (user("stranger").await, user("newcomer").await);
        Self { kind, owner, member, stranger, newcomer, api }
    }

    fn actor(&self, role: Role) -> Option<&User> {
        match role {
            Role::Owner => Some(&self.owner),
            Role::Member => Some(&self.member),
            Role::Stranger => Some(&self.stranger),
            Role::Anonymous => None,
        }
    }

    /// Who feels what an actor does: the owner when the member acts, else the member.
    fn other(&self, role: Role) -> &User {
        if role == Role::Member { &self.owner } else { &self.member }
    }

    async fn room(&self) -> String {
        let token = Some(self.owner.token.as_str());
        let member = json!({"userId": self.member.id});
        let (path, body) = match self.kind {
            Kind::Direct => ("/api/rooms/direct", member.clone()),
            Kind::Public => ("/api/rooms", json!({"name": unique("matrix"), "roomType": "public"})),
            Kind::Private => ("/api/rooms", json!({"name": unique("matrix"), "roomType": "private"})),
        };
        let answer = self.api.post(path, token, body).await;
        assert!(answer.status < 300, "{answer:?}");
        let room = answer.body["room"]["id"].as_str().unwrap().to_owned();
        if self.kind != Kind::Direct {
            assert_eq!(self.api.post(&path_of(&room, "/members"), token, member).await.status, 200);
        }
        room
    }

    /// The room's members and the number of its messages, as whoever is in it sees them.
    async fn state(&self, room: &str) -> (BTreeSet<String>, u64) {
        for user in [&self.owner, &self.member] {
            let history = self.api.get(&path_of(room, "/messages"), Some(&user.token)).await;
            if history.status == 200 {
                let rooms = self.api.get("/api/rooms", Some(&user.token)).await.body["rooms"].clone();
                let room = rooms.as_array().unwrap().iter().find(|of| of["id"] == room).unwrap().clone();
                let members = room["members"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
                return (members.collect(), history.body["pagination"]["totalItems"].as_u64().unwrap());
            }
        }
        panic!("nobody sees the room any more");
    }
}

impl<'a> Case<'a> {
    async fn new(people: &'a People, role: Role) -> Self {
        let room = people.room().await;
        let mut listener = Socket::connect(&people.api, people.other(role)).await;
        listener.join(&room).await;
        // There is something to leak.
        listener.send(&room, "the beginning").await;
        listener.until(|name, payload| name == "new_message" && payload["content"] == "the beginning").await;
        listener.next("message_confirmed").await;
        let (_, messages) = people.state(&room).await;
        Self { people, role, room, listener, messages }
    }

    /// Nothing has changed but what was to change, and nobody has heard anything else.
    async fn assert_effect(mut self, what: &str, verdict: &Verdict) {
        let people = self.people;
        let mut members: BTreeSet<String> = [&people.owner, &people.member].map(|user| user.id.clone()).into();
        let mut messages = self.messages;
        match verdict.effect {
            Effect::None => {}
            Effect::Enters => drop(members.insert(people.actor(self.role).unwrap().id.clone())),
            Effect::LetsIn => drop(members.insert(people.newcomer.id.clone())),
            Effect::Leaves => drop(members.remove(&people.actor(self.role).unwrap().id)),
            Effect::PutsOut => drop(members.remove(&people.other(self.role).id)),
            Effect::Stores => messages += 1,
        }
        assert_eq!(people.state(&self.room).await, (members, messages), "{what}");
        if verdict.effect == Effect::PutsOut {
            assert_eq!(self.listener.next("left_room").await["roomId"], self.room, "{what}");
            return;
        }
        self.listener.send(&self.room, "the end").await;
        let end = |name: &str, payload: &Value| name == "new_message" && payload["content"] == "the end";
        let mut heard = self.listener.until(end).await;
        if people.kind == Kind::Direct {
            // One room for all cases: who was there in one, or typed, may go, or stop, in another.
            let of_another = |name: &str| ["user_joined", "user_left"].contains(&name);
            heard.retain(|(name, payload)| !of_another(name) && payload["isTyping"] != false);
        }
        let heard: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(heard, verdict.heard, "{what}: what others hear");
    }
}

async fn check_route(people: &People, role: Role, does: &Does) {
    let verdict = (does.verdict)(people.kind, role);
    let what = format!("{} {} as {role:?} of a {:?} room", does.method, does.name, people.kind);
    let case = Case::new(people, role).await;
    let call = async |room: &str| {
        let path = does.name.replace("{roomId}", room).replace("{userId}", &people.other(role).id);
        let method = Method::from_bytes(does.method.as_bytes()).unwrap();
        let body = (does.body)(people, role);
        let token = people.actor(role).map(|user| user.token.as_str());
        people.api.call(method, &path, token, (!body.is_null()).then_some(body)).await
    };
    let answer = call(&case.room).await;
    assert_eq!(answer.status, verdict.status, "{what}: {}", answer.body);
    if role == Role::Anonymous {
        answer.assert(401, guard_401());
    }
    if verdict.status >= 400 {
        assert_eq!(answer.body["message"], verdict.message, "{what}");
    }
    let shown = answer.body.to_string().contains(&format!("\"{}\"", case.room));
    assert_eq!(shown, verdict.shows, "{what}: {}", answer.body);
    if verdict.status == 404 {
        let none = call(&absent(&case.room)).await;
        let headers = |answer: &aether_tests::Answer| {
            let varying = ["date", "x-request-id"];
            let mut headers: Vec<_> = answer.headers.iter().map(|(k, v)| format!("{k}: {v:?}")).collect();
            headers.retain(|header| !varying.iter().any(|name| header.starts_with(name)));
            headers.sort();
            headers
        };
        assert_eq!((none.status, &none.body), (answer.status, &answer.body), "{what}");
        assert_eq!(headers(&none), headers(&answer), "{what}");
    }
    case.assert_effect(&what, &verdict).await;
}

/// All that a socket hears in answer to a call, without what differs each time.
async fn transcript(socket: &mut Socket, does: &Does, payload: Value) -> (Value, Vec<(String, Value)>) {
    let answer = socket.call(does.name, payload).await;
    if does.name == "send_message" && answer["success"] == false {
        // Comes from the room, and so not in the order of the calls.
        let mut heard = socket.until(|name, _| name == "message_error").await;
        heard.push(("message_error".to_owned(), json!({})));
        return (answer, heard);
    }
    // The calls of a socket are answered in their order.
    socket.call("nothing", json!({})).await;
    let mut heard = socket.heard();
    heard.retain(|(_, payload)| payload["context"] != "nothing");
    (answer, heard)
}

async fn check_event(people: &People, role: Role, does: &Does) {
    let verdict = (does.verdict)(people.kind, role);
    let what = format!("{} as {role:?} of a {:?} room", does.name, people.kind);
    let case = Case::new(people, role).await;
    let payload = |room: &str| {
        let mut payload = (does.body)(people, role);
        payload["roomId"] = room.into();
        payload
    };
    let Some(actor) = people.actor(role) else {
        Socket::try_connect(&people.api, json!({})).await.expect_err("a socket without a token is refused");
        // Neither does one get in that talks before it says who it is.
        let mut unknown = Socket::open(&people.api).await.unwrap();
        unknown.try_emit(does.name, payload(&case.room)).await;
        return case.assert_effect(&what, &verdict).await;
    };
    let mut socket = Socket::connect(&people.api, actor).await;
    socket.next("connected").await;
    let (answer, heard) = transcript(&mut socket, does, payload(&case.room)).await;
    assert_eq!(answer["success"], verdict.status == 200, "{what}: {answer}");
    if verdict.status != 200 {
        assert_eq!(answer["message"], verdict.message, "{what}");
    }
    if verdict.status == 404 {
        let none = transcript(&mut socket, does, payload(&absent(&case.room))).await;
        assert_eq!(none, (answer, heard), "{what}");
    }
    case.assert_effect(&what, &verdict).await;
}

async fn check(kind: Kind) {
    let people = People::new(kind).await;
    for role in ROLES {
        for does in cases::ROUTES {
            check_route(&people, role, does).await;
        }
        for does in cases::EVENTS {
            check_event(&people, role, does).await;
        }
    }
}

#[tokio::test]
async fn in_a_public_room_everybody_may_do_what_is_theirs_and_nothing_else() {
    check(Kind::Public).await;
}

#[tokio::test]
async fn in_a_private_room_everybody_may_do_what_is_theirs_and_nothing_else() {
    check(Kind::Private).await;
}

#[tokio::test]
async fn in_a_direct_room_everybody_may_do_what_is_theirs_and_nothing_else() {
    check(Kind::Direct).await;
}

#[tokio::test]
async fn every_route_of_the_gateway_is_in_the_matrix_or_has_nothing_to_do_with_rooms() {
    let described = api().get("/api/docs/openapi.json", None).await.body;
    let served: BTreeSet<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())))
        .filter(|(_, path)| !cases::ROOMLESS.iter().any(|prefix| path.starts_with(prefix)))
        .collect();
    let checked = cases::ROUTES.iter().map(|does| (does.method.to_owned(), path(does.name).to_owned()));
    assert_eq!(served, checked.collect());
}

/// Without the query.
fn path(name: &str) -> &str {
    name.split('?').next().unwrap()
}
