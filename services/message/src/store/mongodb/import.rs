//! Imports into MongoDB.

use std::collections::HashSet;

use aether_common::Error;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use mongodb::{
    bson::{Document, doc, oid::ObjectId},
    error::ErrorKind,
};

use super::{
    super::{
        DEADLINE,
        import::{Entry, ImportStore},
        in_time,
    },
    DUPLICATE_KEY, MongoStore,
    documents::{ParticipantDocument, object_id, stamp},
    object_ids,
};

#[async_trait]
impl ImportStore for MongoStore {
    async fn messages_among(&self, ids: &[String]) -> Result<HashSet<String>, Error> {
        let filter = doc! {"_id": {"$in": object_ids(ids)?}};
        let messages = self.messages.clone_with_type::<Document>();
        let found = async {
            let found = messages.find(filter).projection(doc! {"_id": 1}).await?;
            found.try_collect::<Vec<_>>().await
        };
        let ids = in_time(found).await?;
        Ok(ids.iter().filter_map(|found| found.get_object_id("_id").ok()).map(ObjectId::to_hex).collect())
    }

    async fn enter(&self, room: &str, entries: &[Entry]) -> Result<u64, Error> {
        if entries.is_empty() {
            return Ok(0);
        }
        let room_id = object_id(room)?;
        let documents: Vec<_> = entries
            .iter()
            .map(|entry| ParticipantDocument {
                room_id,
                user_id: entry.user_id.clone(),
                role: entry.role.as_str().to_owned(),
                joined_at: stamp(entry.joined_at),
            })
            .collect();
        // Unordered: those who are members already keep nobody out.
        let inserted = tokio::time::timeout(DEADLINE, self.participants.insert_many(documents).ordered(false)).await;
        match inserted.map_err(|_| Error::unavailable(anyhow::anyhow!("the store didn't confirm members in time")))? {
            Ok(_) => Ok(entries.len() as u64),
            Err(error) => match error.kind.as_ref() {
                ErrorKind::InsertMany(failed)
                    if failed.write_concern_error.is_none()
                        && failed.write_errors.iter().flatten().all(|write| write.code == DUPLICATE_KEY) =>
                {
                    Ok((entries.len() - failed.write_errors.iter().flatten().count()) as u64)
                }
                _ => Err(Error::unavailable(error)),
            },
        }
    }
}
