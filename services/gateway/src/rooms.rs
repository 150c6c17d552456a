//! `/api/rooms*`: rooms and their history, all kept by the message service.

pub(crate) mod create;
pub(crate) mod direct;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod messages;
mod page;
pub(crate) mod public;

use std::collections::HashMap;

use aether_common::{Code, Error, grpc};
use aether_proto::{
    auth::GetUsersRequest,
    message::{self, UserReference, user_reference::User},
};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{
    access::Session,
    app::App,
    body::{Fields, FromFields},
    error::{Answer, Failure},
    wire::{Room, missing},
};

/// A room.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomBody {
    #[schema(example = true)]
    success: bool,
    message: &'static str,
    room: Room,
}

/// A user, by id or by name.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct UserBody {
    /// This or `username`.
    #[schema(example = "2")]
    user_id: Option<String>,
    username: Option<String>,
}

impl FromFields for UserBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let [user_id, username] = fields.either(["userId", "username"]);
        Self { user_id, username }
    }
}

impl UserBody {
    fn reference(self) -> Option<UserReference> {
        let user = self.user_id.map(User::Id).or(self.username.map(User::Username));
        user.map(|user| UserReference { user: Some(user) })
    }
}

/// The `roomId` of a URL. One that can't be read, as `%ff`, is of no room.
#[derive(Deserialize)]
pub(crate) struct RoomId {
    #[serde(rename = "roomId")]
    room: String,
}

/// The `roomId` and `userId` of a URL.
#[derive(Deserialize)]
pub(crate) struct MemberId {
    #[serde(rename = "roomId")]
    room: String,
    #[serde(rename = "userId")]
    user: String,
}

async fn of_path<T: DeserializeOwned + Send>(parts: &mut Parts, app: &App) -> Result<T, Failure> {
    match Path::from_request_parts(parts, app).await {
        Ok(Path(path)) => Ok(path),
        Err(error) => {
            tracing::debug!(%error, "a room's id cannot be read");
            Err(Error::new(Code::NotFound, ROOM_NOT_FOUND, NOT_FOUND).into())
        }
    }
}

impl FromRequestParts<App> for RoomId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        of_path(parts, app).await
    }
}

impl FromRequestParts<App> for MemberId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        of_path(parts, app).await
    }
}

const ROOM_NOT_FOUND: &str = "ROOM_NOT_FOUND";
const NOT_FOUND: &str = "Room not found";

/// A room that isn't there is named as the specification has it.
fn failure(status: tonic::Status) -> Failure {
    let Failure(error) = status.into();
    if error.reason == ROOM_NOT_FOUND { Error { message: NOT_FOUND.to_owned(), ..error }.into() } else { error.into() }
}

/// The most users that auth is asked for at once.
const USERS: usize = 100;

/// The names of users, as far as there are such users.
async fn names(app: &App, session: &Session, ids: &[String]) -> Answer<HashMap<String, String>> {
    let mut names = HashMap::new();
    for ids in ids.chunks(USERS) {
        let wanted = GetUsersRequest { ids: ids.to_vec(), usernames: Vec::new() };
        let call = || async { app.auth.clone().get_users(session.caller.request(wanted.clone())?).await };
        let found = grpc::read(call).await?.into_inner().users;
        names.extend(found.into_iter().map(|user| (user.id, user.username)));
    }
    Ok(names)
}

/// Rooms as the caller sees them: a direct one has the name of the other member.
async fn shown(app: &App, session: &Session, mut rooms: Vec<message::Room>) -> Answer<Vec<Room>> {
    let me = &session.identity.user_id;
    let other = |room: &message::Room| room.members.iter().find(|member| *member != me).cloned();
    let direct = |room: &message::Room| room.room_type == "direct";
    let others: Vec<String> = rooms.iter().filter(|room| direct(room)).filter_map(other).collect();
    // Most users have none, and then nobody is asked.
    let mut names = names(app, session, &others).await?;
    for room in rooms.iter_mut().filter(|room| direct(room)) {
        room.name = other(room).and_then(|other| names.remove(&other)).unwrap_or_default();
    }
    Ok(rooms.into_iter().map(|room| Some(room).try_into()).collect::<Result<_, Error>>()?)
}

/// One room, as [`shown`].
async fn shown_one(app: &App, session: &Session, room: Option<message::Room>) -> Answer<Room> {
    let rooms = shown(app, session, room.into_iter().collect()).await?;
    Ok(rooms.into_iter().next().ok_or_else(|| missing("its room"))?)
}
