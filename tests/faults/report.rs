//! The figures of a run: a line each on standard error, and together in the file that FAULTS_REPORT names.

use serde_json::{Map, Value};
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

static REPORT: LazyLock<Mutex<Map<String, Value>>> = LazyLock::new(Mutex::default);

/// Prints a test's figures, and adds them to the report.
pub(crate) fn tell(test: &str, figures: Value) {
    let pairs = figures.as_object().unwrap().iter().map(|(name, value)| format!("{name}={value}"));
    // Not by eprintln, whose lines are only shown when a test fails.
    let _ = writeln!(std::io::stderr(), "faults/{test}: {}", pairs.collect::<Vec<_>>().join(" "));
    let mut report = REPORT.lock().unwrap();
    report.insert(test.to_owned(), figures);
    if let Some(file) = std::env::var_os("FAULTS_REPORT") {
        std::fs::write(&file, serde_json::to_string_pretty(&*report).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// The value below which so many per cent lie, in milliseconds.
pub(crate) fn percentile(times: &[Duration], per_cent: usize) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or(0, |time| u64::try_from(time.as_millis()).unwrap())
}
