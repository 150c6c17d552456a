//! Every URL of the gateway.

use std::time::Duration;

use aether_common::Error;
use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any, delete, get, post, put},
};
use hyper::body::Body as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    app::App,
    auth, body, docs,
    error::{Failure, Unauthorized, refusal},
    health, limits, observe, proxy, rooms,
};

/// No handler takes longer, not counting the time it waits for a body: after it the answer is 503.
const TIME_OUT: Duration = Duration::from_secs(10);
/// The one URL with a limit of its own.
pub(crate) const LOGIN: &str = "/api/auth/login";

/// URL, methods, handlers. The shape of a 401, where a route has one, stands with it.
#[rustfmt::skip]
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    const GUARDED: Unauthorized = Unauthorized::WithStatusCode;
    let says = Unauthorized::Saying;
    vec![
        ("/api/auth/register",           post(auth::register::post)),
        (LOGIN,                          shaped(says("Invalid credentials"), post(auth::login::post))),
        ("/api/auth/logout",             shaped(says("Unauthorized"), post(auth::logout::post))),
        ("/api/auth/ws-token",           shaped(GUARDED, get(auth::ws_token::get))),
        ("/api/auth/profile",            shaped(GUARDED, get(auth::profile::get).put(auth::profile::put))),
        ("/api/auth/password",           shaped(GUARDED, put(auth::password::put))),
        ("/api/auth/sessions",           shaped(GUARDED, get(auth::sessions::get).delete(auth::sessions::delete))),
        ("/api/auth/sessions/{id}",      shaped(GUARDED, delete(auth::sessions::delete_one))),
        ("/api/rooms",                   shaped(GUARDED, get(rooms::list::get).post(rooms::create::post))),
        ("/api/rooms/direct",            shaped(GUARDED, post(rooms::direct::post))),
        ("/api/rooms/public",            shaped(GUARDED, get(rooms::public::get))),
        ("/api/rooms/{roomId}/join",     shaped(GUARDED, post(rooms::join::post))),
        ("/api/rooms/{roomId}/leave",    shaped(GUARDED, post(rooms::leave::post))),
        ("/api/rooms/{roomId}/members",  shaped(GUARDED, get(rooms::members::list::get).post(rooms::members::add::post))),
        ("/api/rooms/{roomId}/members/{userId}", shaped(GUARDED, delete(rooms::members::remove::delete))),
        ("/api/rooms/{roomId}/messages", shaped(GUARDED, get(rooms::messages::get))),
        ("/health",                      get(health::get)),
        ("/api/health",                  get(health::get)),
        ("/api/health/detailed",         get(health::detailed)),
        ("/api/docs",                    get(docs::page)),
        ("/api/docs/openapi.json",       get(docs::openapi)),
        ("/api/docs/asyncapi.json",      get(docs::asyncapi)),
    ]
}

/// Where Socket.IO clients connect: passed on to the message service, without the time-out of the API.
const SOCKET: [&str; 2] = ["/socket", "/socket/"];

/// Whether a path is Socket.IO's.
pub(crate) fn is_socket(path: &str) -> bool {
    SOCKET.contains(&path)
}

/// Whether a path only tells how the gateway is: never limited.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/api/health" | "/api/health/detailed")
}

/// The whole gateway. Layers run from the last to the first.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, methods) in table() {
        router = router.route(path, methods);
    }
    router = router
        .method_not_allowed_fallback(|| async { refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed") })
        .layer(middleware::from_fn(body::limit))
        .layer(middleware::from_fn(time_out));
    for path in SOCKET {
        router = router.route(path, any(proxy::pass));
    }
    router = router
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "No such URL; see /api/docs") })
        .layer(middleware::from_fn_with_state(app.clone(), limits::guard));
    if let Some(playground) = &app.playground {
        // Without the limits: one look at the page is twenty requests, and they cost nothing.
        router = router.merge(playground.routes());
    }
    router
        .layer(cors(&app.origins))
        .layer(middleware::from_fn_with_state(app.clone(), observe::every_request))
        .with_state(app)
}

fn shaped(form: Unauthorized, methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.layer(middleware::map_response(move |response: Response| async move { form.shape(response) }))
}

async fn time_out(request: Request, next: Next) -> Response {
    let over = |_| Failure::from(Error::unavailable(std::io::Error::other("no answer in time"))).into_response();
    // Who reads a body gives up on a slow client by itself; what is late after that is late because of us.
    let body = if request.body().is_end_stream() { Duration::ZERO } else { body::TIME_OUT };
    tokio::time::timeout(TIME_OUT + body, next.run(request)).await.unwrap_or_else(over)
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let exposed = limits::HEADERS.map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, observe::REQUEST_ID])
        .expose_headers(exposed.into_iter().chain([header::RETRY_AFTER, observe::REQUEST_ID]).collect::<Vec<_>>())
        .max_age(Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_url_is_described_and_every_description_has_its_url() {
        let described: serde_json::Value = serde_json::from_str(&crate::openapi_json()).expect("JSON");
        let described: BTreeSet<&str> =
            described["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
        let served: BTreeSet<&str> = table().iter().map(|(path, _)| *path).collect();
        let (page, alias) = ("/api/docs", "/health");
        let expected: BTreeSet<&str> =
            served.into_iter().filter(|path| !path.starts_with(page) && *path != alias).collect();
        assert_eq!(described, expected);
    }

    #[test]
    fn health_and_sockets_are_known_by_their_path() {
        assert!(is_health("/api/health/detailed") && is_socket("/socket") && is_socket("/socket/"));
        assert!(!is_health("/api/healthy") && !is_socket("/socket/x"));
    }
}
