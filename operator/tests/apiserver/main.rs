//! The operator against a real API server. There are no controllers and no nodes: the tests say themselves how far
//! Deployments, StatefulSets and Jobs have come. Each test has a namespace of its own.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, missing_docs)]

mod chart;
mod conditions;
mod controller;
mod crashes;
mod definition;
mod drift;
mod faults;
mod fields;
mod fleet;
mod idle;
mod leader;
mod lifecycle;
mod linter;
mod permissions;
mod pictures;
mod plan;
mod rotation;
mod stage;
mod stores;
mod tenants;
mod upgrade;
mod workloads;
mod world;
