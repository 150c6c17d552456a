//! `GET /api/rooms/public`

use aether_common::{Error, grpc};
use aether_proto::message::ListPublicRoomsRequest;
use axum::{
    Json,
    extract::{Query, State},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{Pagination, page_and_limit};
use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody, UnauthorizedBody},
    wire::PublicRoom,
};

/// A page of the public rooms.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublicRoomsBody {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Public rooms retrieved successfully")]
    message: &'static str,
    /// By name.
    rooms: Vec<PublicRoom>,
    pagination: Pagination,
}

/// Rooms that anybody may join.
#[utoipa::path(get, path = "/api/rooms/public", operation_id = "listPublicRooms", tag = "rooms",
    summary = "Find public rooms",
    security(("bearer" = [])),
    params(
        ("page" = Option<u32>, Query, minimum = 1, maximum = 4_294_967_295_u32, description = "1 by default"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Rooms on a page, 50 by default"),
        ("search" = Option<String>, Query, description = "A part of the name, in whatever case")),
    responses(
        (status = 200, description = "The page", body = PublicRoomsBody),
        (status = 400, description = "page, limit or search is wrong", body = ErrorBody,
            example = json!({"success": false, "message": "limit must be a positive integer of at most 100"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody)))]
pub(crate) async fn get(
    State(app): State<App>,
    session: Session,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer<Json<PublicRoomsBody>> {
    let (page, limit) = page_and_limit(&query)?;
    let search = query.into_iter().find(|(key, _)| key == "search").map(|(_, value)| value).unwrap_or_default();
    let call = || async {
        let request = ListPublicRoomsRequest { page, limit, search: search.clone() };
        app.message.clone().list_public_rooms(session.caller.request(request)?).await
    };
    let found = grpc::read(call).await?.into_inner();
    let rooms = found.rooms.into_iter().map(PublicRoom::try_from).collect::<Result<Vec<_>, Error>>()?;
    let pagination = Pagination::new(page, limit, found.total_items);
    Ok(Json(PublicRoomsBody { success: true, message: "Public rooms retrieved successfully", rooms, pagination }))
}
