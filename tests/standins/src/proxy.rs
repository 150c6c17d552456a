//! A connection to the API server that can be as bad as wanted: it answers for the server, drops, hangs, loses answers
//! and ends watches, by a seed; it notes what went through, and can stop everything right after a certain write.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// What can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 409: somebody else was first.
    Conflict,
    /// 429, to be sent again after a second.
    TooMany,
    /// 500.
    Broken,
    /// The connection is closed before the request gets through.
    Closed,
    /// The request is carried out, and its answer lost.
    AnswerLost,
    /// There is no answer.
    Silent,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Conflict, Self::TooMany, Self::Broken, Self::Closed, Self::AnswerLost, Self::Silent];
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Call {
    /// When.
    pub at: Instant,
    /// GET, POST, …
    pub method: Method,
    /// The path.
    pub path: String,
    /// What comes after the path.
    pub query: String,
    /// What kind of answer is wanted.
    pub accept: String,
    /// What was answered; none if nothing was.
    pub status: Option<u16>,
    /// What was done to it.
    pub fault: Option<Fault>,
}

impl Call {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=")
    }
}

struct Plan {
    rng: StdRng,
    share: f64,
    faults: Vec<Fault>,
    /// What is left of them in this round.
    round: Vec<Fault>,
    /// Writes that go through until everything stops.
    writes_left: Option<usize>,
    is_stopped: bool,
    calls: Vec<Call>,
    /// How many calls were taken away.
    taken: usize,
    watches: CancellationToken,
}

impl Plan {
    /// What is to befall the next request.
    fn draw(&mut self) -> Option<Fault> {
        if !self.rng.random_bool(self.share) {
            return None;
        }
        if self.round.is_empty() {
            self.round.clone_from(&self.faults);
            self.round.shuffle(&mut self.rng);
        }
        self.round.pop()
    }
}

struct State {
    server: Client,
    plan: Mutex<Plan>,
    stopped: Notify,
}

/// A proxy, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// One that does no harm yet, before the server that this client reaches.
    pub async fn start(server: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Plan {
            rng: StdRng::seed_from_u64(0),
            share: 0.0,
            faults: Vec::new(),
            round: Vec::new(),
            writes_left: None,
            is_stopped: false,
            calls: Vec::new(),
            taken: 0,
            watches: CancellationToken::new(),
        };
        let state = Arc::new(State { server, plan: Mutex::new(plan), stopped: Notify::new() });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Self { address, state, _tasks: tasks }
    }

    /// How to reach the server through it.
    pub fn config(&self) -> kube::Config {
        kube::Config::new(self.url().parse().unwrap())
    }

    /// The same, for programs.
    pub fn kubeconfig(&self) -> String {
        let name = json!({"cluster": "proxy", "user": "proxy"});
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url()}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": name}],
            "current-context": "proxy",
        })
        .to_string()
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.state.plan.lock().unwrap()
    }

    /// From now on these faults befall a share of the requests; which ones, the seed says. They come in rounds, each
    /// fault once in a round, so that none is left out by chance.
    pub fn fail(&self, share: f64, faults: &[Fault], seed: u64) {
        let mut plan = self.plan();
        (plan.share, plan.faults, plan.rng) = (share, faults.to_vec(), StdRng::seed_from_u64(seed));
        plan.round.clear();
    }

    /// From now on everything goes through.
    pub fn heal(&self) {
        self.plan().share = 0.0;
    }

    /// Ends all watches.
    pub fn end_watches(&self) {
        let watches = std::mem::take(&mut self.plan().watches);
        watches.cancel();
    }

    /// After so many writes nothing is answered any more, the last of them included.
    pub fn stop_after(&self, writes: usize) {
        self.plan().writes_left = Some(writes);
    }

    /// Waits for that.
    pub async fn stopped(&self) {
        loop {
            let next = self.state.stopped.notified();
            if self.plan().is_stopped {
                return;
            }
            next.await;
        }
    }

    /// What came since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        let mut plan = self.plan();
        plan.taken += plan.calls.len();
        std::mem::take(&mut plan.calls)
    }

    /// What came so far.
    pub fn calls(&self) -> Vec<Call> {
        self.plan().calls.clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true).unwrap();
        connections.spawn(serve(stream, state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| handle(state.clone(), request));
    // A connection that ends is what it is for.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection.
async fn handle(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let (number, call) = note(&state, &request);
    let closed = || Err(std::io::Error::other("closed on purpose"));
    match call.fault {
        Some(Fault::Conflict) => return answered(&state, number, refusal(StatusCode::CONFLICT, "Conflict", None)),
        Some(Fault::TooMany) => {
            let refusal = refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", Some(1));
            return answered(&state, number, refusal);
        }
        Some(Fault::Broken) => {
            return answered(&state, number, refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", None));
        }
        Some(Fault::Closed) => return closed(),
        Some(Fault::Silent) => return std::future::pending().await,
        Some(Fault::AnswerLost) | None => {}
    }
    let Ok(answer) = forward(&state, request).await else { return closed() };
    if call.is_write() && stops(&state, &call, answer.status()) {
        return std::future::pending().await;
    }
    if call.fault == Some(Fault::AnswerLost) {
        return closed();
    }
    let end = state.plan.lock().unwrap().watches.clone();
    let answer = answer.map(|body| {
        let frames = body.into_data_stream().map(|data| data.map(Frame::data));
        if call.is_watch() {
            StreamBody::new(frames.take_until(end.cancelled_owned())).boxed_unsync()
        } else {
            StreamBody::new(frames).boxed_unsync()
        }
    });
    answered(&state, number, answer)
}

/// Notes the request, and draws what is to befall it.
fn note(state: &State, request: &Request<Incoming>) -> (usize, Call) {
    let accept = request.headers().get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
    let mut plan = state.plan.lock().unwrap();
    let fault = if plan.is_stopped { Some(Fault::Silent) } else { plan.draw() };
    let call = Call {
        at: Instant::now(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        accept: accept.unwrap_or_default().to_owned(),
        status: None,
        fault,
    };
    plan.calls.push(call.clone());
    (plan.taken + plan.calls.len() - 1, call)
}

fn answered(state: &State, number: usize, answer: Answer) -> Result<Answer, std::io::Error> {
    let mut plan = state.plan.lock().unwrap();
    let place = number.checked_sub(plan.taken);
    if let Some(call) = place.and_then(|place| plan.calls.get_mut(place)) {
        call.status = Some(answer.status().as_u16());
    }
    Ok(answer)
}

/// Counts a write that the server has carried out; says whether everything stops with it.
fn stops(state: &State, call: &Call, status: StatusCode) -> bool {
    let mut plan = state.plan.lock().unwrap();
    if !status.is_success() || call.path.contains("/leases") {
        return plan.is_stopped;
    }
    if let Some(left) = &mut plan.writes_left {
        *left = left.saturating_sub(1);
        if *left == 0 {
            plan.is_stopped = true;
            state.stopped.notify_waiters();
        }
    }
    plan.is_stopped
}

async fn forward(state: &State, request: Request<Incoming>) -> Result<Response<Body>, Box<dyn std::error::Error>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    for name in [http::header::HOST, http::header::CONTENT_LENGTH, http::header::CONNECTION] {
        parts.headers.remove(name);
    }
    let body = body.collect().await?.to_bytes();
    let mut answer = state.server.send(Request::from_parts(parts, Body::from(body))).await?;
    for name in [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING, http::header::CONNECTION] {
        answer.headers_mut().remove(name);
    }
    *answer.version_mut() = http::Version::HTTP_11;
    Ok(answer)
}

/// An answer in the form of the API server's.
fn refusal(code: StatusCode, reason: &str, retry_after: Option<u32>) -> Answer {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "made up by the proxy", "reason": reason, "code": code.as_u16(),
    });
    let mut answer = Response::builder().status(code).header(http::header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        status["details"] = json!({"retryAfterSeconds": seconds});
        answer = answer.header(http::header::RETRY_AFTER, seconds);
    }
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    answer.body(body.boxed_unsync()).unwrap()
}
