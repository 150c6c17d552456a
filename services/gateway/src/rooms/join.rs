//! `POST /api/rooms/:roomId/join`

use aether_proto::message::JoinRoomRequest;
use axum::{Json, extract::State};

use super::{RoomBody, RoomId};
use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody, UnauthorizedBody},
};

/// Makes the caller a member of a public room.
#[utoipa::path(post, path = "/api/rooms/{roomId}/join", operation_id = "joinRoom", tag = "rooms",
    summary = "Become a member of a public room",
    security(("bearer" = [])), params(("roomId" = String, Path, description = "The room's id or name")),
    responses(
        (status = 200, description = "The caller is a member", body = RoomBody),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 404, description = "No such room, or none that the caller may see", body = ErrorBody,
            example = json!({"success": false, "message": "Room not found"}))))]
pub(crate) async fn post(State(app): State<App>, session: Session, RoomId { room }: RoomId) -> Answer<Json<RoomBody>> {
    let request = session.caller.request(JoinRoomRequest { room })?;
    let room = app.message.clone().join_room(request).await.map_err(super::failure)?.into_inner().room;
    let room = super::shown_one(&app, &session, room).await?;
    Ok(Json(RoomBody { success: true, message: "Joined room successfully", room }))
}
