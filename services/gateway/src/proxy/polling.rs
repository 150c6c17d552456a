//! Socket.IO by HTTP requests.

use std::{net::SocketAddr, time::Duration};

use aether_common::Error;
use anyhow::Context as _;
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{self, HeaderMap, Method, Uri, header},
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::{TokioExecutor, TokioTimer},
};

use super::{Proxy, dial::Dialler, headers, replicas, sid, unless_dismissed, unreachable};
use crate::{access::Context, body, error::Answer};

/// A poll is answered by the next ping at the latest, 25 seconds unless configured otherwise.
const ANSWER_TIME_OUT: Duration = Duration::from_secs(60);
/// The answer to a handshake is some 100 bytes, a refusal less.
const LARGEST_READ: usize = 64 * 1024;

/// A client that keeps its connections.
pub(super) fn client(dialler: Dialler) -> Client<Dialler, Body> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(20))
        .build(dialler)
}

/// Opens a session on the first replica that answers, and marks its id.
pub(super) async fn open(
    proxy: &Proxy,
    request: Request,
    context: &Context,
    candidates: &[SocketAddr],
    target: &str,
) -> Answer<Response> {
    let mut headers = headers::request(request.headers(), context);
    // The answer has to be read here.
    headers.remove(header::ACCEPT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    let mut last = None;
    for (place, replica) in candidates.iter().enumerate() {
        let request = build(Method::GET, *replica, target, headers.clone(), Body::empty())?;
        let limit = replicas::patience(place, candidates, ANSWER_TIME_OUT);
        match tokio::time::timeout(limit, send(proxy, request)).await {
            Ok(Ok(Ok(response))) => return Ok(marked(response, *replica).await?),
            Ok(Ok(Err(error))) if error.is_connect() => last = Some(error.into()),
            Ok(Ok(Err(error))) => return Err(unreachable(Some(error.into())).into()),
            Ok(Err(error)) => return Err(error.into()),
            // A session that it opens later all the same is nobody's, and ends by itself.
            Err(_) => {
                proxy.replicas.doubt(*replica);
                last = Some(anyhow::anyhow!("no answer in time"));
            }
        }
    }
    Err(unreachable(last).into())
}

/// Goes on with a session. Its replica is the only one that can answer.
pub(super) async fn go_on(
    proxy: &Proxy,
    request: Request,
    context: &Context,
    replica: SocketAddr,
    target: &str,
) -> Answer<Response> {
    let mut headers = headers::request(request.headers(), context);
    let method = request.method().clone();
    // Read here: a client that never ends its body must not hold a replica up, nor look like an outage of it.
    let body = match body::whole(request.into_body(), body::TIME_OUT).await {
        Ok(body) => body,
        Err(refused) => return Ok(refused.into_response()),
    };
    headers.remove(header::CONTENT_LENGTH);
    let request = build(method, replica, target, headers, Body::from(body))?;
    let response = send(proxy, request).await?.map_err(|error| unreachable(Some(error.into())))?;
    Ok(passed_on(response))
}

async fn send(proxy: &Proxy, request: Request) -> Result<Result<http::Response<Incoming>, ClientError>, Error> {
    let answer = tokio::time::timeout(ANSWER_TIME_OUT, proxy.client.request(request));
    unless_dismissed(proxy.dismissal(), answer).await?.context("no answer in time").map_err(Error::unavailable)
}

pub(super) fn build(
    method: Method,
    replica: SocketAddr,
    target: &str,
    headers: HeaderMap,
    body: Body,
) -> Result<Request, Error> {
    // A target that was a URL once is one still; only a replica's address was added.
    let uri: Uri = format!("http://{replica}{target}").parse().map_err(|error: http::uri::InvalidUri| {
        tracing::debug!(%error, "a query cannot be passed on");
        Error::invalid(vec![("query".to_owned(), "is not valid".to_owned())])
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// An answer as it came.
pub(super) fn passed_on(response: http::Response<Incoming>) -> Response {
    let mut passed = Response::new(Body::empty());
    *passed.status_mut() = response.status();
    *passed.headers_mut() = headers::response(response.headers());
    passed.map(|_| Body::new(response.into_body()))
}

/// The answer to a handshake, with the replica's mark in its session id.
async fn marked(response: http::Response<Incoming>, replica: SocketAddr) -> Result<Response, Error> {
    let mut passed = Response::new(Body::empty());
    *passed.status_mut() = response.status();
    *passed.headers_mut() = headers::response(response.headers());
    // Counted anew from the body that is sent.
    passed.headers_mut().remove(header::CONTENT_LENGTH);
    let body: Bytes = Limited::new(response.into_body(), LARGEST_READ)
        .collect()
        .await
        .map_err(|error| Error::unavailable(anyhow::anyhow!("an answer broke off: {error}")))?
        .to_bytes();
    let body = sid::marked(&body, replica).map_or(body, Bytes::from);
    Ok(passed.map(|_| Body::from(body)))
}
