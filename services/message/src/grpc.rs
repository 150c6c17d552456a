//! The gRPC service: translates between the wire and the rules.

use std::sync::Arc;

use aether_common::{
    Code, Error,
    grpc::{self as rpc, Caller, Channel},
    guard::{Guard, Identity},
};
use aether_proto::{
    auth::{GetUsersRequest, auth_service_client::AuthServiceClient},
    message::{self as pb, message_service_server::MessageService},
};
use chrono::{DateTime, Utc};
use tonic::{Request, Response, Status};

use crate::{
    delivery::Hub,
    limit::RateLimit,
    messages,
    model::{Message, Page, Role, User},
    rooms::{RoomWithMembers, Rooms},
};

/// Answers calls on behalf of the user whose token they carry.
#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) hub: Arc<Hub>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) limit: Arc<RateLimit>,
    pub(crate) guard: Guard,
    /// Knows who there is.
    pub(crate) auth: AuthServiceClient<Channel>,
}

impl Grpc {
    async fn caller<T>(&self, request: &Request<T>) -> Result<Identity, Error> {
        let caller = Caller::from_metadata(request.metadata());
        let token = caller.token.ok_or_else(Error::unauthenticated)?;
        self.guard.check(&token, &caller.request_id).await
    }

    /// The id of the user whom a caller names.
    async fn named(&self, caller: &Caller, user: Option<pb::UserReference>) -> Result<String, Error> {
        use pb::user_reference::User;
        let mut wanted = GetUsersRequest::default();
        match user.and_then(|reference| reference.user) {
            Some(User::Id(id)) => wanted.ids.push(id),
            Some(User::Username(name)) => wanted.usernames.push(name),
            None => {
                return Err(Error::invalid(vec![("user".to_owned(), "must be given by id or username".to_owned())]));
            }
        }
        let ask = || async { self.auth.clone().get_users(caller.request(wanted.clone())?).await };
        let found = rpc::read(ask).await?.into_inner().users.pop();
        found.map(|user| user.id).ok_or_else(|| Error::new(Code::NotFound, "USER_NOT_FOUND", "User not found"))
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
        let sender = User { id: caller.user_id.into(), username: caller.username.into() };
        let user_id = sender.id.clone();
        let (kind, temp_id) = (Some(request.message_type.as_str()), request.temp_id.as_deref());
        let draft = messages::draft(sender, &request.content, kind, temp_id)?;
        // Before the room: what is counted must not tell a stranger that it is there.
        self.limit.allow(&user_id).await?;
        let room = self.rooms.find(&request.room).await?;
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
        let page = Page::new(request.page, request.limit)?;
        let history = self.rooms.history(&caller.user_id, &request.room, page).await?;
        let (messages, json) = match request.as_json {
            true => (Vec::new(), history.json().into()),
            false => (history.messages.iter().map(message).collect(), Vec::new()),
        };
        Ok(Response::new(pb::GetHistoryResponse { messages, total_items: history.total, json }))
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

    async fn open_direct_room(
        &self,
        request: Request<pb::OpenDirectRoomRequest>,
    ) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let other = self.named(&Caller::from_metadata(request.metadata()), request.get_ref().user.clone()).await?;
        let room = self.rooms.direct(&caller.user_id, &other).await?;
        self.answer(room).await
    }

    async fn list_public_rooms(
        &self,
        request: Request<pb::ListPublicRoomsRequest>,
    ) -> Result<Response<pb::ListPublicRoomsResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wanted = request.into_inner();
        let page = Page::new(wanted.page, wanted.limit)?;
        let (rooms, total_items) = self.rooms.list_public(&caller.user_id, &wanted.search, page).await?;
        let rooms = rooms.into_iter().map(|listed| pb::PublicRoom {
            room: Some(room_message(RoomWithMembers { room: Arc::new(listed.room), members: Vec::new() })),
            member_count: listed.members,
            joined: listed.joined,
        });
        Ok(Response::new(pb::ListPublicRoomsResponse { rooms: rooms.collect(), total_items }))
    }

    async fn list_members(
        &self,
        request: Request<pb::ListMembersRequest>,
    ) -> Result<Response<pb::ListMembersResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wanted = request.into_inner();
        let page = Page::new(wanted.page, wanted.limit)?;
        let (members, total_items, owner) = self.rooms.list_members(&caller.user_id, &wanted.room, page).await?;
        let role = |user: &str| if owner.as_deref() == Some(user) { Role::Owner } else { Role::Member };
        let members = members.into_iter().map(|member| pb::Member {
            role: role(&member.user_id).as_str().to_owned(),
            user_id: member.user_id,
            joined_at: Some(timestamp(member.joined_at)),
        });
        Ok(Response::new(pb::ListMembersResponse { members: members.collect(), total_items }))
    }

    async fn add_member(&self, request: Request<pb::AddMemberRequest>) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        // First: who may not see the room isn't told who there is either.
        let room = self.rooms.owned(&caller.user_id, &request.get_ref().room).await?;
        let user = self.named(&Caller::from_metadata(request.metadata()), request.get_ref().user.clone()).await?;
        self.rooms.add(&caller.user_id, &room, &user).await?;
        self.answer(room).await
    }

    async fn remove_member(
        &self,
        request: Request<pb::RemoveMemberRequest>,
    ) -> Result<Response<pb::RemoveMemberResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wanted = request.into_inner();
        let room = self.rooms.remove(&caller.user_id, &wanted.room, &wanted.user_id).await?;
        self.hub.removed(&room.id, &wanted.user_id);
        Ok(Response::new(pb::RemoveMemberResponse {}))
    }

    async fn get_room(&self, request: Request<pb::GetRoomRequest>) -> Result<Response<pb::RoomResponse>, Status> {
        let caller = self.caller(&request).await?;
        let (room, membership) = self.rooms.visible(&caller.user_id, &request.into_inner().room).await?;
        if membership.is_none() {
            let room = room_message(RoomWithMembers { room, members: Vec::new() });
            return Ok(Response::new(pb::RoomResponse { room: Some(room) }));
        }
        self.answer(room).await
    }

    async fn get_membership(
        &self,
        request: Request<pb::GetMembershipRequest>,
    ) -> Result<Response<pb::GetMembershipResponse>, Status> {
        let caller = self.caller(&request).await?;
        let (room, membership) = self.rooms.visible(&caller.user_id, &request.into_inner().room).await?;
        let Some(membership) = membership else { return Ok(Response::new(pb::GetMembershipResponse::default())) };
        let owner = self.rooms.owner(&room).await?;
        let role = if owner.as_ref() == Some(&caller.user_id) { Role::Owner } else { Role::Member };
        Ok(Response::new(pb::GetMembershipResponse {
            member: true,
            role: role.as_str().to_owned(),
            joined_at: Some(timestamp(membership.joined_at)),
        }))
    }
}

fn message(message: &Message) -> pb::Message {
    pb::Message {
        id: message.id.to_string(),
        user_id: message.sender.id.to_string(),
        username: message.sender.username.to_string(),
        room_id: message.room_id.to_string(),
        content: message.content.to_string(),
        message_type: message.message_type.to_string(),
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
        name: room.title().to_owned(),
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
