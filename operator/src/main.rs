//! `aetherconnect-operator`: runs the operator, or prints the definition of the resource (`crds`) or its reference
//! for people (`reference`).

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use aether_operator::{
    api,
    config::Config,
    controller,
    fleet::Fleet,
    http,
    leader::Candidate,
    metrics::Metrics,
    patience::{self, Fence},
    reconcile::Reconciler,
    resources::MANAGER,
};
use anyhow::Context;
use kube::runtime::events::{Recorder, Reporter};
use mimalloc::MiMalloc;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Reconciliations that are under way at the end get this long.
const GRACE: Duration = Duration::from_secs(10);

// Two threads are enough for any number of instances; one for each core of a large node would only take memory.
#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None | Some("run") => run(Config::from_env(|name| std::env::var(name).ok())?).await,
        Some("crds") => {
            print!("{}", api::crd_yaml()?);
            Ok(())
        }
        Some("reference") => {
            print!("{}", api::reference()?);
            Ok(())
        }
        Some(other) => {
            anyhow::bail!("unknown command {other}: there are `run` (the default), `crds` and `reference`")
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    start_logging(&config)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = Metrics::new()?;
    let listener = listen(config.http_port).await;
    let listener = listener.with_context(|| format!("can't listen on OPERATOR_HTTP_PORT {}", config.http_port))?;
    tokio::spawn(axum::serve(listener, http::routes(metrics.clone())).into_future());

    let access = kube::Config::infer().await.context("can't find the API server")?;
    let shutdown = on_signal()?;
    let fence = Fence::default();
    // The lease has its own rules for what is late and what is tried again.
    let direct = patience::direct(access.clone())?;
    let mut candidate = Candidate::new(direct, &config.namespace, &config.identity, fence.clone());
    tracing::info!(identity = config.identity, version = env!("CARGO_PKG_VERSION"), "waiting for the lease");
    tokio::select! {
        () = candidate.acquire() => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    tracing::info!(namespaces = ?config.watch_namespaces, "reconciling");
    metrics.leads();

    let reporter = Reporter { controller: MANAGER.into(), instance: Some(config.identity.clone()) };
    let client = patience::client(access, fence)?;
    let reconciler = Reconciler::new(client.clone(), Fleet::new(config.defaults), Recorder::new(client, reporter));
    let work = controller::run(reconciler, metrics, &config.watch_namespaces, shutdown.clone());
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => {}
        () = late => tracing::warn!("reconciliations are cut off"),
        () = candidate.hold() => anyhow::bail!("the lease is lost: another replica reconciles now"),
    }
    candidate.release().await;
    tracing::info!("stopped");
    Ok(())
}

/// Listens on all addresses, whether or not the node speaks IPv6.
async fn listen(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_level).context("LOG_LEVEL is not understood")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter);
    if config.log_json {
        logs.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        logs.init();
    }
    Ok(())
}

/// Cancelled by SIGTERM or SIGINT.
fn on_signal() -> anyhow::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancel.cancel();
    });
    Ok(token)
}
