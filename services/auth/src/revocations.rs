//! This replica's view of revoked sessions, and the feed of it to the other services.
//!
//! The database is the truth: it is read every second, and at once whenever a hint comes that there is news
//! (PostgreSQL's NOTIFY, Redis). So nothing depends on hints, and a forged one does nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use prometheus::IntGauge;
use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    store::{PAGE, Revoked, Store, StoreError},
    throttle,
};

const READ_EVERY: Duration = Duration::from_secs(1);
/// A mark may become visible only after a later one: so far back each reading looks again.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// A reading that is older says nothing about now.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// A little less than a second, so that each regular reading is passed on.
const HEARTBEAT_GAP: Duration = Duration::from_millis(900);

/// What a watcher is told.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Revoked(Revoked),
    /// Everything that was revoked up to now has been told.
    Synced,
    /// The view was compared with the database just now.
    Heartbeat,
    /// The watcher was too slow and has missed something: it must watch anew.
    Lost,
}

/// The revoked sessions that are not over yet.
pub(crate) struct Revocations {
    known: Mutex<HashMap<String, Revoked>>,
    news: broadcast::Sender<Revoked>,
    read_at: watch::Sender<Option<Instant>>,
    wake: Notify,
    watchers: IntGauge,
}

impl Revocations {
    pub(crate) fn new(watchers: IntGauge) -> Self {
        Self {
            known: Mutex::default(),
            news: broadcast::Sender::new(1024),
            read_at: watch::Sender::new(None),
            wake: Notify::new(),
            watchers,
        }
    }

    /// Whoever is notified here reads the database at once.
    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }

    /// Adds a session and tells the watchers if it is new.
    pub(crate) fn insert(&self, revoked: Revoked) {
        if self.known().insert(revoked.id.clone(), revoked.clone()).is_none() {
            // Nobody may be watching.
            let _ = self.news.send(revoked);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Revoked>> {
        // Nothing under this lock can leave the map half-changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the database until `stop`.
    pub(crate) async fn follow(&self, store: &dyn Store, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(READ_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut newest = DateTime::UNIX_EPOCH;
        let mut forgotten_at: Option<Instant> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.wake.notified() => {}
            }
            if let Err(error) = self.read(store, &mut newest).await {
                // The outage itself is told once, by the health check.
                tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "revocations cannot be read");
                continue;
            }
            if forgotten_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
                forgotten_at = Some(Instant::now());
                self.forget(store).await;
            }
        }
    }

    async fn read(&self, store: &dyn Store, newest: &mut DateTime<Utc>) -> Result<(), StoreError> {
        let mut after = (*newest - OVERLAP, String::new());
        loop {
            let started = Instant::now();
            let page = store.revoked((after.0, &after.1), Utc::now()).await?;
            let is_last = page.len() < PAGE as usize;
            for revoked in page {
                after = (revoked.revoked_at, revoked.id.clone());
                self.insert(revoked);
            }
            *newest = after.0.max(*newest);
            if is_last {
                self.read_at.send_replace(Some(started));
                return Ok(());
            }
        }
    }

    async fn forget(&self, store: &dyn Store) {
        let now = Utc::now();
        self.known().retain(|_, revoked| revoked.expires_at > now);
        let mut sessions = 0;
        loop {
            match store.forget_expired(now).await {
                Ok(0) => break,
                Ok(portion) => sessions += portion,
                Err(error) => {
                    tracing::debug!(%error, "sessions that are over cannot be forgotten now");
                    break;
                }
            }
        }
        while matches!(store.forget_failures(now - throttle::MEMORY).await, Ok(1..)) {}
        if sessions > 0 {
            tracing::info!(sessions, "forgot sessions that were over");
        }
    }

    /// Everything that is revoked, `Synced`, then what comes, with a heartbeat a second while the view is fresh.
    /// Ends with `stop`, or when nobody receives any more.
    pub(crate) fn watch(self: &Arc<Self>, stop: CancellationToken) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(16);
        let view = Arc::clone(self);
        tokio::spawn(async move {
            view.watchers.inc();
            tokio::select! {
                () = stop.cancelled() => {}
                () = sender.closed() => {}
                _ = view.tell(&sender) => {}
            }
            view.watchers.dec();
        });
        receiver
    }

    async fn tell(&self, watcher: &mpsc::Sender<Event>) -> Option<()> {
        // First of all, so that nothing falls between the list and the news.
        let mut news = self.news.subscribe();
        let mut read_at = self.read_at.subscribe();
        let fresh = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() < FRESH_FOR);
        read_at.wait_for(fresh).await.ok()?;
        let known: Vec<_> = self.known().values().cloned().collect();
        for revoked in known {
            watcher.send(Event::Revoked(revoked)).await.ok()?;
        }
        watcher.send(Event::Synced).await.ok()?;
        let mut told = Instant::now();
        loop {
            let event = tokio::select! {
                // News before heartbeats: one that says "all is told" must come after what it speaks of.
                biased;
                revoked = news.recv() => match revoked {
                    Ok(revoked) => Event::Revoked(revoked),
                    Err(_) => {
                        watcher.send(Event::Lost).await.ok()?;
                        return None;
                    }
                },
                changed = read_at.changed() => {
                    changed.ok()?;
                    if told.elapsed() < HEARTBEAT_GAP || !fresh(&read_at.borrow_and_update()) {
                        continue;
                    }
                    told = Instant::now();
                    Event::Heartbeat
                }
            };
            watcher.send(event).await.ok()?;
        }
    }
}
