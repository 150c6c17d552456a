//! Has everything looked at, and then stored, in batches: users, rooms, messages.

use std::collections::HashMap;

use aether_auth::import as users;
use aether_message::import as rooms;
use anyhow::bail;

use super::{
    people::People,
    read::{Entry, Export},
    stores::Stores,
};
use crate::output::Progress;

const USERS_AT_ONCE: usize = 200;
const ROOMS_AT_ONCE: usize = 50;
const MESSAGES_AT_ONCE: usize = 250;

/// What came of one kind.
#[derive(Default)]
pub(super) struct Count {
    pub(super) made: usize,
    pub(super) there: usize,
}

/// What came of all.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) users: Count,
    pub(super) without_password: usize,
    pub(super) rooms: Count,
    pub(super) members: u64,
    pub(super) messages: Count,
}

/// Does it, or looks at it. What is refused is among the export's problems afterwards, and nothing behind it is done.
pub(super) async fn write(
    export: &mut Export,
    stores: &mut Stores,
    people: &mut People,
    progress: &Progress,
    dry_run: bool,
) -> anyhow::Result<Counts> {
    let mut work = Work { export, stores, people, progress, dry_run, counts: Counts::default() };
    work.users().await?;
    // In a trial all problems are told at once.
    if dry_run || work.export.problems.is_empty() {
        let ids = work.rooms().await?;
        if work.export.problems.is_empty() {
            let ids = work.references(&ids).await?;
            if work.export.problems.is_empty() {
                work.messages(&ids).await?;
            }
        }
    }
    Ok(work.counts)
}

struct Work<'a> {
    export: &'a mut Export,
    stores: &'a mut Stores,
    people: &'a mut People,
    progress: &'a Progress,
    dry_run: bool,
    counts: Counts,
}

fn other_version(who: &str) -> anyhow::Error {
    anyhow::anyhow!("{who} gave an answer of another kind: is it of another version?")
}

impl Work<'_> {
    fn say(&self, what: &str, done: usize, of: usize) {
        let verb = if self.dry_run { "looking at" } else { "importing" };
        self.progress.say(format!("{verb} {what}: {done} of {of}"));
    }

    async fn users(&mut self) -> anyhow::Result<()> {
        let total = self.export.users.len();
        for start in (0..total).step_by(USERS_AT_ONCE) {
            let end = total.min(start + USERS_AT_ONCE);
            let batch = &self.export.users[start..end];
            // A copy by the form that it is sent in.
            let batch = batch.iter().map(|line| serde_json::from_value(serde_json::to_value(&line.value)?));
            let request = users::Request::Users { users: batch.collect::<Result<_, _>>()?, dry_run: self.dry_run };
            let users::Answer::Users(outcomes) = self.stores.auth(request).await? else {
                return Err(other_version("auth"));
            };
            for (index, outcome) in (start..end).zip(outcomes) {
                let user = &self.export.users[index];
                match outcome {
                    users::Outcome::Made { id } => {
                        self.counts.users.made += 1;
                        self.counts.without_password += usize::from(user.value.password_hash.is_none());
                        if let Some(id) = id {
                            self.people.made(&user.value.id, id);
                        }
                    }
                    users::Outcome::There { id } => {
                        self.counts.users.there += 1;
                        self.people.made(&user.value.id, id);
                    }
                    users::Outcome::Refused { fields } => self.export.note(0, user.line, fields),
                }
            }
            self.say("users", end, total);
        }
        Ok(())
    }

    /// The rooms' ids here, by their ids and names of then.
    async fn rooms(&mut self) -> anyhow::Result<HashMap<String, String>> {
        let mut ids = HashMap::new();
        let total = self.export.rooms.len();
        for start in (0..total).step_by(ROOMS_AT_ONCE) {
            let end = total.min(start + ROOMS_AT_ONCE);
            let batch = self.export.rooms[start..end].iter().map(|line| self.people.today(&line.value)).collect();
            let request = rooms::Request::Rooms { rooms: batch, dry_run: self.dry_run };
            let rooms::Answer::Rooms(outcomes) = self.stores.message(request).await? else {
                return Err(other_version("message"));
            };
            for (index, outcome) in (start..end).zip(outcomes) {
                let room = &self.export.rooms[index];
                let (id, entered) = match outcome {
                    rooms::Outcome::Made { id, entered } => {
                        self.counts.rooms.made += 1;
                        (id, entered)
                    }
                    rooms::Outcome::There { id, entered } => {
                        self.counts.rooms.there += 1;
                        (id, entered)
                    }
                    rooms::Outcome::Refused { fields } => {
                        self.export.note(1, room.line, fields);
                        continue;
                    }
                };
                self.counts.members += entered;
                ids.entry(room.value.name.clone()).or_insert_with(|| id.clone());
                ids.insert(room.value.id.clone(), id);
            }
            self.say("rooms", end, total);
        }
        Ok(ids)
    }

    /// The rooms' ids here, for each reference of a message.
    async fn references(&mut self, known: &HashMap<String, String>) -> anyhow::Result<Vec<Option<String>>> {
        let mut ids: Vec<_> =
            self.export.references.iter().map(|reference| known.get(&reference.value).cloned()).collect();
        let unknown: Vec<usize> = (0..ids.len()).filter(|index| ids[*index].is_none()).collect();
        for indexes in unknown.chunks(ROOMS_AT_ONCE) {
            let references = indexes.iter().map(|index| self.export.references[*index].value.clone()).collect();
            let rooms::Answer::Found(found) = self.stores.message(rooms::Request::Find { references }).await? else {
                return Err(other_version("message"));
            };
            for (index, id) in indexes.iter().zip(found) {
                let reference = &self.export.references[*index];
                if id.is_none() {
                    let (line, room) = (reference.line, reference.value.clone());
                    let mend = format!("{room} is no id and no name of a room of --rooms, nor one that is here");
                    self.export.note(3, line, [("roomId".to_owned(), mend)]);
                }
                ids[*index] = id;
            }
        }
        Ok(ids)
    }

    async fn messages(&mut self, rooms: &[Option<String>]) -> anyhow::Result<()> {
        // Two references may be one room, by its id and by its name: its messages come in one order.
        let mut entries = std::mem::take(&mut self.export.messages);
        let mut firsts = HashMap::new();
        let firsts: Vec<usize> =
            rooms.iter().enumerate().map(|(number, id)| *firsts.entry(id).or_insert(number)).collect();
        entries.sort_by_key(|entry| entry.order(firsts[entry.room as usize]));
        let total = entries.len();
        let mut done = 0;
        for batch in entries.chunk_by(|one, next| firsts[one.room as usize] == firsts[next.room as usize]) {
            let Some(room) = batch.first().and_then(|entry| rooms[entry.room as usize].clone()) else { continue };
            for batch in batch.chunks(MESSAGES_AT_ONCE) {
                if !self.batch(&room, batch).await? {
                    break;
                }
                done += batch.len();
                self.say("messages", done, total);
            }
        }
        self.export.messages = entries;
        Ok(())
    }

    /// Whether a room's batch was taken.
    async fn batch(&mut self, room: &str, entries: &[Entry]) -> anyhow::Result<bool> {
        let mut messages = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(mut message) = self.export.message(*entry)? else { bail!("the file of messages has changed") };
            self.people.sign(&mut message);
            messages.push(message);
        }
        let request = rooms::Request::Messages { room: room.to_owned(), messages, dry_run: self.dry_run };
        match self.stores.message(request).await? {
            rooms::Answer::Messages { made, there } => {
                self.counts.messages.made += made;
                self.counts.messages.there += there;
                Ok(true)
            }
            rooms::Answer::Refused { index, fields } => {
                let line = entries.get(index).map(|entry| entry.at.line).unwrap_or_default();
                self.export.note(3, line, fields);
                Ok(false)
            }
            _ => Err(other_version("message")),
        }
    }
}
