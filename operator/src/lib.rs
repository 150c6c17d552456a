//! The operator of AetherConnect: turns `AetherConnect` resources into running chat backends.
//!
//! `api` is the resource, `resources` builds objects (pure), `reconcile` brings the cluster there, `controller`
//! watches, `leader` sees to it that only one replica does.

pub mod api;
pub mod config;
pub mod controller;
pub mod fleet;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod reconcile;
pub mod resources;
