//! Socket.IO 5 over Engine.IO 4: who may connect, and what becomes of connections in the end.
//!
//! Written for this service rather than taken from a library, because delivery is what it exists for: a message is
//! encoded once a room, one task a client reads and writes, what piles up goes out in one system call, order is kept, a
//! client that doesn't read is cut off instead of losing events, and any connection can be ended at any time.

mod calls;
mod driver;
mod http;
mod packet;
mod session;
mod websocket;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aether_common::{
    Error,
    guard::{Guard, Identity},
    metrics,
    revocation::Revocations,
    turns::Turns,
};
use axum::{Router, routing::any};
use dashmap::DashMap;
use prometheus::Registry;
use serde_json::Value;
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::session::{Ending, Session};
use crate::{delivery::Hub, limit::RateLimit, metrics::Metrics, rooms::Rooms, store::Store};

/// Far above the longest message, far below what would hurt: what a client may send in one packet or request, in bytes.
const LARGEST_PACKET: usize = crate::frame::LARGEST;
/// More than any event to a client has, in bytes.
const LARGEST_EVENT: usize = 16 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections are closed one after the other for so long, lest all come back at the same moment.
const STAGGER: Duration = Duration::from_millis(1500);
const RECHECK: Duration = Duration::from_secs(1);

/// Everything that sockets share.
pub(crate) struct Sockets {
    hub: Arc<Hub>,
    rooms: Arc<Rooms>,
    store: Arc<dyn Store>,
    limit: Arc<RateLimit>,
    guard: Guard,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    sessions: DashMap<String, Arc<Session>>,
    next_id: AtomicU64,
    draining: AtomicBool,
    turns: Arc<Turns>,
}

impl Sockets {
    pub(crate) fn new(
        hub: Arc<Hub>,
        rooms: Arc<Rooms>,
        store: Arc<dyn Store>,
        limit: Arc<RateLimit>,
        guard: Guard,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            hub,
            rooms,
            store,
            limit,
            guard,
            metrics,
            tasks,
            sessions: DashMap::new(),
            next_id: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            turns: Turns::new(),
        })
    }

    /// Tells how many events wait for clients.
    pub(crate) fn tell_queues(self: &Arc<Self>, registry: &Registry) -> prometheus::Result<()> {
        let gauge = |name: &str, help: &str, sum: fn(&mut dyn Iterator<Item = usize>) -> usize| {
            let of = Arc::downgrade(self);
            let read = move || {
                let Some(sockets) = of.upgrade() else { return 0.0 };
                sum(&mut sockets.sessions.iter().map(|session| session.queue.len())) as f64
            };
            metrics::gauge(registry, &format!("aetherconnect_message_{name}"), help, read)
        };
        gauge("queued_events", "Events that wait to be written to clients.", |queues| queues.sum())?;
        gauge("longest_event_queue", "Events that wait for the client for whom most do.", |queues| {
            queues.max().unwrap_or_default()
        })
    }

    /// `/socket`, with and without a slash at its end.
    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        let serve = any(http::serve).with_state(Arc::clone(self));
        Router::new().route("/socket", serve.clone()).route("/socket/", serve)
    }

    /// Only the token in the connection's `auth` payload counts.
    async fn authenticate(&self, session: &str, auth: Option<&Value>) -> Result<Identity, Error> {
        let token = auth.and_then(|auth| auth.get("token")).and_then(Value::as_str);
        self.guard.check(token.ok_or_else(Error::unauthenticated)?, session).await
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn add(&self, session: &Arc<Session>) {
        self.sessions.insert(session.sid.clone(), Arc::clone(session));
        if self.is_draining() {
            session.end(Ending::Quiet);
        }
    }

    /// Closes the sockets of sessions as they are revoked, until `stop`.
    pub(crate) async fn watch_revocations(self: Arc<Self>, revocations: Arc<Revocations>, stop: CancellationToken) {
        let mut news = revocations.subscribe();
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                revoked = news.recv() => match revoked {
                    Ok(session) => self.close_revoked(|id| id == session),
                    Err(RecvError::Lagged(_)) => self.close_revoked(|id| revocations.contains(id)),
                    Err(RecvError::Closed) => return,
                },
                // For a socket that connected while its session was being revoked.
                _ = recheck.tick() => self.close_revoked(|id| revocations.contains(id)),
            }
        }
    }

    fn close_revoked(&self, revoked: impl Fn(&str) -> bool) {
        for session in &self.sessions {
            if session.identity.get().is_some_and(|identity| revoked(&identity.session_id)) {
                session.end(Ending::Revoked);
            }
        }
    }

    /// Lets nobody in any more and closes every connection, after what its client sent is answered. The clients come
    /// back by themselves, to another replica.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let all: Vec<Arc<Session>> = self.sessions.iter().map(|session| Arc::clone(&session)).collect();
        let pause = STAGGER / u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
        for session in all {
            session.end(Ending::Quiet);
            tokio::time::sleep(pause).await;
        }
        // Each ends within seconds, whatever its client does.
        while !self.sessions.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests;
