//! The single entry point for clients: the HTTP API with its token guard and limits, and the way to Socket.IO.
//! It has no database: auth and message are asked by gRPC.

mod access;
mod app;
mod auth;
mod body;
mod client;
mod config;
mod connections;
mod docs;
mod error;
mod health;
mod limits;
mod metrics;
mod observe;
mod playground;
mod proxy;
mod rooms;
mod routes;
mod serve;
mod upstreams;
mod wire;

pub use config::Config;
pub use docs::openapi_json;

use std::sync::Arc;

use aether_common::{health::Health, net};
use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A gateway that serves.
pub struct Running {
    /// The port for clients.
    pub port: u16,
    /// The port for probes and scrapers.
    pub metrics_port: u16,
    /// Ready once auth and message have both been reached; not any more once it drains.
    pub health: Health,
    served: JoinHandle<()>,
}

impl Running {
    /// Waits until the gateway has been stopped and its open work is done, or its grace is over.
    pub async fn stopped(self) -> anyhow::Result<()> {
        self.served.await.context("the gateway ended by a fault")
    }
}

/// Starts the gateway; it serves until `stop`, then drains.
pub async fn start(config: Config, stop: CancellationToken) -> anyhow::Result<Running> {
    let listener = net::bind(config.address, config.port, "API_GATEWAY_PORT").await?;
    let metrics_listener = net::bind(config.address, config.metrics_port, "METRICS_PORT").await?;
    let port = listener.local_addr().context("the listener has no address")?.port();
    let metrics_port = metrics_listener.local_addr().context("the listener has no address")?.port();

    let app = app::App::new(&config, &stop)?;
    let health = app.upstreams.health().clone();
    let probes = health.routes(app.metrics.registry().clone());
    let ended = CancellationToken::new();
    tokio::spawn(serve::metrics(metrics_listener, probes, ended.clone()));
    tokio::spawn(Arc::clone(&app.upstreams).watch(stop.clone()));

    tracing::info!(port, metrics_port, "gateway listens");
    let served = tokio::spawn(async move {
        serve::clients(listener, app, config.grace, stop).await;
        ended.cancel();
        tracing::info!("gateway stopped");
    });
    Ok(Running { port, metrics_port, health, served })
}
