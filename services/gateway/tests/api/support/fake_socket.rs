//! A replica that speaks just enough Engine.IO: it opens polling sessions, answers polls with its own name, and echoes
//! what comes by websocket.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(crate) struct FakeSocket {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    sessions: Arc<Mutex<HashSet<String>>>,
    stop: CancellationToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Ends the replica.
pub(crate) struct Guard(CancellationToken);

impl FakeSocket {
    /// A replica at an address of the loopback network, port 0 for a free one.
    pub(crate) async fn at(name: &'static str, ip: &str, port: u16) -> (Self, Guard) {
        let listener = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port)).await.unwrap();
        let stop = CancellationToken::new();
        let replica = Self {
            name,
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            sessions: Arc::default(),
            stop: stop.clone(),
        };
        let router = Router::new().route("/socket/", any(answer)).with_state(replica.clone());
        let served = axum::serve(listener, router);
        let ended = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = served.into_future() => {}
                () = ended.cancelled() => {}
            }
        });
        (replica, Guard(stop))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(
    State(replica): State<FakeSocket>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let target = request.uri().to_string();
    replica.seen.lock().unwrap().push((target, request.headers().clone()));
    if query.get("EIO").is_none_or(|version| version != "4") {
        return refused("5", "Unsupported protocol version");
    }
    if request.headers().contains_key(header::SEC_WEBSOCKET_KEY) {
        return websocket(replica, request);
    }
    let Some(sid) = query.get("sid") else {
        let sid = format!("{}-{}", replica.name, replica.sessions.lock().unwrap().len());
        replica.sessions.lock().unwrap().insert(sid.clone());
        let headers = [(header::CONTENT_TYPE, "text/plain"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        return (headers, format!("0{{\"sid\":\"{sid}\",\"upgrades\":[\"websocket\"]}}")).into_response();
    };
    if !replica.sessions.lock().unwrap().contains(sid) {
        return refused("1", "Session ID unknown");
    }
    if query.contains_key("hang") {
        return std::future::pending().await;
    }
    let body: Bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    format!("4{} got {}", replica.name, String::from_utf8_lossy(&body)).into_response()
}

/// As the message service words it.
fn refused(code: &str, message: &str) -> Response {
    let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn websocket(replica: FakeSocket, mut request: Request) -> Response {
    let accept = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        loop {
            let message = tokio::select! {
                () = replica.stop.cancelled() => return,
                message = socket.next() => message,
            };
            let Some(Ok(message)) = message else { return };
            if message.is_text() || message.is_binary() {
                if message.to_text().is_ok_and(|text| text == "hang up") {
                    return;
                }
                futures::SinkExt::send(&mut socket, message).await.unwrap();
            }
        }
    });
    let headers = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}
