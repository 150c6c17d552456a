//! How many messages a user may send in a minute.
//!
//! Replicas that share a store count there, each message by one small insert: what can't be counted couldn't be stored
//! either, so no outage makes replicas count apart. Redis has no part in it: it may be gone or hung at any time, and
//! then a second way to count would have to be right as well.
//!
//! A user's counts are numbered, and a number is taken once: who finds the next one taken has been overtaken by another
//! replica and reads again. Only an insert under a unique index decides so on every server that speaks MongoDB's
//! protocol. Counts stay in the store for longer than any replica relies on what it knows of them.

use std::{sync::Arc, time::Duration};

use aether_common::{Code, Error, error::whole_seconds};
use async_trait::async_trait;
use chrono::Utc;
use dashmap::DashMap;
use tokio::{sync::Mutex, time::timeout};

const WINDOW: i64 = 60_000;
/// A limit up to this is kept by exact times; of a larger one, messages of a second count as sent at its start.
const EXACT: u32 = 60;
const SECOND: i64 = 1000;
/// For how long a message may wait to be counted: the store counts as out of reach then.
const LIMIT: Duration = Duration::from_millis(2500);

/// What a user was allowed in the last minute: times in milliseconds since 1970, ascending, and how many at each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent(pub(crate) Vec<(i64, u32)>);

impl Recent {
    /// Counts one more, or tells for how many milliseconds there is no room. A refused attempt changes nothing.
    fn take(&mut self, per_minute: u32, now: i64) -> Result<(), i64> {
        // Times far ahead come of a clock that was wrong.
        self.0.retain(|(at, _)| (now - WINDOW + 1..now + WINDOW).contains(at));
        let used: u32 = self.0.iter().map(|(_, number)| number).sum();
        if used >= per_minute {
            let first = self.0.first().map_or(now, |(at, _)| *at);
            return Err((first + WINDOW - now).clamp(1, WINDOW));
        }
        match self.0.last_mut() {
            Some((at, number)) if per_minute > EXACT && now < *at + SECOND => *number += 1,
            // Ascending, though another replica's clock may be ahead.
            last => {
                let at = last.map_or(now, |(at, _)| now.max(*at));
                self.0.push((at, 1));
            }
        }
        Ok(())
    }

    /// The newest time.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.0.last().map(|(at, _)| *at)
    }

    fn is_over(&self, now: i64) -> bool {
        self.newest().is_none_or(|at| at + WINDOW <= now)
    }
}

/// What was allowed to a user, as of one message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count {
    /// Which of the user's counts it is, from 1; 0 is none.
    pub(crate) number: u64,
    /// What is counted.
    pub(crate) recent: Recent,
}

/// Where replicas that share a store count.
#[async_trait]
pub(crate) trait Counts: Send + Sync {
    /// A user's count of the highest number.
    async fn count(&self, user: &str) -> Result<Count, Error>;
    /// Keeps a count; `false` if its number is taken.
    async fn add_count(&self, user: &str, count: &Count) -> Result<bool, Error>;
    /// Forgets counts whose newest time is before `at`.
    async fn forget_counts(&self, at: i64) -> Result<(), Error>;
}

/// Counts what each user was allowed in the last minute. A refused attempt doesn't count, so trying doesn't lengthen
/// the wait.
pub(crate) struct RateLimit {
    per_minute: u32,
    users: DashMap<String, Arc<Mutex<Count>>>,
    /// Absent where no other replica counts.
    shared: Option<Arc<dyn Counts>>,
}

impl RateLimit {
    /// So many messages a minute; 0 means any number.
    #[must_use]
    pub(crate) fn new(per_minute: u32, shared: Option<Arc<dyn Counts>>) -> Self {
        Self { per_minute, users: DashMap::new(), shared }
    }

    /// Counts a message, or says how long to wait.
    pub(crate) async fn allow(&self, user: &str) -> Result<(), Error> {
        self.allow_at(user, Utc::now().timestamp_millis()).await
    }

    async fn allow_at(&self, user: &str, now: i64) -> Result<(), Error> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let count = Arc::clone(&self.users.entry(user.to_owned()).or_default());
        let counted = async {
            let mut count = count.lock().await;
            match &self.shared {
                Some(shared) => self.take_shared(shared.as_ref(), user, &mut count, now).await,
                None => count.recent.take(self.per_minute, now).map_err(too_many),
            }
        };
        let late = |_| Error::unavailable(anyhow::anyhow!("the store didn't count a message in {LIMIT:?}"));
        timeout(LIMIT, counted).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// What this replica knows may be old, and then only too little: it can refuse by itself, but allow only if the
    /// next number is free.
    async fn take_shared(&self, shared: &dyn Counts, user: &str, known: &mut Count, now: i64) -> Result<(), Error> {
        if known.recent.is_over(now) {
            *known = shared.count(user).await?;
        }
        loop {
            let mut next = known.clone();
            next.recent.take(self.per_minute, now).map_err(too_many)?;
            next.number += 1;
            if shared.add_count(user, &next).await? {
                *known = next;
                return Ok(());
            }
            *known = shared.count(user).await?;
        }
    }

    /// Forgets users who have been silent for a minute.
    pub(crate) fn forget_silent(&self) {
        let now = Utc::now().timestamp_millis();
        // One that is in use has a second owner.
        self.users.retain(|_, count| Arc::strong_count(count) > 1 || !is_silent(count, now));
    }

    /// Forgets them in the store, too; clocks of replicas may differ by a minute.
    pub(crate) async fn forget_silent_in_store(&self) -> Result<(), Error> {
        match &self.shared {
            Some(shared) if self.per_minute > 0 => {
                shared.forget_counts(Utc::now().timestamp_millis() - 2 * WINDOW).await
            }
            _ => Ok(()),
        }
    }
}

fn is_silent(count: &Mutex<Count>, now: i64) -> bool {
    count.try_lock().is_ok_and(|count| count.recent.is_over(now))
}

fn too_many(wait: i64) -> Error {
    let wait = Duration::from_millis(wait.unsigned_abs());
    let seconds = whole_seconds(wait);
    let message = format!("Rate limit exceeded: you may send again in {seconds} s");
    Error { retry_after: Some(wait), ..Error::new(Code::Exhausted, "RATE_LIMITED", message) }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Mutex as SyncMutex};

    use super::*;

    /// A store in memory.
    #[derive(Default)]
    struct Kept(SyncMutex<HashMap<String, Vec<Count>>>);

    #[async_trait]
    impl Counts for Kept {
        async fn count(&self, user: &str) -> Result<Count, Error> {
            // Another replica may come in between.
            tokio::task::yield_now().await;
            let kept = self.0.lock().expect("no panic");
            Ok(kept.get(user).and_then(|counts| counts.last().cloned()).unwrap_or_default())
        }

        async fn add_count(&self, user: &str, count: &Count) -> Result<bool, Error> {
            tokio::task::yield_now().await;
            let mut kept = self.0.lock().expect("no panic");
            let counts = kept.entry(user.to_owned()).or_default();
            if counts.iter().any(|other| other.number == count.number) {
                return Ok(false);
            }
            counts.push(count.clone());
            Ok(true)
        }

        async fn forget_counts(&self, at: i64) -> Result<(), Error> {
            let mut kept = self.0.lock().expect("no panic");
            kept.values_mut().for_each(|counts| counts.retain(|c| c.recent.newest().is_some_and(|n| n >= at)));
            Ok(())
        }
    }

    /// A store that never answers.
    struct Hung;

    #[async_trait]
    impl Counts for Hung {
        async fn count(&self, _: &str) -> Result<Count, Error> {
            std::future::pending().await
        }

        async fn add_count(&self, _: &str, _: &Count) -> Result<bool, Error> {
            std::future::pending().await
        }

        async fn forget_counts(&self, _: i64) -> Result<(), Error> {
            std::future::pending().await
        }
    }

    const START: i64 = 1_700_000_000_000;

    fn at(seconds: i64) -> i64 {
        START + seconds * 1000
    }

    #[tokio::test]
    async fn a_refused_attempt_does_not_lengthen_the_wait() {
        let limit = RateLimit::new(2, None);
        assert!(limit.allow_at("1", at(0)).await.is_ok());
        assert!(limit.allow_at("1", at(30)).await.is_ok());
        for second in 31..60 {
            let refused = limit.allow_at("1", at(second)).await.expect_err("refused");
            assert_eq!(refused.retry_after, Some(Duration::from_secs(60 - second.unsigned_abs())));
        }
        assert!(limit.allow_at("1", at(60)).await.is_ok());
        assert!(limit.allow_at("1", at(61)).await.is_err());
        assert!(limit.allow_at("2", at(61)).await.is_ok());
    }

    #[tokio::test]
    async fn replicas_that_a_user_turns_to_in_turn_and_at_once_count_together() {
        let kept: Arc<dyn Counts> = Arc::new(Kept::default());
        let replicas: Vec<_> = (0..3).map(|_| Arc::new(RateLimit::new(10, Some(Arc::clone(&kept))))).collect();
        let attempts = (0..60).map(|n| {
            let replica = Arc::clone(&replicas[n % 3]);
            tokio::spawn(async move { replica.allow_at("1", at(0)).await.is_ok() })
        });
        let allowed = futures::future::join_all(attempts).await.into_iter().filter(|a| matches!(a, Ok(true))).count();
        assert_eq!(allowed, 10);
        assert!(replicas[0].allow_at("1", at(60)).await.is_ok());
        kept.forget_counts(at(60) - 2 * WINDOW).await.expect("forgets");
        assert!(replicas[1].allow_at("1", at(61)).await.is_ok());
    }

    #[test]
    fn a_large_limit_is_kept_in_little_room() {
        let mut recent = Recent::default();
        let allowed = (0..60_000).filter(|n| recent.take(6000, START + n * 9 / 10).is_ok()).count();
        assert_eq!(allowed, 6000);
        assert!(recent.0.len() <= 61, "{}", recent.0.len());
    }

    #[test]
    fn a_clock_that_was_an_hour_ahead_holds_nobody_up() {
        let mut recent = Recent(vec![(at(3600), 5)]);
        assert_eq!(recent.take(1, at(0)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_an_outage_for_all_who_wait_and_no_refusal() {
        let limit = RateLimit::new(2, Some(Arc::new(Hung)));
        let start = tokio::time::Instant::now();
        let attempts = (0..5).map(|_| limit.allow("1"));
        for result in futures::future::join_all(attempts).await {
            assert_eq!(result.expect_err("refused").code, Code::Unavailable);
        }
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test]
    async fn zero_turns_it_off() {
        let limit = RateLimit::new(0, Some(Arc::new(Hung)));
        for _ in 0..1000 {
            assert!(limit.allow("1").await.is_ok());
        }
    }

    #[tokio::test]
    async fn the_silent_are_forgotten() {
        let limit = RateLimit::new(2, None);
        let now = Utc::now().timestamp_millis();
        assert!(limit.allow_at("silent", now - WINDOW).await.is_ok());
        assert!(limit.allow_at("loud", now).await.is_ok());
        limit.forget_silent();
        assert!(limit.users.contains_key("loud") && limit.users.len() == 1);
    }
}
