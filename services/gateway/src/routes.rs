//! Every URL of the gateway.

use std::{convert::Infallible, future::Future, time::Duration};

use aether_common::Error;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any, delete, get, post, put},
};
use hyper::body::Body as _;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument as _;

use crate::{
    access::Context,
    app::App,
    auth, body, docs,
    error::{Failure, Unauthorized, refusal},
    health, limits, observe, proxy, rooms,
};

/// No handler takes longer, not counting the time it waits for a body: after it the answer is 503.
const TIME_OUT: Duration = Duration::from_secs(10);
/// The one URL with a limit of its own.
pub(crate) const LOGIN: &str = "/api/auth/login";
const LOGOUT: &str = "/api/auth/logout";

/// URL, methods, handlers.
#[rustfmt::skip]
fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/api/auth/register",           post(auth::register::post)),
        (LOGIN,                          post(auth::login::post)),
        (LOGOUT,                         post(auth::logout::post)),
        ("/api/auth/ws-token",           get(auth::ws_token::get)),
        ("/api/auth/profile",            get(auth::profile::get).put(auth::profile::put)),
        ("/api/auth/password",           put(auth::password::put)),
        ("/api/auth/sessions",           get(auth::sessions::get).delete(auth::sessions::delete)),
        ("/api/auth/sessions/{id}",      delete(auth::sessions::delete_one)),
        ("/api/rooms",                   get(rooms::list::get).post(rooms::create::post)),
        ("/api/rooms/direct",            post(rooms::direct::post)),
        ("/api/rooms/public",            get(rooms::public::get)),
        ("/api/rooms/{roomId}/join",     post(rooms::join::post)),
        ("/api/rooms/{roomId}/leave",    post(rooms::leave::post)),
        ("/api/rooms/{roomId}/members",  get(rooms::members::list::get).post(rooms::members::add::post)),
        ("/api/rooms/{roomId}/members/{userId}", delete(rooms::members::remove::delete)),
        ("/api/rooms/{roomId}/messages", get(rooms::messages::get)),
        ("/health",                      get(health::get)),
        ("/api/health",                  get(health::get)),
        ("/api/health/detailed",         get(health::detailed)),
        ("/api/docs",                    get(docs::page)),
        ("/api/docs/openapi.json",       get(docs::openapi)),
        ("/api/docs/asyncapi.json",      get(docs::asyncapi)),
    ]
}

/// The body of a 401, which the specification has differently on two URLs.
fn form(path: &str) -> Unauthorized {
    match path {
        LOGIN => Unauthorized::Saying("Invalid credentials"),
        LOGOUT => Unauthorized::Saying("Unauthorized"),
        _ => Unauthorized::WithStatusCode,
    }
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

/// The whole gateway. What happens to every request is one layer, because each costs a request some copies.
pub(crate) fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, methods) in table() {
        router = router.route(path, methods);
    }
    for path in SOCKET {
        router = router.route(path, any(proxy::pass));
    }
    router = router
        .method_not_allowed_fallback(|| async { refusal(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed") })
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "No such URL; see /api/docs") })
        .layer(middleware::from_fn_with_state(app.clone(), limited));
    if let Some(playground) = &app.playground {
        // Without the limits: one look at the page is twenty requests, and they cost nothing.
        router = router.merge(playground.routes().layer(middleware::from_fn_with_state(app.clone(), unlimited)));
    }
    router.with_state(app)
}

async fn limited(State(app): State<App>, request: Request, next: Next) -> Response {
    every_request(&app, request, |context, request| {
        let app = app.clone();
        async move {
            let admitted = match limits::admit(&app, &context, &request) {
                Ok(admitted) => admitted,
                Err(refused) => return refused,
            };
            let response =
                if is_socket(request.uri().path()) { next.run(request).await } else { api(request, next).await };
            admitted.answered(&app, &context, response)
        }
    })
    .await
}

async fn unlimited(State(app): State<App>, request: Request, next: Next) -> Response {
    every_request(&app, request, |_, request| next.run(request)).await
}

/// What every request gets, whatever its route.
async fn every_request<F>(app: &App, mut request: Request, answer: impl FnOnce(Context, Request) -> F) -> Response
where
    F: Future<Output = Response> + Send,
{
    let seen = observe::begin(app, &mut request);
    let mut answer = Some((answer, seen.context().clone()));
    let answer = service_fn(|request| {
        let answer = answer.take().map(|(answer, context)| answer(context, request));
        async move {
            match answer {
                Some(answer) => Ok::<_, Infallible>(answer.await),
                None => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")), // it is asked once
            }
        }
    });
    let answered = app.cors.layer(answer).oneshot(request).instrument(seen.span().clone()).await;
    seen.end(app, answered.unwrap_or_else(|never| match never {}))
}

/// Passes a request of the API on: with a body that isn't too large, and for so long.
async fn api(request: Request, next: Next) -> Response {
    if body::says_too_large(request.headers()) {
        return body::too_large();
    }
    let form = form(request.uri().path());
    let over = |_| Failure::from(Error::unavailable(std::io::Error::other("no answer in time"))).into_response();
    // Who reads a body gives up on a slow client by itself; what is late after that is late because of us.
    let body = if request.body().is_end_stream() { Duration::ZERO } else { body::TIME_OUT };
    form.shape(tokio::time::timeout(TIME_OUT + body, next.run(request)).await.unwrap_or_else(over))
}

/// What pages of other origins may do.
pub(crate) fn cors(origins: &[String]) -> CorsLayer {
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
