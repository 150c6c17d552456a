//! What the black-box tests share: whole backends made of the built programs, an HTTP client that keeps answers
//! whole, exact comparison of JSON bodies, and forged tokens. Nothing here knows how a service works inside.
// Bodies and values are written in place by their callers: taking them by value reads best.
#![allow(clippy::needless_pass_by_value, clippy::unwrap_used)]

mod cable;
mod collector;
mod database;
mod http;
mod json;
mod laptop;
mod metrics;
mod mongo;
mod process;
mod redis;
mod socket;
mod stack;
mod stores;
mod tls;
mod token;
mod user;
mod wait;
mod websocket;

pub use cable::Cable;
pub use collector::{Collector, Span};
pub use http::{Answer, Api};
pub use json::assert_json;
pub use laptop::Laptop;
pub use metrics::{Metric, Metrics};
pub use mongo::Mongo;
pub use process::{free_port, http_text, program};
pub use redis::Redis;
pub use socket::Socket;
pub use stack::{Options, Service, Stack, Store, failed_start};
pub use stores::Cables;
pub use tls::Authority;
pub use token::Token;
pub use user::{PASSWORD, User, unique};
pub use wait::{eventually, eventually_sync};
pub use websocket::{Packet, Reason, WebSocket};
