//! Which sessions are revoked: told by auth as it happens, kept in memory by every replica of every other service.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aether_proto::auth::{WatchRevocationsRequest, auth_service_client::AuthServiceClient, revocation_event::Event};
use chrono::{DateTime, Utc};
use dashmap::DashMap;
use prometheus::{Histogram, HistogramOpts, Registry};
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{grpc::Channel, lock, metrics};

/// Auth tells every second that its view is fresh. After so long without a word this replica no longer trusts its own.
pub const STALE_AFTER: Duration = Duration::from_secs(3);
/// Seconds that a revocation may be on its way.
const DELAYS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];
const RECONNECT: Duration = Duration::from_millis(250);

/// The revoked sessions that this replica knows of.
pub struct Revocations {
    revoked: DashMap<String, DateTime<Utc>>,
    /// By a clock that nobody can set back.
    confirmed: Mutex<Option<Instant>>,
    announce: broadcast::Sender<String>,
    delay: Histogram,
    since: Instant,
}

impl Revocations {
    /// A view that knows nothing yet, and tells in `registry` how far behind it is.
    pub fn new(registry: &Registry) -> prometheus::Result<Arc<Self>> {
        let delay = HistogramOpts::new(
            "aetherconnect_revocation_delay_seconds",
            "Time from the revocation of a session until this replica knew of it, by both clocks.",
        );
        let view = Arc::new(Self {
            revoked: DashMap::new(),
            confirmed: Mutex::default(),
            announce: broadcast::Sender::new(1024),
            delay: Histogram::with_opts(delay.buckets(DELAYS.to_vec()))?,
            since: Instant::now(),
        });
        registry.register(Box::new(view.delay.clone()))?;
        let (name, of) = ("aetherconnect_revocation_heartbeat_age_seconds", Arc::downgrade(&view));
        let help = "Time since auth last said that this replica knows of every revocation, or since the start.";
        metrics::gauge(registry, name, help, move || of.upgrade().map_or(0.0, |view| view.age().as_secs_f64()))?;
        Ok(view)
    }

    fn age(&self) -> Duration {
        lock(&self.confirmed).unwrap_or(self.since).elapsed()
    }

    /// Whether the session is known to be revoked. `false` means something only while [`Revocations::fresh`].
    #[must_use]
    pub fn contains(&self, session: &str) -> bool {
        self.revoked.contains_key(session)
    }

    /// Whether the view is complete and was confirmed within [`STALE_AFTER`].
    #[must_use]
    pub fn fresh(&self) -> bool {
        let confirmed = *lock(&self.confirmed);
        confirmed.is_some_and(|at| at.elapsed() <= STALE_AFTER)
    }

    /// Notes a revoked session; `true`, and those who listen are told, if it is new.
    pub fn insert(&self, session: String, expires: DateTime<Utc>) -> bool {
        let new = self.revoked.insert(session.clone(), expires).is_none();
        if new {
            // No listener is no fault: the gateway has none.
            let _ = self.announce.send(session);
        }
        new
    }

    /// Newly revoked sessions from now on. One that lags must look at [`Revocations::contains`] for all it holds.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<String> {
        self.announce.subscribe()
    }

    fn was_complete(&self) -> bool {
        lock(&self.confirmed).is_some()
    }

    fn confirm(&self) {
        *lock(&self.confirmed) = Some(Instant::now());
    }

    fn forget_expired(&self, now: DateTime<Utc>) {
        self.revoked.retain(|_, expires| *expires > now);
    }

    /// Follows auth's stream until `stop`, connecting again whenever it breaks or falls silent.
    pub async fn follow(self: Arc<Self>, auth: AuthServiceClient<Channel>, stop: CancellationToken) {
        let mut told = false;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.follow_once(auth.clone(), &mut told) => ended,
            };
            if told {
                tracing::warn!(reason = %ended, "lost the stream of revocations, connecting again");
                told = false;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RECONNECT) => {}
            }
        }
    }

    async fn follow_once(&self, mut auth: AuthServiceClient<Channel>, told: &mut bool) -> String {
        let mut events = match auth.watch_revocations(WatchRevocationsRequest {}).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return status.message().to_owned(),
        };
        let mut complete = false;
        loop {
            let event = match tokio::time::timeout(STALE_AFTER, events.message()).await {
                Err(_) => return "nothing heard".to_owned(),
                Ok(Err(status)) => return status.message().to_owned(),
                Ok(Ok(None)) => return "ended by auth".to_owned(),
                Ok(Ok(Some(event))) => event.event,
            };
            let now = Utc::now();
            match event {
                Some(Event::Revoked(session)) => {
                    let end = session.expires_at.and_then(|t| DateTime::from_timestamp(t.seconds, 0));
                    let new = self.insert(session.session_id, end.unwrap_or(now + crate::tokens::ACCESS_LIFETIME));
                    let at =
                        session.revoked_at.and_then(|t| DateTime::from_timestamp(t.seconds, t.nanos.try_into().ok()?));
                    // What was revoked before this replica first asked was not on its way to it, and what is told again
                    // after a break arrived before.
                    if let Some(at) = at.filter(|_| complete || (new && self.was_complete())) {
                        // Two clocks: one may be ahead.
                        self.delay.observe((now - at).to_std().unwrap_or_default().as_secs_f64());
                    }
                }
                Some(Event::Synced(_)) => {
                    complete = true;
                    self.forget_expired(now);
                    self.confirm();
                    *told = true;
                    tracing::debug!(revoked = self.revoked.len(), "view of revocations is complete");
                }
                Some(Event::Heartbeat(_)) if complete => self.confirm(),
                Some(Event::Heartbeat(_)) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn view() -> Arc<Revocations> {
        Revocations::new(&Registry::new()).expect("registered")
    }

    #[test]
    fn a_view_never_confirmed_is_not_fresh() {
        assert!(!view().fresh());
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_goes_stale_without_a_word_from_auth() {
        let view = view();
        view.confirm();
        tokio::time::advance(STALE_AFTER).await;
        assert!(view.fresh());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!view.fresh());
    }

    #[test]
    fn a_revocation_is_announced_once_and_forgotten_when_its_tokens_have_run_out() {
        let (view, now) = (view(), Utc::now());
        let mut news = view.subscribe();
        view.insert("s1".into(), now + TimeDelta::seconds(10));
        view.insert("s1".into(), now + TimeDelta::seconds(10));
        assert_eq!(news.try_recv().ok().as_deref(), Some("s1"));
        assert!(news.try_recv().is_err());
        view.forget_expired(now + TimeDelta::seconds(10));
        assert!(!view.contains("s1"));
    }
}
