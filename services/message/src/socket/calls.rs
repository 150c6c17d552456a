//! What a client can ask for, event by event.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use aether_common::{Code, Error};
use serde::Deserialize;
use serde_json::Value;

use super::{Sockets, packet::Call, session::Session};
use crate::{
    delivery::{Answer, Entered, Greeting, PAGE, Subscriber, push_missed},
    events::{self, Event},
    messages,
    model::{Draft, Room},
    payloads::{Here, JoinAnswer, JoinCall, RoomAnswer, RoomCall, SendAnswer, SendCall},
};

/// The client behind a socket.
pub(super) struct Caller {
    sockets: Arc<Sockets>,
    session: Arc<Session>,
    subscriber: Arc<Subscriber>,
    /// The rooms whose live feed this socket has, by id.
    joined: HashSet<String>,
    /// The rooms that this socket has typed in.
    typed_in: HashSet<String>,
}

impl Drop for Caller {
    /// However a socket ends, even in the middle of a call, its rooms lose it.
    fn drop(&mut self) {
        for room in self.joined.union(&self.typed_in) {
            self.sockets.hub.leave(room, &self.subscriber);
        }
        self.sockets.hub.disconnected(&self.subscriber);
    }
}

impl Caller {
    /// A client that has just been let in.
    pub(super) fn new(sockets: Arc<Sockets>, session: Arc<Session>, subscriber: Arc<Subscriber>) -> Self {
        sockets.hub.connected(&subscriber);
        Self { sockets, session, subscriber, joined: HashSet::new(), typed_in: HashSet::new() }
    }

    pub(super) async fn handle(&mut self, call: Call) {
        let result = match call.event.as_str() {
            "send_message" => return self.send_message(&call).await,
            "join_room" => self.join_room(&call).await,
            "leave_room" => self.leave_room(&call).await,
            "typing_start" => self.typing(&call, true).await,
            "typing_stop" => self.typing(&call, false).await,
            _ => Err(Error::new(Code::Invalid, "UNKNOWN_EVENT", "Unknown event")),
        };
        if let Err(error) = result {
            self.refuse(&call, &error);
        }
    }

    /// Answers a call that failed, and tells the client which event it was.
    fn refuse(&self, call: &Call, error: &Error) {
        error.log();
        self.subscriber.push(events::error(&error.message, &call.event));
        if let Some(answer) = events::refusal(call.number, error) {
            self.subscriber.push(answer);
        }
    }

    fn user_id(&self) -> &str {
        &self.subscriber.user.id
    }

    async fn join_room(&mut self, call: &Call) -> Result<(), Error> {
        let payload: JoinCall = parse(call, "{roomId: string, afterSeq?: number}")?;
        let room = self.sockets.rooms.join(self.user_id(), &payload.room_id).await?;
        let mut greeting = Some(greeting(&room, call.number));
        let Some(mut have) = payload.after_seq else {
            self.sockets.hub.enter(&room.id, &self.subscriber, None, greeting).await?;
            self.joined.insert(room.id.clone());
            return Ok(());
        };
        // Far behind: read here, page by page, rather than hold up the room.
        while self.sockets.hub.enter(&room.id, &self.subscriber, Some(have), greeting.take()).await? == Entered::Behind
        {
            if !self.subscriber.roomy().await {
                return Ok(());
            }
            for message in self.sockets.store.after(&room.id, have, PAGE).await? {
                push_missed(&self.subscriber, &message);
                have = message.seq;
            }
        }
        self.joined.insert(room.id.clone());
        Ok(())
    }

    async fn leave_room(&mut self, call: &Call) -> Result<(), Error> {
        let payload: RoomCall = parse(call, "{roomId: string}")?;
        let room = self.sockets.rooms.find(&payload.room_id).await?;
        if self.joined.remove(&room.id) {
            self.sockets.hub.leave(&room.id, &self.subscriber);
        } else {
            // A stranger must not learn of private rooms.
            self.sockets.rooms.visible(self.user_id(), &room.id).await?;
        }
        self.subscriber.push(events::left_room(&room.id));
        self.succeed(call, &room);
        Ok(())
    }

    async fn typing(&mut self, call: &Call, on: bool) -> Result<(), Error> {
        let payload: RoomCall = parse(call, "{roomId: string}")?;
        let room = self.sockets.rooms.find(&payload.room_id).await?;
        if !self.joined.contains(&room.id) {
            self.sockets.rooms.joined(self.user_id(), &room.id).await?;
        }
        self.sockets.hub.typing(&room.id, &self.subscriber, on);
        self.typed_in.insert(room.id.clone());
        self.succeed(call, &room);
        Ok(())
    }

    fn succeed(&self, call: &Call, room: &Room) {
        if let Some(answer) = Event::answer(call.number, &RoomAnswer { success: true, room_id: &room.id }) {
            self.subscriber.push(answer);
        }
    }

    async fn send_message(&self, call: &Call) {
        let payload =
            parse::<SendCall<'_>>(call, "{roomId: string, content: string, messageType?: string, tempId?: string}");
        let temp_id = match &payload {
            Ok(payload) => payload.temp_id.clone(),
            Err(_) => temp_id(call),
        };
        let answer = self.answer(call.number, temp_id);
        match self.checked(payload).await {
            Ok((room, draft)) => self.sockets.hub.send(room, draft, Some(self.subscriber.id), answer),
            Err(error) => {
                error.log();
                if error.reason == MALFORMED {
                    self.subscriber.push(events::error(&error.message, &call.event));
                }
                answer(Err(&error));
            }
        }
    }

    async fn checked(&self, payload: Result<SendCall<'_>, Error>) -> Result<(Arc<Room>, Draft), Error> {
        let payload = payload?;
        let draft = messages::draft(
            self.subscriber.user.clone(),
            &payload.content,
            payload.message_type.as_deref(),
            payload.temp_id.as_deref(),
        )?;
        // Before the room: what is counted must not tell a stranger that it is there.
        self.sockets.limit.allow(self.user_id()).await?;
        let room = self.sockets.rooms.find(&payload.room_id).await?;
        Ok((room, draft))
    }

    /// Tells this socket what became of its message.
    fn answer(&self, number: Option<u64>, temp_id: Option<String>) -> Answer {
        let (subscriber, session) = (Arc::clone(&self.subscriber), Arc::clone(&self.session));
        session.unanswered.fetch_add(1, Ordering::AcqRel);
        Box::new(move |result| {
            match result {
                Ok(stored) => {
                    let message = &stored.message;
                    let body =
                        SendAnswer { success: true, id: &message.id, seq: message.seq, temp_id: temp_id.as_deref() };
                    Event::answer(number, &body).into_iter().for_each(|answer| subscriber.push(answer));
                }
                Err(error) => {
                    if error.code == Code::NotFound {
                        subscriber.push(events::error(&error.message, "send_message"));
                    }
                    events::refusal(number, error).into_iter().for_each(|answer| subscriber.push(answer));
                    subscriber.push(events::message_error(error, temp_id.as_deref()));
                }
            }
            session.answered();
        })
    }
}

const MALFORMED: &str = "MALFORMED_PAYLOAD";

fn parse<'a, T: Deserialize<'a>>(call: &'a Call, wanted: &str) -> Result<T, Error> {
    let payload = call.payload.as_deref().and_then(|payload| serde_json::from_str(payload).ok());
    payload.ok_or_else(|| Error::new(Code::Invalid, MALFORMED, format!("Invalid payload: expected {wanted}")))
}

/// The client's own id for a message that is malformed otherwise.
fn temp_id(call: &Call) -> Option<String> {
    let payload: Value = serde_json::from_str(call.payload.as_deref()?).ok()?;
    Some(payload.get("tempId")?.as_str()?.to_owned())
}

/// What a socket is told as its live feed starts.
fn greeting(room: &Arc<Room>, number: Option<u64>) -> Greeting {
    let room = Arc::clone(room);
    Box::new(move |seq, others| {
        let mut told = vec![events::joined_room(room.title(), &room.id)];
        let here = others.iter().map(|user| Here { user_id: &user.id, username: &user.username }).collect();
        told.extend(Event::answer(number, &JoinAnswer { success: true, room_id: &room.id, seq, here }));
        told
    })
}
