//! The public API as a client sees it: one module for each URL, and some for what holds across all of them.
//! Tests share one backend where they can, and then use users and rooms of their own.
#![allow(clippy::needless_pass_by_value, clippy::unwrap_used, missing_docs)]

mod admin;
mod auth_login;
mod auth_logout;
mod auth_password;
mod auth_profile;
mod auth_register;
mod auth_revoked;
mod auth_rotation;
mod auth_sessions;
mod auth_throttle;
mod auth_tokens;
mod auth_ws_token;
mod balance;
mod client;
mod documented;
mod guard;
mod health;
mod http;
mod import;
mod limits;
mod matrix;
mod metrics;
mod outage;
mod playground;
mod quickstart;
mod replicas;
mod rooms;
mod rooms_members;
mod rooms_messages;
mod run;
mod secrets;
mod shutdown;
mod slow;
mod socket;
mod stores;
mod tls;
mod traces;
mod upgrade;

use aether_tests::{Api, Options, Stack};
use serde_json::{Value, json};
use std::sync::LazyLock;

static SHARED: LazyLock<Stack> = LazyLock::new(|| Stack::start(&Options::default()));

/// The backend that tests share when they change nothing but their own users and rooms.
fn shared() -> &'static Stack {
    &SHARED
}

/// A client of the shared backend.
fn api() -> Api {
    shared().api()
}

/// The 401 of a route that the token guard refused.
fn guard_401() -> Value {
    json!({"statusCode": 401, "message": "Unauthorized"})
}

/// The body of every other refusal.
fn failure(message: &str) -> Value {
    json!({"success": false, "message": message})
}
