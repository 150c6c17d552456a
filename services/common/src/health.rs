//! Whether a service and the things it needs are well, told over HTTP and gRPC alike.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The state of each dependency by name, e.g. `postgres`. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    service: &'static str,
    started: Instant,
    state: Arc<watch::Sender<BTreeMap<&'static str, Dependency>>>,
}

/// One thing that a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Whether it answers.
    pub up: bool,
    /// Whether the service can do its work without it.
    pub optional: bool,
}

impl Health {
    /// A service with dependencies that are all down until they are first seen up.
    #[must_use]
    pub fn new(service: &'static str, required: &[&'static str], optional: &[&'static str]) -> Self {
        let down = |optional| move |name: &&'static str| (*name, Dependency { up: false, optional });
        let all = required.iter().map(down(false)).chain(optional.iter().map(down(true))).collect();
        Self { service, started: Instant::now(), state: Arc::new(watch::Sender::new(all)) }
    }

    /// Notes whether a dependency is up; a change is logged.
    pub fn set(&self, name: &'static str, up: bool) {
        let service = self.service;
        self.state.send_if_modified(|state| match state.get_mut(name) {
            Some(dependency) if dependency.up != up => {
                dependency.up = up;
                if up {
                    tracing::info!(service, dependency = name, "is up");
                } else {
                    tracing::warn!(service, dependency = name, "is down");
                }
                true
            }
            _ => false,
        });
    }

    /// Not ready from now on: the process takes nothing new and is about to end.
    pub fn drain(&self) {
        self.state.send_modify(|state| {
            state.insert("running", Dependency { up: false, optional: false });
        });
    }

    /// Whether everything that is required is up.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.state.borrow().values().all(|d| d.up || d.optional)
    }

    /// Waits until everything that is required is up.
    pub async fn until_ready(&self) {
        let mut changes = self.state.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = changes.wait_for(|state| state.values().all(|d| d.up || d.optional)).await;
    }

    /// Each dependency's state by name.
    #[must_use]
    pub fn dependencies(&self) -> BTreeMap<&'static str, Dependency> {
        self.state.borrow().clone()
    }

    /// A view of the state as it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<&'static str, Dependency>> {
        self.state.subscribe()
    }

    /// The body of `/health`: status, service, uptime in seconds.
    #[must_use]
    pub fn summary(&self) -> Value {
        json!({
            "status": if self.ready() { "ok" } else { "error" },
            "service": self.service,
            "uptime": self.started.elapsed().as_secs(),
        })
    }

    /// Routes for probes and scrapers: `/healthz` (alive), `/readyz` (ready), `/health` (status), `/metrics`.
    pub fn routes(&self, registry: Registry) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/health", get(readyz))
            .with_state(self.clone())
            .route("/metrics", get(move || async move { crate::metrics::render(&registry) }))
    }
}

async fn readyz(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let status = if health.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = health.summary();
    let dependencies = health.dependencies();
    body["dependencies"] =
        dependencies.iter().map(|(name, d)| ((*name).to_owned(), json!(if d.up { "up" } else { "down" }))).collect();
    (status, Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_without_its_optional_dependencies() {
        let health = Health::new("auth", &["postgres"], &["redis"]);
        assert!(!health.ready());
        health.set("postgres", true);
        assert!(health.ready());
    }

    #[test]
    fn a_service_that_drains_is_not_ready_whatever_comes_up() {
        let health = Health::new("auth", &["postgres"], &[]);
        health.drain();
        health.set("postgres", true);
        assert!(!health.ready());
    }
}
