//! `PUT /api/auth/password`

use aether_proto::auth::ChangePasswordRequest;
use axum::{extract::State, http::HeaderMap};
use utoipa::ToSchema;

use super::{forget, logout::DoneBody};
use crate::{
    access::{Context, Session},
    app::App,
    body::{BadBody, Fields, FromFields, Json},
    error::{Answer, ErrorBody, Failure, UnauthorizedBody},
};

/// A change of the caller's password.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct PasswordBody {
    #[schema(example = "correct horse")]
    current_password: String,
    #[schema(min_length = 8, max_length = 128, example = "battery staple")]
    new_password: String,
}

impl FromFields for PasswordBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self { current_password: fields.text("currentPassword"), new_password: fields.text("newPassword") }
    }
}

/// Changes the caller's password and ends the caller's other sessions.
#[utoipa::path(put, path = "/api/auth/password", operation_id = "changePassword", tag = "auth",
    summary = "Change the password, which logs out everywhere else",
    security(("bearer" = [])), request_body = PasswordBody,
    responses(
        (status = 200, description = "The password is changed, all other sessions are revoked", body = DoneBody,
            example = json!({"success": true, "message": "Password changed successfully"})),
        (status = 400, description = "The current password is wrong, or the new one is too weak", body = ErrorBody,
            example = json!({"success": false, "message": "currentPassword is wrong"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 429, description = "Too many wrong passwords", body = ErrorBody,
            example = json!({"success": false, "message": "Too many requests, please try again in 42 seconds"}))))]
pub(crate) async fn put(
    State(app): State<App>,
    context: Context,
    headers: HeaderMap,
    session: Session,
    body: Result<Json<PasswordBody>, BadBody>,
) -> Result<axum::Json<DoneBody>, BadBody> {
    let Json(body) = body?;
    change(&app, &context, &headers, &session, body).await.map_err(|Failure(error)| BadBody::Invalid(error))
}

async fn change(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    session: &Session,
    body: PasswordBody,
) -> Answer<axum::Json<DoneBody>> {
    let (current_password, new_password) = (body.current_password, body.new_password);
    let mut request = session.caller.request(ChangePasswordRequest { current_password, new_password })?;
    context.client(headers).write(request.metadata_mut());
    let revoked = app.auth.clone().change_password(request).await?.into_inner().revoked;
    forget(app, revoked);
    Ok(axum::Json(DoneBody { success: true, message: "Password changed successfully" }))
}
