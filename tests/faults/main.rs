//! What the backend promises while its parts die, hang and come back: nothing acknowledged is lost, everybody sees one
//! order, callers are told the truth, and all goes on by itself. Against several replicas of each service and real
//! stores. `make test` runs a short form of each test, `make faults` (FAULTS=long) the whole.
#![allow(clippy::needless_pass_by_value, clippy::unwrap_used, missing_docs)]

mod chaos;
mod member;
mod order;
mod recovery;
mod redis;
mod report;
mod rollout;
mod scene;
mod stores;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURN: RwLock<()> = RwLock::const_new(());

/// Whether this is the long form.
fn long() -> bool {
    std::env::var("FAULTS").is_ok_and(|form| form == "long")
}

/// A size: of the long form, or of the short one. The variable of that name, where it is set, wins over both.
fn size(variable: &str, long_form: u64, short_form: u64) -> u64 {
    match std::env::var(variable) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, and is {value:?}")),
        Err(_) if long() => long_form,
        Err(_) => short_form,
    }
}

/// For a test that needs the machine: it has it to itself.
async fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().await
}

/// For a test that mostly waits: others of its kind run beside it.
async fn beside_others() -> RwLockReadGuard<'static, ()> {
    TURN.read().await
}
