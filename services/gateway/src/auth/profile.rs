//! `GET /api/auth/profile`, `PUT /api/auth/profile`

use aether_common::{Code, Error, grpc};
use aether_proto::auth::{GetProfileRequest, UpdateProfileRequest};
use axum::extract::State;
use utoipa::ToSchema;

use super::UserBody;
use crate::{
    access::Session,
    app::App,
    body::{BadBody, Fields, FromFields, Json},
    error::{Answer, ErrorBody, Failure, UnauthorizedBody},
};

/// The specification's whole message for a taken user name; of bad fields, it is followed by what is to be mended.
const FAILED: &str = "Failed to update user profile";

/// What to change; absent fields stay as they are.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ProfileBody {
    #[schema(example = "John")]
    first_name: Option<String>,
    #[schema(example = "Doe")]
    last_name: Option<String>,
    #[schema(min_length = 3, example = "john_doe")]
    username: Option<String>,
}

impl FromFields for ProfileBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            first_name: fields.optional("firstName"),
            last_name: fields.optional("lastName"),
            username: fields.optional("username"),
        }
    }
}

/// The caller's profile.
#[utoipa::path(get, path = "/api/auth/profile", operation_id = "getProfile", tag = "auth",
    summary = "Get the current user's profile",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The profile", body = UserBody),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn get(State(app): State<App>, session: Session) -> Answer<axum::Json<UserBody>> {
    let call = || async { app.auth.clone().get_profile(session.caller.request(GetProfileRequest {})?).await };
    let user = grpc::read(call).await?.into_inner().user;
    Ok(axum::Json(UserBody { success: true, message: "User profile retrieved successfully", user: user.try_into()? }))
}

/// Changes the caller's profile.
#[utoipa::path(put, path = "/api/auth/profile", operation_id = "updateProfile", tag = "auth",
    summary = "Update the current user's profile",
    security(("bearer" = [])), request_body = ProfileBody,
    responses(
        (status = 200, description = "The profile as it is now", body = UserBody),
        (status = 400, description = "A field is wrong, or the user name is taken", body = ErrorBody,
            example = json!({"success": false, "message": "Failed to update user profile"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn put(
    State(app): State<App>,
    session: Session,
    body: Result<Json<ProfileBody>, BadBody>,
) -> Result<axum::Json<UserBody>, BadBody> {
    let Json(body) = body.map_err(|bad| match bad {
        BadBody::Invalid(error) => BadBody::Invalid(failed(error)),
        BadBody::TooLarge | BadBody::TooSlow => bad,
    })?;
    update(&app, &session, body).await.map_err(|Failure(error)| BadBody::Invalid(failed(error)))
}

async fn update(app: &App, session: &Session, body: ProfileBody) -> Answer<axum::Json<UserBody>> {
    let request = session.caller.request(UpdateProfileRequest {
        first_name: body.first_name,
        last_name: body.last_name,
        username: body.username,
    })?;
    let user = app.auth.clone().update_profile(request).await?.into_inner().user;
    Ok(axum::Json(UserBody { success: true, message: "User profile updated successfully", user: user.try_into()? }))
}

fn failed(error: Error) -> Error {
    let message = match error.code {
        Code::Conflict => FAILED.to_owned(),
        Code::Invalid if error.fields.is_empty() => FAILED.to_owned(),
        Code::Invalid => format!("{FAILED}: {}", error.message),
        _ => return error,
    };
    Error { message, ..error }
}
