//! `POST /api/rooms/:roomId/members`

use aether_proto::message::AddMemberRequest;
use axum::extract::State;

use crate::{
    access::Session,
    app::App,
    body::Json,
    error::{Answer, ErrorBody, UnauthorizedBody},
    rooms::{self, RoomBody, RoomId, UserBody},
};

/// Makes another user a member.
#[utoipa::path(post, path = "/api/rooms/{roomId}/members", operation_id = "addMember", tag = "rooms",
    summary = "Let somebody into a room, as its owner",
    security(("bearer" = [])), params(("roomId" = String, Path, description = "The room's id or name")),
    request_body = UserBody,
    responses(
        (status = 200, description = "The user is a member", body = RoomBody),
        (status = 400, description = "The user isn't named", body = ErrorBody,
            example = json!({"success": false, "message": "userId or username is required, and not both"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 403, description = "The caller doesn't own the room, or it is direct", body = ErrorBody,
            example = json!({"success": false, "message": "Only the room's owner may do this"})),
        (status = 404, description = "No such room, or none that the caller may see, or no such user", body = ErrorBody,
            example = json!({"success": false, "message": "Room not found"}))))]
pub(crate) async fn post(
    State(app): State<App>,
    session: Session,
    RoomId { room }: RoomId,
    Json(body): Json<UserBody>,
) -> Answer<axum::Json<RoomBody>> {
    let request = session.caller.request(AddMemberRequest { room, user: body.reference() })?;
    let room = app.message.clone().add_member(request).await.map_err(rooms::failure)?.into_inner().room;
    Ok(axum::Json(RoomBody { success: true, message: "Member added successfully", room: room.try_into()? }))
}
