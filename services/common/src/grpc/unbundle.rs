//! Serves bundles: hands each call of one to the server as if it had come by itself, and answers as they are done.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either},
    stream::FuturesUnordered,
};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Frame};
use prost::Message as _;
use tokio::time::{Sleep, sleep, timeout_at};
use tonic::{Status, body::Body};
use tower::{Layer, Service, ServiceExt as _};

use super::{
    DEADLINE,
    bundle::{Answer, Bundle, CONTENT_TYPE, Call, LARGEST, MOST_CALLS, PATH},
    late,
};

/// Answers that are done at the same time are sent together, but no more than so many bytes.
const PIECE: usize = 64 * 1024;

/// Puts [`Unbundled`] around a server.
#[derive(Clone)]
pub(super) struct Unbundle;

impl<S> Layer<S> for Unbundle {
    type Service = Unbundled<S>;

    fn layer(&self, inner: S) -> Unbundled<S> {
        Unbundled(inner)
    }
}

/// A server that takes bundles, too.
#[derive(Clone)]
pub(super) struct Unbundled<S>(S);

impl<S> Service<Request<Body>> for Unbundled<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return Either::Left(self.0.call(request));
        }
        let server = self.0.clone();
        Either::Right(Box::pin(async move {
            Ok(open(server, request.into_body()).await.unwrap_or_else(|refused| refused.into_http()))
        }))
    }
}

async fn open<S>(server: S, body: Body) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let odd = |error: &dyn std::fmt::Display| Status::invalid_argument(format!("a bundle that can't be read: {error}"));
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| odd(&error))?;
    let Bundle { calls } = Bundle::decode(body.to_bytes()).map_err(|error| odd(&error))?;
    if calls.len() > MOST_CALLS {
        return Err(odd(&format_args!("it has {} calls", calls.len())));
    }
    let deadline = Box::pin(sleep(DEADLINE));
    let calls = (0..).zip(calls).map(|(number, call)| answer(server.clone(), number, call).boxed());
    let mut calls: FuturesUnordered<_> = calls.collect();
    // The head of the response goes with the first answers, not by itself before them.
    let first = timeout_at(deadline.deadline(), calls.next()).await;
    let first = first.map_err(|_| late())?;
    let mut response = Response::new(Body::new(Answers { first, calls, deadline }));
    response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    Ok(response)
}

async fn answer<S>(server: S, number: u32, call: Call) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let whole = async {
        let Ok(response) = server.oneshot(call.request()?).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok((head.headers, body.to_bytes(), trailers))
    };
    // A panic is that call's failure, not that of those which happen to go with it.
    let broken = |_| Err(Status::internal("a call panicked"));
    match AssertUnwindSafe(whole).catch_unwind().await.unwrap_or_else(broken) {
        Ok((headers, message, trailers)) => Answer::new(number, &headers, message, trailers.as_ref()),
        Err(status) => {
            let refused: Response<()> = status.into_http();
            Answer::new(number, refused.headers(), Bytes::new(), None)
        }
    }
}

/// The answers, in the order in which they are done. Calls that take too long are given up, as single ones are.
struct Answers {
    first: Option<Answer>,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    deadline: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut done = Vec::new();
        if let Some(first) = self.first.take() {
            first.write(&mut done);
        }
        while done.len() < PIECE {
            match self.calls.poll_next_unpin(cx) {
                Poll::Ready(Some(answer)) => answer.write(&mut done),
                Poll::Ready(None) => break,
                Poll::Pending if done.is_empty() => {
                    ready!(self.deadline.as_mut().poll(cx));
                    self.calls.clear();
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready((!done.is_empty()).then(|| Ok(Frame::data(done.into()))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use futures::future::join_all;
    use http::{HeaderMap, HeaderValue};
    use prost::bytes::BytesMut;
    use tokio::{net::TcpListener, time::Instant};
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{client::Grpc, server::NamedService, transport::Server};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_prost::ProstCodec;
    use tower::service_fn;

    use super::*;
    use crate::{
        Env,
        grpc::{Caller, Channel, Targets, gather::Gather},
    };

    /// Says what it is told, with the request's id. One who waits is answered after a second, and one who panics never.
    #[derive(Clone)]
    struct Echo;

    impl NamedService for Echo {
        const NAME: &'static str = "test.Echo";
    }

    impl Service<Request<Body>> for Echo {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            Box::pin(async move {
                match request.uri().path() {
                    "/test.Echo/Wait" => sleep(Duration::from_secs(1)).await,
                    "/test.Echo/WaitForEver" => std::future::pending().await,
                    "/test.Echo/Panic" => panic!("as it was asked to"),
                    "/test.Echo/Say" => {}
                    _ => return Ok(Status::not_found("no such method").into_http()),
                }
                let id = request.headers().get("x-request-id").cloned();
                let message = request.into_body().collect().await.unwrap().to_bytes();
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
                let body = http_body_util::Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
                let mut response = Response::new(Body::new(body));
                if let Some(id) = id {
                    response.headers_mut().insert("x-request-id", id);
                }
                Ok(response)
            })
        }
    }

    fn call(method: &str, message: &'static [u8]) -> Call {
        let head = Request::post(format!("/test.Echo/{method}")).body(()).unwrap().into_parts().0;
        Call::new(&head, Bytes::from_static(message))
    }

    async fn ask(calls: Vec<Call>) -> Response<Body> {
        let body = Body::new(http_body_util::Full::new(Bytes::from(Bundle { calls }.encode_to_vec())));
        Unbundled(Echo).oneshot(Request::post(PATH).body(body).unwrap()).await.unwrap()
    }

    /// Number, message and status of each answer, in the order in which they come.
    async fn answers(response: Response<Body>) -> Vec<(u32, Bytes, i32)> {
        let mut sent = BytesMut::from(response.into_body().collect().await.unwrap().to_bytes());
        let mut answers = Vec::new();
        while let Some(answer) = Answer::read(&mut sent).unwrap() {
            let (number, response) = (answer.call, answer.response().unwrap());
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap();
            let status = Status::from_header_map(body.trailers().unwrap_or(&head.headers)).unwrap();
            answers.push((number, body.to_bytes(), status.code() as i32));
        }
        answers
    }

    #[tokio::test]
    async fn a_call_that_fails_harms_none_that_goes_with_it() {
        let calls = vec![call("Say", b"one"), call("Panic", b""), call("Nothing", b""), call("Say", b"two")];
        let mut answers = answers(ask(calls).await).await;
        answers.sort_unstable();
        let (internal, not_found) = (tonic::Code::Internal as i32, tonic::Code::NotFound as i32);
        let none = Bytes::new();
        let expected =
            [(0, "one".into(), 0), (1, none.clone(), internal), (2, none, not_found), (3, Bytes::from("two"), 0)];
        assert_eq!(answers, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_holds_up_no_other_and_is_given_up_at_the_deadline() {
        let start = Instant::now();
        let mut response = ask(vec![call("WaitForEver", b""), call("Wait", b"slow"), call("Say", b"quick")]).await;
        let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(Answer::read(&mut BytesMut::from(first)).unwrap().unwrap().call, 2);
        assert_eq!(answers(response).await, [(1, Bytes::from("slow"), 0)]);
        assert!(start.elapsed() >= DEADLINE && start.elapsed() < DEADLINE * 2);
    }

    #[tokio::test]
    async fn bundles_that_are_odd_or_too_large_are_refused() {
        let refused = |response: Response<Body>| Status::from_header_map(response.headers()).unwrap().code();
        let many = vec![call("Say", b""); MOST_CALLS + 1];
        assert_eq!(refused(ask(many).await), tonic::Code::InvalidArgument);
        for body in [vec![0xff; 10], vec![0; LARGEST + 1]] {
            let body = Body::new(http_body_util::Full::new(Bytes::from(body)));
            let response = Unbundled(Echo).oneshot(Request::post(PATH).body(body).unwrap()).await.unwrap();
            assert_eq!(refused(response), tonic::Code::InvalidArgument);
        }
        assert_eq!(answers(ask(Vec::new()).await).await, []);
    }

    #[derive(Clone)]
    struct Count(Arc<AtomicUsize>);

    impl<S> Layer<S> for Count
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        type Service = tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

        fn layer(&self, inner: S) -> Self::Service {
            let count = Arc::clone(&self.0);
            tower::util::BoxCloneSyncService::new(service_fn(move |request| {
                count.fetch_add(1, Ordering::SeqCst);
                inner.clone().oneshot(request)
            }))
        }
    }

    #[tokio::test]
    async fn calls_that_are_made_at_the_same_time_go_together_and_each_gets_its_own_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |tcp| tcp.map(Gather::new));
        let server = Server::builder().layer(Count(Arc::clone(&requests))).layer(Unbundle).add_service(Echo);
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel = Channel::new(Targets::from_env(&Env::default().with("URL", url), "URL", "").unwrap());

        let say = |id: String, method: &'static str| {
            let mut grpc = Grpc::new(channel.clone());
            async move {
                let caller = Caller { token: None, request_id: id.clone() };
                let request = caller.request(HealthCheckRequest { service: id }).unwrap();
                let codec = ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
                grpc.ready().await.unwrap();
                grpc.unary(request, http::uri::PathAndQuery::from_static(method), codec).await
            }
        };
        say("first".to_owned(), "/test.Echo/Say").await.unwrap();
        let before = requests.load(Ordering::SeqCst);
        let calls = (0..200).map(|number| async move {
            let id = format!("r{number}");
            let answer = say(id.clone(), "/test.Echo/Say").await.unwrap();
            assert_eq!(answer.metadata().get("x-request-id").unwrap(), id.as_str());
            assert_eq!(answer.into_inner().service, id);
        });
        // One who gives up disturbs none.
        let hasty = tokio::time::timeout(Duration::from_millis(1), say("hasty".to_owned(), "/test.Echo/Wait"));
        let absent = say("absent".to_owned(), "/test.Echo/Nothing");
        let (_, hasty, absent) = tokio::join!(join_all(calls), hasty, absent);
        assert!(hasty.is_err());
        assert_eq!(absent.unwrap_err().code(), tonic::Code::NotFound);
        assert_eq!(requests.load(Ordering::SeqCst) - before, 202_usize.div_ceil(MOST_CALLS));
    }
}
