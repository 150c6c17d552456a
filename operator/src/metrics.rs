//! What the operator tells Prometheus.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::cache::Cache;

/// All metrics; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    duration: Histogram,
    instances: IntGaugeVec,
    leader: IntGauge,
    caches: Arc<Mutex<Vec<Arc<Cache>>>>,
}

impl Metrics {
    /// Registers them.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("aetherconnect_operator".into()), None)?;
        let reconciles = IntCounterVec::new(Opts::new("reconciles_total", "Reconciliations, by result"), &["result"])?;
        let buckets = vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
        let options = HistogramOpts::new("reconcile_duration_seconds", "How long reconciliations took");
        let duration = Histogram::with_opts(options.buckets(buckets))?;
        let instances = IntGaugeVec::new(Opts::new("instances", "AetherConnect resources, by readiness"), &["ready"])?;
        let leader = IntGauge::new("leader", "1 in the replica that reconciles, 0 in those that stand by")?;
        registry.register(Box::new(reconciles.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(instances.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        for result in ["ok", "error"] {
            reconciles.with_label_values(&[result]);
        }
        Ok(Self { registry, reconciles, duration, instances, leader, caches: Arc::default() })
    }

    /// Counts a reconciliation.
    pub fn reconciled(&self, took: Duration, ok: bool) {
        self.reconciles.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Notes that this replica reconciles.
    pub fn leads(&self) {
        self.leader.set(1);
    }

    /// Counts the resources of a watch from now on.
    pub fn count_instances_of(&self, cache: Arc<Cache>) {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }

    /// Everything, as Prometheus reads it.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut counts = [0, 0];
        for cache in self.caches.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let [waiting, ready] = cache.readiness();
            counts = [counts[0] + waiting, counts[1] + ready];
        }
        self.instances.with_label_values(&["false"]).set(counts[0]);
        self.instances.with_label_values(&["true"]).set(counts[1]);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}
