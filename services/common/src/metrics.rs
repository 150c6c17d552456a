//! Prometheus metrics: what several services count alike, and the text form.

use prometheus::{
    Encoder as _, Gauge, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::MetricFamily,
};
use tracing::Instrument as _;

use crate::telemetry;

/// Seconds that a call or a look into a store may take.
pub const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// The registry in Prometheus's text format, with memory, processor time and open files of the process.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut families = registry.gather();
    // Several services may share one process, so it is in none of their registries.
    families.extend(ProcessCollector::for_self().collect());
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
        tracing::error!(%error, "metrics cannot be rendered");
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Registers a gauge whose value is asked for whenever the metrics are read.
pub fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    read: impl Fn() -> f64 + Send + Sync + 'static,
) -> prometheus::Result<()> {
    registry.register(Box::new(Asked { gauge: Gauge::with_opts(Opts::new(name, help))?, read }))
}

struct Asked<F> {
    gauge: Gauge,
    read: F,
}

impl<F: Fn() -> f64 + Send + Sync> Collector for Asked<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set((self.read)());
        self.gauge.collect()
    }
}

/// How long each operation of a store takes, and whether it succeeds. Cheap to clone.
#[derive(Clone)]
pub struct StoreTimes(HistogramVec);

impl StoreTimes {
    /// Registers the histogram `NAME`.
    pub fn new(registry: &Registry, name: &str) -> prometheus::Result<Self> {
        let help = "Time of an operation of the store, by operation and result: ok or failed.";
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let seconds = HistogramVec::new(options, &["operation", "result"])?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self(seconds))
    }

    /// Waits for an operation and notes how long it took.
    pub async fn note<T, E>(&self, operation: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let since = std::time::Instant::now();
        let done = if telemetry::is_on() {
            let name = format!("store {operation}");
            work.instrument(tracing::info_span!("store", otel.name = name, otel.kind = "client")).await
        } else {
            work.await
        };
        let result = if done.is_ok() { "ok" } else { "failed" };
        self.0.with_label_values(&[operation, result]).observe(since.elapsed().as_secs_f64());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> f64 {
        let text = render(&Registry::new());
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in {text}")).parse().expect("a number")
    }

    #[test]
    fn the_process_is_told_by_the_usual_names() {
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
            assert!(value(name) > 0.0, "{name}");
        }
        let before = value("process_cpu_seconds_total");
        let busy = || (0..1_000_000_u64).fold(0, |sum: u64, n| std::hint::black_box(sum.wrapping_add(n)));
        while value("process_cpu_seconds_total") <= before {
            std::hint::black_box(busy());
        }
    }

    #[test]
    fn a_gauge_is_asked_at_each_reading() {
        let (registry, readings) = (Registry::new(), std::sync::atomic::AtomicU32::new(0));
        let read = move || f64::from(readings.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        gauge(&registry, "readings", "How often it was read.", read).expect("registered");
        assert!(render(&registry).contains("\nreadings 0\n"));
        assert!(render(&registry).contains("\nreadings 1\n"));
    }
}
