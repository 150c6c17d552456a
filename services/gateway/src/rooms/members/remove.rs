//! `DELETE /api/rooms/:roomId/members/:userId`

use aether_proto::message::RemoveMemberRequest;
use axum::{Json, extract::State};

use crate::{
    access::Session,
    app::App,
    auth::logout::DoneBody,
    error::{Answer, ErrorBody, UnauthorizedBody},
    rooms::{self, MemberId},
};

/// Ends a membership, and the live feed with it. Who is removed from a public room may join it again.
#[utoipa::path(delete, path = "/api/rooms/{roomId}/members/{userId}", operation_id = "removeMember", tag = "rooms",
    summary = "Put somebody out of a room, as its owner, or leave it",
    security(("bearer" = [])),
    params(
        ("roomId" = String, Path, description = "The room's id or name"),
        ("userId" = String, Path, description = "The member's id")),
    responses(
        (status = 200, description = "The user is no member any more", body = DoneBody,
            example = json!({"success": true, "message": "Member removed successfully"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 403, description = "The caller doesn't own the room, or it is direct", body = ErrorBody,
            example = json!({"success": false, "message": "Only the room's owner may do this"})),
        (status = 404, description = "No such room, or none that the caller may see, or no such member", body = ErrorBody,
            example = json!({"success": false, "message": "Room not found"}))))]
pub(crate) async fn delete(
    State(app): State<App>,
    session: Session,
    MemberId { room, user }: MemberId,
) -> Answer<Json<DoneBody>> {
    let request = session.caller.request(RemoveMemberRequest { room, user_id: user })?;
    app.message.clone().remove_member(request).await.map_err(rooms::failure)?;
    Ok(Json(DoneBody { success: true, message: "Member removed successfully" }))
}
