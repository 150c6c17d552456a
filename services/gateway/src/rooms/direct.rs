//! `POST /api/rooms/direct`

use aether_proto::message::OpenDirectRoomRequest;
use axum::extract::State;

use super::{RoomBody, UserBody};
use crate::{
    access::Session,
    app::App,
    body::Json,
    error::{Answer, ErrorBody, UnauthorizedBody},
};

/// The one room of the caller and another user alone, whoever of them asks first and however often. Nobody else can enter
/// it, and neither can leave. Its name is that of the other user.
#[utoipa::path(post, path = "/api/rooms/direct", operation_id = "openDirectRoom", tag = "rooms",
    summary = "Open the direct room with another user",
    security(("bearer" = [])), request_body = UserBody,
    responses(
        (status = 200, description = "The room, made if it wasn't there", body = RoomBody),
        (status = 400, description = "The user isn't named, or is the caller", body = ErrorBody,
            example = json!({"success": false, "message": "userId or username is required, and not both"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 404, description = "No such user", body = ErrorBody,
            example = json!({"success": false, "message": "User not found"}))))]
pub(crate) async fn post(
    State(app): State<App>,
    session: Session,
    Json(body): Json<UserBody>,
) -> Answer<axum::Json<RoomBody>> {
    let request = session.caller.request(OpenDirectRoomRequest { user: body.reference() })?;
    let room = app.message.clone().open_direct_room(request).await?.into_inner().room;
    let room = super::shown_one(&app, &session, room).await?;
    Ok(axum::Json(RoomBody { success: true, message: "Direct room opened successfully", room }))
}
