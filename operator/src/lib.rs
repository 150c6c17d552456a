//! The operator of AetherConnect: turns `AetherConnect` resources into running chat backends.
//!
//! `api` is the resource, `resources` builds objects (pure), `reconcile` brings the cluster there.

pub mod api;
