//! Rooms and who may do what in them.

mod members;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use aether_common::{
    Code, Error,
    batch::{Batch, Shared},
};
use dashmap::DashMap;
use tokio_util::bytes::Bytes;

use crate::{
    events,
    model::{Listed, Membership, Message, Page, Role, Room, RoomType, is_id, new_id, now},
    store::{Place, RoomsOf, Store},
};

const LONGEST_NAME: usize = 64;
/// Stands in the names that only the store sees, and so in no other.
const INTERNAL: char = '/';
const LONGEST_DESCRIPTION: usize = 500;
/// The longest text to search for, in characters.
const LONGEST_SEARCH: usize = LONGEST_NAME;
/// More rooms than this at once are forgotten and read again.
const CACHED: usize = 10_000;

/// The rules about rooms, over a store.
pub(crate) struct Rooms {
    store: Arc<dyn Store>,
    memberships: Batch<Place, Option<Membership>>,
    listed: Batch<String, RoomsOf>,
    pages: Shared<(String, Page), Arc<History>>,
    /// By id, and public ones by name as well: nothing else of a room stays for ever.
    cache: DashMap<String, Arc<Room>>,
}

/// A page of a history.
pub(crate) struct History {
    /// Ascending.
    pub(crate) messages: Vec<Message>,
    /// How many there are on all pages.
    pub(crate) total: u64,
    json: OnceLock<Bytes>,
}

impl History {
    /// The messages as HTTP clients get them, written once for all who share the page.
    pub(crate) fn json(&self) -> Bytes {
        self.json.get_or_init(|| events::history(&self.messages)).clone()
    }
}

/// A room with its members' ids.
#[derive(Debug, Clone)]
pub(crate) struct RoomWithMembers {
    /// The room.
    pub(crate) room: Arc<Room>,
    /// In the order in which they entered.
    pub(crate) members: Vec<String>,
}

impl Rooms {
    /// Rules over a store.
    #[must_use]
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let (of_members, of_lists, of_pages) = (Arc::clone(&store), Arc::clone(&store), Arc::clone(&store));
        Self {
            memberships: Batch::new(move |wanted: Vec<Place>| {
                let store = Arc::clone(&of_members);
                async move { store.memberships(&wanted).await }
            }),
            listed: Batch::new(move |users: Vec<String>| {
                let store = Arc::clone(&of_lists);
                async move { store.rooms_of(&users).await }
            }),
            pages: Shared::new(move |(room, page): (String, Page)| {
                let store = Arc::clone(&of_pages);
                async move {
                    let (messages, total) = store.history(&room, page).await?;
                    Ok(Arc::new(History { messages, total, json: OnceLock::new() }))
                }
            }),
            store,
            cache: DashMap::new(),
        }
    }

    /// A room by its id or its name, whoever asks.
    pub(crate) async fn find(&self, reference: &str) -> Result<Arc<Room>, Error> {
        if let Some(room) = self.cache.get(reference) {
            return Ok(Arc::clone(&room));
        }
        let found = if is_id(reference) {
            self.store.rooms(&[reference.to_ascii_lowercase()]).await?.pop()
        } else if reference.contains(INTERNAL) {
            None
        } else {
            self.store.room_by_name(reference).await?
        };
        Ok(self.keep(found.ok_or_else(not_found)?))
    }

    fn keep(&self, room: Room) -> Arc<Room> {
        let room = Arc::new(room);
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        if room.room_type == RoomType::Public {
            self.cache.insert(room.name.clone(), Arc::clone(&room));
        }
        self.cache.insert(room.id.clone(), Arc::clone(&room));
        room
    }

    /// A public room, or another one of the user's: others don't learn that it exists.
    pub(crate) async fn visible(&self, user: &str, reference: &str) -> Result<(Arc<Room>, Option<Membership>), Error> {
        let room = self.find(reference).await?;
        let membership = self.membership(&room, user).await?;
        if membership.is_none() && room.room_type != RoomType::Public {
            return Err(not_found());
        }
        Ok((room, membership))
    }

    /// A room that the user is a member of.
    pub(crate) async fn joined(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let room = self.find(reference).await?;
        match self.membership(&room, user).await? {
            Some(_) => Ok(room),
            None => Err(no_member(&room)),
        }
    }

    async fn membership(&self, room: &Room, user: &str) -> Result<Option<Membership>, Error> {
        self.memberships.ask((room.id.clone(), user.to_owned())).await
    }

    /// A page of the history of a room that the user is a member of. After a break a whole room asks for the same one.
    pub(crate) async fn history(&self, user: &str, reference: &str, page: Page) -> Result<Arc<History>, Error> {
        let room = self.joined(user, reference).await?;
        self.pages.ask((room.id.clone(), page)).await
    }

    /// Makes the user a member of a public room. Into others only a member is let in again.
    pub(crate) async fn join(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let (room, membership) = self.visible(user, reference).await?;
        if membership.is_none() {
            self.store.join(&room.id, user, Role::Member).await?;
        }
        Ok(room)
    }

    /// Ends the user's membership; no membership is no error in a room that the user can see. When the owner leaves,
    /// the member who entered first is the next one.
    pub(crate) async fn leave(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let (room, membership) = self.visible(user, reference).await?;
        if room.room_type == RoomType::Direct {
            return Err(always_two());
        }
        if membership.is_some() {
            self.store.leave(&room.id, user).await?;
        }
        Ok(room)
    }

    /// Makes a room that the user owns.
    pub(crate) async fn create(
        &self,
        user: &str,
        name: &str,
        description: &str,
        kind: &str,
    ) -> Result<Arc<Room>, Error> {
        let room = Room {
            id: new_id(),
            name: name.trim().to_owned(),
            description: description.trim().to_owned(),
            room_type: checked(name.trim(), description.trim(), kind)?,
            created_by: user.to_owned(),
            created_at: now(),
        };
        let mut made = self.store.create_room(&room, Some(user)).await?;
        if !made && self.free(&room.name).await? {
            made = self.store.create_room(&room, Some(user)).await?;
        }
        if !made {
            return Err(Error::new(Code::Conflict, "ROOM_EXISTS", "A room with this name already exists"));
        }
        Ok(Arc::new(room))
    }

    /// Takes a name from a private room that nobody can enter any more. Its messages stay where they are. A room in the
    /// making has its owner before it has its name.
    async fn free(&self, name: &str) -> Result<bool, Error> {
        let Some(room) = self.store.room_by_name(name).await? else { return Ok(true) };
        if room.room_type != RoomType::Private || self.store.owner(&room.id).await?.is_some() {
            return Ok(false);
        }
        self.store.rename_room(&room.id, &format!("abandoned{INTERNAL}{}", room.id)).await?;
        Ok(true)
    }

    /// The one room of two users alone, which is made if need be, whoever asks first.
    pub(crate) async fn direct(&self, user: &str, other: &str) -> Result<Arc<Room>, Error> {
        if user == other {
            return Err(Error::invalid(vec![("user".to_owned(), "must be somebody else".to_owned())]));
        }
        let name = direct_name(user, other);
        let room = match self.store.room_by_name(&name).await? {
            Some(room) => room,
            None => self.make_direct(user, name).await?,
        };
        let (members, _) = self.store.members(&room.id, Page::ALL).await?;
        for user in [user, other] {
            // Whoever made the room may have died on the way.
            if !members.iter().any(|member| member.user_id == user) {
                self.store.join(&room.id, user, Role::Member).await?;
            }
        }
        Ok(self.keep(room))
    }

    async fn make_direct(&self, user: &str, name: String) -> Result<Room, Error> {
        let room = Room {
            id: new_id(),
            name,
            description: String::new(),
            room_type: RoomType::Direct,
            created_by: user.to_owned(),
            created_at: now(),
        };
        if self.store.create_room(&room, None).await? {
            return Ok(room);
        }
        let quicker = self.store.room_by_name(&room.name).await?;
        quicker.ok_or_else(|| Error::unavailable(anyhow::anyhow!("room {} is there and isn't", room.name)))
    }

    /// The rooms that the user is a member of.
    pub(crate) async fn list(&self, user: &str) -> Result<Vec<RoomWithMembers>, Error> {
        let mine = self.listed.ask(user.to_owned()).await?;
        let unknown: Vec<String> =
            mine.iter().map(|(id, _)| id).filter(|id| !self.cache.contains_key(*id)).cloned().collect();
        let mut found: HashMap<String, Arc<Room>> = HashMap::new();
        if !unknown.is_empty() {
            found.extend(self.store.rooms(&unknown).await?.into_iter().map(|room| (room.id.clone(), self.keep(room))));
        }
        let known = |id: &str| found.get(id).cloned().or_else(|| self.cache.get(id).map(|room| Arc::clone(&room)));
        // A room that isn't there is one in the making.
        let listed = mine.into_iter().filter_map(|(id, members)| Some(RoomWithMembers { room: known(&id)?, members }));
        Ok(listed.collect())
    }

    /// A page of the public rooms, as the user finds them, and how many there are.
    pub(crate) async fn list_public(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error> {
        let search = search.trim();
        if search.chars().count() > LONGEST_SEARCH {
            let mend = format!("must have at most {LONGEST_SEARCH} characters");
            return Err(Error::invalid(vec![("search".to_owned(), mend)]));
        }
        self.store.public_rooms(user, search, page).await
    }

    /// The room with its members.
    pub(crate) async fn with_members(&self, room: Arc<Room>) -> Result<RoomWithMembers, Error> {
        let (members, _) = self.store.members(&room.id, Page::ALL).await?;
        Ok(RoomWithMembers { members: members.into_iter().map(|member| member.user_id).collect(), room })
    }
}

/// By which the store finds the one room of two users.
#[must_use]
pub(crate) fn direct_name(user: &str, other: &str) -> String {
    format!("direct{INTERNAL}{}{INTERNAL}{}", user.min(other), user.max(other))
}

/// What a stranger to a room is told.
#[must_use]
pub(crate) fn no_member(room: &Room) -> Error {
    match room.room_type {
        RoomType::Public => Error::new(Code::Forbidden, "NOT_A_MEMBER", "You are not a member of this room"),
        RoomType::Private | RoomType::Direct => not_found(),
    }
}

/// What a member of a direct room is told who wants to change who is in it.
fn always_two() -> Error {
    Error::new(Code::Forbidden, "DIRECT_ROOM", "A direct room always has the same two members")
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "ROOM_NOT_FOUND", "Room not found")
}

/// The type of a room with this name, description and kind, if they keep the rules.
pub(crate) fn checked(name: &str, description: &str, kind: &str) -> Result<RoomType, Error> {
    let mut wrong = Vec::new();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        wrong.push(("name".to_owned(), format!("must have 1 to {LONGEST_NAME} characters")));
    } else if name.chars().any(|c| c.is_control() || c == INTERNAL) {
        wrong.push(("name".to_owned(), "must not contain control characters or /".to_owned()));
    } else if is_id(name) {
        wrong.push(("name".to_owned(), "must not look like a room's id".to_owned()));
    }
    if description.chars().count() > LONGEST_DESCRIPTION {
        wrong.push(("description".to_owned(), format!("must have at most {LONGEST_DESCRIPTION} characters")));
    }
    let kind = if kind.is_empty() { Some(RoomType::Public) } else { RoomType::parse(kind) };
    match kind.filter(|kind| *kind != RoomType::Direct) {
        Some(kind) if wrong.is_empty() => Ok(kind),
        Some(_) => Err(Error::invalid(wrong)),
        None => {
            wrong.push(("roomType".to_owned(), "must be public or private".to_owned()));
            Err(Error::invalid(wrong))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_an_id_or_a_path_is_refused() {
        for name in ["", "635a5e3b8bb9e8b3c8e9f5d2", "a/b", "a\nb", &"x".repeat(65)] {
            assert!(checked(name, "", "").is_err(), "{name:?}");
        }
        assert_eq!(checked("Team Ä 1", "", "").unwrap(), RoomType::Public);
        assert_eq!(checked("x", "", "private").unwrap(), RoomType::Private);
        for kind in ["secret", "direct", "Public"] {
            assert!(checked("x", "", kind).is_err(), "{kind}");
        }
    }
}
