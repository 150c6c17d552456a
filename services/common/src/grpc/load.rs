//! What a replica has to do, and whether it seems to do it.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use crate::lock;

/// A replica that has been asked and hasn't said anything for so long may hang.
const SLOW: Duration = Duration::from_millis(500);
/// For so long after a call that it left unanswered, others are asked first.
const DOUBT: Duration = Duration::from_secs(3);

/// A call that is open; it ends when it is answered or dropped.
pub(super) struct Open<'a> {
    load: &'a Mutex<Load>,
    pub(super) answered: bool,
}

impl<'a> Open<'a> {
    pub(super) fn begin(load: &'a Mutex<Load>) -> Self {
        lock(load).begin(Instant::now());
        Self { load, answered: false }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(self.load).end(self.answered, Instant::now());
    }
}

/// What a replica has to do, and whether it seems to do it.
pub(super) struct Load {
    pub(super) calls: usize,
    /// When it last answered, or was first asked after a time without calls.
    heard: Instant,
    doubted_until: Instant,
}

impl Load {
    pub(super) fn new(now: Instant) -> Self {
        Self { calls: 0, heard: now, doubted_until: now }
    }

    fn begin(&mut self, now: Instant) {
        if self.calls == 0 {
            self.heard = now;
        }
        self.calls += 1;
    }

    fn end(&mut self, answered: bool, now: Instant) {
        self.calls -= 1;
        if answered {
            (self.heard, self.doubted_until) = (now, now);
        } else if now.duration_since(self.heard) > SLOW {
            self.doubted_until = now + DOUBT;
        }
    }

    pub(super) fn doubtful(&self, now: Instant) -> bool {
        now < self.doubted_until || (self.calls > 0 && now.duration_since(self.heard) > SLOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_leaves_calls_unanswered_is_doubted_until_it_answers() {
        let start = Instant::now();
        let mut load = Load::new(start);
        load.begin(start);
        load.begin(start);
        assert!(!load.doubtful(start + SLOW));
        assert!(load.doubtful(start + SLOW * 2));
        load.end(false, start + SLOW * 2);
        load.end(false, start + SLOW * 2);
        assert!(load.doubtful(start + SLOW * 3), "nothing is open, but nothing was answered either");
        load.begin(start + SLOW * 3);
        load.end(true, start + SLOW * 3);
        assert!(!load.doubtful(start + SLOW * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_early_casts_no_doubt() {
        let start = Instant::now();
        let mut load = Load::new(start);
        load.begin(start);
        load.end(false, start + SLOW);
        assert!(!load.doubtful(start + SLOW));
    }
}
