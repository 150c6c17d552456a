//! [`append`] against a store in memory that other replicas write to at any moment, and that may lose its answer.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use async_trait::async_trait;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    model::{Listed, Member, Membership, Page, Role, Room},
    store::{Place, RoomsOf, Schema, Users},
};

const ROOM: &str = "635a5e3b8bb9e8b3c8e9f5d2";

/// What happens around one insert.
#[derive(Debug, Clone)]
enum Event {
    /// Another replica stores these client ids first.
    Collision(Vec<u8>),
    /// All is stored, but nobody is told.
    LostAnswer,
    /// Nothing is stored.
    Outage,
}

#[derive(Default)]
struct Model {
    messages: Mutex<Vec<Message>>,
    events: Mutex<VecDeque<Option<Event>>>,
}

fn client(id: u8) -> Draft {
    let sender = User { id: "1".into(), username: "ada".into() };
    draft(sender, "x", None, Some(&id.to_string())).unwrap()
}

impl Model {
    /// Stores what finds number and client id free, as the unique indexes have it.
    fn store(&self, new: &[Message]) -> usize {
        let mut messages = self.messages.lock().unwrap();
        for (stored, message) in new.iter().enumerate() {
            let taken = |there: &Message| there.seq == message.seq || there.client_id == message.client_id;
            if messages.iter().any(taken) {
                return stored;
            }
            messages.push(message.clone());
        }
        new.len()
    }

    fn next_seq(&self) -> u64 {
        self.messages.lock().unwrap().len() as u64 + 1
    }
}

#[async_trait]
impl Store for Model {
    async fn insert(&self, messages: &[Message]) -> Result<usize, Error> {
        let event = self.events.lock().unwrap().pop_front().flatten();
        let lost = || Err(Error::unavailable(anyhow::anyhow!("no answer")));
        match event {
            None => Ok(self.store(messages)),
            Some(Event::Collision(ids)) => {
                for id in ids {
                    self.store(&[client(id).into_message(ROOM, self.next_seq(), now())]);
                }
                Ok(self.store(messages))
            }
            Some(Event::LostAnswer) => {
                self.store(messages);
                lost()
            }
            Some(Event::Outage) => lost(),
        }
    }

    async fn tail(&self, _: &str) -> Result<Tail, Error> {
        let messages = self.messages.lock().unwrap();
        Ok(messages.last().map(|m| Tail { seq: m.seq, created_at: m.created_at }).unwrap_or_default())
    }

    async fn find_sent(&self, _: &str, user: &str, id: &ClientId) -> Result<Option<Message>, Error> {
        let messages = self.messages.lock().unwrap();
        Ok(messages.iter().find(|m| *m.sender.id == *user && m.client_id == *id).cloned())
    }

    fn name(&self) -> &'static str {
        "model"
    }
    fn shared(&self) -> bool {
        true
    }
    async fn migrate(&self) -> Result<(), Error> {
        unreachable!()
    }
    async fn ping(&self) -> Result<(), Error> {
        unreachable!()
    }
    async fn schema(&self) -> Result<Schema, Error> {
        unreachable!()
    }
    async fn create_room(&self, _: &Room, _: Option<&str>) -> Result<bool, Error> {
        unreachable!()
    }
    async fn rooms(&self, _: &[String]) -> Result<Vec<Room>, Error> {
        unreachable!()
    }
    async fn room_by_name(&self, _: &str) -> Result<Option<Room>, Error> {
        unreachable!()
    }
    async fn rename_room(&self, _: &str, _: &str) -> Result<(), Error> {
        unreachable!()
    }
    async fn public_rooms(&self, _: &str, _: &str, _: Page) -> Result<(Vec<Listed>, u64), Error> {
        unreachable!()
    }
    async fn rooms_of(&self, _: &[String]) -> Result<Vec<RoomsOf>, Error> {
        unreachable!()
    }
    async fn join(&self, _: &str, _: &str, _: Role) -> Result<bool, Error> {
        unreachable!()
    }
    async fn leave(&self, _: &str, _: &str) -> Result<bool, Error> {
        unreachable!()
    }
    async fn members(&self, _: &str, _: Page) -> Result<(Vec<Member>, u64), Error> {
        unreachable!()
    }
    async fn owner(&self, _: &str) -> Result<Option<String>, Error> {
        unreachable!()
    }
    async fn memberships(&self, _: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
        unreachable!()
    }
    async fn members_among(&self, _: &str, _: Users) -> Result<Users, Error> {
        unreachable!()
    }
    async fn after(&self, _: &str, _: u64, _: u32) -> Result<Vec<Message>, Error> {
        unreachable!()
    }
}

fn event() -> impl Strategy<Value = Option<Event>> {
    prop_oneof![
        3 => Just(None),
        3 => vec(0_u8..40, 1..4).prop_map(|ids| Some(Event::Collision(ids))),
        1 => Just(Some(Event::LostAnswer)),
        1 => Just(Some(Event::Outage)),
    ]
}

proptest! {
    #[test]
    fn every_answer_is_true_and_numbers_have_no_gap_whatever_collides_or_is_lost(
        batches in vec(vec(0_u8..40, 1..8), 1..10),
        events in vec(event(), 0..30),
        // How far the word of others is behind.
        told in vec(0_u64..3, 10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = Model { events: Mutex::new(events.into()), ..Model::default() };
            let mut tail = None;
            let mut acknowledged: HashMap<u8, (u64, Arc<str>)> = HashMap::new();
            for (batch, behind) in batches.into_iter().zip(told) {
                let seq = (store.next_seq() - 1).saturating_sub(behind);
                let word = watch::Sender::new(Tail { seq, created_at: now() }).subscribe();
                let drafts = batch.iter().map(|id| client(*id)).collect();
                let results = append(&store, ROOM, &mut tail, &word, drafts).await;
                prop_assert_eq!(results.len(), batch.len());
                for (id, result) in batch.into_iter().zip(results) {
                    let Ok(stored) = result else { continue };
                    let found = (stored.message.seq, stored.message.id.clone());
                    prop_assert_eq!(&stored.message.client_id, &client(id).client_id);
                    // Once acknowledged, for ever the same.
                    prop_assert_eq!(acknowledged.entry(id).or_insert(found.clone()), &found);
                }
            }
            let messages = store.messages.lock().unwrap();
            let seqs: Vec<u64> = messages.iter().map(|message| message.seq).collect();
            prop_assert_eq!(seqs, (1..=messages.len() as u64).collect::<Vec<_>>());
            for (id, (seq, message)) in acknowledged {
                let there = messages.iter().filter(|m| m.client_id == client(id).client_id);
                let there: Vec<_> = there.map(|m| (m.seq, m.id.clone())).collect();
                prop_assert_eq!(there, [(seq, message)]);
            }
            Ok(())
        })?;
    }
}
