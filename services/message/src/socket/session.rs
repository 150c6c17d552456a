//! One connected socket: its two tasks, and its end.

use std::{
    collections::HashSet,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aether_common::{Code, Error, guard::Identity};
use axum::extract::ConnectInfo;
use socketioxide::{
    TransportType,
    extract::{Event as EventName, SocketRef, TryData},
    handler::{FromMessageParts, Value},
    socket::{DisconnectReason, Socket},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Cut, Sockets, calls::Caller, outbound, wire::Wires};
use crate::{delivery::Subscriber, events, model::User};

/// How many events of one client may wait to be handled.
const INBOX: usize = 512;
/// How long a closing socket may take for what is under way.
const QUIET: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);
/// What was handed to the library needs a moment to reach the wire.
const FLUSH: Duration = Duration::from_millis(50);
/// How long a client may take to close by itself when it is told to.
const GOODBYE: Duration = Duration::from_millis(500);

/// An event that came in.
pub(super) struct Call {
    pub(super) event: String,
    /// By which its sender knows the answer.
    pub(super) number: Option<i64>,
    /// `None` for one that isn't JSON, or isn't there.
    pub(super) payload: Option<serde_json::Value>,
}

/// A connected socket.
pub(super) struct Live {
    pub(super) subscriber: Arc<Subscriber>,
    identity: Identity,
    socket: Arc<Socket>,
    wires: Arc<Wires>,
    inbox: mpsc::Sender<Call>,
    /// Messages that were sent and aren't answered yet.
    pub(super) unanswered: Arc<AtomicUsize>,
    /// Nothing more is taken from the client.
    closing: CancellationToken,
    /// The library has let go of the socket.
    ended: CancellationToken,
}

/// Payload and number of an event, whatever they are.
struct Raw(Option<i64>, Option<serde_json::Value>);

impl FromMessageParts<socketioxide::adapter::LocalAdapter> for Raw {
    type Error = std::convert::Infallible;

    fn from_message_parts(s: &Arc<Socket>, value: &mut Value, number: &Option<i64>) -> Result<Self, Self::Error> {
        let TryData(payload) = TryData::from_message_parts(s, value, number)?;
        Ok(Self(*number, payload.ok()))
    }
}

/// Starts the tasks of a socket that has just connected. Handlers hold no reference to the socket: it holds them.
pub(super) fn start(sockets: &Arc<Sockets>, socket: Arc<Socket>) {
    let Some(identity) = socket.extensions.get::<Identity>() else {
        tracing::error!("a socket without an identity");
        let _ = SocketRef::from(socket).disconnect();
        return;
    };
    let user = User { id: identity.user_id.clone(), username: identity.username.clone() };
    let (too_slow, closing, ended) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let id = sockets.next_id.fetch_add(1, Ordering::Relaxed);
    let (subscriber, queue) = Subscriber::new(id, user, too_slow.clone());
    let (inbox, calls) = mpsc::channel(INBOX);

    listen(&socket, &inbox, &subscriber, &closing, &ended);
    subscriber.push(events::connected(&subscriber.user));

    let live = Arc::new(Live {
        subscriber,
        identity,
        wires: Arc::clone(&sockets.wires),
        inbox,
        unanswered: Arc::default(),
        closing,
        ended: ended.clone(),
        socket: Arc::clone(&socket),
    });
    sockets.hub.connected(&live.subscriber);
    sockets.live.insert(id, Arc::clone(&live));
    tracing::debug!(user = live.identity.user_id, socket = id, "connected");
    sockets.tasks.spawn({
        let (live, ended, metrics) = (Arc::clone(&live), ended.clone(), Arc::clone(&sockets.metrics));
        async move {
            if outbound::send(socket, queue, too_slow, ended).await == outbound::End::TooSlow {
                metrics.dropped_sockets.inc();
                tracing::info!(user = live.identity.user_id, socket = id, "too slow, cut off");
                live.hang_up();
            }
        }
    });
    sockets.tasks.spawn(serve(Arc::clone(sockets), live, calls));
}

/// Hands every event to the socket's own task: the library runs each handler on a task of its own, but calls it in
/// order.
fn listen(
    socket: &Socket,
    inbox: &mpsc::Sender<Call>,
    subscriber: &Arc<Subscriber>,
    closing: &CancellationToken,
    ended: &CancellationToken,
) {
    let (inbox, subscriber, closing) = (inbox.clone(), Arc::clone(subscriber), closing.clone());
    socket.on_fallback(move |EventName(event): EventName, Raw(number, payload): Raw| {
        if closing.is_cancelled() {
            return ready(());
        }
        if let Err(TrySendError::Full(call)) = inbox.try_send(Call { event, number, payload }) {
            refuse(&subscriber, &call, &Error::new(Code::Exhausted, "TOO_MANY_REQUESTS", "Too many requests"));
        }
        ready(())
    });
    let ended = ended.clone();
    socket.on_disconnect(move |reason: DisconnectReason| {
        tracing::debug!(%reason, "disconnected");
        ended.cancel();
        ready(())
    });
}

/// Answers a call that failed, and tells the client which event it was.
pub(super) fn refuse(subscriber: &Subscriber, call: &Call, error: &Error) {
    error.log();
    subscriber.push(events::error(&error.message, &call.event));
    if let Some(answer) = events::refusal(call.number, error) {
        subscriber.push(answer);
    }
}

/// Handles a socket's events one after the other, until it ends.
async fn serve(sockets: Arc<Sockets>, live: Arc<Live>, mut calls: mpsc::Receiver<Call>) {
    let mut caller = Caller {
        sockets: Arc::clone(&sockets),
        live: Arc::clone(&live),
        joined: HashSet::new(),
        typed_in: HashSet::new(),
    };
    loop {
        tokio::select! {
            // What the client sent before it went is still done.
            biased;
            Some(call) = calls.recv() => caller.handle(call).await,
            () = live.ended.cancelled() => break,
        }
    }
    for room in caller.joined.union(&caller.typed_in) {
        sockets.hub.leave(room, &live.subscriber);
    }
    sockets.hub.disconnected(&live.subscriber);
    sockets.live.remove(&live.subscriber.id);
    live.wires.forget(&live.socket.id.to_string());
}

impl Live {
    pub(super) fn session_id(&self) -> &str {
        &self.identity.session_id
    }

    /// Ends the session: the client is told, and doesn't come back by itself.
    pub(super) fn revoke(self: &Arc<Self>, tasks: &TaskTracker) {
        if self.closing.is_cancelled() {
            return;
        }
        self.closing.cancel();
        self.subscriber.push(events::error("Session revoked", "session"));
        let live = Arc::clone(self);
        tasks.spawn(async move {
            live.wait_for(GOODBYE, |live| live.subscriber.drained()).await;
            tokio::time::sleep(FLUSH).await;
            // Fails where the buffer is full; then cutting is all that is left.
            let _ = SocketRef::from(Arc::clone(&live.socket)).disconnect();
            tokio::time::sleep(GOODBYE).await;
            live.hang_up();
        });
    }

    /// Takes nothing more from the client, waits until what it sent is answered, and closes its transport, after
    /// which the client comes back by itself.
    pub(super) async fn close_when_quiet(&self) {
        self.closing.cancel();
        self.wait_for(QUIET, |live| {
            live.inbox.capacity() == INBOX && live.unanswered.load(Ordering::Acquire) == 0 && live.subscriber.drained()
        })
        .await;
        tokio::time::sleep(FLUSH).await;
        self.hang_up();
    }

    pub(super) fn is_polling(&self) -> bool {
        self.socket.transport_type() == TransportType::Polling
    }

    /// The library has let go of the socket, or should have.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Ends the transport, even of a client that takes nothing.
    fn hang_up(&self) {
        let session = self.socket.id.to_string();
        if self.is_polling() {
            // One that has ended is forgotten, or is about to be, and mustn't be noted after that.
            self.wires.end(&session);
            if self.ended.is_cancelled() {
                self.wires.forget(&session);
            }
            return;
        }
        let first = self.socket.req_parts();
        let upgraded = self.wires.upgraded(&session);
        let direct = || first.extensions.get::<ConnectInfo<Cut>>().map(|ConnectInfo(cut)| cut.clone());
        if let Some(Cut(cut)) = upgraded.or_else(direct) {
            cut.cancel();
        }
    }

    async fn wait_for(&self, limit: Duration, quiet: impl Fn(&Self) -> bool) {
        let wait = async {
            while !quiet(self) && !self.ended.is_cancelled() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Whatever isn't done by then is cut short.
        let _ = tokio::time::timeout(limit, wait).await;
    }
}
