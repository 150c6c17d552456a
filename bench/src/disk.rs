//! What the disk alone does. Nothing is delivered before it is stored, so a delivery waits with it.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::report::{Report, Target, millis};

/// As the message service writes in rooms of 10 at half of its highest rate.
const A_SECOND: u32 = 300;
const BYTES: usize = 120_000;
/// So many places are written to in turn, as those of SQLite's log are: 240 MB.
const PLACES: u64 = 2_000;
const LONG: Duration = Duration::from_millis(10);

/// Writes and syncs for some seconds, beside where the services' files will be.
pub(crate) fn measure(report: &mut Report, part: &str, duration: Duration) -> Result<()> {
    let file = tempfile::tempfile()?;
    let bytes = vec![b'x'; BYTES];
    for place in 0..PLACES {
        file.write_all_at(&bytes, place * BYTES as u64)?;
    }
    file.sync_all()?;
    let (waits, long) = waits(&file, &bytes, duration)?;
    report.heading("The disk alone: 120 KB written and synced, 300 times a second");
    let mut line = |what, micros| report.line(part, what, millis(Duration::from_micros(micros)), " ms", Target::None);
    line("half of all writes take at most", waits.value_at_quantile(0.5));
    line("99% of them", waits.value_at_quantile(0.99));
    line("the longest", waits.max());
    let share = 100.0 * long.as_secs_f64() / duration.as_secs_f64();
    report.line(part, "of the time, in writes that take more than 10 ms", share, " %", Target::None);
    Ok(())
}

/// How many microseconds each write takes until it is safe, and how long those took together that took long.
fn waits(file: &File, bytes: &[u8], duration: Duration) -> Result<(Histogram<u64>, Duration)> {
    let (start, mut waits, mut long) = (Instant::now(), Histogram::new_with_max(60_000_000, 3)?, Duration::ZERO);
    while start.elapsed() < duration {
        let due = start + Duration::from_secs(1) / A_SECOND * u32::try_from(waits.len())?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        file.write_all_at(bytes, waits.len() % PLACES * BYTES as u64)?;
        file.sync_data()?;
        let wait = began.elapsed();
        waits.saturating_record(wait.as_micros() as u64);
        if wait > LONG {
            long += wait;
        }
    }
    Ok((waits, long))
}
