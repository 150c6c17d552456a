//! `POST /api/rooms`

use aether_proto::message::CreateRoomRequest;
use axum::{extract::State, http::StatusCode};
use utoipa::ToSchema;

use super::RoomBody;
use crate::{
    access::Session,
    app::App,
    body::{Fields, FromFields, Json},
    error::{Answer, ErrorBody, UnauthorizedBody},
};

/// A new room.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct CreateRoomBody {
    #[schema(example = "project-x")]
    name: String,
    #[schema(example = "All about project X")]
    description: Option<String>,
    /// `public` (the default) or `private`.
    #[schema(example = "public")]
    room_type: Option<String>,
}

impl FromFields for CreateRoomBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            name: fields.text("name"),
            description: fields.optional("description"),
            room_type: fields.optional("roomType"),
        }
    }
}

/// Makes a room with the caller as its owner.
#[utoipa::path(post, path = "/api/rooms", operation_id = "createRoom", tag = "rooms",
    summary = "Create a room and become its owner",
    security(("bearer" = [])), request_body = CreateRoomBody,
    responses(
        (status = 201, description = "The room", body = RoomBody),
        (status = 400, description = "A field is wrong, or the name is taken: all rooms, public and private, share names", body = ErrorBody,
            example = json!({"success": false, "message": "name is required"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn post(
    State(app): State<App>,
    session: Session,
    Json(body): Json<CreateRoomBody>,
) -> Answer<(StatusCode, axum::Json<RoomBody>)> {
    let request = session.caller.request(CreateRoomRequest {
        name: body.name,
        description: body.description.unwrap_or_default(),
        room_type: body.room_type.unwrap_or_default(),
    })?;
    let room = app.message.clone().create_room(request).await?.into_inner().room;
    let body = RoomBody { success: true, message: "Room created successfully", room: room.try_into()? };
    Ok((StatusCode::CREATED, axum::Json(body)))
}
