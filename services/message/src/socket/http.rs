//! Engine.IO 4 over HTTP: handshakes, long polling, and the way to a websocket.

use std::{sync::Arc, task::Poll, time::Duration};

use aether_common::{net, tls::Stream};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    LARGEST_PACKET, Sockets, driver,
    packet::{Packet, SEPARATOR},
    session::{Ending, Session},
    websocket::WebSocket,
};
use crate::frame::{self, Frame};

/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(10);
/// How long a client may take to go over to a websocket.
const UPGRADE: Duration = Duration::from_secs(10);

/// A refusal as Engine.IO words it, so that its clients know what to do.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    TransportUnknown,
    SessionUnknown,
    BadHandshakeMethod,
    BadRequest,
    UnsupportedVersion,
}

impl Refusal {
    fn response(self) -> Response {
        let (code, message) = match self {
            Self::TransportUnknown => (0, "Transport unknown"),
            Self::SessionUnknown => (1, "Session ID unknown"),
            Self::BadHandshakeMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
        };
        (StatusCode::BAD_REQUEST, Json(json!({"code": code, "message": message}))).into_response()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Polling,
    WebSocket,
}

/// Any request to `/socket`.
pub(crate) async fn serve(State(sockets): State<Arc<Sockets>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    let transport = match parameter("transport").as_deref() {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Refusal::TransportUnknown.response(),
    };
    if parameter("EIO").as_deref() != Some("4") {
        return Refusal::UnsupportedVersion.response();
    }
    let Some(sid) = parameter("sid") else { return handshake(&sockets, request, transport) };
    let Some(session) = sockets.sessions.get(&sid).map(|session| Arc::clone(&session)) else {
        return Refusal::SessionUnknown.response();
    };
    match (transport, request.method()) {
        (Transport::WebSocket, &Method::GET) => websocket(&sockets, request, Some(session)),
        (Transport::Polling, &Method::GET) => poll(&session).await,
        (Transport::Polling, &Method::POST) => post(&session, request).await,
        _ => Refusal::BadRequest.response(),
    }
}

fn handshake(sockets: &Arc<Sockets>, request: Request, transport: Transport) -> Response {
    if request.method() != Method::GET {
        return Refusal::BadHandshakeMethod.response();
    }
    if sockets.is_draining() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if transport == Transport::WebSocket {
        return websocket(sockets, request, None);
    }
    let (posts, received) = mpsc::channel(1);
    let session = Session::new(Some(posts));
    let open = session.open_packet();
    sockets.add(&session);
    sockets.tasks.spawn(driver::run(Arc::clone(sockets), session, None, Some(received)));
    packets(open)
}

async fn poll(session: &Session) -> Response {
    match session.poll().await {
        Ok(payload) => packets(payload),
        Err(_) => {
            session.end(Ending::Quiet);
            Refusal::BadRequest.response()
        }
    }
}

async fn post(session: &Session, request: Request) -> Response {
    let read = axum::body::to_bytes(request.into_body(), LARGEST_PACKET);
    let body = match tokio::time::timeout(BODY, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let parsed = std::str::from_utf8(&body)
        .ok()
        .and_then(|text| text.split(SEPARATOR).map(|packet| Packet::parse(packet).ok()).collect::<Option<Vec<_>>>());
    let Some(packets) = parsed else {
        session.end(Ending::Quiet);
        return Refusal::BadRequest.response();
    };
    if session.receive(packets).await {
        ([(header::CONTENT_TYPE, "text/html")], "ok").into_response()
    } else {
        Refusal::BadRequest.response() // over, or gone over to a websocket
    }
}

fn packets(payload: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], payload).into_response()
}

/// Opens a websocket: for a session of its own, or for one that goes over to it.
fn websocket(sockets: &Arc<Sockets>, request: Request, session: Option<Arc<Session>>) -> Response {
    let Some(accept) = accept(request.headers()) else { return Refusal::BadRequest.response() };
    let sockets = Arc::clone(sockets);
    let opening = hyper::upgrade::on(request);
    sockets.tasks.clone().spawn(async move {
        let websocket = match opening.await.map(upgrade::downcast::<TokioIo<Stream>>) {
            Ok(Ok(parts)) => WebSocket::new(parts.io.into_inner(), &parts.read_buf),
            Ok(Err(_)) => return tracing::error!("a websocket over something that wasn't accepted here"),
            Err(error) => return tracing::debug!(%error, "a websocket was not opened"),
        };
        match session {
            Some(session) => go_over(&session, websocket).await,
            None => open(sockets, websocket).await,
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The answer to a request for a websocket (RFC 6455, 4.2.2); `None` if it is no such request.
fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    if !net::asks_for("websocket", headers) || headers.get(header::SEC_WEBSOCKET_VERSION)? != "13" {
        return None;
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::try_from(BASE64_STANDARD.encode(digest)).ok()
}

async fn open(sockets: Arc<Sockets>, mut websocket: WebSocket) {
    let session = Session::new(None);
    let open = session.open_packet();
    if websocket.send(|out| frame::text(out, open.as_bytes())).is_ok() {
        sockets.add(&session);
        driver::run(sockets, session, Some(websocket), None).await;
    }
}

/// Hands a websocket to its session once the client has tried it.
async fn go_over(session: &Session, mut websocket: WebSocket) {
    if !session.try_upgrade() {
        return;
    }
    let tried = tokio::time::timeout(UPGRADE, async {
        loop {
            let frame = std::future::poll_fn(|cx| {
                if let Poll::Ready(Err(_)) = websocket.poll_flush(cx) {
                    return Poll::Ready(None);
                }
                websocket.poll_frame(cx).map(Result::ok)
            });
            let Some(Frame::Text(text)) = frame.await else { return false };
            match Packet::parse(&text) {
                Ok(Packet::Ping(data)) => {
                    if websocket.send(|out| frame::text(out, format!("3{data}").as_bytes())).is_err() {
                        return false;
                    }
                }
                Ok(Packet::Upgrade) => return true,
                _ => return false,
            }
        }
    });
    if tried.await == Ok(true) {
        session.upgrade(websocket);
    } else {
        session.give_up_upgrade();
    }
}
