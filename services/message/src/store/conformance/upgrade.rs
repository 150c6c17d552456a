//! What the first release left in MongoDB, opened by the service of today.

use std::sync::Arc;

use aether_common::Secret;
use mongodb::{
    Client,
    bson::{Bson, Document},
};

use super::super::{MongoStore, Schema, Store, prepare, prepared};
use crate::model::{ClientId, GENERAL, Page, new_id};

const DUMP: &str = include_str!("../../../../../tests/upgrade/0.1.0/message.mongodb.jsonl");

#[tokio::test]
async fn rooms_members_and_messages_of_the_first_release_are_read_and_numbers_go_on() {
    let url = std::env::var("TEST_MONGODB_URL").expect("TEST_MONGODB_URL is not set: this test is run by `make test`");
    let (server, query) = url.split_once('?').map_or((url.as_str(), String::new()), |(s, q)| (s, format!("?{q}")));
    let base = server.rsplit_once('/').map_or(server, |(base, _)| base);
    let name = format!("test_{}", new_id());
    let url = format!("{base}/{name}{query}");
    let database = Client::with_uri_str(&url).await.unwrap().database(&name);
    for line in DUMP.lines() {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let Bson::Document(document) = Bson::try_from(line["document"].clone()).unwrap() else { panic!("{line:?}") };
        database.collection::<Document>(line["collection"].as_str().unwrap()).insert_one(document).await.unwrap();
    }
    let store: Arc<dyn Store> = Arc::new(MongoStore::open(&Secret::new(url)).await.unwrap());
    prepare(store.as_ref()).await.unwrap();
    assert_eq!(prepared(store.as_ref()).await.unwrap(), Schema::Current);
    assert!(store.room_by_name(GENERAL).await.unwrap().is_some());
    let room = store.room_by_name("project x").await.unwrap().unwrap().id;
    assert_eq!(store.owner(&room).await.unwrap().as_deref(), Some("1"));
    assert_eq!(store.members(&room, Page::ALL).await.unwrap().1, 2);
    assert_eq!(store.rooms_of(&["2".to_owned()]).await.unwrap()[0].len(), 2);
    let (messages, total) = store.history(&room, Page::ALL).await.unwrap();
    assert_eq!((messages.iter().map(|m| m.seq).collect::<Vec<_>>(), total), (vec![1, 2, 3], 3));
    let resent = store.find_sent(&room, "4", &ClientId::new(Some("temp-2"))).await.unwrap().unwrap();
    assert_eq!(&*resent.content, "message 2");
    assert_eq!(super::seqs(store.as_ref(), &room).await, [1, 2, 3]);
    assert_eq!(store.insert(&super::numbered(&room, [4])).await.unwrap(), 1);
}
