//! Who the users of then are now.

use std::collections::HashMap;

use aether_auth::import::{Answer, Found, Request};
use aether_message::import::{Message, Room};
use anyhow::bail;

use super::{read::Export, stores::Stores};

/// Under this id the messages of those are kept who are no users any more; no user ever has it.
const NOBODY: &str = "0";
/// Ids that are asked for at once.
const AT_ONCE: usize = 1000;

/// By their ids of then.
pub(super) struct People(HashMap<String, Person>);

struct Person {
    id: String,
    username: String,
}

impl People {
    /// Those of the file, whose ids here come later, and those who are here already.
    pub(super) async fn find(export: &Export, stores: &mut Stores) -> anyhow::Result<Self> {
        let of_file = export.users.iter().map(|user| {
            // Until the user is made this stands for the id: it looks like none.
            let person = Person { id: format!("new {}", user.value.id), username: user.value.username.clone() };
            (user.value.id.clone(), person)
        });
        let mut people = Self(of_file.collect());
        let rooms = export.rooms.iter().flat_map(|room| {
            let members = room.value.members.iter().map(|member| &member.user_id);
            members.chain(std::iter::once(&room.value.created_by))
        });
        let mut others: Vec<String> =
            export.senders.keys().chain(rooms).filter(|id| !people.0.contains_key(*id)).cloned().collect();
        others.sort();
        others.dedup();
        for ids in others.chunks(AT_ONCE) {
            let Answer::Found(found) = stores.auth(Request::Find { ids: ids.to_vec() }).await? else {
                bail!("auth gave an answer of another kind: is it of another version?");
            };
            for Found { old_id, id, username } in found {
                people.0.insert(old_id, Person { id, username });
            }
        }
        Ok(people)
    }

    /// The user has this id here.
    pub(super) fn made(&mut self, old: &str, id: String) {
        if let Some(person) = self.0.get_mut(old) {
            person.id = id;
        }
    }

    /// Says of whom nobody knows, unless those are wanted, too.
    pub(super) fn check(&self, export: &mut Export, former_users: bool) {
        if former_users {
            return;
        }
        let mend = |id: &str| {
            format!(
                "{id} is no user of --users, nor one who was imported before: add the user, or --former-users to keep \
                 what such people wrote and leave them out of rooms"
            )
        };
        let mut unknown: Vec<_> = export
            .senders
            .iter()
            .filter(|(id, _)| !self.0.contains_key(*id))
            .map(|(id, line)| (*line, mend(id)))
            .collect();
        unknown.sort();
        for (line, mend) in unknown {
            export.note(3, line, [("userId".to_owned(), mend)]);
        }
        let members = export.rooms.iter().flat_map(|room| room.value.members.iter().map(|member| (room.line, member)));
        let unknown: Vec<_> = members
            .filter(|(_, member)| !self.0.contains_key(&member.user_id))
            .map(|(line, member)| (line, mend(&member.user_id)))
            .collect();
        for (line, mend) in unknown {
            export.note(1, line, [("members".to_owned(), mend)]);
        }
    }

    /// The room with the ids of today. Members nobody knows are left out; if its maker is one, the first member is it.
    pub(super) fn today(&self, room: &Room) -> Room {
        let mut room = room.clone();
        room.members.retain_mut(|member| match self.0.get(&member.user_id) {
            Some(person) => {
                member.user_id.clone_from(&person.id);
                true
            }
            None => false,
        });
        if !room.created_by.is_empty() {
            let maker = self.0.get(&room.created_by).map(|person| &person.id);
            let first = room.members.first().map(|member| &member.user_id);
            room.created_by = maker.or(first).cloned().unwrap_or_default();
        }
        room
    }

    /// Gives a message its sender of today.
    pub(super) fn sign(&self, message: &mut Message) {
        match self.0.get(&message.user_id) {
            Some(person) => {
                message.user_id.clone_from(&person.id);
                if message.username.trim().is_empty() {
                    message.username.clone_from(&person.username);
                }
            }
            None => {
                message.user_id = NOBODY.to_owned();
                if message.username.trim().is_empty() {
                    message.username = "former user".to_owned();
                }
            }
        }
    }
}
