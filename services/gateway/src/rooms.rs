//! `/api/rooms*`: rooms and their history, all kept by the message service.

pub(crate) mod create;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod list;
pub(crate) mod messages;

use aether_common::{Code, Error};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::Failure, wire::Room};

/// A room.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    room: Room,
}

/// A room that isn't there is named as the specification has it.
fn failure(status: tonic::Status) -> Failure {
    let Failure(error) = status.into();
    match error.code {
        Code::NotFound => Error { message: "Room not found".to_owned(), ..error }.into(),
        _ => error.into(),
    }
}
