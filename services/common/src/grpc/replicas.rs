//! The replicas of a service that can be called now, and which of them is called next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::watch, time::Instant};

use super::replica::Replica;
use crate::lock;

/// Replicas that are connected.
#[derive(Default)]
pub(super) struct Replicas {
    connected: watch::Sender<Vec<Arc<Replica>>>,
    next: AtomicUsize,
}

impl Replicas {
    pub(super) fn add(&self, replica: &Arc<Replica>) {
        self.connected.send_modify(|all| all.push(Arc::clone(replica)));
    }

    pub(super) fn remove(&self, replica: &Arc<Replica>) {
        self.connected.send_modify(|all| all.retain(|other| !Arc::ptr_eq(other, replica)));
    }

    /// The best replica but for those given; waits until there is one.
    pub(super) async fn pick(&self, but: &[Arc<Replica>]) -> Arc<Replica> {
        let mut connected = self.connected.subscribe();
        loop {
            let picked = self.best(&connected.borrow_and_update(), but);
            if let Some(replica) = picked {
                return replica;
            }
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = connected.changed().await;
        }
    }

    /// The one that isn't suspected to hang, has the fewest calls open, and whose turn it is.
    fn best(&self, all: &[Arc<Replica>], but: &[Arc<Replica>]) -> Option<Arc<Replica>> {
        let (now, turn) = (Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        let usable = |replica: &Arc<Replica>| {
            !replica.sender.is_closed() && !but.iter().any(|other| Arc::ptr_eq(other, replica))
        };
        let candidates = all.iter().enumerate().filter(|(_, replica)| usable(replica));
        let best = candidates.min_by_key(|(place, replica)| {
            let load = lock(&replica.load);
            (load.doubtful(now), load.calls, (place + all.len() - turn % all.len()) % all.len())
        });
        best.map(|(_, replica)| Arc::clone(replica))
    }
}
