//! What stands in for a cluster's nodes and for a bad connection, around a real API server: for the operator's tests and
//! its benchmark.

#![allow(clippy::unwrap_used)]

mod nodes;
mod proxy;

pub use nodes::Nodes;
pub use proxy::{Call, Fault, Proxy};
