//! `GET /api/rooms/:roomId/messages`

use aether_common::{Error, grpc};
use aether_proto::message::GetHistoryRequest;
use axum::{
    extract::{Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use utoipa::ToSchema;

use super::{
    RoomId,
    page::{Pagination, page_and_limit},
};
use crate::{
    access::Session,
    app::App,
    error::{Answer, ErrorBody, UnauthorizedBody},
    wire::Message,
};

/// A page of a room's history.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written by hand, as the messages come written")]
pub(crate) struct MessagesBody {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Message history retrieved successfully")]
    message: &'static str,
    /// Ascending by time.
    messages: Vec<Message>,
    pagination: Pagination,
}

const BEGIN: &[u8] = br#"{"success":true,"message":"Message history retrieved successfully","messages":"#;

/// A page of the history; page 1 holds the newest messages.
#[utoipa::path(get, path = "/api/rooms/{roomId}/messages", operation_id = "getMessages", tag = "rooms",
    summary = "Get a page of a room's history",
    security(("bearer" = [])),
    params(
        ("roomId" = String, Path, description = "The room's id or name"),
        ("page" = Option<u32>, Query, minimum = 1, maximum = 4_294_967_295_u32,
            description = "Page 1 (the default) holds the newest messages"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Messages on a page, 50 by default")),
    responses(
        (status = 200, description = "The page", body = MessagesBody),
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
) -> Answer<Response> {
    let (page, limit) = page_and_limit(&query)?;
    let call = || async {
        let request = GetHistoryRequest { room: room.clone(), page, limit, as_json: true };
        app.message.clone().get_history(session.caller.request(request)?).await
    };
    let history = grpc::read(call).await.map_err(super::failure)?.into_inner();
    if history.json.is_empty() {
        // While an older version takes over, as the gateways are the last to change.
        return Err(Error::unavailable(std::io::Error::other("the message service writes no JSON")).into());
    }
    let mut body = Vec::with_capacity(512 + history.json.len());
    body.extend_from_slice(BEGIN);
    body.extend_from_slice(&history.json);
    body.extend_from_slice(br#","pagination":"#);
    serde_json::to_writer(&mut body, &Pagination::new(page, limit, history.total_items)).map_err(Error::internal)?;
    body.push(b'}');
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
