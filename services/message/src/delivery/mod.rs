//! From a draft to every live socket: one queue and one task for each live room.

mod live;
mod outbox;
pub(crate) mod queue;
mod room;
mod subscriber;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aether_common::{Code, Error};
use dashmap::{DashMap, Entry};
use prometheus::IntGauge;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::outbox::BATCH;
pub(crate) use self::room::{PAGE, entering::push_missed};
pub(crate) use self::subscriber::{SocketId, Subscriber};
use crate::{
    bus::{Bus, Hint, Incoming, State},
    events::{self, Event},
    messages::Stored,
    metrics::Metrics,
    model::{Draft, Room, User},
    store::Store,
};

/// How many commands may wait for a room.
const QUEUE: usize = 1024;

/// What becomes of a message: called once, before it is delivered to anybody.
pub(crate) type Answer = Box<dyn FnOnce(Result<&Stored, &Error>) + Send>;
/// What a socket is told when it enters: given the number of the newest message that it won't get live, and who else is
/// there.
pub(crate) type Greeting = Box<dyn FnOnce(u64, &[User]) -> Vec<Event> + Send>;

/// Delivery on this replica.
pub(crate) struct Hub {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
    rooms: DashMap<String, Handle>,
    users: DashMap<Arc<str>, Vec<Arc<Subscriber>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Handle {
    commands: mpsc::Sender<Command>,
    /// A hint found the queue full: the room must look into the store.
    behind: Arc<AtomicBool>,
}

/// A message on its way to the store.
pub(crate) struct Sending {
    room: Arc<Room>,
    draft: Draft,
    origin: Option<SocketId>,
    since: Instant,
    answer: Answer,
    _counted: Unstored,
}

/// A message that is neither stored nor refused.
struct Unstored(IntGauge);

impl Drop for Unstored {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A socket on its way into a room.
pub(crate) struct Entering {
    subscriber: Arc<Subscriber>,
    /// The last number that the socket has; `None` for one that only wants what comes.
    have: Option<u64>,
    greeting: Option<Greeting>,
    answer: oneshot::Sender<Result<Entered, Error>>,
}

pub(crate) enum Command {
    Send(Sending),
    Enter(Entering),
    Leave(Arc<Subscriber>),
    Typing { subscriber: Arc<Subscriber>, on: bool },
    Hint { from: String, hint: Hint },
    Look,
}

/// Whether a socket is in a room's live feed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It is.
    Live,
    /// It has to read more of what it missed first.
    Behind,
}

impl Hub {
    /// Starts delivery; hints are taken from `incoming` until `stop`.
    #[must_use]
    pub(crate) fn start(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        incoming: mpsc::Receiver<Incoming>,
        metrics: Arc<Metrics>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (rooms, users) = (DashMap::new(), DashMap::new());
        let hub = Arc::new(Self { store, bus, metrics, rooms, users, tasks: tasks.clone(), stop });
        tasks.spawn(Arc::clone(&hub).listen(incoming));
        hub
    }

    /// Queues a message; `answer` is called in any case.
    pub(crate) fn send(self: &Arc<Self>, room: Arc<Room>, draft: Draft, origin: Option<SocketId>, answer: Answer) {
        let to = Arc::clone(&room);
        let unstored = self.metrics.unstored.clone();
        unstored.inc();
        let counted = Unstored(unstored);
        let command = Command::Send(Sending { room, draft, origin, since: Instant::now(), answer, _counted: counted });
        if let Err(Command::Send(refused)) = self.command(&to.id, command) {
            (refused.answer)(Err(&busy()));
        }
    }

    /// Queues a message and waits for what becomes of it.
    pub(crate) async fn send_and_wait(self: &Arc<Self>, room: Arc<Room>, draft: Draft) -> Result<Stored, Error> {
        let (tell, told) = oneshot::channel();
        let answer: Answer = Box::new(move |result| {
            // A caller who has gone needs no answer.
            let _ = tell.send(result.cloned().map_err(Error::again));
        });
        self.send(room, draft, None, answer);
        told.await.map_err(Error::unavailable)?
    }

    /// Puts a socket into a room's live feed, after everything newer than `have`. The greeting comes before the first
    /// of these messages.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        room: &str,
        subscriber: &Arc<Subscriber>,
        have: Option<u64>,
        greeting: Option<Greeting>,
    ) -> Result<Entered, Error> {
        let (answer, answered) = oneshot::channel();
        let entering = Entering { subscriber: Arc::clone(subscriber), have, greeting, answer };
        self.command(room, Command::Enter(entering)).map_err(|_| busy())?;
        answered.await.map_err(Error::unavailable)?
    }

    /// Takes a socket out of a room's live feed.
    pub(crate) fn leave(self: &Arc<Self>, room: &str, subscriber: &Arc<Subscriber>) {
        // A room whose queue is full finds a socket that has gone by itself.
        let _ = self.command(room, Command::Leave(Arc::clone(subscriber)));
    }

    /// A member types, or stopped.
    pub(crate) fn typing(self: &Arc<Self>, room: &str, subscriber: &Arc<Subscriber>, on: bool) {
        // Typing is of the moment: what a full queue loses isn't missed.
        let _ = self.command(room, Command::Typing { subscriber: Arc::clone(subscriber), on });
    }

    /// A membership has ended: the user's sockets lose the live feed, on every replica.
    pub(crate) fn removed(self: &Arc<Self>, room: &str, user_id: &str) {
        let hint = Hint::Removed { room: room.to_owned(), user_id: user_id.to_owned() };
        self.bus.publish(hint.clone());
        self.hint(String::new(), hint);
    }

    /// Notes a socket, so that its user can be told of what they sent elsewhere.
    pub(crate) fn connected(&self, subscriber: &Arc<Subscriber>) {
        self.users.entry(subscriber.user.id.clone()).or_default().push(Arc::clone(subscriber));
        self.metrics.connections.inc();
    }

    /// Forgets a socket. Its rooms are left one by one, see [`Hub::leave`].
    pub(crate) fn disconnected(&self, subscriber: &Arc<Subscriber>) {
        if let Entry::Occupied(mut entry) = self.users.entry(subscriber.user.id.clone()) {
            let before = entry.get().len();
            entry.get_mut().retain(|other| other.id != subscriber.id);
            if entry.get().len() < before {
                self.metrics.connections.dec();
            }
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    fn sockets_of(&self, user: &User) -> Vec<Arc<Subscriber>> {
        self.users.get(&user.id).map(|sockets| sockets.clone()).unwrap_or_default()
    }

    /// Hands a command to a room's task, which is started if need be. A full queue gives the command back.
    #[allow(clippy::result_large_err)] // the command goes back to where it came from
    fn command(self: &Arc<Self>, room: &str, command: Command) -> Result<(), Command> {
        // Holding the entry keeps the task from ending between the look and the sending.
        if let Some(handle) = self.rooms.get(room) {
            return handle.give(command);
        }
        let start = || {
            let (commands, queue) = mpsc::channel(QUEUE);
            let behind = Arc::new(AtomicBool::new(false));
            self.tasks.spawn(room::run(Arc::clone(self), room.to_owned(), queue, Arc::clone(&behind)));
            Handle { commands, behind }
        };
        self.rooms.entry(room.to_owned()).or_insert_with(start).give(command)
    }

    /// Forgets a room whose task ends, unless a command has come in meanwhile.
    fn forget(&self, room: &str, queue: &mpsc::Receiver<Command>) -> bool {
        self.rooms.remove_if(room, |_, _| queue.is_empty()).is_some()
    }

    async fn listen(self: Arc<Self>, mut incoming: mpsc::Receiver<Incoming>) {
        let mut state = self.bus.state();
        loop {
            self.metrics.bus_healthy.set((*state.borrow_and_update() != State::Unhealthy).into());
            tokio::select! {
                () = self.stop.cancelled() => return,
                Some(incoming) = incoming.recv() => match incoming {
                    Incoming::Resync => self.rooms.iter().for_each(|room| room.behind(Command::Look)),
                    Incoming::Hint { from, hint } => self.hint(from, hint),
                },
                changed = state.changed() => if changed.is_err() { return },
                else => return,
            }
        }
    }

    fn hint(&self, from: String, hint: Hint) {
        match self.rooms.get(hint.room()) {
            Some(handle) => handle.behind(Command::Hint { from, hint }),
            None => {
                if let Hint::Message { message } = hint {
                    let confirmed = events::message_confirmed(&message);
                    self.sockets_of(&message.sender).iter().for_each(|socket| socket.push(confirmed.clone()));
                }
            }
        }
    }
}

impl Handle {
    #[allow(clippy::result_large_err)] // the command goes back to where it came from
    fn give(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Hands over a hint; where there is no place for it, the room finds its content in the store.
    fn behind(&self, command: Command) {
        if self.give(command).is_err() {
            self.behind.store(true, Ordering::Relaxed);
        }
    }
}

fn busy() -> Error {
    Error {
        retry_after: Some(std::time::Duration::from_secs(1)),
        ..Error::new(Code::Unavailable, "BUSY", "The room is too busy, please try again")
    }
}
