//! `GET /api/rooms/:roomId/members`

use aether_common::{Error, grpc};
use aether_proto::message::ListMembersRequest;
use axum::{
    Json,
    extract::{Query, State},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody, UnauthorizedBody},
    rooms::{
        self, RoomId,
        page::{Pagination, page_and_limit},
    },
    wire::Member,
};

/// A page of a room's members.
#[derive(Serialize, ToSchema)]
pub(crate) struct MembersBody {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Members retrieved successfully")]
    message: &'static str,
    /// In the order in which they entered.
    members: Vec<Member>,
    pagination: Pagination,
}

/// Who is in a room.
#[utoipa::path(get, path = "/api/rooms/{roomId}/members", operation_id = "listMembers", tag = "rooms",
    summary = "Get a page of a room's members",
    security(("bearer" = [])),
    params(
        ("roomId" = String, Path, description = "The room's id or name"),
        ("page" = Option<u32>, Query, minimum = 1, maximum = 4_294_967_295_u32, description = "1 by default"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Members on a page, 50 by default")),
    responses(
        (status = 200, description = "The page", body = MembersBody),
        (status = 400, description = "page or limit is wrong", body = ErrorBody,
            example = json!({"success": false, "message": "limit must be a positive integer of at most 100"})),
        (status = 401, description = "No valid token", body = UnauthorizedBody),
        (status = 403, description = "The caller is no member of the room", body = ErrorBody,
            example = json!({"success": false, "message": "You are not a member of this room"})),
        (status = 404, description = "No such room, or none that the caller may see", body = ErrorBody,
            example = json!({"success": false, "message": "Room not found"}))))]
pub(crate) async fn get(
    State(app): State<App>,
    session: Session,
    RoomId { room }: RoomId,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer<Json<MembersBody>> {
    let (page, limit) = page_and_limit(&query)?;
    let call = || async {
        let request = ListMembersRequest { room: room.clone(), page, limit };
        app.message.clone().list_members(session.caller.request(request)?).await
    };
    let found = grpc::read(call).await.map_err(rooms::failure)?.into_inner();
    let ids: Vec<String> = found.members.iter().map(|member| member.user_id.clone()).collect();
    let mut names = rooms::names(&app, &session, &ids).await?;
    let named = |member: aether_proto::message::Member| {
        let name = names.remove(&member.user_id).unwrap_or_default();
        Member::new(member, name)
    };
    let members = found.members.into_iter().map(named).collect::<Result<Vec<_>, Error>>()?;
    let pagination = Pagination::new(page, limit, found.total_items);
    Ok(Json(MembersBody { success: true, message: "Members retrieved successfully", members, pagination }))
}
