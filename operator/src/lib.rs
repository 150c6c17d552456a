//! The operator of AetherConnect: turns `AetherConnect` resources into running chat backends.
//!
//! `api` is the resource, `resources` builds objects (pure), `reconcile` brings the cluster there, `controller`
//! decides when, `watch` and `cache` know what there is, `patience` bears with the API server, `leader` sees to it that
//! only one replica works.

pub mod api;
pub mod cache;
pub mod config;
pub mod controller;
pub mod fleet;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod patience;
pub mod reconcile;
pub mod resources;
pub mod watch;
