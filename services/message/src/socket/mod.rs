//! Socket.IO: who may connect, and what becomes of connections in the end.

mod calls;
mod outbound;
mod session;
mod wire;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use aether_common::{Error, guard::Guard, revocation::Revocations};
use axum::{
    Json,
    extract::{ConnectInfo, Query, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use dashmap::DashMap;
use serde::Deserialize;
use serde_json::json;
use socketioxide::{
    SocketIo,
    extract::TryData,
    handler::{ConnectHandler as _, FromConnectParts, Value},
    layer::SocketIoLayer,
    socket::Socket,
};
use tokio::{net::TcpListener, sync::broadcast::error::RecvError, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::wire::{Cut, WireListener};
use self::{session::Live, wire::Wires};
use crate::{
    delivery::{Hub, SocketId},
    limit::RateLimit,
    metrics::Metrics,
    rooms::Rooms,
    store::Store,
};

const PATH: &str = "/socket";
/// Far above the longest message, far below what would hurt.
const LARGEST_PACKET: usize = 64 * 1024;
/// Packets that may wait in the library for one client.
const BUFFER: usize = 1024;
/// How long a client may take from the handshake to its token.
const CONNECT: Duration = Duration::from_secs(10);
/// Connections are closed one after the other for so long, lest all come back at the same moment.
const STAGGER: Duration = Duration::from_millis(1500);
const RECHECK: Duration = Duration::from_secs(1);

/// Everything that sockets share.
pub(crate) struct Sockets {
    pub(crate) hub: Arc<Hub>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) limit: Arc<RateLimit>,
    pub(crate) guard: Guard,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: TaskTracker,
    live: DashMap<SocketId, Arc<Live>>,
    next_id: AtomicU64,
    wires: Arc<Wires>,
    draining: AtomicBool,
}

impl Sockets {
    pub(crate) fn new(
        hub: Arc<Hub>,
        rooms: Arc<Rooms>,
        store: Arc<dyn Store>,
        limit: Arc<RateLimit>,
        guard: Guard,
        metrics: Arc<Metrics>,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            hub,
            rooms,
            store,
            limit,
            guard,
            metrics,
            tasks,
            live: DashMap::new(),
            next_id: AtomicU64::new(1),
            wires: Arc::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// The Socket.IO server as a layer.
    pub(crate) fn layer(self: &Arc<Self>) -> SocketIoLayer {
        let (layer, io) = SocketIo::builder()
            .req_path(PATH)
            .max_payload(LARGEST_PACKET as u64)
            .ws_max_message_size(LARGEST_PACKET)
            .ws_max_frame_size(LARGEST_PACKET)
            .max_buffer_size(BUFFER)
            .connect_timeout(CONNECT)
            .build_layer();
        let (sockets, gate) = (Arc::clone(self), Arc::clone(self));
        // Not async: handlers must be in place before the client's first event can come.
        let connect = move |SocketHandle(socket): SocketHandle| {
            session::start(&sockets, socket);
            std::future::ready(())
        };
        let authenticate = move |handle: SocketHandle, TryData(auth): TryData<Auth>| {
            let gate = Arc::clone(&gate);
            async move { gate.authenticate(&handle.0, auth.ok()).await.map_err(Refusal) }
        };
        io.ns("/", connect.with(authenticate));
        layer
    }

    /// Only the token in the connection's `auth` payload counts.
    async fn authenticate(&self, socket: &Socket, auth: Option<Auth>) -> Result<(), Error> {
        if self.draining.load(Ordering::Relaxed) {
            // A refusal would keep the official client from coming back; its connection is cut in a moment.
            std::future::pending::<()>().await;
        }
        let auth = auth.ok_or_else(Error::unauthenticated)?;
        let identity = self.guard.check(&auth.token, &socket.id.to_string()).await.inspect_err(Error::log)?;
        socket.extensions.insert(identity);
        Ok(())
    }

    /// A listener whose connections are cut at the end of [`Sockets::drain`].
    pub(crate) fn listener(&self, listener: TcpListener) -> WireListener {
        WireListener { listener, all: self.wires.all.clone() }
    }

    /// Closes the sockets of sessions as they are revoked, until `stop`.
    pub(crate) async fn watch_revocations(self: Arc<Self>, revocations: Arc<Revocations>, stop: CancellationToken) {
        let mut news = revocations.subscribe();
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                revoked = news.recv() => match revoked {
                    Ok(session) => self.close_revoked(|live| live.session_id() == session),
                    Err(RecvError::Lagged(_)) => self.close_revoked(|live| revocations.contains(live.session_id())),
                    Err(RecvError::Closed) => return,
                },
                // For a socket that connected while its session was being revoked.
                _ = recheck.tick() => self.close_revoked(|live| revocations.contains(live.session_id())),
            }
        }
    }

    fn close_revoked(&self, revoked: impl Fn(&Live) -> bool) {
        for live in self.live.iter().filter(|live| revoked(live)) {
            live.revoke(&self.tasks);
        }
    }

    /// Lets nobody in any more and closes every connection, after what its client sent is answered. The clients come
    /// back by themselves, to another replica.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let all: Vec<Arc<Live>> = self.live.iter().map(|live| Arc::clone(&live)).collect();
        let pause = STAGGER / u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
        let closing = all.iter().zip(0u32..).map(|(live, n)| async move {
            tokio::time::sleep(pause * n).await;
            live.close_when_quiet().await;
        });
        futures::future::join_all(closing).await;
        let gone = async {
            while self.live.iter().any(|live| !live.is_polling()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
        // Polling clients, and whoever came meanwhile. The library's own way of closing would tell those who are just
        // connecting that there is no such namespace, after which they don't come back.
        self.wires.all.cancel();
        self.live.iter().for_each(|live| live.end());
    }
}

#[derive(Deserialize)]
struct Auth {
    token: String,
}

/// The socket itself, which the library's own extractor wraps.
pub(crate) struct SocketHandle(pub(crate) Arc<Socket>);

impl FromConnectParts<socketioxide::adapter::LocalAdapter> for SocketHandle {
    type Error = std::convert::Infallible;

    fn from_connect_parts(socket: &Arc<Socket>, _: &Option<Value>) -> Result<Self, Self::Error> {
        Ok(Self(Arc::clone(socket)))
    }
}

/// What the client's `connect_error` says.
struct Refusal(Error);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.code {
            aether_common::Code::Unauthenticated => "Unauthorized",
            _ => "Service temporarily unavailable",
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct EngineQuery {
    sid: Option<String>,
    transport: Option<String>,
}

/// Sees every request before the Socket.IO layer does.
pub(crate) async fn track(
    State(sockets): State<Arc<Sockets>>,
    Query(query): Query<EngineQuery>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with(PATH) {
        return next.run(request).await;
    }
    match (&query.sid, query.transport.as_deref()) {
        (None, _) if sockets.draining.load(Ordering::Relaxed) => {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        (Some(session), _) if sockets.wires.has_ended(session) => {
            let body = Json(json!({"code": 1, "message": "Session ID unknown"}));
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
        (Some(session), Some("websocket")) => {
            if let Some(ConnectInfo(cut)) = request.extensions().get::<ConnectInfo<Cut>>() {
                sockets.wires.upgrade(session, cut.clone());
            }
        }
        _ => {}
    }
    next.run(request).await
}
