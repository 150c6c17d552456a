//! A connected socket, as delivery sees it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use aether_common::lock;

use super::{
    live::Live,
    queue::{Queue, WAITING},
};
use crate::{events::Event, model::User};

/// Tells the sockets of this replica apart.
pub(crate) type SocketId = u64;

/// The sending end of a socket's queue.
pub(crate) struct Subscriber {
    /// Unique on this replica.
    pub(crate) id: SocketId,
    /// Whose socket it is.
    pub(crate) user: User,
    queue: Arc<Queue>,
    /// Messages that the socket sent, and got, before it had the room's live feed: a replay leaves them out.
    ahead: Mutex<HashSet<String>>,
}

impl Subscriber {
    /// A socket whose events are taken from the queue.
    #[must_use]
    pub(crate) fn new(id: SocketId, user: User, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { id, user, queue, ahead: Mutex::default() })
    }

    /// Queues an event; without a place for it the socket is cut off.
    pub(crate) fn push(&self, event: Event) {
        self.queue.push(event);
    }

    /// Queues what is pushed into a live feed from now on.
    pub(super) fn follow(&self, live: &Arc<Live>) {
        self.queue.follow(live);
    }

    /// Queues no more of a live feed.
    pub(super) fn unfollow(&self, live: &Arc<Live>) {
        self.queue.unfollow(live);
    }

    /// Queues a message of the socket's own that it gets outside of the room's live feed.
    pub(crate) fn push_ahead(&self, message: &str, event: Event) {
        lock(&self.ahead).insert(message.to_owned());
        self.push(event);
    }

    /// Whether the socket got this message ahead of the room's live feed.
    #[must_use]
    pub(crate) fn has_ahead(&self, message: &str) -> bool {
        lock(&self.ahead).contains(message)
    }

    /// Waits until at least half of the queue is free; `false` for a socket that has gone.
    pub(crate) async fn roomy(&self) -> bool {
        loop {
            if self.gone() {
                return false;
            }
            if self.queue.len() <= WAITING / 2 {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Whether nobody takes events any more.
    #[must_use]
    pub(crate) fn gone(&self) -> bool {
        self.queue.is_closed()
    }
}
