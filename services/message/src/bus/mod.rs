//! How replicas hint to each other. The store is the truth: whatever the bus loses is read from there.

mod local;
mod redis;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

pub(crate) use self::{local::LocalBus, redis::RedisBus};
use crate::model::{Message, User};

/// How many hints may wait to be handled here.
pub(crate) const INCOMING: usize = 4096;

/// A hint about a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Hint {
    /// A message was stored.
    Message {
        /// The whole of it.
        message: Arc<Message>,
    },
    /// A user started or stopped typing on the sending replica.
    Typing {
        /// The room's id.
        room: String,
        /// Who.
        user: User,
        /// Started, rather than stopped.
        on: bool,
    },
    /// A user's first socket entered the room on the sending replica, or the last one left.
    Presence {
        /// The room's id.
        room: String,
        /// Who.
        user: User,
        /// Entered, rather than left.
        here: bool,
    },
    /// A membership ended: the user's sockets lose the room's live feed.
    Removed {
        /// The room's id.
        room: String,
        /// Whose.
        user_id: String,
    },
}

impl Hint {
    /// The id of the room that it is about.
    pub(crate) fn room(&self) -> &str {
        match self {
            Self::Message { message } => &message.room_id,
            Self::Typing { room, .. } | Self::Presence { room, .. } | Self::Removed { room, .. } => room,
        }
    }
}

/// What comes in from the bus.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A hint from another replica.
    Hint {
        /// Which replica.
        from: String,
        /// What it says.
        hint: Hint,
    },
    /// Hints may have been lost: look into the store.
    Resync,
}

/// How far the bus can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// This process is alone with its store: there is nobody to hear from.
    Sole,
    /// Hints arrive: the store need be looked at only now and then.
    Healthy,
    /// Hints arrive, but not from a replica that may be alive: the store must be looked at all the time.
    PeerSilent,
    /// Hints may be missing: the store must be looked at all the time.
    Unhealthy,
}

/// Carries hints between the replicas of one instance.
pub(crate) trait Bus: Send + Sync + 'static {
    /// Sends a hint if it can; never waits.
    fn publish(&self, hint: Hint);
    /// How far the bus can be trusted, as it changes.
    fn state(&self) -> watch::Receiver<State>;
}

/// A bus and what comes in from it.
pub(crate) type Connected = (Arc<dyn Bus>, mpsc::Receiver<Incoming>);
