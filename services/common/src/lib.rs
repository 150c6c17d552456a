//! What two or more of the services share.

pub mod batch;
pub mod client;
pub mod env;
pub mod error;
pub mod grpc;
pub mod guard;
pub mod health;
pub mod json;
pub mod lines;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod revocation;
pub mod secret;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod tokens;

pub use env::Env;
pub use error::{Code, Error};
pub use secret::Secret;
