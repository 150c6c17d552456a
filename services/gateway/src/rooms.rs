//! `/api/rooms*`: rooms and their history, all kept by the message service.

pub(crate) mod create;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod list;
pub(crate) mod messages;

use aether_common::{Code, Error};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, error::Failure, wire::Room};

/// A room.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    room: Room,
}

/// The `roomId` of a URL. One that can't be read, as `%ff`, is of no room.
pub(crate) struct RoomId(String);

impl FromRequestParts<App> for RoomId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, app).await {
            Ok(Path(room)) => Ok(Self(room)),
            Err(error) => {
                tracing::debug!(%error, "a room's id cannot be read");
                Err(Error::new(Code::NotFound, "ROOM_NOT_FOUND", NOT_FOUND).into())
            }
        }
    }
}

const NOT_FOUND: &str = "Room not found";

/// A room that isn't there is named as the specification has it.
fn failure(status: tonic::Status) -> Failure {
    let Failure(error) = status.into();
    match error.code {
        Code::NotFound => Error { message: NOT_FOUND.to_owned(), ..error }.into(),
        _ => error.into(),
    }
}
