//! The operator against a real API server. There are no controllers and no nodes: the tests say themselves how far
//! Deployments, StatefulSets and Jobs have come. Each test has a namespace of its own.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, missing_docs)]

mod conditions;
mod controller;
mod definition;
mod fleet;
mod lifecycle;
mod permissions;
mod plan;
mod rotation;
mod stores;
mod upgrade;
mod workloads;
mod world;
