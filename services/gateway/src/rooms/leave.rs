//! `POST /api/rooms/:roomId/leave`

use aether_proto::message::LeaveRoomRequest;
use axum::{Json, extract::State};

use super::RoomId;
use crate::{
    access::Session,
    app::App,
    auth::logout::DoneBody,
    error::{Answer, ErrorBody, UnauthorizedBody},
};

/// Ends the caller's membership. When the owner leaves, the member who entered first owns the room. A private room that
/// everybody has left can't be entered any more, and its name is free.
#[utoipa::path(post, path = "/api/rooms/{roomId}/leave", operation_id = "leaveRoom", tag = "rooms",
    summary = "End the membership in a room",
    security(("bearer" = [])), params(("roomId" = String, Path, description = "The room's id or name")),
    responses(
        (status = 200, description = "The caller is no member any more", body = DoneBody,
            example = json!({"success": true, "message": "Left room successfully"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 403, description = "The room is direct", body = ErrorBody,
            example = json!({"success": false, "message": "A direct room always has the same two members"})),
        (status = 404, description = "No such room, or none that the caller may see", body = ErrorBody,
            example = json!({"success": false, "message": "Room not found"}))))]
pub(crate) async fn post(State(app): State<App>, session: Session, RoomId { room }: RoomId) -> Answer<Json<DoneBody>> {
    let request = session.caller.request(LeaveRoomRequest { room })?;
    app.message.clone().leave_room(request).await.map_err(super::failure)?;
    Ok(Json(DoneBody { success: true, message: "Left room successfully" }))
}
