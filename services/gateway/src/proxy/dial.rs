//! Connections to replicas, encrypted where their URL says so.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use aether_common::tls::{self, Stream};
use axum::http::Uri;
use hyper_util::rt::TokioIo;
use tower::Service;

use super::replicas::Replicas;

pub(super) const TIME_OUT: Duration = Duration::from_secs(1);

/// Dials replicas for a client of HTTP. Cheap to clone.
#[derive(Clone)]
pub(super) struct Dialler(Arc<Replicas>);

impl Dialler {
    pub(super) fn new(replicas: Arc<Replicas>) -> Self {
        Self(replicas)
    }
}

/// A connection to a replica, made within a second.
pub(super) async fn dial(replicas: &Replicas, replica: SocketAddr) -> io::Result<Stream> {
    let connecting = async { tls::connect(replica, replicas.peer(replica).await.as_ref()).await };
    tokio::time::timeout(TIME_OUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let replicas = Arc::clone(&self.0);
        Box::pin(async move {
            let replica = uri.authority().and_then(|authority| authority.as_str().parse().ok());
            let replica = replica.ok_or_else(|| io::Error::other("no replica's address"))?;
            Ok(TokioIo::new(dial(&replicas, replica).await?))
        })
    }
}
