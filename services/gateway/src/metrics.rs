//! What the gateway counts: `aetherconnect_gateway_*`.

use std::{sync::Arc, time::Duration};

use aether_common::metrics;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::connections::Connections;

/// What a request may run into.
const LIMITS: [&str; 5] = ["connections", "logins", "requests", "sessions", "sockets"];

/// The gateway's metrics, in a registry of their own: several services may share one process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    limited: IntCounterVec,
    tunnels: IntGauge,
    cut_off: IntCounter,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let name = |suffix: &str| format!("aetherconnect_gateway_{suffix}");
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new(name("requests_total"), "Requests answered, by route, method and status."),
                &["route", "method", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(name("request_duration_seconds"), "Time from a request to its answer, by route.")
                    .buckets(vec![0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
                &["route"],
            )?,
            limited: IntCounterVec::new(
                Opts::new(name("limited_requests_total"), "Requests refused with 429, by limit."),
                &["limit"],
            )?,
            tunnels: IntGauge::new(name("websocket_tunnels"), "Open websocket connections.")?,
            cut_off: IntCounter::new(
                name("dropped_clients_total"),
                "Connections that were cut off because nothing was taken over them.",
            )?,
        };
        for limit in LIMITS {
            metrics.limited.with_label_values(&[limit]);
        }
        for collector in [&metrics.requests, &metrics.limited] {
            metrics.registry.register(Box::new(collector.clone()))?;
        }
        metrics.registry.register(Box::new(metrics.duration.clone()))?;
        metrics.registry.register(Box::new(metrics.tunnels.clone()))?;
        metrics.registry.register(Box::new(metrics.cut_off.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Tells how many connections are open.
    pub(crate) fn tell_connections(&self, connections: &Arc<Connections>) -> prometheus::Result<()> {
        let (name, of) = ("aetherconnect_gateway_connections", Arc::downgrade(connections));
        let read = move || of.upgrade().map_or(0.0, |connections| connections.number() as f64);
        metrics::gauge(&self.registry, name, "Open connections of clients, websockets included.", read)
    }

    /// Counts connections over which nothing was taken for too long.
    pub(crate) fn cut_off(&self) -> IntCounter {
        self.cut_off.clone()
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[route, method, status.to_string().as_str()]).inc();
        self.duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Counts a request that a limit refused.
    pub(crate) fn limited(&self, limit: &str) {
        self.limited.with_label_values(&[limit]).inc();
    }

    /// Counts a websocket for as long as the answer lives.
    pub(crate) fn tunnel(&self) -> OpenTunnel {
        self.tunnels.inc();
        OpenTunnel(self.tunnels.clone())
    }
}

/// One open websocket.
pub(crate) struct OpenTunnel(IntGauge);

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.0.dec();
    }
}
