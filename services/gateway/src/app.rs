//! What the handlers share.

use std::{ops::Deref, sync::Arc, time::Duration};

use aether_common::{
    grpc::Channel,
    guard::{self, Guard},
    net,
    tokens::TokenKind,
};
use aether_proto::{
    auth::auth_service_client::AuthServiceClient, message::message_service_client::MessageServiceClient,
};
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

use crate::{
    Config, access::Proxies, connections::Connections, docs::Docs, limits::Limits, metrics::Metrics,
    playground::Playground, proxy::Proxy, routes, upstreams::Upstreams,
};

/// Files that aren't connections of clients.
const OTHER_FILES: usize = 256;

/// Everything that a handler may need. Cheap to clone, as each layer of each request does.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// See [`App`].
pub(crate) struct Parts {
    pub(crate) auth: AuthServiceClient<Channel>,
    pub(crate) message: MessageServiceClient<Channel>,
    pub(crate) guard: Guard,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) docs: Arc<Docs>,
    pub(crate) origins: Arc<[String]>,
    pub(crate) cors: CorsLayer,
    pub(crate) playground: Option<Playground>,
}

impl App {
    /// Wires everything up; the background tasks that belong to it end with `stop`.
    pub(crate) fn new(config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let (auth_channel, message_channel) = (Channel::new(config.auth.clone()), Channel::new(config.message.clone()));
        let auth = AuthServiceClient::new(auth_channel.clone());
        let metrics = Arc::new(Metrics::new()?);
        let revocations = guard::follow(auth.clone(), metrics.registry(), stop.clone())?;
        // Tunnels are closed early in the grace, so that open requests keep the rest of it.
        let closing = (config.grace / 2).min(Duration::from_secs(2));
        let proxies = Arc::new(Proxies::new(config.trusted_proxies.clone()));
        // A websocket takes a file for each of its sides.
        let connections = config.max_connections.min(net::raise_file_limit().saturating_sub(OTHER_FILES) / 2);
        let of_address = config.max_connections_per_address;
        let connections = Arc::new(Connections::new(connections, of_address, Arc::clone(&proxies)));
        metrics.tell_connections(&connections)?;
        Ok(Self(Arc::new(Parts {
            guard: Guard::new(config.keys.clone(), TokenKind::Access, revocations, auth.clone()),
            auth,
            message: MessageServiceClient::new(message_channel.clone()),
            upstreams: Arc::new(Upstreams::new(auth_channel, message_channel)),
            limits: Arc::new(Limits::new(config)),
            connections,
            proxies,
            proxy: Arc::new(Proxy::new(config.socket_hosts.clone(), Arc::clone(&metrics), closing, stop.clone())),
            metrics,
            docs: Arc::new(Docs::new()),
            cors: routes::cors(&config.origins),
            origins: config.origins.clone().into(),
            playground: config.playground.clone(),
        })))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
