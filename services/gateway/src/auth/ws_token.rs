//! `GET /api/auth/ws-token`

use aether_proto::auth::CreateWebSocketTokenRequest;
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Session,
    app::App,
    error::{Answer, UnauthorizedBody},
};

/// A token for Socket.IO.
#[derive(Serialize, ToSchema)]
pub(crate) struct WsTokenBody {
    #[schema(example = true)]
    success: bool,
    /// For `auth: {token}` of the Socket.IO client; valid for 60 seconds.
    token: String,
}

/// Makes a token that opens a Socket.IO connection.
#[utoipa::path(get, path = "/api/auth/ws-token", operation_id = "getWebSocketToken", tag = "auth",
    summary = "Get a short-lived token for Socket.IO",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token", body = WsTokenBody),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn get(State(app): State<App>, session: Session) -> Answer<Json<WsTokenBody>> {
    let request = session.caller.request(CreateWebSocketTokenRequest {})?;
    let token = app.auth.clone().create_web_socket_token(request).await?.into_inner().token;
    Ok(Json(WsTokenBody { success: true, token }))
}
