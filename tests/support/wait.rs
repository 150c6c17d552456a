//! Waiting for a condition instead of for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(25);

/// Asks again until `holds` accepts what `ask` gives, and returns that; panics with the last one after `limit`.
pub async fn eventually<T: Debug>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> T,
    holds: impl Fn(&T) -> bool,
) -> T {
    let end = Instant::now() + limit;
    loop {
        let found = ask().await;
        if holds(&found) {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for: {what}; last: {found:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`eventually`], where there is no runtime.
pub fn eventually_sync(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "waited {limit:?} for: {what}");
        std::thread::sleep(PAUSE);
    }
}
