//! Where rooms and messages are kept: one trait, two stores, one conformance suite.

mod import;
mod measured;
mod mongodb;
mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use aether_common::Error;
use async_trait::async_trait;

use crate::{
    config::StoreAddress,
    limit::Counts,
    model::{
        ClientId, GENERAL, Listed, Member, Membership, Message, Page, Role, Room, RoomType, SYSTEM, Tail, new_id, now,
    },
};

pub(crate) use self::{
    import::{Entry, ImportStore},
    measured::Measured,
    mongodb::MongoStore,
    sqlite::SqliteStore,
};

/// No operation takes longer: what isn't answered by then counts as out of reach.
pub(crate) const DEADLINE: Duration = Duration::from_millis(2500);

/// A room and a user, by their ids.
pub(crate) type Place = (String, String);
/// Users, by their ids.
pub(crate) type Users = HashSet<Arc<str>>;
/// A user's rooms, by id, with their members' ids.
pub(crate) type RoomsOf = Vec<(String, Vec<String>)>;

/// Whether the store's schema is what this version needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Schema {
    /// It is.
    Current,
    /// It isn't: says what is missing.
    Behind(String),
}

/// Keeps rooms, messages and members. Every failure is `Unavailable`, unless what is kept can't be understood.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// The name of this dependency in health answers.
    fn name(&self) -> &'static str;
    /// Whether other processes may share this store.
    fn shared(&self) -> bool;
    /// Where replicas count users' messages together, if other processes may share this store.
    fn counts(self: Arc<Self>) -> Option<Arc<dyn Counts>> {
        None
    }
    /// Brings the schema up to date; safe to repeat. [`prepare`] makes the public room, too.
    async fn migrate(&self) -> Result<(), Error>;
    /// Answers if the store does.
    async fn ping(&self) -> Result<(), Error>;
    /// Looks at the schema.
    async fn schema(&self) -> Result<Schema, Error>;

    /// Stores a room, with its owner as a member; `false` if the name is taken.
    async fn create_room(&self, room: &Room, owner: Option<&str>) -> Result<bool, Error>;
    /// Those of the rooms that there are.
    async fn rooms(&self, ids: &[String]) -> Result<Vec<Room>, Error>;
    /// A room by its name.
    async fn room_by_name(&self, name: &str) -> Result<Option<Room>, Error>;
    /// Gives a room another name, so that its own is free.
    async fn rename_room(&self, room: &str, name: &str) -> Result<(), Error>;
    /// A page of the public rooms whose names contain a text, by name and as a user finds them, and how many there are.
    async fn public_rooms(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error>;
    /// The rooms that each of the users is a member of, in the order in which they were entered, each with its members
    /// in the same order.
    async fn rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>, Error>;

    /// Makes a user a member; `false` for one who is a member already and keeps the role.
    async fn join(&self, room: &str, user: &str, role: Role) -> Result<bool, Error>;
    /// Ends a membership; `false` if there was none.
    async fn leave(&self, room: &str, user: &str) -> Result<bool, Error>;
    /// A page of a room's members in the order in which they entered, and how many there are.
    async fn members(&self, room: &str, page: Page) -> Result<(Vec<Member>, u64), Error>;
    /// The room's owner: who made it, else who entered first of those who are here.
    async fn owner(&self, room: &str) -> Result<Option<String>, Error>;
    /// Each user's place in a room.
    async fn memberships(&self, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error>;
    /// One user's place in a room.
    async fn membership(&self, room: &str, user: &str) -> Result<Option<Membership>, Error> {
        Ok(self.memberships(&[(room.to_owned(), user.to_owned())]).await?.pop().flatten())
    }
    /// Those of the users who are members.
    async fn members_among(&self, room: &str, users: Users) -> Result<Users, Error>;

    /// Stores messages of one room in their order, up to the first whose number or client id is taken, and tells how
    /// many. They are safe when this returns. After an error any number of them may be stored, still without a gap.
    async fn insert(&self, messages: &[Message]) -> Result<usize, Error>;
    /// The newest message's number and time.
    async fn tail(&self, room: &str) -> Result<Tail, Error>;
    /// Messages whose number is greater, ascending.
    async fn after(&self, room: &str, seq: u64, limit: u32) -> Result<Vec<Message>, Error>;
    /// A page of a room's history, ascending, and the number of all messages; the first page holds the newest. Numbers
    /// have no gaps and nothing is deleted, so a page is a range of numbers.
    async fn history(&self, room: &str, page: Page) -> Result<(Vec<Message>, u64), Error> {
        let total = self.tail(room).await?.seq;
        let newest = total.saturating_sub(page.skip);
        let before = newest.saturating_sub(page.limit.into());
        let wanted = u32::try_from(newest - before).unwrap_or(page.limit);
        let messages = if wanted == 0 { Vec::new() } else { self.after(room, before, wanted).await? };
        Ok((messages, total))
    }
    /// What a user sent under a client id.
    async fn find_sent(&self, room: &str, user: &str, client_id: &ClientId) -> Result<Option<Message>, Error>;
}

/// Opens the store; nothing is asked of it yet.
pub(crate) async fn open(address: &StoreAddress) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match address {
        StoreAddress::MongoDb(url) => Arc::new(MongoStore::open(url).await?),
        StoreAddress::Sqlite(path) => Arc::new(SqliteStore::open(path)),
    })
}

/// The same, for an import.
pub(crate) async fn open_for_import(address: &StoreAddress) -> anyhow::Result<Arc<dyn ImportStore>> {
    Ok(match address {
        StoreAddress::MongoDb(url) => Arc::new(MongoStore::open(url).await?),
        StoreAddress::Sqlite(path) => Arc::new(SqliteStore::open(path)),
    })
}

/// Brings the schema up to date and makes the public room, if they aren't there.
pub(crate) async fn prepare(store: &dyn Store) -> Result<(), Error> {
    store.migrate().await?;
    if store.room_by_name(GENERAL).await?.is_some() {
        return Ok(());
    }
    let room = Room {
        id: new_id(),
        name: GENERAL.into(),
        description: "General discussion room".into(),
        room_type: RoomType::Public,
        created_by: SYSTEM.into(),
        created_at: now(),
    };
    // Another `migrate` may have been quicker, which is as good.
    store.create_room(&room, None).await?;
    Ok(())
}

/// Whether [`prepare`] has been run.
pub(crate) async fn prepared(store: &dyn Store) -> Result<Schema, Error> {
    match store.schema().await? {
        Schema::Current if store.room_by_name(GENERAL).await?.is_none() => {
            Ok(Schema::Behind(format!("no room `{GENERAL}`")))
        }
        schema => Ok(schema),
    }
}

/// Runs an operation for at most [`DEADLINE`].
async fn in_time<T, E: Into<anyhow::Error>>(operation: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, operation).await {
        Ok(result) => result.map_err(Error::unavailable),
        Err(_) => Err(Error::unavailable(anyhow::anyhow!("the store didn't answer in {DEADLINE:?}"))),
    }
}
