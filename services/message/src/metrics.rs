//! What this service counts.

use aether_common::metrics::StoreTimes;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Counters and gauges under `aetherconnect_message_`.
pub(crate) struct Metrics {
    /// Where they are registered.
    pub(crate) registry: Registry,
    /// Sockets that are connected.
    pub(crate) connections: IntGauge,
    /// Rooms with a live actor.
    pub(crate) rooms: IntGauge,
    /// Messages that were stored, resends left out.
    pub(crate) stored: IntCounter,
    /// Messages that were handed to a socket.
    pub(crate) deliveries: IntCounter,
    /// Seconds that the storing of a batch took.
    pub(crate) append_seconds: Histogram,
    /// How long the store takes.
    pub(crate) store: StoreTimes,
    /// Messages that were sent and are neither stored nor refused.
    pub(crate) unstored: IntGauge,
    /// Whether hints from other replicas arrive.
    pub(crate) bus_healthy: IntGauge,
    /// Hints that found the queue to the bus full.
    pub(crate) hints_dropped: IntCounter,
    /// Messages that were read from the store because no hint brought them.
    pub(crate) gap_fills: IntCounter,
    /// Sockets that were cut off because they were too slow.
    pub(crate) dropped_sockets: IntCounter,
}

impl Metrics {
    /// Registers everything with a registry of its own.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> anyhow::Result<IntCounter> {
            let counter = IntCounter::new(format!("aetherconnect_message_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> anyhow::Result<IntGauge> {
            let gauge = IntGauge::new(format!("aetherconnect_message_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let append_seconds = Histogram::with_opts(
            HistogramOpts::new("aetherconnect_message_append_seconds", "Time to store a batch of messages.")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
        )?;
        registry.register(Box::new(append_seconds.clone()))?;
        Ok(Self {
            connections: gauge("connections", "Sockets that are connected.")?,
            rooms: gauge("live_rooms", "Rooms that are at work on this replica.")?,
            stored: counter("messages_stored_total", "Messages that were stored.")?,
            deliveries: counter("deliveries_total", "Messages that were handed to a socket.")?,
            append_seconds,
            store: StoreTimes::new(&registry, "aetherconnect_message_store_seconds")?,
            unstored: gauge("unstored_messages", "Messages that were sent and wait to be stored.")?,
            bus_healthy: gauge("bus_healthy", "1 while hints from other replicas arrive.")?,
            hints_dropped: counter("hints_dropped_total", "Hints that were not sent to other replicas.")?,
            gap_fills: counter("gap_fills_total", "Messages that the store, and no hint, brought.")?,
            dropped_sockets: counter("dropped_sockets_total", "Sockets that were cut off for being too slow.")?,
            registry,
        })
    }
}
