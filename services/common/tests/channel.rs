//! A channel before several replicas, one of which goes away: those that take bundles of calls, and those of before
//! there were any.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aether_common::{
    Env,
    grpc::{self, Channel, DEADLINE, Targets},
    health::Health,
};
use http::{Request, Response};
use prometheus::Registry;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, server::NamedService, transport::Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::Service;

/// A service that is never called: health comes with every server.
#[derive(Clone)]
struct Nothing;

impl NamedService for Nothing {
    const NAME: &'static str = "test.Nothing";
}

impl Service<Request<Body>> for Nothing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::unimplemented("nothing").into_http()))
    }
}

/// Counts calls.
#[derive(Clone)]
struct Counting<S>(S, Arc<AtomicUsize>);

impl<S: NamedService> NamedService for Counting<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Counting<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.call(request)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// As ours are.
    TakesBundles,
    /// As any other gRPC server.
    Plain,
}

struct Replica {
    port: u16,
    calls: Box<dyn Fn() -> usize>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Replica {
    async fn start(kind: Kind, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        if kind == Kind::Plain {
            let calls = Arc::new(AtomicUsize::new(0));
            let service = Counting(tonic_health::server::health_reporter().1, Arc::clone(&calls));
            let served = Server::builder().add_service(service);
            let incoming = TcpListenerStream::new(listener);
            let served = served.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
            let served = tokio::spawn(async move { served.await.unwrap() });
            return Self { port, calls: Box::new(move || calls.load(Ordering::SeqCst)), stop, served };
        }
        let (registry, health, end) = (Registry::new(), Health::new("test", &[], &[]), stop.clone());
        let metrics = registry.clone();
        let served = tokio::spawn(async move {
            grpc::serve(listener, None, Nothing, health, &metrics, false, end).await.unwrap();
        });
        Self { port, calls: Box::new(move || handled(&registry)), stop, served }
    }

    fn calls(&self) -> usize {
        (self.calls)()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }
}

fn client(ports: &[u16]) -> HealthClient<Channel> {
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let targets = Targets::from_env(&Env::default().with("URL", urls.join(",")), "URL", "").unwrap();
    HealthClient::new(Channel::new(targets))
}

async fn ask(client: &HealthClient<Channel>) -> Result<(), Status> {
    client.clone().check(HealthCheckRequest::default()).await.map(drop)
}

async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < end, "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As the server's metrics tell.
fn handled(registry: &Registry) -> usize {
    let families = registry.gather();
    let calls = families.iter().find(|family| family.name() == "grpc_server_handled_total");
    calls.map_or(0, |calls| calls.get_metric().iter().map(|metric| metric.get_counter().get_value() as usize).sum())
}

async fn three(kind: Kind) -> (Vec<Replica>, HealthClient<Channel>) {
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::start(kind, 0).await);
    }
    let client = client(&replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    until(|| async {
        ask(&client).await.unwrap();
        replicas.iter().all(|replica| replica.calls() > 0)
    })
    .await;
    (replicas, client)
}

#[tokio::test]
async fn calls_go_to_all_replicas_in_turn() {
    for kind in [Kind::TakesBundles, Kind::Plain] {
        let (replicas, client) = three(kind).await;
        let before: Vec<usize> = replicas.iter().map(Replica::calls).collect();
        for _ in 0..30 {
            ask(&client).await.unwrap();
        }
        let made = |(replica, before): (&Replica, usize)| replica.calls() - before;
        assert_eq!(replicas.iter().zip(before).map(made).collect::<Vec<_>>(), [10, 10, 10]);
    }
}

#[tokio::test]
async fn a_replica_that_leaves_under_load_costs_no_call_and_takes_part_again_when_it_is_back() {
    leave_under_load(Kind::TakesBundles).await;
}

#[tokio::test]
async fn so_it_is_with_replicas_that_take_no_bundles() {
    leave_under_load(Kind::Plain).await;
}

async fn leave_under_load(kind: Kind) {
    let (mut replicas, client) = three(kind).await;
    let stop = CancellationToken::new();
    let load = (0..20).map(|_| {
        let (client, stop) = (client.clone(), stop.clone());
        tokio::spawn(async move {
            let mut made = 0;
            while !stop.is_cancelled() {
                ask(&client).await.unwrap();
                made += 1;
            }
            made
        })
    });
    let load: Vec<JoinHandle<usize>> = load.collect();
    for _ in 0..3 {
        let leaving = replicas.remove(0);
        let port = leaving.port;
        leaving.stop().await;
        let back = Replica::start(kind, port).await;
        until(|| async { back.calls() > 100 }).await;
        replicas.push(back);
    }
    stop.cancel();
    for made in load {
        assert!(made.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_replica_that_hangs_is_left_alone_after_one_call() {
    let hung = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let good = Replica::start(Kind::TakesBundles, 0).await;
    let client = client(&[hung.local_addr().unwrap().port(), good.port]);
    // Connections are taken, and nothing is ever said.
    let (mut streams, start) = (Vec::new(), Instant::now());
    let failed = async {
        let mut failed = 0;
        while start.elapsed() < DEADLINE * 2 {
            failed += usize::from(ask(&client).await.is_err());
        }
        failed
    };
    let failed = tokio::select! {
        failed = failed => failed,
        () = async { loop { streams.push(hung.accept().await.unwrap()); } } => unreachable!(),
    };
    assert!(failed <= 1, "{failed}");
    assert!(good.calls() > 10);
}

#[tokio::test]
async fn without_any_replica_it_is_an_outage_soon() {
    let client = client(&[1]);
    let start = Instant::now();
    assert_eq!(ask(&client).await.unwrap_err().code(), tonic::Code::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
