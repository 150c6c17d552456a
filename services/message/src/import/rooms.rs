//! Rooms and their members.

use aether_common::Error;
use chrono::SubsecRound as _;

use super::{Outcome, Room, id_of};
use crate::{
    model::{self, GENERAL, Role, RoomType, SYSTEM},
    rooms,
    store::{Entry, ImportStore},
};

/// Members that are let in by one statement.
const AT_ONCE: usize = 500;

/// Makes a room, if it isn't there, and lets its members in.
pub(super) async fn import(store: &dyn ImportStore, old: &Room, dry_run: bool) -> Result<Outcome, Error> {
    let room = match checked(old) {
        Ok(room) => room,
        Err(error) => return Ok(Outcome::Refused { fields: error.fields }),
    };
    let there = match place(store, &room).await? {
        Ok(there) => there,
        Err(fields) => return Ok(Outcome::Refused { fields }),
    };
    let made = there.is_none();
    let id = there.unwrap_or_else(|| room.id.clone());
    if dry_run {
        return Ok(outcome(made, id, 0));
    }
    if made && !store.create_room(&room, None).await? {
        return Ok(Outcome::Refused { fields: vec![name_is_taken()] });
    }
    let mut entered = 0;
    for entries in entries(old, &room).chunks(AT_ONCE) {
        entered += store.enter(&id, entries).await?;
    }
    Ok(outcome(made, id, entered))
}

fn outcome(made: bool, id: String, entered: u64) -> Outcome {
    if made { Outcome::Made { id, entered } } else { Outcome::There { id, entered } }
}

/// The room that this one is here, if there is one; or why it can't be here.
async fn place(
    store: &dyn ImportStore,
    room: &model::Room,
) -> Result<Result<Option<String>, Vec<(String, String)>>, Error> {
    if !store.rooms(std::slice::from_ref(&room.id)).await?.is_empty() {
        return Ok(Ok(Some(room.id.clone())));
    }
    let Some(other) = store.room_by_name(&room.name).await? else { return Ok(Ok(None)) };
    // There is one room that everybody may enter, and one of two people: whatever its id was, it is this one.
    let same = (room.name == GENERAL && room.room_type == RoomType::Public) || room.room_type == RoomType::Direct;
    Ok(if same { Ok(Some(other.id)) } else { Err(vec![name_is_taken()]) })
}

fn name_is_taken() -> (String, String) {
    ("name".to_owned(), "is the name of another room here: change one of the two".to_owned())
}

/// The room here that an earlier backend knew by an id or a name.
pub(super) async fn find(store: &dyn ImportStore, reference: &str) -> Result<Option<String>, Error> {
    if let Some(room) = store.rooms(&[id_of("room", reference)]).await?.pop() {
        return Ok(Some(room.id));
    }
    Ok(store.room_by_name(reference).await?.map(|room| room.id))
}

fn checked(old: &Room) -> Result<model::Room, Error> {
    let (name, room_type) = if old.room_type == RoomType::Direct.as_str() {
        (direct_name(old)?, RoomType::Direct)
    } else {
        let name = old.name.trim();
        (name.to_owned(), rooms::checked(name, old.description.trim(), &old.room_type)?)
    };
    Ok(model::Room {
        id: id_of("room", &old.id),
        name,
        description: old.description.trim().to_owned(),
        room_type,
        created_by: if old.created_by.is_empty() { SYSTEM.to_owned() } else { old.created_by.clone() },
        created_at: old.created_at.trunc_subsecs(3),
    })
}

fn direct_name(old: &Room) -> Result<String, Error> {
    match &old.members[..] {
        [one, other] if one.user_id != other.user_id => Ok(rooms::direct_name(&one.user_id, &other.user_id)),
        others => {
            let mend = format!("must be two for a direct room, and are {}: make it private", others.len());
            Err(Error::invalid(vec![("members".to_owned(), mend)]))
        }
    }
}

fn entries(old: &Room, room: &model::Room) -> Vec<Entry> {
    let entry = |member: &super::Member| Entry {
        user_id: member.user_id.clone(),
        // Nobody owns a direct room.
        role: if member.user_id == room.created_by && room.room_type != RoomType::Direct {
            Role::Owner
        } else {
            Role::Member
        },
        joined_at: member.joined_at.unwrap_or(room.created_at).trunc_subsecs(3),
    };
    old.members.iter().map(entry).collect()
}
