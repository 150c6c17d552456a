//! `/api/auth/*`: accounts, sessions and tokens, all kept by the auth service.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod password;
pub(crate) mod profile;
pub(crate) mod register;
pub(crate) mod sessions;
pub(crate) mod ws_token;

use aether_common::tokens::ACCESS_LIFETIME;
use aether_proto::auth::RevokedSession;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, wire::User};

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

/// Refuses revoked sessions here at once; other replicas do so as soon as auth has told them.
fn forget(app: &App, revoked: Vec<RevokedSession>) {
    for session in revoked {
        let end = session.expires_at.and_then(|end| DateTime::from_timestamp(end.seconds, 0));
        app.guard.revocations().insert(session.session_id, end.unwrap_or_else(|| Utc::now() + ACCESS_LIFETIME));
    }
}
