//! `POST /api/auth/logout`

use aether_common::tokens::ACCESS_LIFETIME;
use aether_proto::auth::LogoutRequest;
use axum::{Json, extract::State};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody},
};

/// It is done.
#[derive(Serialize, ToSchema)]
pub(crate) struct DoneBody {
    #[schema(example = true)]
    pub(crate) success: bool,
    pub(crate) message: &'static str,
}

/// Revokes the session of the token.
#[utoipa::path(post, path = "/api/auth/logout", operation_id = "logout", tag = "auth",
    summary = "Log out: the token is refused from now on",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The session is revoked", body = DoneBody,
            example = json!({"success": true, "message": "Logged out successfully"})),
        (status = 401, description = "No valid token", body = ErrorBody,
            example = json!({"success": false, "message": "Unauthorized"}))))]
pub(crate) async fn post(State(app): State<App>, session: Session) -> Answer<Json<DoneBody>> {
    app.auth.clone().logout(session.caller.request(LogoutRequest {})?).await?;
    // Here at once; at the other replicas as soon as auth has told them.
    app.guard.revocations().insert(session.identity.session_id, Utc::now() + ACCESS_LIFETIME);
    Ok(Json(DoneBody { success: true, message: "Logged out successfully" }))
}
