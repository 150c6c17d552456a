//! The addresses of the message service's replicas. Nothing else is ever dialled.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        self, Arc, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aether_common::{Error, net, tls::Peer};
use futures::future;
use tokio::sync::Mutex;

/// A new replica takes part, and a gone one doesn't any more, after so long.
const FRESH: Duration = Duration::from_secs(1);
/// For so long the last answer serves when names can't be resolved.
const USABLE: Duration = Duration::from_secs(60);

/// A replica that answers a handshake later than this may hang: where there is another one, that is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// One that did is tried last for so long.
const DOUBT: Duration = Duration::from_secs(3);

/// How long to wait for the answer of the candidate at a place; for the last one's, `longest`.
pub(super) fn patience(place: usize, candidates: &[SocketAddr], longest: Duration) -> Duration {
    if place + 1 < candidates.len() { PATIENCE } else { longest }
}

/// A host name with its port.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// For https.
    pub(crate) peer: Option<Peer>,
}

/// Host names that together stand for all replicas: on a cluster it is one.
pub(super) struct Replicas {
    hosts: Vec<Host>,
    next: AtomicUsize,
    known: Mutex<Known>,
    /// Those that left a handshake unanswered, until when they are tried last.
    doubted: sync::Mutex<HashMap<SocketAddr, Instant>>,
}

#[derive(Default)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    /// Those that speak TLS.
    peers: HashMap<SocketAddr, Peer>,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

impl Replicas {
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        Self { hosts, next: AtomicUsize::new(0), known: Mutex::default(), doubted: sync::Mutex::default() }
    }

    /// Every replica. The lock is held while the name is looked up, so that many requests make one look-up.
    pub(super) async fn current(&self) -> Result<Arc<[SocketAddr]>, Error> {
        let mut known = self.known.lock().await;
        let recent = |at: Option<Instant>, age: Duration| at.is_some_and(|at| at.elapsed() < age);
        if !recent(known.asked, FRESH) {
            match self.look_up().await {
                Ok((addresses, peers)) => {
                    (known.addresses, known.peers) = (addresses, peers);
                    known.answered = Some(Instant::now());
                }
                Err(error) => tracing::warn!("replicas of the message service can't be looked up: {error:#}"),
            }
            known.asked = Some(Instant::now());
        }
        if recent(known.answered, USABLE) {
            return Ok(Arc::clone(&known.addresses));
        }
        Err(Error { cause: None, ..Error::unavailable(std::io::Error::other("no replica is known")) })
    }

    /// How a replica's certificate is checked, if it speaks TLS.
    pub(super) async fn peer(&self, replica: SocketAddr) -> Option<Peer> {
        if self.hosts.iter().all(|host| host.peer.is_none()) {
            return None;
        }
        self.known.lock().await.peers.get(&replica).cloned()
    }

    /// All of them, beginning with another one each time; those that seem to hang come last.
    pub(super) fn rotation(&self, all: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut order = all.to_vec();
        if !order.is_empty() {
            let first = self.next.fetch_add(1, Ordering::Relaxed) % order.len();
            order.rotate_left(first);
        }
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if !doubted.is_empty() {
            let now = Instant::now();
            doubted.retain(|_, until| *until > now);
            order.sort_by_key(|replica| doubted.contains_key(replica));
        }
        order
    }

    /// A replica left a handshake unanswered.
    pub(super) fn doubt(&self, replica: SocketAddr) {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner).insert(replica, Instant::now() + DOUBT);
    }

    /// What one name answers is enough: the others may be gone.
    async fn look_up(&self) -> anyhow::Result<(Arc<[SocketAddr]>, HashMap<SocketAddr, Peer>)> {
        let names = self.hosts.iter().map(|host| async move { net::look_up(&host.name, host.port).await });
        let answers: Vec<anyhow::Result<Vec<SocketAddr>>> = future::join_all(names).await;
        let peers = self.hosts.iter().zip(&answers).flat_map(|(host, answer)| {
            let peer = |address: &SocketAddr| host.peer.clone().map(|peer| (*address, peer));
            answer.iter().flatten().filter_map(peer)
        });
        let peers = peers.collect();
        let mut addresses: Vec<SocketAddr> = answers.iter().flatten().flatten().copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            let failure = answers.into_iter().find_map(Result::err);
            return Err(failure.unwrap_or_else(|| anyhow::anyhow!("no address")));
        }
        Ok((addresses.into(), peers))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host(name: &str, port: u16) -> Vec<Host> {
        vec![Host { name: name.to_owned(), port, peer: None }]
    }

    #[tokio::test]
    async fn new_sessions_go_round_all_replicas() {
        let replicas = Replicas::new(Vec::new());
        let all: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([10, 0, 0, n], 3001))).collect();
        let first: Vec<SocketAddr> = (0..3).map(|_| replicas.rotation(&all)[0]).collect();
        assert_eq!(first, all);
        assert_eq!(replicas.rotation(&all).len(), 3);
    }

    #[test]
    fn one_that_seems_to_hang_is_tried_last() {
        let replicas = Replicas::new(Vec::new());
        let all: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([10, 0, 0, n], 3001))).collect();
        replicas.doubt(all[1]);
        assert!((0..3).all(|_| replicas.rotation(&all)[2] == all[1]));
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_is_an_outage() {
        let error = Replicas::new(host("no-such-host.invalid", 1)).current().await.unwrap_err();
        assert_eq!(error.code, aether_common::Code::Unavailable);
    }

    #[tokio::test]
    async fn an_address_stands_for_itself() {
        let all = Replicas::new(host("127.0.0.1", 3001)).current().await.unwrap();
        assert_eq!(all.as_ref(), [SocketAddr::from(([127, 0, 0, 1], 3001))]);
    }
}
