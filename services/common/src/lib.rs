//! What two or more of the services share.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod batch;
pub mod client;
pub mod env;
pub mod error;
pub mod grpc;
pub mod guard;
pub mod health;
pub mod json;
pub mod lines;
pub mod link;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod recent;
pub mod revocation;
pub mod secret;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod turns;

pub use env::Env;
pub use error::{Code, Error};
pub use secret::Secret;

/// Takes a lock under which nothing can leave the state half-changed.
pub fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
