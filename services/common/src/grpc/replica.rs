//! A replica, and how calls are made to it.

use std::sync::{Arc, Mutex};

use h2::Reason;
use http::{Method, Request, Response, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Frame},
    client::conn::http2::SendRequest,
};
use prost::{Message as _, bytes::BytesMut};
use tokio::{sync::oneshot, time::Instant};
use tonic::{Status, body::Body};

use super::{
    bundle::{self, Answer, Bundle, Call},
    late,
    load::{Load, Open},
};
use crate::lock;

/// A connection to a replica.
pub(super) struct Replica {
    pub(super) sender: SendRequest<Body>,
    base: Uri,
    pub(super) load: Mutex<Load>,
    /// Whether it takes bundles, and which calls are to go with the next one.
    bundles: bool,
    waiting: Mutex<Vec<Waiting>>,
}

/// A call that waits for an answer.
struct Waiting {
    call: Call,
    caller: oneshot::Sender<Outcome>,
}

type Outcome = Result<Response<Body>, Failure>;

impl Replica {
    /// A replica that has answered, and said whether it takes bundles: those of before there were any don't.
    pub(super) async fn meet(sender: SendRequest<Body>, base: Uri) -> Result<Self, Failure> {
        let (load, waiting) = (Mutex::new(Load::new(Instant::now())), Mutex::default());
        let replica = Self { sender, base, load, bundles: false, waiting };
        let answer = replica.post(Vec::new()).await?;
        Ok(Self { bundles: answer.headers().get(header::CONTENT_TYPE) == Some(&bundle::CONTENT_TYPE), ..replica })
    }

    /// Makes a call; small ones together with those that are made at the same time.
    pub(super) async fn send(self: &Arc<Self>, call: Call) -> Outcome {
        let mut open = Open::begin(&self.load);
        let outcome = if self.bundles && call.is_for_bundles() {
            self.send_with_others(call).await
        } else {
            self.send_alone(call).await
        };
        open.answered = outcome.is_ok();
        outcome
    }

    async fn send_with_others(self: &Arc<Self>, call: Call) -> Outcome {
        let (caller, answered) = oneshot::channel();
        let first = {
            let mut waiting = lock(&self.waiting);
            waiting.push(Waiting { call, caller });
            waiting.len() == 1
        };
        if first {
            // A task of its own: the caller may give up, and others wait for it, too.
            tokio::spawn(Arc::clone(self).send_waiting());
        }
        answered.await.unwrap_or_else(|_| Err(Failure::Broken(Status::unavailable("the connection broke"))))
    }

    async fn send_waiting(self: Arc<Self>) {
        // Every task goes first that is ready to run, and may have a call to make.
        tokio::task::yield_now().await;
        let mut waiting = std::mem::take(&mut *lock(&self.waiting));
        // After an outage most of those who wait have given up.
        waiting.retain(|waiting| !waiting.caller.is_closed());
        while waiting.len() > bundle::MOST_CALLS {
            let calls = waiting.split_off(waiting.len() - bundle::MOST_CALLS);
            let replica = Arc::clone(&self);
            tokio::spawn(async move { replica.send_bundle(calls).await });
        }
        match <[Waiting; 1]>::try_from(waiting) {
            Err(calls) => self.send_bundle(calls).await,
            Ok([Waiting { call, mut caller }]) => {
                let outcome = tokio::select! {
                    outcome = self.send_alone(call) => outcome,
                    () = caller.closed() => return,
                };
                tell(caller, outcome);
            }
        }
    }

    async fn send_bundle(&self, calls: Vec<Waiting>) {
        if calls.is_empty() {
            return;
        }
        let (calls, mut callers): (Vec<_>, Vec<_>) =
            calls.into_iter().map(|Waiting { call, caller }| (call, Some(caller))).unzip();
        let failure = match self.post(calls).await {
            Ok(response) => Failure::Broken(read_answers(response, &mut callers).await),
            Err(failure) => failure,
        };
        callers.into_iter().flatten().for_each(|caller| tell(caller, Err(failure.clone())));
    }

    async fn send_alone(&self, call: Call) -> Outcome {
        let mut request = call.request().map_err(Failure::Broken)?;
        *request.uri_mut() = self.uri(request.uri().path_and_query())?;
        self.exchange(request).await
    }

    /// Sends a bundle.
    async fn post(&self, calls: Vec<Call>) -> Outcome {
        let bundle = Bundle { calls }.encode_to_vec();
        let mut request = Request::new(Body::new(Full::new(Bytes::from(bundle))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(Some(&PathAndQuery::from_static(bundle::PATH)))?;
        request.headers_mut().insert(header::CONTENT_TYPE, bundle::CONTENT_TYPE);
        self.exchange(request).await
    }

    fn uri(&self, path: Option<&PathAndQuery>) -> Result<Uri, Failure> {
        let mut uri = self.base.clone().into_parts();
        uri.path_and_query = path.cloned();
        Uri::from_parts(uri).map_err(|error| Failure::Broken(Status::internal(error.to_string())))
    }

    async fn exchange(&self, request: Request<Body>) -> Outcome {
        match self.sender.clone().try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| Body::new(body.map_err(|error| broken(&error))))),
            Err(error) if error.message().is_some() || was_refused(error.error()) => Err(Failure::NotTaken),
            Err(error) => Err(Failure::Broken(broken(error.error()))),
        }
    }
}

/// Gives each caller its answer; tells why those have none who are left.
async fn read_answers(response: Response<Body>, callers: &mut [Option<oneshot::Sender<Outcome>>]) -> Status {
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let (mut body, mut buffer) = (response.into_body(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => buffer.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(status) => return status,
        }
        loop {
            match Answer::read(&mut buffer) {
                Ok(Some(answer)) => {
                    if let Some(caller) = callers.get_mut(answer.call as usize).and_then(Option::take) {
                        tell(caller, answer.response().map_err(Failure::Broken));
                    }
                }
                Ok(None) => break,
                Err(status) => return status,
            }
        }
    }
    late()
}

fn tell(caller: oneshot::Sender<Outcome>, outcome: Outcome) {
    // Who has gone needs no answer.
    let _ = caller.send(outcome);
}

/// Why a call has no answer.
#[derive(Clone)]
pub(super) enum Failure {
    /// The replica hasn't begun it and never will.
    NotTaken,
    /// It may have been done.
    Broken(Status),
}

/// Whether a replica said that it didn't begin a call: one that comes after a farewell, or is refused.
fn was_refused(error: &hyper::Error) -> bool {
    let error = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        let farewell = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
        error.is_remote() && (farewell || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
    })
}

/// A connection that ends under a call is an outage.
fn broken(error: &hyper::Error) -> Status {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Status::unavailable(format!("the connection broke: {error}: {cause}"))
}
