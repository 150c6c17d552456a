//! Users' counts of messages, for the limit that all replicas keep together.

use aether_common::Error;
use async_trait::async_trait;
use mongodb::bson::doc;
use serde::{Deserialize, Serialize};

use super::{MongoStore, in_time, not_duplicate};
use crate::limit::{Count, Counts, Recent};

#[derive(Serialize, Deserialize)]
pub(super) struct CountDocument {
    /// The user's id and the count's number: so one index tells what is taken, and what is newest.
    #[serde(rename = "_id")]
    id: String,
    number: i64,
    newest: i64,
    /// FerretDB has no arrays in arrays, so times and how many at each stand apart.
    times: Vec<i64>,
    numbers: Vec<u32>,
}

impl From<CountDocument> for Count {
    fn from(document: CountDocument) -> Self {
        let recent = document.times.into_iter().zip(document.numbers).collect();
        Self { number: document.number.cast_unsigned(), recent: Recent(recent) }
    }
}

#[async_trait]
impl Counts for MongoStore {
    async fn count(&self, user: &str) -> Result<Count, Error> {
        let of_user = doc! {"_id": {"$gt": id(user, 0), "$lte": id(user, u64::MAX)}};
        let newest = in_time(self.counts.find_one(of_user).sort(doc! {"_id": -1}).into_future()).await?;
        Ok(newest.map(Count::from).unwrap_or_default())
    }

    async fn add_count(&self, user: &str, count: &Count) -> Result<bool, Error> {
        let (times, numbers) = count.recent.0.iter().copied().unzip();
        let document = CountDocument {
            id: id(user, count.number),
            number: count.number.cast_signed(),
            newest: count.recent.newest().unwrap_or_default(),
            times,
            numbers,
        };
        not_duplicate(self.counts.insert_one(document).into_future()).await
    }

    async fn forget_counts(&self, at: i64) -> Result<(), Error> {
        in_time(self.counts.delete_many(doc! {"newest": {"$lt": at}}).into_future()).await.map(drop)
    }
}

/// In the order of numbers.
fn id(user: &str, number: u64) -> String {
    format!("{user}/{number:020}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::conformance::mongodb;

    #[tokio::test]
    async fn a_number_is_taken_once_and_the_highest_counts() {
        let fresh = mongodb().await;
        let counts = fresh.store.counts().unwrap();
        let count = |number, at| Count { number, recent: Recent(vec![(at, 2)]) };
        assert_eq!(counts.count("1").await.unwrap().number, 0);
        for number in [9, 10, 11] {
            assert!(counts.add_count("1", &count(number, 4)).await.unwrap());
            assert!(!counts.add_count("1", &count(number, 5)).await.unwrap());
        }
        assert!(counts.add_count("11", &count(12, 4)).await.unwrap());
        let kept = counts.count("1").await.unwrap();
        assert_eq!((kept.number, kept.recent), (11, Recent(vec![(4, 2)])));
        counts.forget_counts(4).await.unwrap();
        assert_eq!(counts.count("1").await.unwrap().number, 11);
        counts.forget_counts(5).await.unwrap();
        assert_eq!(counts.count("1").await.unwrap().number, 0);
    }
}
