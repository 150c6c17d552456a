//! How long writes are put off, so that what follows goes out with them.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use aether_common::share::Share;

/// What is ready so soon after a write waits to go out with what follows it, in microseconds: system calls are most of
/// the cost of a delivery.
const SHORTEST: u32 = 5_000;
/// The same while the processor can't follow.
const LONGEST: u32 = 12_000;
/// A write that comes so much later than it was due came late because too many were.
const LATE: Duration = Duration::from_millis(3);
const IN_TIME: Duration = Duration::from_micros(1_500);

/// The pause between two writes to one client. It grows while writes come late, and shrinks slowly when they don't:
/// fewer and longer writes are then done in time, where many short ones would queue up.
pub(super) struct Pace {
    /// By lateness, in microseconds.
    pause: AtomicU32,
    /// By how much of the time writes take.
    share: Share,
}

impl Default for Pace {
    fn default() -> Self {
        Self { pause: AtomicU32::new(SHORTEST), share: Share::new(Instant::now()) }
    }
}

impl Pace {
    /// How long to wait after a write.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_micros(self.pause.load(Ordering::Relaxed).into()).max(self.share.pause())
    }

    /// A write that began then is done.
    pub(super) fn wrote(&self, began: Instant) {
        self.share.note(began, Instant::now());
    }

    /// A write was done so long after it was due.
    pub(super) fn late(&self, late: Duration) {
        let pause = self.pause.load(Ordering::Relaxed);
        let next = if late > LATE {
            (pause + pause / 64).min(LONGEST)
        } else if late < IN_TIME {
            pause.saturating_sub(1).max(SHORTEST)
        } else {
            return;
        };
        // Of two notes at once one may be lost: there are thousands a second.
        self.pause.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_while_writes_come_late_and_shrinks_when_they_do_not() {
        let pace = Pace::default();
        assert_eq!(pace.pause(), Duration::from_millis(5));
        (0..1000).for_each(|_| pace.late(Duration::from_millis(10)));
        assert_eq!(pace.pause(), Duration::from_millis(12));
        (0..1000).for_each(|_| pace.late(Duration::from_millis(2)));
        assert_eq!(pace.pause(), Duration::from_millis(12));
        (0..10_000).for_each(|_| pace.late(Duration::ZERO));
        assert_eq!(pace.pause(), Duration::from_millis(5));
    }
}
