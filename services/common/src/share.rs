//! How much of the time goes into writes to clients, and how long to put writes off so that it isn't too much.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// So often the share is looked at.
const PERIOD: Duration = Duration::from_millis(50);
/// The share of all threads' time that writes may take before they are put off for longer.
const GOAL: f64 = 0.45;
/// Longer than this, in microseconds, no write is put off for it.
const LONGEST: f64 = 64_000.0;
/// A shorter pause makes no difference.
const SHORTEST: f64 = 1_000.0;

/// The pause between two writes to one client by which writes take their share of the time and no more. A write costs
/// much the same however long it is: with longer pauses there are fewer of them.
pub struct Share {
    /// Of all threads, in nanoseconds, since the last look.
    spent: AtomicU64,
    looked: Mutex<Instant>,
    /// In microseconds.
    pause: AtomicU32,
    threads: f64,
}

impl Share {
    /// For as many threads as this process may use.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { spent: AtomicU64::new(0), looked: Mutex::new(now), pause: AtomicU32::new(0), threads: threads as f64 }
    }

    /// How long to wait after a write: at most 64 ms.
    pub fn pause(&self) -> Duration {
        Duration::from_micros(self.pause.load(Ordering::Relaxed).into())
    }

    /// A write that began then is done now. Tells the new pause if it is another.
    pub fn note(&self, began: Instant, now: Instant) -> Option<Duration> {
        let took = u64::try_from(now.saturating_duration_since(began).as_nanos()).unwrap_or(u64::MAX);
        let spent = self.spent.fetch_add(took, Ordering::Relaxed) + took;
        // Who finds it locked leaves the look to another.
        let Ok(mut looked) = self.looked.try_lock() else { return None };
        let since = now.saturating_duration_since(*looked);
        if since < PERIOD {
            return None;
        }
        *looked = now;
        self.spent.store(0, Ordering::Relaxed);
        let share = spent as f64 / (since.as_nanos() as f64 * self.threads);
        let pause = f64::from(self.pause.load(Ordering::Relaxed));
        // The number of writes, and so their share, goes down as the pause goes up.
        let fit = pause.max(SHORTEST) * (share / GOAL).clamp(0.5, 1.5);
        let next = if fit < SHORTEST { 0.0 } else { fit.min(LONGEST) };
        if (next - pause).abs() * 16.0 <= pause {
            return None;
        }
        self.pause.store(next as u32, Ordering::Relaxed);
        Some(self.pause())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// So many clients are written to for five seconds, each after its pause, and each write takes so long.
    fn settled(share: &Share, clients: u32, write: Duration) -> Duration {
        let mut now = *share.looked.lock().unwrap();
        let end = now + 5000 * MS;
        while now < end {
            let round = now;
            for _ in 0..clients {
                let began = now;
                now += write;
                share.note(began, now);
            }
            // What else there is to do takes a millisecond.
            now = (now + MS).max(round + share.pause());
        }
        share.pause()
    }

    fn one_thread() -> Share {
        Share { threads: 1.0, ..Share::new(Instant::now()) }
    }

    #[test]
    fn writes_to_many_are_put_off_until_they_take_their_share() {
        let pause = settled(&one_thread(), 1000, MS / 100);
        assert!(pause > 18 * MS && pause < 28 * MS, "{pause:?}");
        let pause = settled(&one_thread(), 300, MS / 100);
        assert!(pause > 4 * MS && pause < 9 * MS, "{pause:?}");
    }

    #[test]
    fn where_writes_take_little_nothing_is_put_off_and_never_for_too_long() {
        let share = one_thread();
        assert_eq!(settled(&share, 100_000, MS / 100), 64 * MS);
        assert_eq!(settled(&share, 1, MS / 100), Duration::ZERO);
        let four = Share { threads: 4.0, ..Share::new(Instant::now()) };
        assert_eq!(settled(&four, 100, MS / 100), Duration::ZERO);
    }
}
