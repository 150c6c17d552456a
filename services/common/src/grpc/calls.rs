//! What is noted of each gRPC call that a server takes: how it ended and how long it took, by the names that other gRPC
//! servers have for it.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use hyper::body::{Bytes, Frame, SizeHint};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    is_request_id,
    methods::{self, HEALTH},
};
use crate::{metrics::SECONDS, telemetry};

/// The label of a call whose method there isn't: anybody may make one up, and labels must not grow with them.
const UNKNOWN: &str = "unknown";

/// The metrics of one server.
pub(super) struct Calls {
    methods: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
    handled: IntCounterVec,
}

/// A method as its labels have it.
struct Method {
    kind: &'static str,
    service: String,
    name: String,
    seconds: Histogram,
}

impl Method {
    /// What every line of the log that belongs to a call of it carries; nothing for probes, which come all the time.
    fn span(&self, headers: &HeaderMap) -> Span {
        if self.service == HEALTH {
            return Span::none();
        }
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let request_id = request_id.filter(|id| is_request_id(id)).unwrap_or("-");
        let span = tracing::info_span!("call", method = self.name, request_id, otel.name = Empty, otel.kind = Empty);
        telemetry::serves(&span, headers, || format!("{}/{}", self.service, self.name));
        span
    }
}

impl Calls {
    /// Registers the metrics of a server of a service, and of its health.
    pub(super) fn new(registry: &Registry, wanted: &str) -> anyhow::Result<Arc<Self>> {
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        let help = "Time from a call to the end of its answer, by method.";
        let seconds = HistogramOpts::new("grpc_server_handling_seconds", help).buckets(SECONDS.to_vec());
        let seconds = HistogramVec::new(seconds, &labels)?;
        let handled = Opts::new("grpc_server_handled_total", "Calls that have ended, by method and status.");
        let handled = IntCounterVec::new(handled, &[&labels[..], &["grpc_code"]].concat())?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(handled.clone()))?;

        let method = |kind, service: &str, name: &str| {
            let seconds = seconds.with_label_values(&[kind, service, name]);
            Arc::new(Method { kind, service: service.to_owned(), name: name.to_owned(), seconds })
        };
        let mut methods = HashMap::new();
        for rpc in methods::all().iter().filter(|rpc| [wanted, HEALTH].contains(&rpc.service.as_str())) {
            let kind = if rpc.streams { "server_stream" } else { "unary" };
            methods.insert(rpc.path(), method(kind, &rpc.service, &rpc.name));
        }
        Ok(Arc::new(Self { methods, unknown: method("unary", UNKNOWN, UNKNOWN), handled }))
    }

    fn begin(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> Call {
        let method = Arc::clone(self.methods.get(path).unwrap_or(&self.unknown));
        let span = method.span(headers);
        Call { calls: Arc::clone(self), method, span, since: Instant::now(), code: Code::Cancelled }
    }
}

/// A call that is under way. Whoever gives it up before it has a status has cancelled it.
struct Call {
    calls: Arc<Calls>,
    method: Arc<Method>,
    span: Span,
    since: Instant,
    code: Code,
}

impl Call {
    fn ended(&mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Method { kind, service, name, seconds } = &*self.method;
        self.calls.handled.with_label_values(&[kind, service.as_str(), name, code_name(self.code)]).inc();
        seconds.observe(self.since.elapsed().as_secs_f64());
        use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
        let fault = matches!(self.code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss);
        telemetry::ended(&self.span, "rpc.grpc.status_code", self.code as i64, fault);
    }
}

/// The code as metrics of other gRPC servers have it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// Puts [`Noted`] around a server.
#[derive(Clone)]
pub(super) struct NoteCalls(pub(super) Arc<Calls>);

impl<S> Layer<S> for NoteCalls {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        Noted { inner, calls: Arc::clone(&self.0) }
    }
}

/// A server whose calls are noted.
#[derive(Clone)]
pub(super) struct Noted<S> {
    inner: S,
    calls: Arc<Calls>,
}

impl<S> Service<Request<Body>> for Noted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = self.calls.begin(request.uri().path(), request.headers());
        let span = call.span.clone();
        let answer = span.in_scope(|| self.inner.call(request));
        let noted = async move {
            let response = answer.await?;
            Ok(match status(response.headers()) {
                // A refusal has its status at once, anything else behind its messages.
                Some(code) => {
                    call.ended(code);
                    response
                }
                None => response.map(|body| Body::new(Answer { body, call })),
            })
        };
        Box::pin(noted.instrument(span))
    }
}

fn status(headers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(headers).map(|status| status.code())
}

/// The body of an answer, with the status at its end.
struct Answer {
    body: Body,
    call: Call,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(code) = frame.trailers_ref().and_then(status) {
                    self.call.ended(code);
                }
            }
            Poll::Ready(Some(Err(error))) => self.call.ended(error.code()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, StreamBody};
    use tower::service_fn;

    use super::*;

    const LOGIN: &str = "/aetherconnect.auth.v1.AuthService/Login";

    struct Server {
        registry: Registry,
        layer: NoteCalls,
    }

    impl Server {
        fn new() -> Self {
            let registry = Registry::new();
            let layer = NoteCalls(Calls::new(&registry, "aetherconnect.auth.v1.AuthService").unwrap());
            Self { registry, layer }
        }

        /// An answer of one message and a trailer.
        async fn call(&self, path: &str, trailer: &'static str) -> Response<Body> {
            let mut server = self.layer.layer(service_fn(move |_: Request<Body>| async move {
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), trailer.parse().unwrap())]);
                let frames = [Frame::data(Bytes::from_static(b"x")), Frame::trailers(trailers)];
                let frames = frames.map(Ok::<_, Status>);
                Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames)))))
            }));
            server.call(Request::post(path).body(Body::empty()).unwrap()).await.unwrap()
        }

        fn tells(&self, line: &str) -> bool {
            crate::metrics::render(&self.registry).lines().any(|told| told.starts_with(line))
        }
    }

    fn handled(service: &str, method: &str, code: &str) -> String {
        format!(
            "grpc_server_handled_total{{grpc_code=\"{code}\",grpc_method=\"{method}\",grpc_service=\"{service}\",\
             grpc_type=\"unary\"}} 1"
        )
    }

    #[tokio::test]
    async fn a_call_is_counted_by_the_status_behind_its_messages() {
        let server = Server::new();
        let body = server.call(LOGIN, "16").await.into_body();
        assert!(!server.tells("grpc_server_handled_total"), "it isn't over");
        body.collect().await.unwrap();
        assert!(server.tells(&handled("aetherconnect.auth.v1.AuthService", "Login", "Unauthenticated")));
    }

    #[tokio::test]
    async fn a_call_that_its_caller_gave_up_was_cancelled() {
        let server = Server::new();
        drop(server.call(LOGIN, "0").await);
        assert!(server.tells(&handled("aetherconnect.auth.v1.AuthService", "Login", "Canceled")));
    }

    #[tokio::test]
    async fn methods_that_a_caller_made_up_share_one_label() {
        let server = Server::new();
        for path in ["/aetherconnect.auth.v1.AuthService/Frobnicate", "/aetherconnect.auth.v2.AuthService/Login", "/"] {
            server.call(path, "12").await.into_body().collect().await.unwrap();
        }
        assert!(server.tells(&handled(UNKNOWN, UNKNOWN, "Unimplemented").replace("} 1", "} 3")));
    }
}
