//! `POST /api/auth/register`

use aether_common::{Code, Error};
use aether_proto::auth::RegisterRequest;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use utoipa::ToSchema;

use super::SessionBody;
use crate::{
    access::Context,
    app::App,
    body::{Fields, FromFields, Json},
    error::{Answer, ErrorBody, Failure},
};

/// A new user.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct RegisterBody {
    #[schema(example = "john@example.com")]
    email: String,
    #[schema(min_length = 8, max_length = 128, example = "correct horse")]
    password: String,
    #[schema(example = "John")]
    first_name: String,
    #[schema(example = "Doe")]
    last_name: String,
    #[schema(min_length = 3, example = "john_doe")]
    username: String,
}

impl FromFields for RegisterBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            email: fields.text("email"),
            password: fields.text("password"),
            first_name: fields.text("firstName"),
            last_name: fields.text("lastName"),
            username: fields.text("username"),
        }
    }
}

/// Makes a user and its first session.
#[utoipa::path(post, path = "/api/auth/register", operation_id = "register", tag = "auth",
    summary = "Create a new user",
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The user and its first session", body = SessionBody),
        (status = 400, description = "A field is wrong, or e-mail or user name is taken", body = ErrorBody,
            example = json!({"success": false, "message": "User with this email or username already exists"})),
        (status = 429, description = "Too many requests from this address", body = ErrorBody,
            example = json!({"success": false, "message": "Too many requests, please try again in 42 seconds"}))))]
pub(crate) async fn post(
    State(app): State<App>,
    context: Context,
    headers: HeaderMap,
    Json(body): Json<RegisterBody>,
) -> Answer<(StatusCode, axum::Json<SessionBody>)> {
    let mut request = context.anonymous().request(RegisterRequest {
        email: body.email,
        password: body.password,
        first_name: body.first_name,
        last_name: body.last_name,
        username: body.username,
    })?;
    context.client(&headers).write(request.metadata_mut());
    let session = app.auth.clone().register(request).await.map_err(taken)?.into_inner();
    let body = SessionBody {
        success: true,
        message: "User created successfully",
        user: session.user.try_into()?,
        access_token: session.access_token,
    };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Which of the two is taken stays unsaid, as the specification has it.
fn taken(status: tonic::Status) -> Failure {
    let Failure(error) = status.into();
    match error.code {
        Code::Conflict => {
            Error { message: "User with this email or username already exists".to_owned(), ..error }.into()
        }
        _ => error.into(),
    }
}
