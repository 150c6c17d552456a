//! How many messages a user may send in a minute.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use aether_common::{Code, Error};
use dashmap::DashMap;

const WINDOW: Duration = Duration::from_secs(60);

/// Counts what each user was allowed in the last minute, on this replica. A refused attempt doesn't count, so trying
/// doesn't lengthen the wait.
pub(crate) struct RateLimit {
    per_minute: usize,
    allowed: DashMap<String, VecDeque<Instant>>,
}

impl RateLimit {
    /// So many messages a minute; 0 means any number.
    #[must_use]
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute as usize, allowed: DashMap::new() }
    }

    /// Counts a message, or says how long to wait.
    pub(crate) fn allow(&self, user: &str, now: Instant) -> Result<(), Error> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let mut times = self.allowed.entry(user.to_owned()).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= self.per_minute => Err(too_many(WINDOW - now.duration_since(*first))),
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }

    /// Forgets users who have been silent for a minute.
    pub(crate) fn forget_silent(&self, now: Instant) {
        self.allowed.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < WINDOW));
    }
}

fn too_many(wait: Duration) -> Error {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = format!("Rate limit exceeded: you may send again in {seconds} s");
    Error { retry_after: Some(wait), ..Error::new(Code::Exhausted, "RATE_LIMITED", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_attempt_does_not_lengthen_the_wait() {
        let (limit, start) = (RateLimit::new(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(limit.allow("1", at(0)).is_ok());
        assert!(limit.allow("1", at(30)).is_ok());
        for second in 31..60 {
            assert!(limit.allow("1", at(second)).is_err());
        }
        assert!(limit.allow("1", at(60)).is_ok());
        assert!(limit.allow("1", at(61)).is_err());
        assert!(limit.allow("2", at(61)).is_ok());
    }

    #[test]
    fn zero_turns_it_off() {
        let limit = RateLimit::new(0);
        assert!((0..1000).all(|_| limit.allow("1", Instant::now()).is_ok()));
    }

    #[test]
    fn the_silent_are_forgotten() {
        let (limit, start) = (RateLimit::new(2), Instant::now());
        assert!(limit.allow("1", start).is_ok());
        limit.forget_silent(start + WINDOW);
        assert!(limit.allowed.is_empty());
    }
}
