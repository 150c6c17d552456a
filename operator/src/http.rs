//! Health and metrics. A replica that stands by is as healthy as the one that reconciles.

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::metrics::Metrics;

/// `/healthz`, `/readyz` and `/metrics`.
pub fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .route("/metrics", get(text))
        .with_state(metrics)
}

async fn text(State(metrics): State<Metrics>) -> Result<String, StatusCode> {
    metrics.text().map_err(|error| {
        tracing::error!(%error, "can't gather metrics");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}
