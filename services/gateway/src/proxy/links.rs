//! Ways to replicas for websockets: channels of a few connections, or a connection each where a replica knows no
//! channels.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aether_common::{
    link::{self, Link},
    lock,
    tls::Stream,
};

use super::{dial, replicas::Replicas};

/// A replica that knew no channels is asked again after so long: it may have been replaced.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Links to all replicas.
pub(super) struct Links {
    replicas: Arc<Replicas>,
    /// As many to each replica as there are threads to work on them.
    each: usize,
    next: AtomicUsize,
    known: Mutex<HashMap<SocketAddr, Arc<[Place]>>>,
}

/// One of a replica's links. Who finds none makes it, and the others wait for it.
type Place = tokio::sync::Mutex<Way>;

#[derive(Default)]
enum Way {
    #[default]
    Unknown,
    Link(Link),
    /// A connection for each websocket, until then.
    Plain(Instant),
}

impl Links {
    pub(super) fn new(replicas: Arc<Replicas>) -> Self {
        let each = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
        Self { replicas, each, next: AtomicUsize::new(0), known: Mutex::default() }
    }

    /// A connection to a replica for one websocket, made within a second or two.
    pub(super) async fn open(&self, replica: SocketAddr) -> anyhow::Result<Stream> {
        let places = self.places(replica).await;
        let mut way = places[self.next.fetch_add(1, Ordering::Relaxed) % places.len()].lock().await;
        let known = match &*way {
            Way::Link(link) => link.open().map(Stream::Channel),
            Way::Plain(until) if Instant::now() < *until => {
                drop(way);
                return Ok(dial::dial(&self.replicas, replica).await?);
            }
            Way::Plain(_) | Way::Unknown => None,
        };
        if let Some(channel) = known {
            return Ok(channel);
        }
        *way = Way::Unknown;
        let stream = dial::dial(&self.replicas, replica).await?;
        let linked = tokio::time::timeout(dial::TIME_OUT, link::connect(stream)).await;
        let linked = linked.map_err(|_| {
            self.replicas.doubt(replica);
            io::Error::from(io::ErrorKind::TimedOut)
        })??;
        let Some(link) = linked else {
            *way = Way::Plain(Instant::now() + ASK_AGAIN);
            drop(way);
            return Ok(dial::dial(&self.replicas, replica).await?);
        };
        let channel = link.open().map(Stream::Channel);
        *way = Way::Link(link);
        channel.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset).into())
    }

    async fn places(&self, replica: SocketAddr) -> Arc<[Place]> {
        if let Some(places) = lock(&self.known).get(&replica) {
            return Arc::clone(places);
        }
        let current = self.replicas.current().await;
        let mut known = lock(&self.known);
        // A link to a replica that is gone is needed no more; one that is going closes with its last channel.
        known.retain(|address, _| current.as_ref().map_or(true, |current| current.contains(address)));
        let places = known.entry(replica).or_insert_with(|| (0..self.each).map(|_| Place::default()).collect());
        Arc::clone(places)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aether_common::{link::Acceptor, tls};
    use axum::{Router, serve::ListenerExt as _};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::proxy::replicas::Host;

    /// Serves what it is asked for until it is dropped, and counts connections.
    struct Replica {
        address: SocketAddr,
        connections: Arc<AtomicUsize>,
        served: tokio::task::JoinHandle<()>,
        stop: CancellationToken,
    }

    impl Replica {
        async fn start(address: SocketAddr, links: bool) -> Self {
            let listener = TcpListener::bind(address).await.unwrap();
            let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
            let connections = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&connections);
            let listener = tls::Listener::new(listener, None).tap_io(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            let (acceptor, mut accepted) = Acceptor::new(stop.clone());
            tokio::spawn(async move {
                while let Some(channel) = accepted.recv().await {
                    let (mut from, mut to) = tokio::io::split(Stream::Channel(channel));
                    tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
                }
            });
            let routes = if links { acceptor.routes() } else { Router::new() };
            let served = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
            Self { address, connections, served, stop }
        }

        async fn end(self) {
            self.served.abort();
            let _ = self.served.await;
            self.stop.cancel();
        }
    }

    fn free() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn links(replica: SocketAddr) -> Links {
        let host = Host { name: replica.ip().to_string(), port: replica.port(), peer: None };
        Links::new(Arc::new(Replicas::new(vec![host])))
    }

    async fn echoes(stream: &mut Stream) -> bool {
        stream.write_all(b"hello").await.is_ok() && stream.read_exact(&mut [0; 5]).await.is_ok()
    }

    #[tokio::test]
    async fn many_websockets_share_a_few_connections_and_new_ones_are_made_for_those_that_broke() {
        let replica = Replica::start(free(), true).await;
        let (address, links) = (replica.address, links(replica.address));
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(links.open(address).await.unwrap());
        }
        for stream in &mut streams {
            assert!(echoes(stream).await);
        }
        assert_eq!(replica.connections.load(Ordering::Relaxed), links.each);

        replica.end().await;
        drop(streams);
        let again = Replica::start(address, true).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        // The other side's end is seen soon, not at once.
        loop {
            let mut all = 0;
            for _ in 0..links.each {
                all += usize::from(match links.open(address).await {
                    Ok(mut stream) => echoes(&mut stream).await,
                    Err(_) => false,
                });
            }
            if all == links.each {
                break;
            }
            assert!(Instant::now() < deadline, "no way to the new replica");
        }
        again.end().await;
    }

    #[tokio::test]
    async fn a_replica_that_knows_no_channels_gets_a_connection_for_each_websocket() {
        let replica = Replica::start(free(), false).await;
        let links = links(replica.address);
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(links.open(replica.address).await.unwrap());
        }
        assert!(streams.iter().all(|stream| matches!(stream, Stream::Plain(_))));
        replica.end().await;
    }

    #[tokio::test]
    async fn a_replica_that_takes_connections_and_answers_nothing_is_given_up_in_time() {
        let listener = TcpListener::bind(free()).await.unwrap();
        let replica = listener.local_addr().unwrap();
        let links = links(replica);
        let began = Instant::now();
        assert!(links.open(replica).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn links_to_replicas_that_are_gone_are_not_kept() {
        let (old, new) = (Replica::start(free(), true).await, Replica::start(free(), true).await);
        let links = links(new.address);
        let mut last = links.open(old.address).await.unwrap();
        links.open(new.address).await.unwrap();
        assert_eq!(lock(&links.known).keys().copied().collect::<Vec<_>>(), [new.address]);
        assert!(echoes(&mut last).await, "what is open stays open");
        old.end().await;
        new.end().await;
    }
}
