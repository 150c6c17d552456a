//! `/socket`: Socket.IO, passed on to the replicas of the message service.
//!
//! A polling session lives in one process, so its requests must find their way back. The gateway keeps no table for it:
//! it writes a mark of the replica into the session id that the client gets, so any gateway can read where to go.

mod dial;
mod headers;
mod links;
mod polling;
mod replicas;
mod sid;
mod tunnel;
mod websocket;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aether_common::{Error, turns::Turns};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use hyper_util::client::legacy::Client;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use sid::has_session;

pub(crate) use self::replicas::Host;
use self::{dial::Dialler, links::Links, replicas::Replicas, sid::Session};
use crate::{access::Context, app::App, error::Answer, metrics::Metrics};

/// The way to the message service.
pub(crate) struct Proxy {
    replicas: Arc<Replicas>,
    links: Links,
    turns: Arc<Turns>,
    client: Client<Dialler, Body>,
    metrics: Arc<Metrics>,
    tunnels: TaskTracker,
    opened: AtomicU64,
    /// Within so long after `stop`, everything long-lived is closed.
    closing: Duration,
    stop: CancellationToken,
}

impl Proxy {
    pub(crate) fn new(hosts: Vec<Host>, metrics: Arc<Metrics>, closing: Duration, stop: CancellationToken) -> Self {
        let replicas = Arc::new(Replicas::new(hosts));
        Self {
            client: polling::client(Dialler::new(Arc::clone(&replicas))),
            links: Links::new(Arc::clone(&replicas)),
            turns: Turns::new(),
            replicas,
            metrics,
            tunnels: TaskTracker::new(),
            opened: AtomicU64::new(0),
            closing,
            stop,
        }
    }

    /// Waits until every websocket is closed; they close soon after `stop`.
    pub(crate) async fn closed(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// Ends at this connection's own moment after `stop`: clients come back spread over time, not all at once.
    fn dismissal(&self) -> impl Future<Output = ()> + Send + 'static {
        /// The golden ratio's fractional part: its multiples spread evenly however many there are.
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let nth = self.opened.fetch_add(1, Ordering::Relaxed);
        let wait = self.closing.mul_f64((nth as f64 * GOLDEN).fract());
        let stop = self.stop.clone();
        async move {
            stop.cancelled().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// The replicas that may serve a request, in the order to try them; none if its session is unknown.
    async fn candidates(&self, session: Session<'_>) -> Result<Vec<SocketAddr>, Error> {
        let all = self.replicas.current().await?;
        Ok(match session {
            Session::New => self.replicas.rotation(&all),
            Session::At(mark) => all.iter().copied().filter(|replica| sid::mark(*replica) == mark).collect(),
            Session::Unknown => Vec::new(),
        })
    }
}

/// Any method on `/socket`.
pub(crate) async fn pass(State(app): State<App>, context: Context, request: Request) -> Answer<Response> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let session = Session::of(&query);
    let upgrade = websocket::is_upgrade(&request);
    if !websocket::origin_is_allowed(request.headers(), &app.origins) {
        return Ok(engine_error(StatusCode::FORBIDDEN, 4, "Forbidden"));
    }
    if !upgrade && matches!(session, Session::New) && request.method() != Method::GET {
        return Ok(engine_error(StatusCode::BAD_REQUEST, 2, "Bad handshake method"));
    }
    let candidates = app.proxy.candidates(session).await?;
    if candidates.is_empty() {
        return Ok(engine_error(StatusCode::BAD_REQUEST, 1, "Session ID unknown"));
    }
    let target = sid::target(&query);
    if upgrade {
        websocket::open(&app.proxy, request, &context, &candidates, &target).await
    } else if matches!(session, Session::New) {
        polling::open(&app.proxy, request, &context, &candidates, &target).await
    } else {
        polling::go_on(&app.proxy, request, &context, candidates[0], &target).await
    }
}

/// A refusal as Engine.IO itself words it, so that its clients know what to do.
fn engine_error(status: StatusCode, code: u8, message: &str) -> Response {
    (status, Json(json!({"code": code, "message": message}))).into_response()
}

/// Waits for an answer, but not beyond the time at which this request is dismissed.
async fn unless_dismissed<T>(dismissal: impl Future<Output = ()>, answer: impl Future<Output = T>) -> Result<T, Error> {
    tokio::select! {
        answer = answer => Ok(answer),
        () = dismissal => Err(Error { cause: None, ..Error::unavailable(std::io::Error::other("closing")) }),
    }
}

/// The last failure to reach a replica, for the log.
fn unreachable(error: Option<anyhow::Error>) -> Error {
    Error::unavailable(error.unwrap_or_else(|| anyhow::anyhow!("no replica")).context("no message service answers"))
}
