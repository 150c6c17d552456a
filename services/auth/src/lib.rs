//! The auth service: users, sessions and tokens, over gRPC; health and metrics over HTTP.
//!
//! `grpc` is the transport; `accounts` and `sessions` are the core, with `passwords`, `throttle` and `validate`;
//! [`store`] keeps users, sessions and failed logins in PostgreSQL or SQLite. `revocations` is this replica's view of revoked sessions and the feed of
//! it to the other services; `hints` are how replicas of auth hear of each other sooner than by reading the database. [`admin`] and
//! [`import`] are for those who run the service.

mod accounts;
pub mod admin;
mod common_passwords;
mod config;
mod grpc;
mod hints;
pub mod import;
mod metrics;
mod passwords;
mod revocations;
mod serve;
mod sessions;
pub mod store;
mod throttle;
mod validate;

pub use config::Config;
pub use serve::{Running, migrate, start};
