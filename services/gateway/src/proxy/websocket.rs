//! Socket.IO by websocket: after the handshake, bytes are passed on as they come.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aether_common::{Error, net, tls::Stream};
use axum::{
    body::Body,
    extract::Request,
    http::{self, HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use hyper::{body::Incoming, client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;

use super::{
    Proxy, headers, polling, replicas,
    tunnel::{self, End},
    unreachable,
};
use crate::{access::Context, client::Client, connections::Slot, error::Answer};

const HANDSHAKE_TIME_OUT: Duration = Duration::from_secs(10);

/// Whether a request asks for a websocket.
pub(super) fn is_upgrade(request: &Request) -> bool {
    request.method() == Method::GET && net::asks_for("websocket", request.headers())
}

/// Browsers let any page open a websocket anywhere, and send a poll's request though its page may not read the answer;
/// who may is for the server to say. A client that is no browser sends no origin.
pub(super) fn origin_is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let same = || {
        let authority = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
        authority.zip(host).is_some_and(|(authority, host)| authority.as_str().eq_ignore_ascii_case(host))
    };
    origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) || same()
}

/// Asks replicas for a websocket and, if one agrees, ties it to the client's.
pub(super) async fn open(
    proxy: &Proxy,
    mut request: Request,
    context: &Context,
    candidates: &[SocketAddr],
    target: &str,
) -> Answer<Response> {
    let client_side = hyper::upgrade::on(&mut request);
    let mut headers = headers::request(request.headers(), context);
    ask_for_websocket(&mut headers);
    let mut answer = ask(proxy, candidates, target, &headers).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(polling::passed_on(answer));
    }

    let replica_side = hyper::upgrade::on(&mut answer);
    let (dismissal, open) = (proxy.dismissal(), proxy.metrics.tunnel());
    let (cut_off, turn) = (proxy.metrics.cut_off(), proxy.turns.turn());
    let slot = request.extensions_mut().remove::<Arc<Slot>>();
    proxy.tunnels.spawn(async move {
        let _open = (open, slot);
        let both = async { tokio::try_join!(client_side, replica_side) };
        match tokio::time::timeout(HANDSHAKE_TIME_OUT, both).await {
            Ok(Ok((client, replica))) => match (client_end(client), replica_end(replica)) {
                (Some(client), Some(replica)) => {
                    tunnel::tie(client, replica, cut_off, turn, dismissal).await;
                }
                _ => tracing::error!("a websocket over a connection that isn't ours"),
            },
            Ok(Err(error)) => tracing::debug!(%error, "a websocket was not opened"),
            Err(_) => tracing::debug!("a websocket was not opened in time"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers::response(answer.headers());
    ask_for_websocket(response.headers_mut());
    Ok(response)
}

fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The answer of the first replica that gives one.
async fn ask(
    proxy: &Proxy,
    candidates: &[SocketAddr],
    target: &str,
    headers: &HeaderMap,
) -> Result<http::Response<Incoming>, Error> {
    let mut last = None;
    for (place, replica) in candidates.iter().enumerate() {
        let mut asked = polling::build(Method::GET, *replica, target, headers.clone(), Body::empty())?;
        // Asked over a connection of our own, so by path.
        *asked.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| Error::internal(error))?;
        let answer = async {
            let stream = proxy.links.open(*replica).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection.with_upgrades());
            anyhow::Ok(sender.send_request(asked).await?)
        };
        let limit = replicas::patience(place, candidates, HANDSHAKE_TIME_OUT);
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = Some(error),
            Err(_) => {
                proxy.replicas.doubt(*replica);
                last = Some(anyhow::anyhow!("no answer in time"));
            }
        }
    }
    Err(unreachable(last))
}

/// The connection under a client's websocket.
fn client_end(upgraded: Upgraded) -> Option<End> {
    let parts = upgraded.downcast::<TokioIo<Client>>().ok()?;
    Some(End { stream: Stream::Plain(parts.io.into_inner().into_inner()), read: parts.read_buf.to_vec() })
}

/// The connection under a replica's websocket.
fn replica_end(upgraded: Upgraded) -> Option<End> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    Some(End { stream: parts.io.into_inner(), read: parts.read_buf.to_vec() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn allowed(pairs: &[(header::HeaderName, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        origin_is_allowed(&headers, &["http://localhost:3004".to_owned()])
    }

    #[test]
    fn pages_of_the_listed_origins_and_of_our_own_may_open_a_websocket() {
        assert!(allowed(&[]));
        assert!(allowed(&[(header::ORIGIN, "http://localhost:3004")]));
        assert!(allowed(&[(header::ORIGIN, "https://chat.example.com"), (header::HOST, "chat.example.com")]));
    }

    #[test]
    fn other_pages_may_not() {
        for origin in ["http://evil.example", "null", "http://localhost:30040", "http://localhost:3004.evil.example"] {
            assert!(!allowed(&[(header::ORIGIN, origin), (header::HOST, "chat.example.com")]), "{origin}");
        }
    }
}
