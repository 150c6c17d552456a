//! `GET`, `DELETE /api/auth/sessions`, `DELETE /api/auth/sessions/{id}`

use aether_common::{Code, Error, grpc};
use aether_proto::auth::{self as pb, ListSessionsRequest, RevokeSessionRequest, RevokeSessionsRequest};
use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::forget;
use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody, UnauthorizedBody},
    wire::time,
};

/// One of the caller's sessions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    #[schema(example = "7d0ad5ab-8a1b-4b39-b6cf-4d7f4a5c0e43")]
    id: String,
    #[schema(example = "2023-10-27T10:00:00.000Z")]
    created_at: String,
    #[schema(example = "2023-11-26T10:00:00.000Z")]
    expires_at: String,
    /// The address that logged in; of IPv6, its network.
    #[schema(example = "203.0.113.9")]
    address: Option<String>,
    /// The program that logged in, as it calls itself.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")]
    user_agent: Option<String>,
    /// Whether it is the session of this request.
    #[schema(example = true)]
    current: bool,
}

/// The caller's live sessions.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionsBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    sessions: Vec<SessionInfo>,
}

/// Sessions were revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevokedBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    /// How many.
    #[schema(example = 2)]
    revoked: usize,
}

/// Which sessions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Whether the session of this request ends, too.
    #[serde(default)]
    all: bool,
}

/// Where the caller is logged in.
#[utoipa::path(get, path = "/api/auth/sessions", operation_id = "listSessions", tag = "auth",
    summary = "List the current user's live sessions, newest first",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The sessions; of very many, the newest thousand", body = SessionsBody),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn get(State(app): State<App>, session: Session) -> Answer<Json<SessionsBody>> {
    let call = || async { app.auth.clone().list_sessions(session.caller.request(ListSessionsRequest {})?).await };
    let sessions = grpc::read(call).await?.into_inner().sessions;
    let sessions = sessions.into_iter().map(info).collect::<Result<_, Error>>()?;
    Ok(Json(SessionsBody { success: true, message: "Sessions retrieved successfully", sessions }))
}

/// Logs the caller out elsewhere.
#[utoipa::path(delete, path = "/api/auth/sessions", operation_id = "revokeSessions", tag = "auth",
    summary = "Log out everywhere else, or with all=true here, too",
    security(("bearer" = [])), params(Which),
    responses(
        (status = 200, description = "The sessions are revoked, their sockets are closed", body = RevokedBody,
            example = json!({"success": true, "message": "Sessions revoked successfully", "revoked": 2})),
        (status = 400, description = "all is neither true nor false", body = ErrorBody,
            example = json!({"success": false, "message": "all must be true or false"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn delete(
    State(app): State<App>,
    session: Session,
    which: Result<Query<Which>, QueryRejection>,
) -> Answer<Json<RevokedBody>> {
    let bad = |_| Error::invalid(vec![("all".to_owned(), "must be true or false".to_owned())]);
    let Query(Which { all }) = which.map_err(bad)?;
    let request = session.caller.request(RevokeSessionsRequest { include_current: all })?;
    let revoked = app.auth.clone().revoke_sessions(request).await?.into_inner().revoked;
    Ok(done(&app, revoked, "Sessions revoked successfully"))
}

/// Logs the caller out somewhere.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", operation_id = "revokeSession", tag = "auth",
    summary = "End one of the current user's sessions",
    security(("bearer" = [])), params(("id" = String, Path, description = "The session's id")),
    responses(
        (status = 200, description = "The session is revoked, its sockets are closed", body = RevokedBody,
            example = json!({"success": true, "message": "Session revoked successfully", "revoked": 1})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 404, description = "The caller has no such session, or it has ended", body = ErrorBody,
            example = json!({"success": false, "message": "Session not found"}))))]
pub(crate) async fn delete_one(
    State(app): State<App>,
    session: Session,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Json<RevokedBody>> {
    let unreadable = |_| Error::new(Code::NotFound, "SESSION_NOT_FOUND", "Session not found");
    let Path(session_id) = id.map_err(unreadable)?;
    let request = session.caller.request(RevokeSessionRequest { session_id })?;
    let revoked = app.auth.clone().revoke_session(request).await?.into_inner().revoked;
    Ok(done(&app, revoked, "Session revoked successfully"))
}

fn done(app: &App, revoked: Vec<pb::RevokedSession>, message: &'static str) -> Json<RevokedBody> {
    let number = revoked.len();
    forget(app, revoked);
    Json(RevokedBody { success: true, message, revoked: number })
}

fn info(session: pb::Session) -> Result<SessionInfo, Error> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(SessionInfo {
        id: session.id,
        created_at: time(session.created_at)?,
        expires_at: time(session.expires_at)?,
        address: given(session.address),
        user_agent: given(session.user_agent),
        current: session.current,
    })
}
