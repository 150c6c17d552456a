//! SQLite: a file of this process alone, for the one-process mode and for tests.
//!
//! Limits are written `? + 0`: for a bare `?` SQLite plans a statement anew each time that it is run, as a limit may
//! change the plan.

mod import;
mod inserts;
mod known;
mod log;
mod sent;

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use aether_common::{Error, batch::Batch};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Row as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use self::{inserts::Inserts, known::Known, log::Log};
use super::{Place, RoomsOf, Schema, Store, Users, in_time};
use crate::model::{ClientId, Listed, Member, Membership, Message, Page, Role, Room, RoomType, Tail, User};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/message-sqlite");
/// More rows than any page has.
const LARGEST_READ: usize = 256;
const BUSY: Duration = Duration::from_secs(2);
const READERS: u32 = 4;
/// In KiB, negative as SQLite wants it: each room that is busy has a page of its own in the index of numbers, and the ids
/// that are sorted into `sent` together come to hundreds of pages.
const WRITERS_CACHE: &str = "-16384";

/// A store in one file.
pub(crate) struct SqliteStore {
    options: SqliteConnectOptions,
    readers: SqlitePool,
    /// SQLite has one writer at a time; a queue here is fairer than its busy handler.
    writer: SqlitePool,
    /// What rooms want stored at the same time becomes safe by one wait for the disk.
    batches: Batch<Vec<Message>, usize>,
    inserts: Inserts,
    /// Each room asks before each batch of its own. Those who aren't known are asked for together, which is one way to
    /// SQLite's thread.
    members: Batch<(String, Users), Users>,
    known: Arc<Known>,
}

impl SqliteStore {
    /// Nothing is opened until it is used.
    pub(crate) fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What is acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", log::LONGEST)
            // A page of history comes from the connection's thread in one go.
            .row_buffer_size(LARGEST_READ)
            .busy_timeout(BUSY);
        let pool = |size| {
            // A connection to a file can't have gone away, and to ask it costs as much as a reading.
            SqlitePoolOptions::new().max_connections(size).acquire_timeout(BUSY).test_before_acquire(false)
        };
        let writer = pool(1).connect_lazy_with(options.clone().pragma("cache_size", WRITERS_CACHE));
        let readers = pool(READERS).connect_lazy_with(options.clone());
        let log = Arc::new(Log::of(readers.clone()));
        let inserts = Inserts::into(writer.clone(), path);
        let batches = Batch::one_by_one({
            let inserts = inserts.clone();
            move |rooms: Vec<Vec<Message>>| {
                let (inserts, log) = (inserts.clone(), Arc::clone(&log));
                async move {
                    let messages = rooms.iter().map(Vec::len).sum();
                    let inserted = in_time(inserts.insert(rooms)).await;
                    // However that ended: one that took too long goes on.
                    log.copy_soon(messages);
                    inserted
                }
            }
        });
        let members = Batch::new({
            let readers = readers.clone();
            move |wanted| members_of_each(readers.clone(), wanted)
        });
        Self { readers, writer, inserts, batches, members, known: Arc::default(), options }
    }

    async fn create(&self, room: &Room, owner: Option<&str>) -> Result<bool, sqlx::Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query(
            "INSERT INTO rooms (id, name, description, room_type, created_by, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&room.id)
        .bind(&room.name)
        .bind(&room.description)
        .bind(room.room_type.as_str())
        .bind(&room.created_by)
        .bind(room.created_at.timestamp_millis())
        .execute(&mut *transaction)
        .await;
        match inserted {
            Ok(_) => {}
            Err(error) if is_duplicate(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        if let Some(owner) = owner {
            sqlx::query("INSERT INTO participants (room_id, user_id, role, joined_at) VALUES (?, ?, ?, ?)")
                .bind(&room.id)
                .bind(owner)
                .bind(Role::Owner.as_str())
                .bind(room.created_at.timestamp_millis())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "database"
    }

    fn shared(&self) -> bool {
        false
    }

    async fn migrate(&self) -> Result<(), Error> {
        let pool = SqlitePool::connect_with(self.options.clone().create_if_missing(true));
        let pool = in_time(pool).await?;
        let result = MIGRATIONS.run(&pool).await.map_err(Error::unavailable);
        pool.close().await;
        result
    }

    async fn ping(&self) -> Result<(), Error> {
        in_time(sqlx::query("SELECT 1").execute(&self.readers)).await.map(|_| ())
    }

    async fn schema(&self) -> Result<Schema, Error> {
        let newest = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        let wanted = MIGRATIONS.iter().map(|m| m.version).max();
        match in_time(sqlx::query_scalar::<_, Option<i64>>(newest).fetch_one(&self.readers)).await {
            Ok(found) if found >= wanted => Ok(Schema::Current),
            Ok(found) => Ok(Schema::Behind(format!("migration {wanted:?} is wanted, {found:?} is there"))),
            Err(error) if error.cause.as_ref().is_some_and(|c| c.to_string().contains("no such table")) => {
                Ok(Schema::Behind("no migration has been run".into()))
            }
            Err(error) => Err(error),
        }
    }

    async fn create_room(&self, room: &Room, owner: Option<&str>) -> Result<bool, Error> {
        in_time(self.create(room, owner)).await
    }

    async fn rooms(&self, ids: &[String]) -> Result<Vec<Room>, Error> {
        let query = sqlx::query("SELECT * FROM rooms WHERE id IN (SELECT value FROM json_each(?))").bind(json(ids)?);
        in_time(query.fetch_all(&self.readers)).await?.iter().map(room).collect()
    }

    async fn room_by_name(&self, name: &str) -> Result<Option<Room>, Error> {
        let query = sqlx::query("SELECT * FROM rooms WHERE name = ?").bind(name).fetch_optional(&self.readers);
        in_time(query).await?.as_ref().map(room).transpose()
    }

    async fn rename_room(&self, room: &str, name: &str) -> Result<(), Error> {
        let query = sqlx::query("UPDATE rooms SET name = ? WHERE id = ?").bind(name).bind(room);
        in_time(query.execute(&self.writer)).await.map(|_| ())
    }

    async fn public_rooms(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error> {
        let query = sqlx::query(
            "SELECT *, (SELECT COUNT(*) FROM participants WHERE room_id = id) AS members,
                 EXISTS (SELECT 1 FROM participants WHERE room_id = id AND user_id = ?) AS joined
             FROM (SELECT * FROM rooms WHERE room_type = 'public' AND instr(lower(name), lower(?)) > 0
                 ORDER BY name LIMIT ? OFFSET ?) ORDER BY name",
        );
        let query = query.bind(user).bind(search).bind(page.limit).bind(page.skip.cast_signed());
        let rows = in_time(query.fetch_all(&self.readers)).await?;
        let listed = rows.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        let total = match page.end(listed.len()) {
            Some(total) => total,
            None => {
                let query =
                    "SELECT COUNT(*) FROM rooms WHERE room_type = 'public' AND instr(lower(name), lower(?)) > 0";
                let query = sqlx::query_scalar::<_, i64>(query).bind(search);
                in_time(query.fetch_one(&self.readers)).await?.cast_unsigned()
            }
        };
        Ok((listed, total))
    }

    async fn rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>, Error> {
        let query = sqlx::query_as::<_, (String, String, String)>(
            "SELECT mine.user_id, mine.room_id, others.user_id FROM participants AS mine
             JOIN participants AS others ON others.room_id = mine.room_id
             WHERE mine.user_id IN (SELECT value FROM json_each(?))
             ORDER BY mine.joined_at, mine.room_id, others.joined_at, others.user_id",
        );
        let mut rooms: HashMap<String, RoomsOf> = HashMap::new();
        for (user, room, member) in in_time(query.bind(json(users)?).fetch_all(&self.readers)).await? {
            let rooms = rooms.entry(user).or_default();
            match rooms.last_mut() {
                Some((last, members)) if *last == room => members.push(member),
                _ => rooms.push((room, vec![member])),
            }
        }
        Ok(users.iter().map(|user| rooms.get(user).cloned().unwrap_or_default()).collect())
    }

    async fn join(&self, room: &str, user: &str, role: Role) -> Result<bool, Error> {
        let query = sqlx::query(
            "INSERT INTO participants (room_id, user_id, role, joined_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (room_id, user_id) DO NOTHING",
        )
        .bind(room)
        .bind(user)
        .bind(role.as_str())
        .bind(crate::model::now().timestamp_millis());
        Ok(in_time(query.execute(&self.writer)).await?.rows_affected() == 1)
    }

    async fn leave(&self, room: &str, user: &str) -> Result<bool, Error> {
        let (writer, known) = (self.writer.clone(), Arc::clone(&self.known));
        let (room, user) = (room.to_owned(), user.to_owned());
        // A task of its own: a caller that gives up doesn't stop SQLite, and the end has to be known all the same.
        let leaving = tokio::spawn(async move {
            let query = sqlx::query("DELETE FROM participants WHERE room_id = ? AND user_id = ?");
            let deleted = query.bind(&room).bind(&user).execute(&writer).await.map(|done| done.rows_affected() == 1);
            if !matches!(deleted, Ok(false)) {
                known.ended(&room, &user);
            }
            deleted
        });
        in_time(leaving).await?.map_err(Error::unavailable)
    }

    async fn members(&self, room: &str, page: Page) -> Result<(Vec<Member>, u64), Error> {
        let query = sqlx::query_as::<_, (String, i64)>(
            "SELECT user_id, joined_at FROM participants WHERE room_id = ? ORDER BY joined_at, user_id
             LIMIT ? + 0 OFFSET ?",
        );
        let query = query.bind(room).bind(page.limit).bind(page.skip.cast_signed());
        let rows = in_time(query.fetch_all(&self.readers)).await?;
        let member = |(user_id, at)| Ok(Member { user_id, joined_at: time(at)? });
        let members = rows.into_iter().map(member).collect::<Result<Vec<_>, Error>>()?;
        let total = match page.end(members.len()) {
            Some(total) => total,
            None => {
                let query = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM participants WHERE room_id = ?");
                in_time(query.bind(room).fetch_one(&self.readers)).await?.cast_unsigned()
            }
        };
        Ok((members, total))
    }

    async fn owner(&self, room: &str) -> Result<Option<String>, Error> {
        let query = sqlx::query_scalar::<_, String>(
            "SELECT user_id FROM participants WHERE room_id = ? ORDER BY role <> 'owner', joined_at, user_id LIMIT 1",
        );
        in_time(query.bind(room).fetch_optional(&self.readers)).await
    }

    async fn memberships(&self, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
        memberships(&self.readers, wanted).await
    }

    async fn members_among(&self, room: &str, users: Users) -> Result<Users, Error> {
        let (mut members, others, asked_at) = self.known.among(room, users);
        if !others.is_empty() {
            let found = self.members.ask((room.to_owned(), others)).await?;
            self.known.found(room, &found, asked_at);
            members.extend(found);
        }
        Ok(members)
    }

    async fn insert(&self, messages: &[Message]) -> Result<usize, Error> {
        if messages.is_empty() {
            return Ok(0);
        }
        self.batches.ask(messages.to_vec()).await
    }

    async fn tail(&self, room: &str) -> Result<Tail, Error> {
        let query = sqlx::query_as::<_, (i64, i64)>(
            "SELECT seq, created_at FROM messages WHERE room_id = ? ORDER BY seq DESC LIMIT 1",
        );
        match in_time(query.bind(room).fetch_optional(&self.readers)).await? {
            Some((seq, at)) => Ok(Tail { seq: seq.cast_unsigned(), created_at: time(at)? }),
            None => Ok(Tail::default()),
        }
    }

    async fn after(&self, room: &str, seq: u64, limit: u32) -> Result<Vec<Message>, Error> {
        let query = sqlx::query("SELECT * FROM messages WHERE room_id = ? AND seq > ? ORDER BY seq LIMIT ? + 0");
        let query = query.bind(room).bind(i64::try_from(seq).unwrap_or(i64::MAX)).bind(limit);
        in_time(query.fetch_all(&self.readers)).await?.iter().map(message).collect()
    }

    async fn history(&self, room: &str, page: Page) -> Result<(Vec<Message>, u64), Error> {
        let query = sqlx::query(
            "SELECT *, (SELECT MAX(seq) FROM messages WHERE room_id = ?1) AS total FROM messages
             WHERE room_id = ?1 AND seq <= (SELECT MAX(seq) FROM messages WHERE room_id = ?1) - ?2
             ORDER BY seq DESC LIMIT ?3 + 0",
        );
        let skip = i64::try_from(page.skip).unwrap_or(i64::MAX);
        let mut rows = in_time(query.bind(room).bind(skip).bind(page.limit).fetch_all(&self.readers)).await?;
        rows.reverse();
        let total = match rows.first() {
            Some(row) => row.try_get::<i64, _>("total").map_err(Error::internal)?.cast_unsigned(),
            None => self.tail(room).await?.seq,
        };
        Ok((rows.iter().map(message).collect::<Result<_, _>>()?, total))
    }

    async fn find_sent(&self, room: &str, user: &str, client_id: &ClientId) -> Result<Option<Message>, Error> {
        let key = (room.into(), user.into(), client_id.text());
        let found = async {
            let newest = self.inserts.seq(&key).await?;
            let query = sqlx::query(
                "SELECT * FROM messages WHERE room_id = ?1 AND seq = COALESCE(
                     ?4, (SELECT seq FROM sent WHERE room_id = ?1 AND user_id = ?2 AND client_id = ?3))",
            );
            let query = query.bind(room).bind(user).bind(client_id.as_str()).bind(newest.map(u64::cast_signed));
            query.fetch_optional(&self.readers).await
        };
        in_time(found).await?.as_ref().map(message).transpose()
    }
}

/// Each user's place in a room, in the order of the questions.
async fn memberships(readers: &SqlitePool, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
    let query = sqlx::query_as::<_, (String, String, String, i64)>(
        "SELECT room_id, user_id, role, joined_at FROM json_each(?) AS wanted
         JOIN participants ON room_id = wanted.value ->> 0 AND user_id = wanted.value ->> 1",
    );
    let wanted_json = serde_json::to_string(wanted).map_err(Error::internal)?;
    let mut found = HashMap::new();
    for (room, user, role, at) in in_time(query.bind(wanted_json).fetch_all(readers)).await? {
        found.insert((room, user), Membership { role: Role::parse(&role), joined_at: time(at)? });
    }
    Ok(wanted.iter().map(|place| found.get(place).copied()).collect())
}

/// Of each room's users, those who are members.
async fn members_of_each(readers: SqlitePool, wanted: Vec<(String, Users)>) -> Result<Vec<Users>, Error> {
    let places = wanted.iter().flat_map(|(room, users)| users.iter().map(move |user| (room.clone(), user.to_string())));
    let mut found = memberships(&readers, &places.collect::<Vec<_>>()).await?.into_iter();
    let members = |users: Users| users.into_iter().filter(|_| found.next().flatten().is_some()).collect();
    Ok(wanted.into_iter().map(|(_, users)| users).map(members).collect())
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn json(texts: &[String]) -> Result<String, Error> {
    serde_json::to_string(texts).map_err(Error::internal)
}

fn time(millis: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| Error::internal(anyhow::anyhow!("{millis} is no time")))
}

fn room(row: &SqliteRow) -> Result<Room, Error> {
    let text = |column| row.try_get::<String, _>(column).map_err(Error::internal);
    let room_type = text("room_type")?;
    Ok(Room {
        id: text("id")?,
        name: text("name")?,
        description: text("description")?,
        room_type: RoomType::parse(&room_type)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("{room_type} is no type of room")))?,
        created_by: text("created_by")?,
        created_at: time(row.try_get("created_at").map_err(Error::internal)?)?,
    })
}

fn listed(row: &SqliteRow) -> Result<Listed, Error> {
    let members: i64 = row.try_get("members").map_err(Error::internal)?;
    let joined = row.try_get("joined").map_err(Error::internal)?;
    Ok(Listed { room: room(row)?, members: members.cast_unsigned(), joined })
}

fn message(row: &SqliteRow) -> Result<Message, Error> {
    let text = |column| row.try_get::<Arc<str>, _>(column).map_err(Error::internal);
    let number = |column| row.try_get::<i64, _>(column).map_err(Error::internal);
    Ok(Message {
        id: text("id")?,
        room_id: text("room_id")?,
        seq: number("seq")?.cast_unsigned(),
        sender: User { id: text("user_id")?, username: text("username")? },
        content: text("content")?,
        message_type: text("message_type")?,
        client_id: ClientId::from_stored(text("client_id")?),
        created_at: time(number("created_at")?)?,
    })
}
