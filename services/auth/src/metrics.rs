//! What is counted.

use aether_common::metrics::StoreTimes;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The metrics of one instance of the service.
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) registrations: IntCounter,
    pub(crate) logins: IntCounterVec,
    pub(crate) revocations: IntCounter,
    pub(crate) watchers: IntGauge,
    pub(crate) hash_seconds: Histogram,
    pub(crate) hashes_waiting: IntGauge,
    pub(crate) store: StoreTimes,
}

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let buckets = vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];
        let hash_seconds =
            HistogramOpts::new("aetherconnect_auth_password_hash_seconds", "How long hashing a password took.");
        let registry = Registry::new();
        let metrics = Self {
            store: StoreTimes::new(&registry, "aetherconnect_auth_store_seconds")?,
            registry,
            registrations: IntCounter::new("aetherconnect_auth_registrations_total", "Users registered.")?,
            logins: IntCounterVec::new(
                Opts::new("aetherconnect_auth_logins_total", "Logins by result: ok, failed or throttled."),
                &["result"],
            )?,
            revocations: IntCounter::new("aetherconnect_auth_revocations_total", "Sessions revoked by this replica.")?,
            watchers: IntGauge::new("aetherconnect_auth_revocation_watchers", "Open streams of revocations.")?,
            hash_seconds: Histogram::with_opts(hash_seconds.buckets(buckets))?,
            hashes_waiting: IntGauge::new(
                "aetherconnect_auth_passwords_waiting",
                "Passwords that wait for their turn to be hashed.",
            )?,
        };
        for result in ["ok", "failed", "throttled"] {
            metrics.logins.with_label_values(&[result]);
        }
        metrics.registry.register(Box::new(metrics.registrations.clone()))?;
        metrics.registry.register(Box::new(metrics.logins.clone()))?;
        metrics.registry.register(Box::new(metrics.revocations.clone()))?;
        metrics.registry.register(Box::new(metrics.watchers.clone()))?;
        metrics.registry.register(Box::new(metrics.hash_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.hashes_waiting.clone()))?;
        Ok(metrics)
    }
}
