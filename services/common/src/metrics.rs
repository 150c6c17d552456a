//! Prometheus metrics in text form.

use prometheus::{Encoder as _, Registry, TextEncoder};

/// The registry in Prometheus's text format.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
        tracing::error!(%error, "metrics cannot be rendered");
    }
    String::from_utf8(text).unwrap_or_default()
}
