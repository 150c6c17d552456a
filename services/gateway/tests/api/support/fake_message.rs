//! One public room, `general`, with a hundred and one messages, and what users add.

use std::sync::Mutex;

use aether_common::{Code, Error, grpc::Caller};
use aether_proto::message::{
    AddMemberRequest, CreateRoomRequest, GetHistoryRequest, GetHistoryResponse, GetMembershipRequest,
    GetMembershipResponse, GetRoomRequest, JoinRoomRequest, LeaveRoomRequest, LeaveRoomResponse, ListMembersRequest,
    ListMembersResponse, ListPublicRoomsRequest, ListPublicRoomsResponse, ListRoomsRequest, ListRoomsResponse, Member,
    OpenDirectRoomRequest, PublicRoom, RemoveMemberRequest, RemoveMemberResponse, Room, RoomResponse,
    SendMessageRequest, SendMessageResponse, message_service_server::MessageService, user_reference::User as UserName,
};
use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

pub(crate) const GENERAL: &str = "635a5e3b8bb9e8b3c8e9f5d2";
const MESSAGES: u64 = 101;

pub(crate) struct FakeMessage(Mutex<Vec<Room>>);

type Answer<T> = Result<Response<T>, Status>;

fn room(id: &str, name: &str, description: &str, kind: &str) -> Room {
    let at = Some(Timestamp { seconds: 1_698_400_800, nanos: 0 });
    Room {
        id: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        room_type: kind.to_owned(),
        created_by: "system".to_owned(),
        members: Vec::new(),
        created_at: at,
        updated_at: at,
    }
}

impl Default for FakeMessage {
    fn default() -> Self {
        Self(Mutex::new(vec![room(GENERAL, "general", "General discussion room", "public")]))
    }
}

fn not_found() -> Status {
    Error::new(Code::NotFound, "ROOM_NOT_FOUND", "no such room").into()
}

fn member<T>(request: &Request<T>) -> String {
    let caller = Caller::from_metadata(request.metadata());
    assert!(caller.token.is_some(), "a call without a token");
    "1".to_owned()
}

#[tonic::async_trait]
impl MessageService for FakeMessage {
    async fn send_message(&self, _: Request<SendMessageRequest>) -> Answer<SendMessageResponse> {
        Err(Status::unimplemented("the gateway sends no message"))
    }

    async fn get_history(&self, request: Request<GetHistoryRequest>) -> Answer<GetHistoryResponse> {
        let (user, wanted) = (member(&request), request.into_inner());
        let rooms = self.0.lock().unwrap();
        let room = rooms.iter().find(|r| r.id == wanted.room || r.name == wanted.room).ok_or_else(not_found)?;
        if !room.members.contains(&user) {
            return Err(Error::new(Code::Forbidden, "NOT_A_MEMBER", "You are not a member of this room").into());
        }
        assert!(wanted.as_json);
        let message = |seq: u64| {
            let at = "2023-10-27T10:01:00.000Z";
            json!({"id": format!("{seq:024x}"), "userId": "1", "username": "John Doe", "roomId": room.id,
                "content": "Hello, world!", "messageType": "text", "metadata": null, "createdAt": at, "updatedAt": at})
        };
        let newest = MESSAGES.saturating_sub(u64::from(wanted.page - 1) * u64::from(wanted.limit));
        let oldest = newest.saturating_sub(wanted.limit.into());
        let json = (oldest + 1..=newest).map(message).collect::<Value>().to_string().into_bytes();
        Ok(Response::new(GetHistoryResponse { messages: Vec::new(), total_items: MESSAGES, json }))
    }

    async fn list_rooms(&self, request: Request<ListRoomsRequest>) -> Answer<ListRoomsResponse> {
        let user = member(&request);
        let rooms = self.0.lock().unwrap().iter().filter(|room| room.members.contains(&user)).cloned().collect();
        Ok(Response::new(ListRoomsResponse { rooms }))
    }

    async fn create_room(&self, request: Request<CreateRoomRequest>) -> Answer<RoomResponse> {
        let (user, wanted) = (member(&request), request.into_inner());
        let mut rooms = self.0.lock().unwrap();
        if rooms.iter().any(|room| room.name == wanted.name) {
            return Err(Error::new(Code::Conflict, "ROOM_EXISTS", "A room with this name already exists").into());
        }
        let kind = if wanted.room_type.is_empty() { "public" } else { &wanted.room_type };
        let made = Room { members: vec![user], ..room("room-2", &wanted.name, &wanted.description, kind) };
        rooms.push(made.clone());
        Ok(Response::new(RoomResponse { room: Some(made) }))
    }

    async fn join_room(&self, request: Request<JoinRoomRequest>) -> Answer<RoomResponse> {
        let (user, wanted) = (member(&request), request.into_inner().room);
        let mut rooms = self.0.lock().unwrap();
        let room = rooms.iter_mut().find(|r| r.id == wanted || r.name == wanted).ok_or_else(not_found)?;
        room.members = vec![user, "2".to_owned()];
        Ok(Response::new(RoomResponse { room: Some(room.clone()) }))
    }

    async fn leave_room(&self, request: Request<LeaveRoomRequest>) -> Answer<LeaveRoomResponse> {
        let (user, wanted) = (member(&request), request.into_inner().room);
        let mut rooms = self.0.lock().unwrap();
        let room = rooms.iter_mut().find(|r| r.id == wanted || r.name == wanted).ok_or_else(not_found)?;
        room.members.retain(|member| *member != user);
        Ok(Response::new(LeaveRoomResponse {}))
    }

    async fn open_direct_room(&self, request: Request<OpenDirectRoomRequest>) -> Answer<RoomResponse> {
        let user = member(&request);
        let wanted = request.into_inner().user.and_then(|reference| reference.user);
        let other = match wanted {
            Some(UserName::Id(id)) if id == "2" => id,
            Some(UserName::Id(_)) => return Err(Error::new(Code::NotFound, "USER_NOT_FOUND", "User not found").into()),
            Some(UserName::Username(_)) => "2".to_owned(),
            None => return Err(Error::invalid(vec![("user".to_owned(), "is required".to_owned())]).into()),
        };
        let made = Room { members: vec![user, other], ..room("room-3", "", "", "direct") };
        Ok(Response::new(RoomResponse { room: Some(made) }))
    }

    async fn list_public_rooms(&self, request: Request<ListPublicRoomsRequest>) -> Answer<ListPublicRoomsResponse> {
        let (user, wanted) = (member(&request), request.into_inner());
        let rooms = self.0.lock().unwrap();
        let found = rooms.iter().filter(|room| room.room_type == "public" && room.name.contains(&wanted.search));
        let found = found.map(|room| PublicRoom {
            member_count: room.members.len() as u64,
            joined: room.members.contains(&user),
            room: Some(Room { members: Vec::new(), ..room.clone() }),
        });
        let rooms: Vec<_> = found.collect();
        Ok(Response::new(ListPublicRoomsResponse { total_items: rooms.len() as u64, rooms }))
    }

    async fn list_members(&self, request: Request<ListMembersRequest>) -> Answer<ListMembersResponse> {
        let wanted = request.into_inner();
        let rooms = self.0.lock().unwrap();
        let room = rooms.iter().find(|r| r.id == wanted.room || r.name == wanted.room).ok_or_else(not_found)?;
        let member =
            |id: &String| Member { user_id: id.clone(), role: "member".to_owned(), joined_at: room.created_at };
        let members: Vec<_> = room.members.iter().map(member).collect();
        Ok(Response::new(ListMembersResponse { total_items: members.len() as u64, members }))
    }

    async fn add_member(&self, _: Request<AddMemberRequest>) -> Answer<RoomResponse> {
        Err(Error::new(Code::Forbidden, "NOT_THE_OWNER", "Only the room's owner may do this").into())
    }

    async fn remove_member(&self, _: Request<RemoveMemberRequest>) -> Answer<RemoveMemberResponse> {
        Ok(Response::new(RemoveMemberResponse {}))
    }

    async fn get_room(&self, _: Request<GetRoomRequest>) -> Answer<RoomResponse> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn get_membership(&self, _: Request<GetMembershipRequest>) -> Answer<GetMembershipResponse> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}
