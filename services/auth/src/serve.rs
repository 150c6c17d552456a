//! Puts the service together and runs it.

use std::{sync::Arc, time::Duration};

use aether_common::{grpc as transport, health::Health, net, tls};
use aether_proto::auth::auth_service_server::AuthServiceServer;
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    accounts::Accounts,
    grpc::Grpc,
    hints,
    metrics::Metrics,
    passwords::Passwords,
    revocations::Revocations,
    sessions::{self, Sessions},
    store::{Database, Measured, Store},
    throttle::Throttle,
};

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Brings the database's schema up to date.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    config.database.migrate().await
}

/// A service that is up. It ends by the token that it was started with.
pub struct Running {
    /// The port of gRPC.
    pub grpc_port: u16,
    /// The port of health and metrics.
    pub http_port: u16,
    /// Ready once the database answers and its schema is up to date.
    pub health: Health,
    servers: JoinSet<anyhow::Result<()>>,
    background: JoinSet<()>,
    store: Arc<dyn Store>,
    grace: Duration,
    stop: CancellationToken,
}

/// Starts the service; it needs neither database nor Redis for that, but is not ready without the former.
pub async fn start(config: Config, stop: CancellationToken) -> anyhow::Result<Running> {
    let grpc = net::bind(config.address, config.grpc_port, "AUTH_SERVICE_GRPC_PORT").await?;
    let http = net::bind(config.address, config.http_port, "AUTH_SERVICE_HTTP_PORT").await?;
    let (grpc_port, http_port) = (grpc.local_addr()?.port(), http.local_addr()?.port());
    // Its own, so that one server that fails takes the other one along, but not the whole process.
    let stop = stop.child_token();

    let redis: &[&str] = if config.redis.is_some() { &[hints::REDIS] } else { &[] };
    let health = Health::new("auth", &[config.database.name()], redis);
    let metrics = Arc::new(Metrics::new()?);
    let store: Arc<dyn Store> = Arc::new(Measured { store: config.database.open(), times: metrics.store.clone() });
    let revocations = Arc::new(Revocations::new(metrics.watchers.clone()));

    let mut background = JoinSet::new();
    background.spawn(check(Arc::clone(&store), config.database.clone(), health.clone(), stop.clone()));
    spawn_followers(&mut background, &store, &revocations, &stop);
    let announce = config.redis.map(|client| {
        let (announce, revoked) = mpsc::channel(256);
        let (view, health, stop) = (Arc::clone(&revocations), health.clone(), stop.clone());
        background.spawn(async move { hints::follow_redis(client, revoked, view.wake(), &health, &stop).await });
        announce
    });
    if announce.is_none() {
        tracing::warn!("Redis is disabled: revocations spread through the database alone");
    }

    let sessions = Arc::new(Sessions {
        store: Arc::clone(&store),
        live: sessions::live(&store),
        access: config.access,
        websocket: config.websocket,
        revocations,
        revoked: metrics.revocations.clone(),
        announce,
    });
    let accounts = Accounts {
        store: Arc::clone(&store),
        passwords: Passwords::new(metrics.hash_seconds.clone(), metrics.hashes_waiting.clone()).await?,
        throttle: Throttle {
            store: Arc::clone(&store),
            per_address: config.failures_per_address,
            per_account: config.failures_per_account,
        },
        sessions: Arc::clone(&sessions),
        metrics: Arc::clone(&metrics),
    };
    let service = AuthServiceServer::new(Grpc { accounts, sessions, stop: stop.clone() })
        .max_decoding_message_size(transport::LARGEST_MESSAGE);

    let mut servers = JoinSet::new();
    let (tls, to_tell, end) = (config.tls.clone(), health.clone(), stop.clone());
    let registry = metrics.registry.clone();
    servers.spawn(async move {
        transport::serve(grpc, tls.as_ref(), service, to_tell, &registry, config.development, end).await
    });
    let routes = health.routes(metrics.registry.clone());
    let stopped = stop.clone().cancelled_owned();
    let http = tls::Listener::new(http, config.tls.as_ref());
    servers.spawn(async move { Ok(axum::serve(http, routes).with_graceful_shutdown(stopped).await?) });
    tracing::info!(grpc_port, http_port, "auth is listening");
    Ok(Running { grpc_port, http_port, health, servers, background, store, grace: config.grace, stop })
}

fn spawn_followers(
    background: &mut JoinSet<()>,
    store: &Arc<dyn Store>,
    revocations: &Arc<Revocations>,
    stop: &CancellationToken,
) {
    let (from, view, end) = (Arc::clone(store), Arc::clone(revocations), stop.clone());
    background.spawn(async move { view.follow(&*from, &end).await });
    let (from, view, end) = (Arc::clone(store), Arc::clone(revocations), stop.clone());
    background.spawn(async move { hints::follow_store(&*from, view.wake(), &end).await });
}

/// Notes each second whether the database can serve; says why not once for each outage.
async fn check(store: Arc<dyn Store>, database: Database, health: Health, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let checked = store.check().await;
        health.set(database.name(), checked.is_ok());
        match checked {
            Ok(()) => told = false,
            Err(error) if !told => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!("{}", tls::explained(&error, "sslrootcert in DATABASE_URL"));
                told = true;
            }
            Err(_) => {}
        }
    }
}

impl Running {
    /// Waits for the end: by the token, after what is open has been served or the grace is over, or by a failure.
    pub async fn stopped(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let ended = tokio::select! {
            ended = drain(&mut self.servers) => ended,
            () = stop.cancelled() => {
                self.health.drain();
                tokio::time::timeout(self.grace, drain(&mut self.servers)).await.unwrap_or_else(|_| {
                    tracing::warn!("grace is over, cutting off what is still open");
                    Ok(())
                })
            }
        };
        stop.cancel();
        while self.background.join_next().await.is_some() {}
        // A database that hangs must not hold up the end.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.store.close()).await;
        tracing::info!("auth has stopped");
        ended
    }
}

async fn drain(servers: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}
