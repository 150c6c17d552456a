//! `POST /api/auth/login`

use aether_proto::auth::LoginRequest;
use axum::{extract::State, http::HeaderMap};
use utoipa::ToSchema;

use super::SessionBody;
use crate::{
    access::Context,
    app::App,
    body::{Fields, FromFields, Json},
    error::{Answer, ErrorBody},
};

/// A user's credentials.
#[derive(ToSchema)]
pub(crate) struct LoginBody {
    #[schema(example = "john@example.com")]
    email: String,
    #[schema(example = "correct horse")]
    password: String,
}

impl FromFields for LoginBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self { email: fields.text("email"), password: fields.text("password") }
    }
}

/// Makes a session.
#[utoipa::path(post, path = "/api/auth/login", operation_id = "login", tag = "auth",
    summary = "Log in and get an access token",
    request_body = LoginBody,
    responses(
        (status = 200, description = "A new session", body = SessionBody),
        (status = 400, description = "A field is missing", body = ErrorBody,
            example = json!({"success": false, "message": "password is required"})),
        (status = 401, description = "Unknown user or wrong password", body = ErrorBody,
            example = json!({"success": false, "message": "Invalid credentials"})),
        (status = 429, description = "Too many attempts from this address, or too many failed ones on this account", body = ErrorBody,
            example = json!({"success": false, "message": "Too many requests, please try again in 42 seconds"}))))]
pub(crate) async fn post(
    State(app): State<App>,
    context: Context,
    headers: HeaderMap,
    Json(body): Json<LoginBody>,
) -> Answer<axum::Json<SessionBody>> {
    let mut request = context.anonymous().request(LoginRequest { email: body.email, password: body.password })?;
    context.client(&headers).write(request.metadata_mut());
    let session = app.auth.clone().login(request).await?.into_inner();
    Ok(axum::Json(SessionBody {
        success: true,
        message: "Login successful",
        user: session.user.try_into()?,
        access_token: session.access_token,
    }))
}
