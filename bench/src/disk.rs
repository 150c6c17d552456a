//! What the disk alone does. Nothing is delivered before it is stored, so a delivery waits with it.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::report::{Report, Target};

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
    let mut waits = waits(&file, &bytes, duration)?;
    waits.sort_unstable();
    let long: Duration = waits.iter().filter(|wait| **wait > LONG).sum();
    report.heading("The disk alone: 120 KB written and synced, 300 times a second");
    let mut line = |what, wait: Duration| report.line(part, what, wait.as_secs_f64() * 1000.0, " ms", Target::None);
    line("half of all writes take at most", waits[waits.len() / 2]);
    line("99% of them", waits[waits.len() * 99 / 100]);
    line("the longest", waits[waits.len() - 1]);
    let share = 100.0 * long.as_secs_f64() / duration.as_secs_f64();
    report.line(part, "of the time, in writes that take more than 10 ms", share, " %", Target::None);
    Ok(())
}

/// How long each write takes until it is safe.
fn waits(file: &File, bytes: &[u8], duration: Duration) -> Result<Vec<Duration>> {
    let (start, mut waits) = (Instant::now(), Vec::new());
    while start.elapsed() < duration {
        let due = start + Duration::from_secs(1) / A_SECOND * u32::try_from(waits.len())?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        file.write_all_at(bytes, waits.len() as u64 % PLACES * BYTES as u64)?;
        file.sync_data()?;
        waits.push(began.elapsed());
    }
    Ok(waits)
}
