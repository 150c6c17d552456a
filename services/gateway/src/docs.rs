//! `GET /api/docs`, `GET /api/docs/openapi.json`: what the API is, made from the handlers' own descriptions.
//! `GET /api/docs/asyncapi.json`: what the socket is, made from the message service's types.

mod html;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::Html,
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use aether_common::json::sorted;

use crate::{app::App, auth, health, rooms};

/// The message service's word; `make lint` sees that it is what it would say now.
const ASYNCAPI: &str = include_str!("../../../docs/asyncapi.json");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "AetherConnect",
        description = "Chat over HTTP and Socket.IO. Every answer is JSON. Requests a client address makes are limited; \
                       429 says in Retry-After when to come back. 408 is a body that came \
                       too slowly. 503 is an outage: try again after Retry-After seconds. \
                       Socket.IO (protocol 5) is served at the path /socket, with a token from /api/auth/ws-token as \
                       auth: {token}; its events are described in /api/docs/asyncapi.json.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    paths(
        auth::register::post,
        auth::login::post,
        auth::logout::post,
        auth::ws_token::get,
        auth::profile::get,
        auth::profile::put,
        auth::password::put,
        auth::sessions::get,
        auth::sessions::delete,
        auth::sessions::delete_one,
        rooms::list::get,
        rooms::create::post,
        rooms::direct::post,
        rooms::public::get,
        rooms::join::post,
        rooms::leave::post,
        rooms::members::list::get,
        rooms::members::add::post,
        rooms::members::remove::delete,
        rooms::messages::get,
        health::get,
        health::detailed
    ),
    tags(
        (name = "auth", description = "Accounts, sessions and tokens"),
        (name = "rooms", description = "Rooms and their history"),
        (name = "health", description = "How the service is")
    ),
    modifiers(&Bearer)
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The OpenAPI description, as `docs/openapi.json` has it.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&description()).unwrap_or_default();
    text.push('\n');
    text
}

fn description() -> Value {
    sorted(serde_json::to_value(Api::openapi()).unwrap_or_default())
}

const JSON: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];

/// The description in both forms, made once.
pub(crate) struct Docs {
    description: Bytes,
    page: Bytes,
    policy: HeaderValue,
}

impl Docs {
    pub(crate) fn new() -> Self {
        let description = description();
        let page = html::page(&description);
        let policy = HeaderValue::try_from(html::policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { description: description.to_string().into(), page: page.into(), policy }
    }
}

/// For people.
pub(crate) async fn page(State(app): State<App>) -> ([(HeaderName, HeaderValue); 1], Html<Bytes>) {
    ([(header::CONTENT_SECURITY_POLICY, app.docs.policy.clone())], Html(app.docs.page.clone()))
}

/// For programs.
pub(crate) async fn openapi(State(app): State<App>) -> ([(HeaderName, HeaderValue); 1], Bytes) {
    (JSON, app.docs.description.clone())
}

/// For programs that use the socket.
pub(crate) async fn asyncapi() -> ([(HeaderName, HeaderValue); 1], &'static str) {
    (JSON, ASYNCAPI)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_an_example_of_its_own() {
        let api = description();
        let operations = api["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object());
        let mut seen = 0;
        for (_, operation) in operations.flatten() {
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let body = &response["content"]["application/json"];
                if body["schema"]["$ref"] == "#/components/schemas/ErrorBody" {
                    let (id, message) = (&operation["operationId"], body["example"]["message"].as_str());
                    assert!(message.is_some(), "{id} {status}");
                    let of_limit = message.is_some_and(|message| message.starts_with("limit "));
                    let paged = ["getMessages", "listPublicRooms", "listMembers"].iter().any(|of| id == of);
                    assert_eq!(of_limit, paged && status == "400", "{id} {status}");
                    let of_wait = message.is_some_and(|message| message.starts_with("Too many requests"));
                    assert_eq!(of_wait, status == "429", "{id} {status}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 8, "{seen}");
    }
}
