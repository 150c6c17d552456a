//! The task of one live room: it has stored what is sent, and delivers in order. Everything that concerns the room
//! goes through its queue, so there is nothing to lock.

pub(crate) mod entering;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Command, Hub, SocketId, Subscriber,
    live::Live,
    outbox::{Appended, Outbox},
};
use crate::{
    bus::{Hint, State},
    events::{self, Event},
    feed::Feed,
    messages::Stored,
    model::{Message, Tail, User},
    typing::{Change, Source, Typing},
};

/// The most messages that are read in one go.
pub(crate) const PAGE: u32 = 100;
/// How often a live room looks into the store when hints may be missing, and when they arrive.
const POLL: Duration = Duration::from_millis(300);
const SAFETY_POLL: Duration = Duration::from_secs(5);
/// After a failure, or when there is more to read.
const SOON: Duration = Duration::from_millis(50);
/// How often memberships of live sockets are looked at again.
const RECHECK: Duration = Duration::from_secs(5);
/// The same after a socket has entered, which may have been overtaken by the end of its membership.
const RECHECK_SOON: Duration = Duration::from_millis(500);
/// A room without sockets is forgotten after so long.
const IDLE: Duration = Duration::from_secs(30);

struct Room {
    hub: Arc<Hub>,
    id: String,
    behind: Arc<AtomicBool>,
    state: watch::Receiver<State>,
    tail: Option<Tail>,
    feed: Feed,
    members: HashMap<SocketId, Arc<Subscriber>>,
    live: Arc<Live>,
    /// Members who don't follow yet: they have everything up to a number that isn't delivered yet.
    ahead: HashMap<SocketId, u64>,
    typing: Typing,
    outbox: Outbox,
    /// Other replicas' word of messages that are in flight here, too: they wait for the acknowledgement.
    held: Vec<Arc<Message>>,
    /// Which socket sent a message that isn't delivered yet.
    origins: HashMap<u64, SocketId>,
    /// The store has failed since it last did what was asked.
    failing: bool,
    look_at: Instant,
    recheck_at: Instant,
    idle_at: Instant,
}

/// Works until the room is idle and without sockets, or until the hub stops.
pub(super) async fn run(hub: Arc<Hub>, id: String, mut queue: mpsc::Receiver<Command>, behind: Arc<AtomicBool>) {
    let mut room = Room::new(hub, id, behind);
    room.hub.metrics.rooms.inc();
    let stop = room.hub.stop.clone();
    loop {
        let (wake_at, full, empty) = (room.wake_at(), room.outbox.is_full(), room.outbox.is_empty());
        tokio::select! {
            biased;
            appended = room.outbox.finished() => room.appended(appended).await,
            Some(command) = queue.recv(), if !full => room.handle(command).await,
            () = sleep_until(wake_at) => {}
            Ok(()) = room.state.changed() => room.look_at = Instant::now(),
            () = stop.cancelled(), if empty => {}
        }
        room.on_time().await;
        room.outbox.start(&room.hub, &room.id, room.tail, room.failing);
        let over = stop.is_cancelled() || (room.members.is_empty() && Instant::now() >= room.idle_at);
        if over && room.outbox.is_empty() && queue.is_empty() && room.hub.forget(&room.id, &queue) {
            break;
        }
    }
    room.hub.metrics.rooms.dec();
}

impl Room {
    fn new(hub: Arc<Hub>, id: String, behind: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        Self {
            state: hub.bus.state(),
            id,
            behind,
            tail: None,
            feed: Feed::default(),
            members: HashMap::new(),
            live: Arc::default(),
            ahead: HashMap::new(),
            typing: Typing::default(),
            outbox: Outbox::default(),
            held: Vec::new(),
            origins: HashMap::new(),
            failing: false,
            look_at: now + POLL,
            recheck_at: now + RECHECK,
            idle_at: now + IDLE,
            hub,
        }
    }

    fn wake_at(&self) -> Instant {
        let at = if self.members.is_empty() { self.idle_at } else { self.look_at.min(self.recheck_at) };
        [self.typing.next(), self.outbox.start_at()].into_iter().flatten().fold(at, Instant::min)
    }

    async fn handle(&mut self, command: Command) {
        self.idle_at = Instant::now() + IDLE;
        match command {
            Command::Send(sending) => self.outbox.push(sending),
            Command::Enter(entering) => self.enter(entering).await,
            Command::Leave(subscriber) => self.leave(&subscriber),
            Command::Typing { subscriber, on } => {
                let source = Source::Socket(subscriber.id);
                let change = if on {
                    self.typing.start(&subscriber.user, source, Instant::now())
                } else {
                    self.typing.stop(&subscriber.user.id, &source)
                };
                self.tell_typing(change);
            }
            Command::Hint { from, hint } => self.hinted(from, hint).await,
            Command::Look => self.look().await,
        }
    }

    /// What is due by the clock.
    async fn on_time(&mut self) {
        let now = Instant::now();
        for change in self.typing.expire(now) {
            self.tell_typing(Some(change));
        }
        if self.members.is_empty() {
            return;
        }
        let behind = self.behind.swap(false, Ordering::Relaxed);
        if behind || now >= self.look_at {
            self.look().await;
        }
        if behind {
            // What was lost may have been the end of a membership.
            self.recheck_soon();
        }
        if now >= self.recheck_at {
            // After a failure, who waits here comes first.
            if self.failing {
                self.recheck_at = now + POLL;
            } else {
                self.recheck().await;
            }
        }
    }

    async fn appended(&mut self, appended: Appended) {
        self.idle_at = Instant::now() + IDLE;
        // A hint may have told of a newer end meanwhile.
        self.tail = appended.tail.map(|tail| self.tail.filter(|told| told.seq > tail.seq).unwrap_or(tail));
        self.failing = appended.in_doubt || (self.failing && appended.stored.is_empty());
        if appended.in_doubt {
            // It may have been stored all the same.
            self.look_at = Instant::now() + SOON;
        }
        for (stored, origin) in appended.stored {
            self.stored(stored, origin).await;
        }
        for message in std::mem::take(&mut self.held) {
            self.told(message).await;
        }
    }

    async fn stored(&mut self, stored: Stored, origin: Option<SocketId>) {
        let message = stored.message;
        let seq = message.seq;
        self.outbox.landed(&message);
        let undelivered = !self.members.is_empty() && seq > self.feed.delivered();
        if !stored.resent {
            self.hub.metrics.stored.inc();
        }
        // A resend may be of a message whose first sending ended in doubt: then nobody has it yet.
        if !stored.resent || undelivered {
            self.hub.bus.publish(Hint::Message { message: Arc::clone(&message) });
        }
        if undelivered {
            self.origins.extend(origin.map(|origin| (seq, origin)));
            self.offer(message).await;
        } else if !stored.resent {
            self.tell_sender_outside(&message, origin);
        } else {
            // Everybody has it: only the socket that asked again is told.
            let sockets = self.hub.sockets_of(&message.sender);
            if let Some(socket) = sockets.iter().find(|socket| Some(socket.id) == origin) {
                socket.push(events::message_confirmed(&message));
            }
        }
    }

    async fn offer(&mut self, message: Arc<Message>) {
        for message in self.feed.offer(message) {
            self.deliver(&message);
        }
        if self.feed.has_gap() {
            self.look().await;
        }
    }

    fn deliver(&mut self, message: &Message) {
        let origin = self.origins.remove(&message.seq);
        let (members, live) = (&self.members, &self.live);
        self.ahead.retain(|id, have| {
            let stays = *have >= message.seq;
            if !stays {
                members.get(id).inspect(|subscriber| subscriber.follow(live));
            }
            stays
        });
        let new = events::new_message(message);
        self.hub.metrics.deliveries.inc_by((self.members.len() - self.ahead.len()) as u64);
        self.live.push(new.clone());
        self.tell_sender(message, origin, &new, true);
    }

    /// The sender's sockets learn that a message is stored, those in the room only where it is delivered to them now.
    /// The socket that sent it gets it even without the live feed.
    fn tell_sender(&self, message: &Message, origin: Option<SocketId>, new: &Event, delivered: bool) {
        let confirmed = events::message_confirmed(message);
        for socket in self.hub.sockets_of(&message.sender) {
            if self.members.contains_key(&socket.id) {
                if delivered && !self.ahead.contains_key(&socket.id) {
                    socket.push(confirmed.clone());
                }
                continue;
            }
            if Some(socket.id) == origin {
                self.hub.metrics.deliveries.inc();
                socket.push_ahead(&message.id, new.clone());
            }
            socket.push(confirmed.clone());
        }
    }

    fn tell_sender_outside(&self, message: &Message, origin: Option<SocketId>) {
        self.tell_sender(message, origin, &events::new_message(message), false);
    }

    /// Reads what hints didn't bring, a page at a time.
    async fn look(&mut self) {
        if self.members.is_empty() {
            return;
        }
        let page = match self.hub.store.after(&self.id, self.feed.delivered(), PAGE).await {
            Ok(page) => page,
            Err(error) => {
                error.log();
                self.failing = true;
                self.look_at = Instant::now() + POLL;
                return;
            }
        };
        self.failing = false;
        let full = page.len() == PAGE as usize;
        let mut stopped = false;
        for message in page {
            // Acknowledged first: it is delivered, and what follows it read again, in a moment.
            stopped = self.outbox.is_in_flight(&message);
            if stopped {
                break;
            }
            self.saw(&message);
            for message in self.feed.offer(Arc::new(message)) {
                self.hub.metrics.gap_fills.inc();
                self.deliver(&message);
            }
        }
        let state = *self.state.borrow();
        let pause = match state {
            _ if full || stopped || self.feed.has_gap() => SOON,
            State::Sole | State::Healthy => SAFETY_POLL,
            State::PeerSilent | State::Unhealthy => POLL,
        };
        self.look_at = Instant::now() + pause;
    }

    /// Another replica's message moves the end of the room.
    fn saw(&mut self, message: &Message) {
        if message.seq > self.feed.delivered() {
            self.outbox.contended(Tail { seq: message.seq, created_at: message.created_at });
        }
        if let Some(tail) = self.tail.as_mut().filter(|tail| tail.seq < message.seq) {
            *tail = Tail { seq: message.seq, created_at: message.created_at };
        }
    }

    async fn hinted(&mut self, from: String, hint: Hint) {
        match hint {
            Hint::Message { message } => {
                self.saw(&message);
                if self.outbox.is_in_flight(&message) {
                    self.held.push(message);
                } else {
                    self.told(message).await;
                }
            }
            Hint::Typing { user, on, .. } => {
                let source = Source::Replica(from);
                let change = if on {
                    self.typing.start(&user, source, Instant::now())
                } else {
                    self.typing.stop(&user.id, &source)
                };
                self.tell_typing(change);
            }
            Hint::Presence { user, here, .. } => self.tell_others(&user, &events::presence(&user, &self.id, here)),
            Hint::Removed { user_id, .. } => self.evict(|user| *user.id == *user_id),
        }
    }

    /// Another replica has stored a message.
    async fn told(&mut self, message: Arc<Message>) {
        if self.members.is_empty() {
            self.tell_sender_outside(&message, None);
        } else {
            self.offer(message).await;
        }
    }

    fn is_here(&self, user: &User) -> bool {
        self.members.values().any(|subscriber| subscriber.user.id == user.id)
    }

    fn tell_others(&self, user: &User, event: &Event) {
        for subscriber in self.members.values().filter(|subscriber| subscriber.user.id != user.id) {
            subscriber.push(event.clone());
        }
    }

    fn tell_presence(&self, user: &User, here: bool) {
        self.tell_others(user, &events::presence(user, &self.id, here));
        self.hub.bus.publish(Hint::Presence { room: self.id.clone(), user: user.clone(), here });
    }

    fn tell_typing(&self, change: Option<Change>) {
        let Some(Change { user, show, publish }) = change else { return };
        if let Some(on) = show {
            self.tell_others(&user, &events::user_typing(&user, &self.id, on));
        }
        if let Some(on) = publish {
            self.hub.bus.publish(Hint::Typing { room: self.id.clone(), user, on });
        }
    }
}
