//! `GET /health`, `GET /api/health`, `GET /api/health/detailed`

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, wire};

/// The gateway itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthBody {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "api-gateway")]
    service: &'static str,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    timestamp: String,
    /// Seconds since the start.
    uptime: u64,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// The gateway and all that it needs, directly or not.
#[derive(Serialize, ToSchema)]
pub(crate) struct DetailedHealthBody {
    /// `ok`, `degraded` when only something optional is down, or `error`.
    status: &'static str,
    #[schema(example = "api-gateway")]
    service: &'static str,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    timestamp: String,
    /// Seconds since the start.
    uptime: u64,
    #[schema(example = "0.1.0")]
    version: &'static str,
    dependencies: BTreeMap<&'static str, DependencyBody>,
}

/// One dependency.
#[derive(Serialize, ToSchema)]
pub(crate) struct DependencyBody {
    /// `up` or `down`.
    status: &'static str,
}

/// Answers as long as the process does.
#[utoipa::path(get, path = "/api/health", operation_id = "getHealth", tag = "health",
    summary = "Whether the gateway answers (also at /health)",
    responses((status = 200, description = "It does", body = HealthBody)))]
pub(crate) async fn get(State(app): State<App>) -> Json<HealthBody> {
    Json(HealthBody {
        status: "ok",
        service: "api-gateway",
        timestamp: wire::milliseconds(Utc::now()),
        uptime: app.upstreams.uptime().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Each dependency by name.
#[utoipa::path(get, path = "/api/health/detailed", operation_id = "getDetailedHealth", tag = "health",
    summary = "Each dependency by name",
    responses(
        (status = 200, description = "All that is required is up", body = DetailedHealthBody),
        (status = 503, description = "Something required is down", body = DetailedHealthBody)))]
pub(crate) async fn detailed(State(app): State<App>) -> (StatusCode, Json<DetailedHealthBody>) {
    let up = app.upstreams.dependencies();
    let status = overall(&up);
    let code = if status == "error" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let dependencies =
        up.into_iter().map(|(name, up)| (name, DependencyBody { status: if up { "up" } else { "down" } })).collect();
    let body = DetailedHealthBody {
        status,
        service: "api-gateway",
        timestamp: wire::milliseconds(Utc::now()),
        uptime: app.upstreams.uptime().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
        dependencies,
    };
    (code, Json(body))
}

/// Everything is required but Redis.
fn overall(up: &BTreeMap<&'static str, bool>) -> &'static str {
    let down = |optional: bool| up.iter().any(|(name, up)| !up && (*name == "redis") == optional);
    match (down(false), down(true)) {
        (true, _) => "error",
        (false, true) => "degraded",
        (false, false) => "ok",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_redis_may_be_down_without_an_error() {
        assert_eq!(overall(&BTreeMap::from([("auth", true), ("redis", true)])), "ok");
        assert_eq!(overall(&BTreeMap::from([("auth", true), ("redis", false)])), "degraded");
        assert_eq!(overall(&BTreeMap::from([("postgres", false), ("redis", false)])), "error");
    }
}
