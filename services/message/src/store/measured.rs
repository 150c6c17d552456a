//! A store whose operations are timed.

use std::sync::Arc;

use aether_common::{Error, metrics::StoreTimes};
use async_trait::async_trait;

use super::{Place, RoomsOf, Schema, Store, Users};
use crate::{
    limit::{Count, Counts},
    model::{ClientId, Listed, Member, Membership, Message, Page, Role, Room, Tail},
};

/// See the module.
pub(crate) struct Measured {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) times: StoreTimes,
}

struct MeasuredCounts {
    counts: Arc<dyn Counts>,
    times: StoreTimes,
}

#[async_trait]
impl Store for Measured {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn shared(&self) -> bool {
        self.store.shared()
    }

    fn counts(self: Arc<Self>) -> Option<Arc<dyn Counts>> {
        let counts = Arc::clone(&self.store).counts()?;
        Some(Arc::new(MeasuredCounts { counts, times: self.times.clone() }))
    }

    async fn migrate(&self) -> Result<(), Error> {
        self.store.migrate().await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.times.note("ping", self.store.ping()).await
    }

    async fn schema(&self) -> Result<Schema, Error> {
        self.times.note("schema", self.store.schema()).await
    }

    async fn create_room(&self, room: &Room, owner: Option<&str>) -> Result<bool, Error> {
        self.times.note("create_room", self.store.create_room(room, owner)).await
    }

    async fn rooms(&self, ids: &[String]) -> Result<Vec<Room>, Error> {
        self.times.note("rooms", self.store.rooms(ids)).await
    }

    async fn room_by_name(&self, name: &str) -> Result<Option<Room>, Error> {
        self.times.note("room_by_name", self.store.room_by_name(name)).await
    }

    async fn rename_room(&self, room: &str, name: &str) -> Result<(), Error> {
        self.times.note("rename_room", self.store.rename_room(room, name)).await
    }

    async fn public_rooms(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error> {
        self.times.note("public_rooms", self.store.public_rooms(user, search, page)).await
    }

    async fn rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>, Error> {
        self.times.note("rooms_of", self.store.rooms_of(users)).await
    }

    async fn join(&self, room: &str, user: &str, role: Role) -> Result<bool, Error> {
        self.times.note("join", self.store.join(room, user, role)).await
    }

    async fn leave(&self, room: &str, user: &str) -> Result<bool, Error> {
        self.times.note("leave", self.store.leave(room, user)).await
    }

    async fn members(&self, room: &str, page: Page) -> Result<(Vec<Member>, u64), Error> {
        self.times.note("members", self.store.members(room, page)).await
    }

    async fn owner(&self, room: &str) -> Result<Option<String>, Error> {
        self.times.note("owner", self.store.owner(room)).await
    }

    async fn memberships(&self, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
        self.times.note("memberships", self.store.memberships(wanted)).await
    }

    async fn members_among(&self, room: &str, users: Users) -> Result<Users, Error> {
        self.times.note("members_among", self.store.members_among(room, users)).await
    }

    async fn insert(&self, messages: &[Message]) -> Result<usize, Error> {
        self.times.note("insert", self.store.insert(messages)).await
    }

    async fn tail(&self, room: &str) -> Result<Tail, Error> {
        self.times.note("tail", self.store.tail(room)).await
    }

    async fn after(&self, room: &str, seq: u64, limit: u32) -> Result<Vec<Message>, Error> {
        self.times.note("after", self.store.after(room, seq, limit)).await
    }

    async fn history(&self, room: &str, page: Page) -> Result<(Vec<Message>, u64), Error> {
        self.times.note("history", self.store.history(room, page)).await
    }

    async fn find_sent(&self, room: &str, user: &str, client_id: &ClientId) -> Result<Option<Message>, Error> {
        self.times.note("find_sent", self.store.find_sent(room, user, client_id)).await
    }
}

#[async_trait]
impl Counts for MeasuredCounts {
    async fn count(&self, user: &str) -> Result<Count, Error> {
        self.times.note("count", self.counts.count(user)).await
    }

    async fn add_count(&self, user: &str, count: &Count) -> Result<bool, Error> {
        self.times.note("add_count", self.counts.add_count(user, count)).await
    }

    async fn forget_counts(&self, at: i64) -> Result<(), Error> {
        self.times.note("forget_counts", self.counts.forget_counts(at)).await
    }
}
