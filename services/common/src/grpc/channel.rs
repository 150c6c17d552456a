//! Calls to all replicas of a service, over one connection to each.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, body::Body};
use tower::Service;

use super::{
    DEADLINE,
    bundle::Call,
    gather::Gather,
    late,
    replica::{Failure, Replica},
    replicas::Replicas,
    targets::{Host, Targets},
};
use crate::{net, telemetry, tls};

const CONNECT_TIME_OUT: Duration = Duration::from_secs(1);
const RECONNECT: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A new replica takes part, and one whose name is gone doesn't any more, after so long.
const LOOK_UP: Duration = Duration::from_secs(1);
/// For so long a call waits for a replica to come back where there is none.
const WAIT: Duration = Duration::from_millis(500);
/// [`DEADLINE`] as gRPC writes it.
const GRPC_TIMEOUT: HeaderValue = HeaderValue::from_static("2500m");

/// Calls all replicas of a service: each call goes to the one with the fewest calls open. A replica takes part while
/// its connection stands; a call that it hasn't taken when the connection ends goes to another one, a call that it may
/// have taken never does. Every call has a deadline. Cheap to clone.
#[derive(Clone)]
pub struct Channel {
    replicas: Arc<Replicas>,
    _connections: Arc<DropGuard>,
}

impl Channel {
    /// Connects to every address of every host and goes on doing so, until the last clone is dropped. Needs a Tokio
    /// runtime.
    #[must_use]
    pub fn new(targets: Targets) -> Self {
        let (replicas, stop) = (Arc::new(Replicas::default()), CancellationToken::new());
        for host in targets.hosts {
            tokio::spawn(follow_name(Arc::new(host), Arc::clone(&replicas), stop.clone()));
        }
        Self { replicas, _connections: Arc::new(stop.drop_guard()) }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let replicas = Arc::clone(&self.replicas);
        request.headers_mut().entry("grpc-timeout").or_insert(GRPC_TIMEOUT);
        telemetry::pass_on(request.headers_mut());
        Box::pin(async move { timeout(DEADLINE, send(&replicas, request)).await.unwrap_or_else(|_| Err(late())) })
    }
}

async fn send(replicas: &Replicas, request: Request<Body>) -> Result<Response<Body>, Status> {
    // Calls to our services send one message each, which is there at once.
    let (parts, body) = request.into_parts();
    let call = Call::new(&parts, body.collect().await?.to_bytes());
    let mut left = Vec::new();
    loop {
        let picked = timeout(WAIT, replicas.pick(&left)).await;
        let replica = picked.map_err(|_| Status::unavailable("no replica can be reached"))?;
        match replica.send(call.clone()).await {
            Err(Failure::NotTaken) => left.push(replica),
            Err(Failure::Broken(status)) => return Err(status),
            Ok(response) => return Ok(response),
        }
    }
}

/// Keeps a connection to each address that a name stands for. While the name can't be resolved, nothing changes.
async fn follow_name(host: Arc<Host>, replicas: Arc<Replicas>, stop: CancellationToken) {
    let mut known: HashMap<SocketAddr, DropGuard> = HashMap::new();
    let mut told = false;
    loop {
        match net::look_up(&host.name, host.port).await {
            Ok(addresses) => {
                told = false;
                known.retain(|address, _| addresses.contains(address));
                for address in addresses {
                    known.entry(address).or_insert_with(|| {
                        let end = stop.child_token();
                        tokio::spawn(keep_connected(Arc::clone(&host), address, Arc::clone(&replicas), end.clone()));
                        end.drop_guard()
                    });
                }
            }
            Err(error) if !told => {
                tracing::warn!("a service can't be found: {error:#}");
                told = true;
            }
            Err(_) => {}
        }
        if stop.run_until_cancelled(sleep(LOOK_UP)).await.is_none() {
            return;
        }
    }
}

async fn keep_connected(host: Arc<Host>, address: SocketAddr, replicas: Arc<Replicas>, end: CancellationToken) {
    let (mut pause, mut told) = (RECONNECT, false);
    loop {
        let Some(connected) = end.run_until_cancelled(timeout(CONNECT_TIME_OUT, connect(&host, address))).await else {
            return;
        };
        match connected.map_err(anyhow::Error::from).and_then(|connected| connected) {
            Ok((replica, connection)) => {
                replicas.add(&replica);
                // Calls that are open then are finished all the same; no new ones are made.
                let ended = end.run_until_cancelled(connection).await;
                replicas.remove(&replica);
                if ended.is_none() {
                    return;
                }
                tracing::debug!(%address, host = host.name, "a connection to a replica ended");
                (pause, told) = (RECONNECT, false);
            }
            Err(error) => {
                let error = format!("{error:#}");
                // What is away comes back by itself, but wrong files stay so until somebody hears of them.
                if !told && tls::names_a_file(&error) {
                    tracing::warn!(%address, host = host.name, "a replica can't be reached: {error}");
                    told = true;
                } else {
                    tracing::debug!(%address, host = host.name, "a replica can't be reached: {error}");
                }
            }
        }
        if end.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A connection over which a replica has answered: one that hangs would take it, too.
async fn connect(host: &Host, address: SocketAddr) -> anyhow::Result<(Arc<Replica>, JoinHandle<()>)> {
    let stream = tls::connect(address, host.peer.as_ref()).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(1)))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true);
    let (sender, connection) = builder.handshake(TokioIo::new(Gather::new(stream))).await?;
    let connection = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "a connection to a replica broke");
        }
    });
    match Replica::meet(sender, host.uri.clone()).await {
        Ok(replica) => Ok((Arc::new(replica), connection)),
        Err(Failure::NotTaken) => anyhow::bail!("it takes no call"),
        Err(Failure::Broken(status)) if host.peer.is_some() => anyhow::bail!(tls::turned_away(status.message())),
        Err(Failure::Broken(status)) => Err(status.into()),
    }
}
