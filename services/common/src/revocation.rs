//! Which sessions are revoked: told by auth as it happens, kept in memory by every replica of every other service.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aether_proto::auth::{WatchRevocationsRequest, auth_service_client::AuthServiceClient, revocation_event::Event};
use chrono::{DateTime, Utc};
use dashmap::DashMap;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::grpc::Channel;

/// Auth tells every second that its view is fresh. After so long without a word this replica no longer trusts its own.
pub const STALE_AFTER: Duration = Duration::from_secs(3);
const RECONNECT: Duration = Duration::from_millis(250);

/// The revoked sessions that this replica knows of.
pub struct Revocations {
    revoked: DashMap<String, DateTime<Utc>>,
    /// By a clock that nobody can set back.
    confirmed: Mutex<Option<Instant>>,
    announce: broadcast::Sender<String>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { revoked: DashMap::new(), confirmed: Mutex::default(), announce: broadcast::Sender::new(1024) }
    }
}

impl Revocations {
    /// Whether the session is known to be revoked. `false` means something only while [`Revocations::fresh`].
    #[must_use]
    pub fn contains(&self, session: &str) -> bool {
        self.revoked.contains_key(session)
    }

    /// Whether the view is complete and was confirmed within [`STALE_AFTER`].
    #[must_use]
    pub fn fresh(&self) -> bool {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_some_and(|at| at.elapsed() <= STALE_AFTER)
    }

    /// Notes a revoked session; those who listen are told if it is new.
    pub fn insert(&self, session: String, expires: DateTime<Utc>) {
        if self.revoked.insert(session.clone(), expires).is_none() {
            // No listener is no fault: the gateway has none.
            let _ = self.announce.send(session);
        }
    }

    /// Newly revoked sessions from now on. One that lags must look at [`Revocations::contains`] for all it holds.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<String> {
        self.announce.subscribe()
    }

    fn confirm(&self) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
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
                    self.insert(session.session_id, end.unwrap_or(now + crate::tokens::ACCESS_LIFETIME));
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

    #[test]
    fn a_view_never_confirmed_is_not_fresh() {
        assert!(!Revocations::default().fresh());
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_goes_stale_without_a_word_from_auth() {
        let view = Revocations::default();
        view.confirm();
        tokio::time::advance(STALE_AFTER).await;
        assert!(view.fresh());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!view.fresh());
    }

    #[test]
    fn a_revocation_is_announced_once_and_forgotten_when_its_tokens_have_run_out() {
        let (view, now) = (Revocations::default(), Utc::now());
        let mut news = view.subscribe();
        view.insert("s1".into(), now + TimeDelta::seconds(10));
        view.insert("s1".into(), now + TimeDelta::seconds(10));
        assert_eq!(news.try_recv().ok().as_deref(), Some("s1"));
        assert!(news.try_recv().is_err());
        view.forget_expired(now + TimeDelta::seconds(10));
        assert!(!view.contains("s1"));
    }
}
