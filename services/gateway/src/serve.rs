//! The two servers: one for clients, one for probes and scrapers.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aether_common::net;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntCounter;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    access::Peer,
    app::App,
    client::{Client, took_nothing},
    connections::Slot,
    routes,
};

/// A client that sends no whole head of a request for so long is cut off.
const HEAD_TIME_OUT: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 64 * 1024;
/// At the end, connections on which nothing is asked stay open for so long: a request that is on its way is answered, and
/// its client told that it was the last, instead of finding the connection closed.
const LINGER: Duration = Duration::from_secs(1);

/// Serves clients until `stop`; then finishes what is open, for as long as the grace lasts.
pub(crate) async fn clients(listener: TcpListener, app: App, grace: Duration, stop: CancellationToken) {
    let router = routes::router(app.clone());
    let mut server = http1::Builder::new();
    // Without a timer the time-out does nothing.
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_OUT).max_buf_size(LARGEST_HEAD);
    let (connections, over) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(slot) = app.connections.admit(address.ip()) else {
                    app.metrics.limited("connections");
                    continue;
                };
                net::tune(&stream);
                let client = (Peer(address), Arc::new(slot));
                let served = connection(
                    server.clone(),
                    Client::new(stream),
                    client,
                    router.clone(),
                    app.metrics.cut_off(),
                    stop.clone(),
                );
                connections.spawn(over.clone().run_until_cancelled_owned(served));
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must close before this can go on.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let drained = async { tokio::join!(connections.wait(), app.proxy.closed()) };
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("the grace is over, open requests are cut off");
        over.cancel();
    }
}

async fn connection(
    server: http1::Builder,
    client: Client,
    (peer, slot): (Peer, Arc<Slot>),
    router: Router,
    cut_off: IntCounter,
    stop: CancellationToken,
) {
    // A flag of the connection's own: to ask the token, which all share, takes a lock for each request.
    let (turn, stopping) = (client.turn(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&stopping);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arc::clone(&slot));
        let (turn, router, stopping) = (turn.clone(), router.clone(), Arc::clone(&stopping));
        async move {
            turn.take().await;
            let mut response = router.oneshot(request).await?;
            if stopping.load(Ordering::Relaxed) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(server.serve_connection(TokioIo::new(client), service).with_upgrades());
    let dismissed = async {
        stop.cancelled().await;
        told.store(true, Ordering::Relaxed);
        tokio::time::sleep(LINGER).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = dismissed => {
            // The request that is being answered is the last one.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if took_nothing(&error) {
            cut_off.inc();
        }
        tracing::debug!(%error, "connection ended");
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics` until the gateway has ended.
pub(crate) async fn metrics(listener: TcpListener, routes: Router, ended: CancellationToken) {
    let served = axum::serve(net::tuned(listener), routes).with_graceful_shutdown(ended.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "probes and metrics are no longer served");
    }
}
