//! What every request gets, whatever its route: an id, a line in the access log, a place in the metrics, and headers
//! that keep browsers careful.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, OnceLock},
    time::Instant,
};

use aether_common::{grpc, telemetry};
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use tracing::{Span, field::Empty};
use uuid::Uuid;

use crate::{
    access::{Context, Peer},
    app::App,
    routes,
};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Notes a request and what is known of it.
pub(crate) fn begin(app: &App, request: &mut Request) -> Seen {
    let context = context(app, request);
    request.extensions_mut().insert(context.clone());
    let (path, headers) = (request.uri().path(), request.headers());
    let mut seen = Seen {
        since: Instant::now(),
        method: request.method().clone(),
        path: path.to_owned(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        https: context.trusted_peer && headers.get("x-forwarded-proto").is_some_and(|v| v == "https"),
        chunked: headers.contains_key(header::TRANSFER_ENCODING),
        span: Span::none(),
        context,
    };
    seen.span = span(&seen, headers);
    seen
}

/// What every line of the log that belongs to a request carries; nothing for probes, which come all the time.
fn span(seen: &Seen, headers: &HeaderMap) -> Span {
    if routes::is_health(&seen.path) {
        return Span::none();
    }
    let request_id = &seen.context.request_id;
    let span = tracing::info_span!("request", request_id, otel.name = Empty, otel.kind = Empty);
    telemetry::serves(&span, headers, || format!("{} {}", seen.method(), seen.route()));
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
    headers.reserve(12);
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
pub(crate) struct Seen {
    since: Instant,
    method: Method,
    path: String,
    route: Option<MatchedPath>,
    https: bool,
    chunked: bool,
    context: Context,
    span: Span,
}

impl Seen {
    /// Anyone may make up a method; a label must not grow with them.
    fn method(&self) -> &str {
        match self.method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
            _ => "other",
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("unmatched", MatchedPath::as_str)
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// For whatever is done for the request.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The response as the client gets it.
    pub(crate) fn end(self, app: &App, mut response: Response) -> Response {
        if self.chunked {
            // It may have had a length as well, by which a proxy before us sees another end of it than we do. The HTTP
            // library goes by the chunks and doesn't tell, so nothing behind any chunked request is read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        add_headers(response.headers_mut(), &self.context, self.https);
        let status = response.status();
        telemetry::ended(&self.span, "http.response.status_code", i64::from(status.as_u16()), status.is_server_error());
        self.note(app, status);
        response
    }

    fn note(&self, app: &App, status: StatusCode) {
        let (status, method, took) = (status.as_u16(), self.method(), self.since.elapsed());
        app.metrics.answered(self.route(), method, status, took);
        let (path, request_id, ms) = (&self.path, &self.context.request_id, took.as_millis() as u64);
        let context = &self.context;
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
