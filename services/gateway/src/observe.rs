//! What every request gets, whatever its route: an id, a line in the access log, a place in the metrics, and headers
//! that keep browsers careful.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use aether_common::{grpc, telemetry};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Span, field::Empty};
use uuid::Uuid;

use crate::{
    access::{Context, Peer},
    app::App,
    routes,
};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub(crate) async fn every_request(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let context = context(&app, &request);
    let https = context.trusted_peer && request.headers().get("x-forwarded-proto").is_some_and(|v| v == "https");
    let seen = Seen {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        route: request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned(),
    };
    request.extensions_mut().insert(context.clone());
    let span = span(&seen, &context, request.headers());
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = next.run(request).instrument(span.clone()).await;
    if chunked {
        // It may have had a length as well, by which a proxy before us sees another end of it than we do. The HTTP
        // library goes by the chunks and doesn't tell, so nothing behind any chunked request is read.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    add_headers(response.headers_mut(), &context, https);
    let status = response.status();
    telemetry::ended(&span, "http.response.status_code", i64::from(status.as_u16()), status.is_server_error());
    seen.note(&app, &context, response.status(), start.elapsed());
    response
}

/// What every line of the log that belongs to a request carries; nothing for probes, which come all the time.
fn span(seen: &Seen, context: &Context, headers: &HeaderMap) -> Span {
    if routes::is_health(&seen.path) {
        return Span::none();
    }
    let request_id = &context.request_id;
    let span = tracing::info_span!("request", request_id, otel.name = Empty, otel.kind = Empty);
    telemetry::serves(&span, headers, || format!("{} {}", seen.method(), seen.route));
    span
}

fn context(app: &App, request: &Request) -> Context {
    // Absent only where no server put it there, as in a test of a bare router.
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let peer = peer.to_canonical();
    Context {
        request_id: request_id(request.headers()),
        address: app.proxies.client(peer, request.headers()),
        peer,
        trusted_peer: app.proxies.trusts(peer),
        user: Arc::new(OnceLock::new()),
    }
}

/// The client's own id, if it is one that may stand in logs and headers; a new one otherwise.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| grpc::is_request_id(id));
    given.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

fn add_headers(headers: &mut HeaderMap, context: &Context, https: bool) {
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    let careful = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in careful {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// A request, as logs and metrics tell of it. The query is left out: it may hold a session's id.
struct Seen {
    method: Method,
    path: String,
    route: String,
}

impl Seen {
    /// Anyone may make up a method; a label must not grow with them.
    fn method(&self) -> &str {
        match self.method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
            _ => "other",
        }
    }

    fn note(&self, app: &App, context: &Context, status: StatusCode, took: Duration) {
        let (status, method) = (status.as_u16(), self.method());
        app.metrics.answered(&self.route, method, status, took);
        let (path, request_id, ms) = (&self.path, &context.request_id, took.as_millis() as u64);
        let user = context.user.get().map_or("-", String::as_str);
        // Probes and polls come all the time and say little.
        if routes::is_health(path) || routes::is_socket(path) {
            tracing::debug!(%method, path, status, ms, request_id, user, client = %context.address, "request");
        } else {
            tracing::info!(%method, path, status, ms, request_id, user, client = %context.address, "request");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_id_is_kept_only_if_it_is_harmless() {
        let id = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, text.parse().unwrap());
            request_id(&headers)
        };
        assert_eq!(id("abc-DEF_123"), "abc-DEF_123");
        for other in ["", "a b", "{\"a\":1}", &"x".repeat(65)] {
            assert_eq!(id(other).len(), 32, "{other}");
        }
    }
}
