//! Looks every second whether the things that this service needs are well.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aether_common::{health::Health, revocation::Revocations, tls};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    bus::{Bus, State},
    limit::RateLimit,
    store::{self, Schema, Store},
};

const EVERY: Duration = Duration::from_secs(1);
/// A schema that was right is looked at again after so long.
const SCHEMA_AGAIN: Duration = Duration::from_secs(30);

/// What the store counted of silent users is deleted after so long.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What is looked at, and where it is told.
pub(crate) struct Watch {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) limit: Arc<RateLimit>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) health: Health,
}

impl Watch {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut schema_seen: Option<Instant> = None;
        let mut told = String::new();
        let mut forgotten = Instant::now();
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let up = self.store_is_well(&mut schema_seen, &mut told).await;
            self.health.set(self.store.name(), up);
            self.health.set("auth", self.revocations.fresh());
            // Only there where Redis is on; otherwise nothing is noted.
            self.health.set("redis", *self.bus.state().borrow() != State::Unhealthy);
            self.limit.forget_silent();
            if up && forgotten.elapsed() >= FORGET_EVERY {
                forgotten = Instant::now();
                if let Err(error) = self.limit.forget_silent_in_store().await {
                    error.log();
                }
            }
        }
    }

    async fn store_is_well(&self, schema_seen: &mut Option<Instant>, told: &mut String) -> bool {
        let trouble = if schema_seen.is_some_and(|at| at.elapsed() < SCHEMA_AGAIN) {
            self.store.ping().await.err()
        } else {
            match store::prepared(self.store.as_ref()).await {
                Ok(Schema::Current) => {
                    *schema_seen = Some(Instant::now());
                    None
                }
                Ok(Schema::Behind(what)) => {
                    self.tell(told, &format!("the store isn't up to date: {what}; run `migrate`"));
                    return false;
                }
                Err(error) => Some(error),
            }
        };
        match trouble {
            None => {
                told.clear();
                true
            }
            Some(error) => {
                let cause = error.cause.map_or(error.message, |cause| format!("{cause:#}"));
                self.tell(
                    told,
                    &format!("the store doesn't answer: {}", tls::explained(&cause, "tlsCAFile in MONGODB_URL")),
                );
                false
            }
        }
    }

    /// Logs what is new.
    fn tell(&self, told: &mut String, what: &str) {
        if told != what {
            tracing::warn!(store = self.store.name(), "{what}");
            what.clone_into(told);
        }
    }
}
