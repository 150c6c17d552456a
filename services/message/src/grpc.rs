//! The gRPC service: translates between the wire and the rules.

use std::sync::Arc;

use aether_common::{
    Error,
    grpc::Caller,
    guard::{Guard, Identity},
};
use aether_proto::message::{self as pb, message_service_server::MessageService};
use chrono::{DateTime, Utc};
use tonic::{Request, Response, Status};

use crate::{
    delivery::Hub,
    limit::RateLimit,
    messages,
    model::{Message, User},
    rooms::{RoomWithMembers, Rooms},
    store::Store,
};

/// Answers calls on behalf of the user whose token they carry.
#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) hub: Arc<Hub>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) limit: Arc<RateLimit>,
    pub(crate) guard: Guard,
}

impl Grpc {
    async fn caller<T>(&self, request: &Request<T>) -> Result<Identity, Error> {
        let caller = Caller::from_metadata(request.metadata());
        let token = caller.token.ok_or_else(Error::unauthenticated)?;
        self.guard.check(&token, &caller.request_id).await
    }

    async fn answer(&self, room: Arc<crate::model::Room>) -> Result<Response<pb::RoomResponse>, Status> {
        let room = self.rooms.with_members(room).await?;
        Ok(Response::new(pb::RoomResponse { room: Some(room_message(room)) }))
    }
}

#[tonic::async_trait]
impl MessageService for Grpc {
    async fn send_message(
        &self,
        request: Request<pb::SendMessageRequest>,
    ) -> Result<Response<pb::SendMessageResponse>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let sender = User { id: caller.user_id, username: caller.username };
        let user_id = sender.id.clone();
        let (kind, temp_id) = (Some(request.message_type.as_str()), request.temp_id.as_deref());
        let draft = messages::draft(sender, &request.content, kind, temp_id)?;
        let room = self.rooms.find(&request.room).await?;
        self.limit.allow(&user_id).await?;
        let stored = self.hub.send_and_wait(room, draft).await?;
        let temp_id = stored.message.client_id.temp_id().map(str::to_owned);
        let message = pb::Message { temp_id, ..message(&stored.message) };
        Ok(Response::new(pb::SendMessageResponse { message: Some(message) }))
    }

    async fn get_history(
        &self,
        request: Request<pb::GetHistoryRequest>,
    ) -> Result<Response<pb::GetHistoryResponse>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let room = self.rooms.joined(&caller.user_id, &request.room).await?;
        let store = self.store.as_ref();
        let (page, total_items) = messages::history(store, &room.id, request.page, request.limit).await?;
        let messages = page.iter().map(message).collect();
        Ok(Response::new(pb::GetHistoryResponse { messages, total_items }))
    }

    async fn list_rooms(
        &self,
        request: Request<pb::ListRoomsRequest>,
    ) -> Result<Response<pb::ListRoomsResponse>, Status> {
        let caller = self.caller(&request).await?;
        let rooms = self.rooms.list(&caller.user_id).await?;
        Ok(Response::new(pb::ListRoomsResponse { rooms: rooms.into_iter().map(room_message).collect() }))
    }

    async fn create_room(&self, request: Request<pb::CreateRoomRequest>) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wanted = request.into_inner();
        let room = self.rooms.create(&caller.user_id, &wanted.name, &wanted.description, &wanted.room_type).await?;
        self.answer(room).await
    }

    async fn join_room(&self, request: Request<pb::JoinRoomRequest>) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let room = self.rooms.join(&caller.user_id, &request.into_inner().room).await?;
        self.answer(room).await
    }

    async fn leave_room(
        &self,
        request: Request<pb::LeaveRoomRequest>,
    ) -> Result<Response<pb::LeaveRoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let room = self.rooms.leave(&caller.user_id, &request.into_inner().room).await?;
        self.hub.removed(&room.id, &caller.user_id);
        Ok(Response::new(pb::LeaveRoomResponse {}))
    }

    async fn get_room(&self, request: Request<pb::GetRoomRequest>) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let (room, _) = self.rooms.visible(&caller.user_id, &request.into_inner().room).await?;
        self.answer(room).await
    }

    async fn get_membership(
        &self,
        request: Request<pb::GetMembershipRequest>,
    ) -> Result<Response<pb::GetMembershipResponse>, Status> {
        let caller = self.caller(&request).await?;
        let (_, membership) = self.rooms.visible(&caller.user_id, &request.into_inner().room).await?;
        Ok(Response::new(match membership {
            Some(membership) => pb::GetMembershipResponse {
                member: true,
                role: membership.role.as_str().to_owned(),
                joined_at: Some(timestamp(membership.joined_at)),
            },
            None => pb::GetMembershipResponse::default(),
        }))
    }
}

fn message(message: &Message) -> pb::Message {
    pb::Message {
        id: message.id.clone(),
        user_id: message.sender.id.clone(),
        username: message.sender.username.clone(),
        room_id: message.room_id.clone(),
        content: message.content.clone(),
        message_type: message.message_type.clone(),
        metadata: None,
        created_at: Some(timestamp(message.created_at)),
        updated_at: Some(timestamp(message.created_at)),
        seq: message.seq,
        temp_id: None,
    }
}

fn room_message(RoomWithMembers { room, members }: RoomWithMembers) -> pb::Room {
    pb::Room {
        id: room.id.clone(),
        name: room.name.clone(),
        description: room.description.clone(),
        room_type: room.room_type.as_str().to_owned(),
        created_by: room.created_by.clone(),
        members,
        created_at: Some(timestamp(room.created_at)),
        updated_at: Some(timestamp(room.created_at)),
    }
}

fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0);
    prost_types::Timestamp { seconds: time.timestamp(), nanos }
}
