//! Imports, over both stores.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chrono::TimeDelta;

use super::*;
use crate::{
    model::{GENERAL, Page, now},
    store::{ImportStore, conformance, prepare},
};

macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let fresh = super::conformance::sqlite_for_import();
                super::prepare(&*fresh.store).await.unwrap();
                super::$name(fresh.store).await;
            })*
        }
        mod mongodb {
            $(#[tokio::test]
            async fn $name() {
                let fresh = super::conformance::mongodb_for_import().await;
                super::prepare(&*fresh.store).await.unwrap();
                super::$name(fresh.store).await;
            })*
        }
    };
}

over_both![
    rooms_keep_their_ids_members_and_times,
    a_second_import_changes_nothing_and_brings_what_is_new,
    the_room_of_everybody_and_that_of_two_are_found_by_what_they_are,
    messages_are_numbered_in_order_and_keep_ids_senders_and_times,
    history_is_not_put_behind_what_is_newer,
    what_breaks_the_rules_is_named,
];

const HEX: &str = "635a5e3b8bb9e8b3c8e9f5d2";

fn room(id: &str, name: &str, members: &[&str]) -> Room {
    Room {
        id: id.into(),
        name: name.into(),
        description: "of then".into(),
        room_type: "private".into(),
        created_by: "1".into(),
        created_at: now() - TimeDelta::days(100),
        members: members.iter().map(|id| Member { user_id: (*id).into(), joined_at: None }).collect(),
    }
}

fn message(id: &str, minutes_ago: i64) -> Message {
    Message {
        id: id.into(),
        user_id: "1".into(),
        username: "Ada Lovelace".into(),
        content: format!("message {id}"),
        message_type: "text".into(),
        created_at: now() - TimeDelta::minutes(minutes_ago),
    }
}

async fn rooms(store: &Arc<dyn ImportStore>, rooms: Vec<Room>) -> Vec<Outcome> {
    match Importer::over(Arc::clone(store)).answer(Request::Rooms { rooms, dry_run: false }).await {
        Answer::Rooms(outcomes) => outcomes,
        other => panic!("{other:?}"),
    }
}

async fn messages(store: &Arc<dyn ImportStore>, room: &str, messages: &[Message]) -> Answer {
    let request = Request::Messages { room: room.into(), messages: messages.to_vec(), dry_run: false };
    Importer::over(Arc::clone(store)).answer(request).await
}

fn counts(answer: &Answer) -> (usize, usize) {
    match answer {
        Answer::Messages { made, there } => (*made, *there),
        other => panic!("{other:?}"),
    }
}

async fn rooms_keep_their_ids_members_and_times(store: Arc<dyn ImportStore>) {
    let old = [room(&HEX.to_uppercase(), "project x", &["2", "1"]), room("7", "project y", &["2"])];
    let made = rooms(&store, old.to_vec()).await;
    let second = id_of("room", "7");
    let expected = [Outcome::Made { id: HEX.into(), entered: 2 }, Outcome::Made { id: second.clone(), entered: 1 }];
    assert_eq!(made, expected);
    assert!(is_id(&second));
    let found = store.rooms(&[HEX.into()]).await.unwrap().pop().unwrap();
    assert_eq!((found.name.as_str(), found.description.as_str()), ("project x", "of then"));
    assert_eq!(found.created_at, old[0].created_at);
    assert_eq!(store.owner(HEX).await.unwrap().as_deref(), Some("1"), "whoever made it");
    let (members, _) = store.members(HEX, Page::ALL).await.unwrap();
    assert!(members.iter().all(|member| member.joined_at == found.created_at), "{members:?}");
    let references = vec![HEX.to_owned(), "7".into(), "project y".into(), "8".into()];
    let found = Importer::over(store).answer(Request::Find { references }).await;
    let Answer::Found(found) = found else { panic!("{found:?}") };
    assert_eq!(found, [Some(HEX.to_owned()), Some(second.clone()), Some(second), None]);
}

async fn a_second_import_changes_nothing_and_brings_what_is_new(store: Arc<dyn ImportStore>) {
    rooms(&store, vec![room(HEX, "project x", &["1"])]).await;
    let again = rooms(&store, vec![room(HEX, "project x", &["1", "2"])]).await;
    assert_eq!(again, [Outcome::There { id: HEX.into(), entered: 1 }]);
    let old = [message("a", 5), message("b", 4)];
    assert_eq!(counts(&messages(&store, HEX, &old).await), (2, 0));
    let before = store.after(HEX, 0, 10).await.unwrap();
    assert_eq!(counts(&messages(&store, HEX, &old).await), (0, 2));
    assert_eq!(store.after(HEX, 0, 10).await.unwrap(), before);
    let more = [old[0].clone(), old[1].clone(), message("c", 3), message("c", 3)];
    assert_eq!(counts(&messages(&store, HEX, &more).await), (1, 3), "one that is asked for twice is one");
    assert_eq!(store.tail(HEX).await.unwrap().seq, 3);
}

async fn the_room_of_everybody_and_that_of_two_are_found_by_what_they_are(store: Arc<dyn ImportStore>) {
    let there = store.room_by_name(GENERAL).await.unwrap().unwrap().id;
    let general = Room { room_type: "public".into(), ..room(HEX, GENERAL, &["1"]) };
    assert_eq!(rooms(&store, vec![general]).await, [Outcome::There { id: there, entered: 1 }]);
    let direct = |id, members| Room { room_type: "direct".into(), ..room(id, "", members) };
    let made = rooms(&store, vec![direct("1", &["2", "10"]), direct("2", &["10", "2"])]).await;
    let id = id_of("room", "1");
    let expected = [Outcome::Made { id: id.clone(), entered: 2 }, Outcome::There { id: id.clone(), entered: 0 }];
    assert_eq!(made, expected);
    let by_rules = crate::rooms::Rooms::new(store).direct("10", "2").await.unwrap();
    assert_eq!(by_rules.id, id, "the one that is made here, too");
}

async fn messages_are_numbered_in_order_and_keep_ids_senders_and_times(store: Arc<dyn ImportStore>) {
    rooms(&store, vec![room(HEX, "project x", &["1"])]).await;
    let id = "635a5e3b8bb9e8b3c8e9f5d3";
    // By a clock that was a little behind.
    let old = [message(id, 10), message("8f0d0a3e-6d3e-4b0a-9d53-0f1d6d6f0b7a", 9), message("late", 9)];
    let late = Message { created_at: old[1].created_at - TimeDelta::seconds(1), ..old[2].clone() };
    assert_eq!(counts(&messages(&store, HEX, &[old[0].clone(), old[1].clone(), late]).await), (3, 0));
    let kept = store.after(HEX, 0, 10).await.unwrap();
    assert_eq!(kept.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((&*kept[0].id, &*kept[0].sender.username), (id, "Ada Lovelace"));
    let times: Vec<_> = kept.iter().map(|message| message.created_at).collect();
    assert_eq!(times, [old[0].created_at, old[1].created_at, old[1].created_at], "time doesn't jump back");
    assert!(kept.iter().all(|message| message.client_id.temp_id().is_none()), "no client sent them");
}

async fn history_is_not_put_behind_what_is_newer(store: Arc<dyn ImportStore>) {
    rooms(&store, vec![room(HEX, "project x", &["1"])]).await;
    assert_eq!(counts(&messages(&store, HEX, &[message("new", 0)]).await), (1, 0));
    let answer = messages(&store, HEX, &[message("new", 0), message("old", 60)]).await;
    let Answer::Refused { index, fields } = answer else { panic!("{answer:?}") };
    assert_eq!((index, fields[0].0.as_str()), (1, "createdAt"));
    assert!(fields[0].1.contains("import before anybody writes here"), "{fields:?}");
    assert_eq!(store.tail(HEX).await.unwrap().seq, 1);
}

async fn what_breaks_the_rules_is_named(store: Arc<dyn ImportStore>) {
    let direct = Room { room_type: "direct".into(), ..room("3", "", &["1"]) };
    let taken = room("4", "project x", &[]);
    let refused = rooms(&store, vec![room(HEX, "project x", &[]), room("2", "a/b", &[]), direct, taken]).await;
    let fields: Vec<_> = refused
        .iter()
        .map(|outcome| match outcome {
            Outcome::Refused { fields } => fields[0].0.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(fields, ["", "name", "members", "name"]);
    let long = Message { content: "x".repeat(1001), ..message("b", 1) };
    let answer = messages(&store, HEX, &[message("a", 2), long]).await;
    let Answer::Refused { index: 1, fields } = answer else { panic!("{answer:?}") };
    assert_eq!(fields[0].0, "content");
    assert_eq!(store.tail(HEX).await.unwrap().seq, 0, "all of a request is looked at first");
}
