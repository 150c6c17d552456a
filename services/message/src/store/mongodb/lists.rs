//! Lists of rooms and members.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use mongodb::{
    bson::{Document, doc, oid::ObjectId},
    error::Result,
};
use serde::Deserialize;

use super::{MongoStore, RoomsOf};
use crate::model::{Listed, Member, Page, Room};

#[derive(Deserialize)]
struct Count {
    #[serde(rename = "_id")]
    room: ObjectId,
    members: i64,
}

impl MongoStore {
    pub(super) async fn list_public(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64)> {
        let mut filter = doc! {"roomType": "public"};
        if !search.is_empty() {
            filter.insert("name", doc! {"$regex": literally(search), "$options": "i"});
        }
        let rooms = async {
            let found = self.rooms.find(filter.clone()).sort(doc! {"name": 1}).skip(page.skip).limit(page.limit.into());
            found.await?.map_ok(|room| (room.id, Room::from(room))).try_collect::<Vec<_>>().await
        };
        let (rooms, total) = tokio::try_join!(rooms, self.rooms.count_documents(filter.clone()).into_future())?;
        let ids: Vec<ObjectId> = rooms.iter().map(|(id, _)| *id).collect();
        let (counts, joined) = tokio::try_join!(self.count_members(&ids), self.joined_among(user, &ids))?;
        let listed = rooms.into_iter().map(|(id, room)| Listed {
            room,
            members: counts.get(&id).copied().unwrap_or_default(),
            joined: joined.contains(&id),
        });
        Ok((listed.collect(), total))
    }

    async fn count_members(&self, rooms: &[ObjectId]) -> Result<HashMap<ObjectId, u64>> {
        let stages = [
            doc! {"$match": {"roomId": {"$in": rooms}}},
            doc! {"$group": {"_id": "$roomId", "members": {"$sum": 1_i64}}},
        ];
        let counts = self.participants.aggregate(stages).with_type::<Count>().await?;
        counts.map_ok(|count| (count.room, count.members.cast_unsigned())).try_collect().await
    }

    async fn joined_among(&self, user: &str, rooms: &[ObjectId]) -> Result<HashSet<ObjectId>> {
        let found = self.participants.find(doc! {"userId": user, "roomId": {"$in": rooms}}).await?;
        found.map_ok(|participant| participant.room_id).try_collect().await
    }

    pub(super) async fn list_rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>> {
        let found = self.participants.find(doc! {"userId": {"$in": users}}).sort(doc! {"joinedAt": 1, "roomId": 1});
        let mut found = found.await?;
        let (mut order, mut rooms): (HashMap<String, Vec<ObjectId>>, HashSet<ObjectId>) = Default::default();
        while let Some(participant) = found.try_next().await? {
            rooms.insert(participant.room_id);
            order.entry(participant.user_id).or_default().push(participant.room_id);
        }
        if rooms.is_empty() {
            return Ok(vec![Vec::new(); users.len()]);
        }
        let rooms: Vec<ObjectId> = rooms.into_iter().collect();
        let found = self.participants.find(doc! {"roomId": {"$in": rooms}}).sort(doc! {"joinedAt": 1, "userId": 1});
        let mut members: HashMap<ObjectId, Vec<String>> = HashMap::new();
        let mut found = found.await?;
        while let Some(participant) = found.try_next().await? {
            members.entry(participant.room_id).or_default().push(participant.user_id);
        }
        let of = |user: &String| {
            let rooms = order.get(user).into_iter().flatten();
            // A room that everybody has left meanwhile has no members.
            rooms.filter_map(|id| Some((id.to_hex(), members.get(id)?.clone()))).collect()
        };
        Ok(users.iter().map(of).collect())
    }

    pub(super) async fn list_members(&self, filter: Document, page: Page) -> Result<(Vec<Member>, u64)> {
        let found = self.participants.find(filter.clone()).sort(doc! {"joinedAt": 1, "userId": 1});
        let found = found.skip(page.skip).limit(page.limit.into()).await?;
        let members: Vec<Member> = found.map_ok(Member::from).try_collect().await?;
        let total = match page.end(members.len()) {
            Some(total) => total,
            None => self.participants.count_documents(filter).await?,
        };
        Ok((members, total))
    }
}

/// A pattern that matches this text and nothing else.
fn literally(text: &str) -> String {
    let escape = |c: char| (c.is_ascii() && !c.is_ascii_alphanumeric()).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_search_is_a_pattern() {
        assert_eq!(literally("a.b*Ä 1"), r"a\.b\*Ä\ 1");
    }
}
