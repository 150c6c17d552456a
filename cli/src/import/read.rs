//! Reads the files: everything but messages is kept, of those only where they are.

use std::collections::{HashMap, HashSet};

use aether_auth::import::User;
use aether_message::import::{Member, Message, Room};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    ImportArgs,
    fields::Fields,
    records,
    source::{At, Source},
};
use crate::output::Progress;

/// A line that can't be imported.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) field: String,
    pub(super) mend: String,
}

/// Something of a file, and where.
pub(super) struct Line<T> {
    pub(super) line: u32,
    pub(super) value: T,
}

/// A message, by where it is.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Which of [`Export::references`].
    pub(super) room: u32,
    time: DateTime<Utc>,
    pub(super) at: At,
}

impl Entry {
    /// By room, then time; of one time as in the file.
    pub(super) fn order<R>(&self, room: R) -> (R, DateTime<Utc>, u32) {
        (room, self.time, self.at.line)
    }
}

/// All that the files say.
#[derive(Default)]
pub(super) struct Export {
    pub(super) users: Vec<Line<User>>,
    pub(super) rooms: Vec<Line<Room>>,
    /// Of the members' file, by room.
    pub(super) members: Vec<Line<(String, Member)>>,
    pub(super) messages: Vec<Entry>,
    /// Ids and names by which messages name rooms, each with the first line that does.
    pub(super) references: Vec<Line<String>>,
    /// Ids of users who sent something, each with the first line.
    pub(super) senders: HashMap<String, u32>,
    pub(super) deleted: usize,
    pub(super) problems: Vec<Problem>,
    /// What the files are called: users, rooms, members, messages.
    pub(super) names: [String; 4],
    pub(super) source: Option<Source>,
}

/// So often somebody else on this thread gets a turn.
const PAUSE: u32 = 1000;

impl Export {
    /// Reads all files that are named.
    pub(super) async fn read(args: &ImportArgs, progress: &Progress) -> anyhow::Result<Self> {
        let now = Utc::now();
        let mut export = Self::default();
        if let Some(path) = &args.users {
            export
                .lines(0, Source::open(path)?, progress, |export, line, fields| {
                    let value = records::user(fields, now);
                    export.users.push(Line { line, value });
                })
                .await?;
        }
        if let Some(path) = &args.rooms {
            export
                .lines(1, Source::open(path)?, progress, |export, line, fields| {
                    let value = records::room(fields, now);
                    export.rooms.push(Line { line, value });
                })
                .await?;
        }
        if let Some(path) = &args.members {
            export
                .lines(2, Source::open(path)?, progress, |export, line, fields| {
                    export.members.extend(records::member(fields).map(|value| Line { line, value }));
                })
                .await?;
        }
        if let Some(path) = &args.messages {
            export.index(Source::open(path)?, progress).await?;
        }
        export.find_doubles();
        Ok(export)
    }

    async fn lines(
        &mut self,
        file: usize,
        mut source: Source,
        progress: &Progress,
        mut take: impl FnMut(&mut Self, u32, &mut Fields),
    ) -> anyhow::Result<()> {
        self.names[file].clone_from(&source.name);
        while let Some((at, text)) = source.next()? {
            let mut fields = Fields::parse(&text);
            take(self, at.line, &mut fields);
            self.note(file, at.line, fields.problems);
            pause(at.line, &source.name, progress).await;
        }
        Ok(())
    }

    async fn index(&mut self, mut source: Source, progress: &Progress) -> anyhow::Result<()> {
        self.names[3].clone_from(&source.name);
        let mut rooms: HashMap<String, u32> = HashMap::new();
        while let Some((at, text)) = source.next()? {
            let mut fields = Fields::parse(&text);
            let message = records::message(&mut fields);
            self.note(3, at.line, fields.problems);
            match message {
                None => self.deleted += 1,
                Some((room, message)) => {
                    let number = *rooms.entry(room).or_insert_with_key(|room| {
                        self.references.push(Line { line: at.line, value: room.clone() });
                        u32::try_from(self.references.len() - 1).unwrap_or(u32::MAX)
                    });
                    self.senders.entry(message.user_id).or_insert(at.line);
                    self.messages.push(Entry { room: number, time: message.created_at, at });
                }
            }
            pause(at.line, &source.name, progress).await;
        }
        self.source = Some(source);
        Ok(())
    }

    /// A message again, with its room's number.
    pub(super) fn message(&mut self, entry: Entry) -> anyhow::Result<Option<Message>> {
        let Some(source) = &mut self.source else { return Ok(None) };
        let text = source.again(entry.at)?;
        Ok(records::message(&mut Fields::parse(&text)).map(|(_, message)| message))
    }

    /// Remembers what is wrong with a line.
    pub(super) fn note(&mut self, file: usize, line: u32, problems: impl IntoIterator<Item = (String, String)>) {
        let name = &self.names[file];
        let problem = |(field, mend)| Problem { file: name.clone(), line, field, mend };
        self.problems.extend(problems.into_iter().map(problem));
    }

    /// The services see lines one after the other, and in a trial none of them makes anything.
    fn find_doubles(&mut self) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut doubles = Vec::new();
        for Line { line, value } in &self.users {
            for (field, text) in [("id", &value.id), ("email", &value.email), ("username", &value.username)] {
                // What differs by case alone was two users in some databases.
                let key = format!("{field} {}", if field == "id" { text.clone() } else { text.to_lowercase() });
                match seen.get(&key) {
                    Some(first) => {
                        doubles.push((0, *line, field, format!("is that of line {first}: change one of the two")));
                    }
                    None => drop(seen.insert(key, *line)),
                }
            }
        }
        let mut seen: HashMap<String, u32> = HashMap::new();
        for Line { line, value } in self.rooms.iter().filter(|room| room.value.room_type != "direct") {
            if let Some(first) = seen.insert(value.name.trim().to_owned(), *line) {
                doubles.push((1, *line, "name", format!("is that of line {first}: change one of the two")));
            }
        }
        for (file, line, field, mend) in doubles {
            self.note(file, line, [(field.to_owned(), mend)]);
        }
    }

    /// Adds the members of their own file to their rooms, which are named by id or name.
    pub(super) fn seat_members(&mut self) {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (place, Line { value, .. }) in self.rooms.iter().enumerate() {
            places.entry(value.name.clone()).or_insert(place);
        }
        for (place, Line { value, .. }) in self.rooms.iter().enumerate() {
            places.insert(value.id.clone(), place);
        }
        let mut seated: Vec<HashSet<String>> = self
            .rooms
            .iter()
            .map(|room| room.value.members.iter().map(|member| member.user_id.clone()).collect())
            .collect();
        for Line { line, value: (room, member) } in std::mem::take(&mut self.members) {
            match places.get(&room) {
                Some(place) if seated[*place].insert(member.user_id.clone()) => {
                    self.rooms[*place].value.members.push(member);
                }
                Some(_) => {}
                None => {
                    let mend = format!("{room} is no id and no name of a room in --rooms");
                    self.note(2, line, [("roomId".to_owned(), mend)]);
                }
            }
        }
    }
}

async fn pause(line: u32, name: &str, progress: &Progress) {
    if line.is_multiple_of(PAUSE) {
        progress.say(format!("reading {name}: {line} lines"));
        tokio::task::yield_now().await;
    }
}
