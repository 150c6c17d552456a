//! Rooms, messages and live delivery: a chat backend that loses nothing it has acknowledged.
//!
//! Dependencies point one way: transports ([`socket`], [`grpc`]) → rules and delivery → the store's trait.

mod asyncapi;
mod bus;
mod config;
mod delivery;
mod events;
mod feed;
mod frame;
mod grpc;
pub mod import;
mod limit;
mod messages;
mod metrics;
mod model;
mod payloads;
mod rooms;
mod socket;
mod store;
mod typing;
mod watch;

use std::{sync::Arc, time::Duration};

use aether_common::{
    grpc as rpc,
    guard::{self, Guard},
    health::Health,
    link::Acceptor,
    net, tls,
};
use aether_proto::{
    auth::auth_service_client::AuthServiceClient, message::message_service_server::MessageServiceServer,
};
use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bus::{LocalBus, RedisBus},
    config::StoreAddress,
    delivery::Hub,
    grpc::Grpc,
    limit::RateLimit,
    metrics::Metrics,
    rooms::Rooms,
    socket::Sockets,
    store::{Measured, MongoStore, Store},
};

pub use crate::{asyncapi::asyncapi_json, config::Config};

/// A service at work.
pub struct Running {
    /// Where gRPC is served.
    pub grpc_port: u16,
    /// Where Socket.IO, health and metrics are served.
    pub http_port: u16,
    /// How it and the things it needs are.
    pub health: Health,
    end: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Waits for the end, which comes after `stop` when everything under way is done.
    pub async fn stopped(self) -> anyhow::Result<()> {
        self.end.await?
    }
}

/// Brings the store's schema up to date and makes the public room.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    let store = store::open(&config.store).await?;
    store::prepare(store.as_ref()).await.map_err(|error| match error.cause {
        Some(cause) => cause.context("the store cannot be migrated"),
        None => anyhow::anyhow!(error.message),
    })?;
    tracing::info!("the store is up to date");
    Ok(())
}

/// Serves until `stop`; ready once the store is reachable and migrated.
pub async fn start(config: Config, stop: CancellationToken) -> anyhow::Result<Running> {
    let http = net::bind(config.listen, config.http_port, "MESSAGE_SERVICE_HTTP_PORT").await?;
    let rpc = net::bind(config.listen, config.grpc_port, "MESSAGE_SERVICE_GRPC_PORT").await?;
    let (http_port, grpc_port) = (http.local_addr()?.port(), rpc.local_addr()?.port());

    let metrics = Arc::new(Metrics::new()?);
    let times = metrics.store.clone();
    let store: Arc<dyn Store> = Arc::new(Measured { store: store::open(&config.store).await?, times });
    let background = Background { tasks: TaskTracker::new(), stop: CancellationToken::new() };
    let (bus, incoming) = connect_bus(&config, store.as_ref(), &metrics, &background)?;
    let optional: &[&str] = if config.redis.is_some() && store.shared() { &["auth", "redis"] } else { &["auth"] };
    let health = Health::new("message", &[store.name()], optional);

    let auth = AuthServiceClient::new(rpc::Channel::new(config.auth.clone()));
    let revocations = guard::follow(auth.clone(), &metrics.registry, background.stop.clone())?;
    let keys = (config.access_keys.clone(), config.websocket_keys.clone());
    let guard = |keys, kind| Guard::new(keys, kind, Arc::clone(&revocations), auth.clone());
    let access = guard(keys.0, aether_common::tokens::TokenKind::Access);
    let websocket = guard(keys.1, aether_common::tokens::TokenKind::WebSocket);

    let rooms = Arc::new(Rooms::new(Arc::clone(&store)));
    let limit = Arc::new(RateLimit::new(config.rate_limit, Arc::clone(&store).counts()));
    let hub = {
        let (store, bus, metrics) = (Arc::clone(&store), Arc::clone(&bus), Arc::clone(&metrics));
        Hub::start(store, bus, incoming, metrics, &background.tasks, background.stop.clone())
    };
    let watch = watch::Watch {
        store: Arc::clone(&store),
        bus,
        limit: Arc::clone(&limit),
        revocations: Arc::clone(&revocations),
        health: health.clone(),
    };
    background.tasks.spawn(watch.run(background.stop.clone()));
    let sockets = Sockets::new(
        Arc::clone(&hub),
        Arc::clone(&rooms),
        Arc::clone(&store),
        Arc::clone(&limit),
        websocket,
        Arc::clone(&metrics),
        background.tasks.clone(),
    );
    sockets.tell_queues(&metrics.registry)?;
    background.tasks.spawn(Arc::clone(&sockets).watch_revocations(revocations, background.stop.clone()));

    let service = MessageServiceServer::new(Grpc { hub, rooms, limit, guard: access, auth })
        .max_decoding_message_size(rpc::LARGEST_MESSAGE);
    let (encrypted, to_tell, end) = (config.tls.clone(), health.clone(), stop.clone());
    let registry = metrics.registry.clone();
    let serving = Serving {
        rpc: tokio::spawn(async move {
            rpc::serve(rpc, encrypted.as_ref(), service, to_tell, &registry, config.development, end).await
        }),
        http: tls::Listener::new(http, config.tls.as_ref()),
        sockets,
        metrics,
        health: health.clone(),
        grace: config.grace,
        background,
    };
    tracing::info!(http_port, grpc_port, "serving");
    Ok(Running { grpc_port, http_port, health, end: tokio::spawn(serving.until(stop)) })
}

/// Tasks that outlive the servers: they finish what those have taken in.
struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn connect_bus(
    config: &Config,
    store: &dyn Store,
    metrics: &Arc<Metrics>,
    background: &Background,
) -> anyhow::Result<bus::Connected> {
    match (&config.redis, &config.store) {
        (Some(redis), StoreAddress::MongoDb(url)) => {
            Ok(RedisBus::start(redis, &MongoStore::place(url)?, metrics, &background.tasks, &background.stop))
        }
        (_, StoreAddress::Sqlite(_)) => Ok(LocalBus::start(store.shared())),
        (None, StoreAddress::MongoDb(_)) => {
            tracing::warn!(
                "Redis is off: other replicas' messages are delivered by reading the store, and their typing and \
                 presence not at all"
            );
            Ok(LocalBus::start(store.shared()))
        }
    }
}

struct Serving {
    rpc: JoinHandle<anyhow::Result<()>>,
    http: tls::Listener,
    sockets: Arc<Sockets>,
    metrics: Arc<Metrics>,
    health: Health,
    grace: Duration,
    background: Background,
}

impl Serving {
    /// Serves; after `stop`, ends in an order that loses nothing: sockets, calls, rooms, bus.
    async fn until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let drained = CancellationToken::new();
        let (links, channels) = Acceptor::new(drained.clone());
        let routes = self.health.routes(self.metrics.registry.clone());
        let routes = routes.merge(self.sockets.routes()).merge(links.routes());
        let http = axum::serve(self.http.with_channels(channels), routes);
        let http = http.with_graceful_shutdown(drained.clone().cancelled_owned());
        let mut http = tokio::spawn(http.into_future());
        tokio::select! {
            () = stop.cancelled() => {}
            ended = &mut http => { ended?.context("the HTTP server ended")?; }
        }
        self.health.drain();
        let orderly = async {
            self.sockets.drain().await;
            self.rpc.await??;
            self.background.stop.cancel();
            self.background.tasks.close();
            self.background.tasks.wait().await;
            drained.cancel();
            http.await??;
            links.closed().await;
            anyhow::Ok(())
        };
        match tokio::time::timeout(self.grace, orderly).await {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!("time to drain is over, what is still open is cut off");
                self.background.stop.cancel();
                Ok(())
            }
        }
    }
}
