//! `GET /api/rooms`

use aether_common::grpc;
use aether_proto::message::ListRoomsRequest;
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Session,
    app::App,
    error::{Answer, UnauthorizedBody},
    wire::Room,
};

/// The caller's rooms.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomsBody {
    #[schema(example = true)]
    success: bool,
    /// `Rooms retrieved successfully`, or `No rooms joined yet.`
    message: &'static str,
    rooms: Vec<Room>,
}

/// The rooms that the caller is a member of.
#[utoipa::path(get, path = "/api/rooms", operation_id = "listRooms", tag = "rooms",
    summary = "Get all rooms of the current user",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The rooms that the user is a member of", body = RoomsBody),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn get(State(app): State<App>, session: Session) -> Answer<Json<RoomsBody>> {
    let call = || async { app.message.clone().list_rooms(session.caller.request(ListRoomsRequest {})?).await };
    let rooms = grpc::read(call).await?.into_inner().rooms;
    let rooms = super::shown(&app, &session, rooms).await?;
    let message = if rooms.is_empty() { "No rooms joined yet." } else { "Rooms retrieved successfully" };
    Ok(Json(RoomsBody { success: true, message, rooms }))
}
