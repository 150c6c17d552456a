//! Prometheus metrics in text form.

use prometheus::{Encoder as _, Registry, TextEncoder, core::Collector as _, process_collector::ProcessCollector};

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
}
