//! How a connection becomes a link: by asking an HTTP server for another protocol (RFC 9110, 7.8). One that doesn't
//! know it says so, and is spoken to as before.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use axum::{
    Router,
    body::Body,
    extract::{Request, State as Extracted},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper::client::conn::http1;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Channel, Link, State, driver::Driver};
use crate::{lock, net, tls::Stream};

const PATH: &str = "/channels";
const PROTOCOL: &str = "aetherconnect-channels/3";

/// Makes a link of a new connection; `None` where the other side serves none: the connection is closed then.
pub async fn connect(stream: Stream) -> anyhow::Result<Option<Link>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let request = Request::get(PATH)
        .header(header::HOST, "message")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .body(Body::empty())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    let upgraded = hyper::upgrade::on(answer).await?;
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok().context("a link over a connection that isn't ours")?;
    Ok(Some(Link::over(parts.io.into_inner(), parts.read_buf.to_vec())))
}

/// The side that accepts channels. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    channels: mpsc::UnboundedSender<Channel>,
    links: TaskTracker,
    stop: CancellationToken,
}

impl Acceptor {
    /// Serves links until `stop`, when their channels should have ended. The channels are for a server, as
    /// [`crate::tls::Listener::with_channels`].
    #[must_use]
    pub fn new(stop: CancellationToken) -> (Self, mpsc::UnboundedReceiver<Channel>) {
        let (channels, accepted) = mpsc::unbounded_channel();
        (Self { channels, links: TaskTracker::new(), stop }, accepted)
    }

    /// Where links are asked for.
    pub fn routes(&self) -> Router {
        Router::new().route(PATH, get(open)).with_state(self.clone())
    }

    /// Waits, after `stop`, until what was to be sent is sent and every link is closed.
    pub async fn closed(&self) {
        self.links.close();
        self.links.wait().await;
    }

    async fn serve(self, stream: Stream, read: Vec<u8>) {
        let state = Arc::new(Mutex::new(State::default()));
        let mut driver = Driver::new(stream, read, Arc::clone(&state), Some(self.channels));
        tokio::select! {
            () = &mut driver => {}
            () = self.stop.cancelled() => {
                lock(&state).retired = true;
                driver.await;
            }
        }
    }
}

async fn open(Extracted(acceptor): Extracted<Acceptor>, request: Request) -> Response {
    let switching = [(header::CONNECTION, "Upgrade"), (header::UPGRADE, PROTOCOL)];
    if !net::asks_for(PROTOCOL, request.headers()) {
        return (StatusCode::UPGRADE_REQUIRED, switching).into_response();
    }
    acceptor.links.clone().spawn(async move {
        match hyper::upgrade::on(request).await.map(upgrade::downcast::<TokioIo<Stream>>) {
            Ok(Ok(parts)) => acceptor.serve(parts.io.into_inner(), parts.read_buf.to_vec()).await,
            Ok(Err(_)) => tracing::error!("a link over something that wasn't accepted here"),
            Err(error) => tracing::debug!(%error, "a link was not opened"),
        }
    });
    (StatusCode::SWITCHING_PROTOCOLS, switching).into_response()
}
