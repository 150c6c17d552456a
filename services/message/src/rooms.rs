//! Rooms and who may do what in them.

use std::sync::Arc;

use aether_common::{Code, Error};
use dashmap::DashMap;

use crate::{
    model::{Membership, Role, Room, RoomType, is_id, new_id, now},
    store::Store,
};

const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 500;
/// Rooms never change, so they can be kept; more than this many at once are forgotten and read again.
const CACHED: usize = 10_000;

/// The rules about rooms, over a store.
pub(crate) struct Rooms {
    store: Arc<dyn Store>,
    cache: DashMap<String, Arc<Room>>,
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
        Self { store, cache: DashMap::new() }
    }

    /// A room by its id or its name, whoever asks.
    pub(crate) async fn find(&self, reference: &str) -> Result<Arc<Room>, Error> {
        if let Some(room) = self.cache.get(reference) {
            return Ok(Arc::clone(&room));
        }
        let found = if is_id(reference) {
            self.store.room_by_id(&reference.to_ascii_lowercase()).await?
        } else {
            self.store.room_by_name(reference).await?
        };
        let room = Arc::new(found.ok_or_else(not_found)?);
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        self.cache.insert(reference.to_owned(), Arc::clone(&room));
        Ok(room)
    }

    /// A public room, or a private one of the user's: others don't learn that it exists.
    pub(crate) async fn visible(&self, user: &str, reference: &str) -> Result<(Arc<Room>, Option<Membership>), Error> {
        let room = self.find(reference).await?;
        let membership = self.store.membership(&room.id, user).await?;
        if membership.is_none() && room.room_type == RoomType::Private {
            return Err(not_found());
        }
        Ok((room, membership))
    }

    /// A room that the user is a member of.
    pub(crate) async fn joined(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let room = self.find(reference).await?;
        match self.store.membership(&room.id, user).await? {
            Some(_) => Ok(room),
            None => Err(no_member(&room)),
        }
    }

    /// Makes the user a member of a public room. In a private one only a member is let in again.
    pub(crate) async fn join(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let (room, membership) = self.visible(user, reference).await?;
        if membership.is_none() {
            self.store.join(&room.id, user, Role::Member).await?;
        }
        Ok(room)
    }

    /// Ends the user's membership; no membership is no error in a room that the user can see.
    pub(crate) async fn leave(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let (room, membership) = self.visible(user, reference).await?;
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
        if !self.store.create_room(&room, Some(user)).await? {
            return Err(Error::new(Code::Conflict, "ROOM_EXISTS", "A room with this name already exists"));
        }
        Ok(Arc::new(room))
    }

    /// The rooms that the user is a member of.
    pub(crate) async fn list(&self, user: &str) -> Result<Vec<RoomWithMembers>, Error> {
        let rooms = self.store.rooms_of(user).await?;
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = rooms.iter().map(|room| room.id.clone()).collect();
        let mut members = self.store.members(&ids).await?;
        Ok(rooms
            .into_iter()
            .map(|room| RoomWithMembers { members: members.remove(&room.id).unwrap_or_default(), room: Arc::new(room) })
            .collect())
    }

    /// The room with its members.
    pub(crate) async fn with_members(&self, room: Arc<Room>) -> Result<RoomWithMembers, Error> {
        let mut members = self.store.members(std::slice::from_ref(&room.id)).await?;
        Ok(RoomWithMembers { members: members.remove(&room.id).unwrap_or_default(), room })
    }
}

/// What a stranger to a room is told.
#[must_use]
pub(crate) fn no_member(room: &Room) -> Error {
    match room.room_type {
        RoomType::Public => Error::new(Code::Forbidden, "NOT_A_MEMBER", "You are not a member of this room"),
        RoomType::Private => not_found(),
    }
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "ROOM_NOT_FOUND", "Room not found")
}

fn checked(name: &str, description: &str, kind: &str) -> Result<RoomType, Error> {
    let mut wrong = Vec::new();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        wrong.push(("name".to_owned(), format!("must have 1 to {LONGEST_NAME} characters")));
    } else if name.chars().any(|c| c.is_control() || c == '/') {
        wrong.push(("name".to_owned(), "must not contain control characters or /".to_owned()));
    } else if is_id(name) {
        wrong.push(("name".to_owned(), "must not look like a room's id".to_owned()));
    }
    if description.chars().count() > LONGEST_DESCRIPTION {
        wrong.push(("description".to_owned(), format!("must have at most {LONGEST_DESCRIPTION} characters")));
    }
    match if kind.is_empty() { Some(RoomType::Public) } else { RoomType::parse(kind) } {
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
        assert!(checked("x", "", "secret").is_err());
    }
}
