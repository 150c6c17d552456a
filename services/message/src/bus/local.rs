//! No bus: a process that is alone with its store, or replicas without Redis that find everything in the store.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::{Bus, Connected, Hint, State};

/// Drops every hint.
pub(crate) struct LocalBus(watch::Sender<State>);

impl LocalBus {
    /// `shared` tells whether other processes may use the same store.
    pub(crate) fn start(shared: bool) -> Connected {
        let state = if shared { State::Unhealthy } else { State::Sole };
        // Nothing ever comes in: the sender is dropped at once.
        (Arc::new(Self(watch::Sender::new(state))), mpsc::channel(1).1)
    }
}

impl Bus for LocalBus {
    fn publish(&self, _: Hint) {}

    fn state(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}
