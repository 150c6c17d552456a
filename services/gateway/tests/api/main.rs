//! The gateway as clients see it, before made-up auth and message services.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod auth;
mod health;
mod limits;
mod polling;
mod rooms;
mod shutdown;
mod smuggling;
mod support;
mod websocket;
