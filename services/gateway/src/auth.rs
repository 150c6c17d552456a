//! `/api/auth/*`: accounts, sessions and tokens, all kept by the auth service.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod profile;
pub(crate) mod register;
pub(crate) mod ws_token;

use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::User;

/// A user with a new session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    user: User,
    /// For the header `Authorization: Bearer …`; valid for 30 days.
    access_token: String,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    user: User,
}
