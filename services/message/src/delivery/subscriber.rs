//! A connected socket, as delivery sees it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use crate::{events::Event, model::User};

/// Tells the sockets of this replica apart.
pub(crate) type SocketId = u64;

/// How many events may wait for a socket. One that is slower is cut off and catches up when it comes back: nothing
/// is left out in silence.
pub(crate) const WAITING: usize = 1024;

/// The sending end of a socket's queue.
pub(crate) struct Subscriber {
    /// Unique on this replica.
    pub(crate) id: SocketId,
    /// Whose socket it is.
    pub(crate) user: User,
    events: mpsc::Sender<Event>,
    /// Messages that the socket sent, and got, before it had the room's live feed: a replay leaves them out.
    ahead: Mutex<HashSet<String>>,
    too_slow: CancellationToken,
}

impl Subscriber {
    /// A socket whose events come out of the receiver. `too_slow` is cancelled when they aren't taken.
    #[must_use]
    pub(crate) fn new(id: SocketId, user: User, too_slow: CancellationToken) -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (events, queue) = mpsc::channel(WAITING);
        (Arc::new(Self { id, user, events, ahead: Mutex::default(), too_slow }), queue)
    }

    /// Queues an event; without a place for it the socket is cut off.
    pub(crate) fn push(&self, event: Event) {
        if self.too_slow.is_cancelled() {
            return; // after a gap, nothing more: the socket catches up from the store
        }
        if matches!(self.events.try_send(event), Err(TrySendError::Full(_))) {
            self.too_slow.cancel();
        }
    }

    /// Queues a message of the socket's own that it gets outside of the room's live feed.
    pub(crate) fn push_ahead(&self, message: &str, event: Event) {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned());
        self.push(event);
    }

    /// Whether the socket got this message ahead of the room's live feed.
    #[must_use]
    pub(crate) fn has_ahead(&self, message: &str) -> bool {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).contains(message)
    }

    /// Waits until at least half of the queue is free; `false` for a socket that has gone.
    pub(crate) async fn roomy(&self) -> bool {
        loop {
            if self.gone() {
                return false;
            }
            if self.events.capacity() >= WAITING / 2 {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Whether every event has been taken.
    #[must_use]
    pub(crate) fn drained(&self) -> bool {
        self.events.capacity() == WAITING
    }

    /// Whether nobody takes events any more.
    #[must_use]
    pub(crate) fn gone(&self) -> bool {
        self.events.is_closed() || self.too_slow.is_cancelled()
    }
}
