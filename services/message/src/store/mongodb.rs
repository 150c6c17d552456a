//! MongoDB, or a server that speaks its protocol. Only plain commands and full indexes: FerretDB has no transactions,
//! partial indexes or change streams.

mod counts;
mod documents;
mod import;
mod lists;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use aether_common::{Error, Secret};
use anyhow::Context as _;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use mongodb::{
    Client, Collection, Database, IndexModel,
    bson::{self, Document, doc, oid::ObjectId},
    error::{ErrorKind, WriteFailure},
    options::{
        Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, HostInfo, IndexOptions, ReadConcern,
        ReadPreference, SelectionCriteria, WriteConcern,
    },
};

use self::documents::{MessageDocument, ParticipantDocument, RoomDocument, object_id, stamp, time};
use super::{Place, RoomsOf, Schema, Store, Users, in_time};
use crate::{
    limit::Counts,
    model::{ClientId, Listed, Member, Membership, Message, Page, Role, Room, Tail},
};

const DEFAULT_DATABASE: &str = "aetherconnect";
const DUPLICATE_KEY: i32 = 11000;
const NAMESPACE_NOT_FOUND: i32 = 26;

/// A store that all replicas share.
pub(crate) struct MongoStore {
    database: Database,
    rooms: Collection<RoomDocument>,
    participants: Collection<ParticipantDocument>,
    messages: Collection<MessageDocument>,
    /// Sees only what no change of primary can take back.
    settled: Collection<MessageDocument>,
    counts: Collection<counts::CountDocument>,
}

impl MongoStore {
    /// Connects when it is first used.
    pub(crate) async fn open(url: &Secret) -> anyhow::Result<Self> {
        let mut options = ClientOptions::parse(url.expose()).await.context("MONGODB_URL is not valid")?;
        options.app_name.get_or_insert_with(|| "aetherconnect-message".into());
        options.server_selection_timeout = Some(Duration::from_secs(2));
        options.connect_timeout = Some(Duration::from_secs(1));
        let name = options.default_database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
        let database = Client::with_options(options).context("MONGODB_URL is not valid")?.database(&name);
        let collection = |read| {
            let mut options = CollectionOptions::default();
            let safe = WriteConcern::builder().w(Acknowledgment::Majority).journal(true);
            options.write_concern = Some(safe.w_timeout(Duration::from_secs(2)).build());
            // A secondary that lags would let numbers collide for ever.
            options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
            options.read_concern = read;
            options
        };
        Ok(Self {
            rooms: database.collection_with_options("rooms", collection(None)),
            participants: database.collection_with_options("participants", collection(None)),
            messages: database.collection_with_options("messages", collection(None)),
            settled: database.collection_with_options("messages", collection(Some(ReadConcern::majority()))),
            // Worth no wait for other members: a change of primary may take some back.
            counts: database.collection("counts"),
            database,
        })
    }

    /// Servers and database, without credentials: by this, instances that share a Redis are told apart.
    pub(crate) fn place(url: &Secret) -> anyhow::Result<String> {
        // The driver's words about a URL may repeat parts of it.
        let url = ConnectionString::parse(url.expose()).ok().context("MONGODB_URL is not valid")?;
        let servers = match url.host_info {
            HostInfo::HostIdentifiers(servers) => {
                let mut servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
                servers.sort();
                servers.join(",")
            }
            HostInfo::DnsRecord(name) => name,
            _ => anyhow::bail!("MONGODB_URL names its servers in an unknown way"),
        };
        Ok(format!("{servers}/{}", url.default_database.as_deref().unwrap_or(DEFAULT_DATABASE)))
    }

    async fn create_indexes<T: Send + Sync>(&self, collection: &Collection<T>, indexes: &[Index]) -> Result<(), Error> {
        for index in indexes {
            let options = IndexOptions::builder().name(index.name.to_owned()).unique(index.unique).build();
            let keys: Document = index.keys.iter().map(|key| ((*key).to_owned(), bson::Bson::Int32(1))).collect();
            let model = IndexModel::builder().keys(keys).options(options).build();
            collection.create_index(model).await.map_err(Error::unavailable)?;
        }
        Ok(())
    }
}

struct Index {
    name: &'static str,
    keys: &'static [&'static str],
    unique: bool,
}

const ROOM_INDEXES: &[Index] = &[Index { name: "name_unique", keys: &["name"], unique: true }];
const MESSAGE_INDEXES: &[Index] = &[
    Index { name: "room_seq_unique", keys: &["roomId", "seq"], unique: true },
    Index { name: "room_user_client_unique", keys: &["roomId", "userId", "clientId"], unique: true },
];
const PARTICIPANT_INDEXES: &[Index] = &[
    Index { name: "room_user_unique", keys: &["roomId", "userId"], unique: true },
    Index { name: "user", keys: &["userId"], unique: false },
];

#[async_trait]
impl Store for MongoStore {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn shared(&self) -> bool {
        true
    }

    fn counts(self: Arc<Self>) -> Option<Arc<dyn Counts>> {
        Some(self)
    }

    async fn migrate(&self) -> Result<(), Error> {
        self.create_indexes(&self.rooms, ROOM_INDEXES).await?;
        self.create_indexes(&self.messages, MESSAGE_INDEXES).await?;
        self.create_indexes(&self.participants, PARTICIPANT_INDEXES).await
    }

    async fn ping(&self) -> Result<(), Error> {
        in_time(self.database.run_command(doc! {"ping": 1}).into_future()).await.map(|_| ())
    }

    async fn schema(&self) -> Result<Schema, Error> {
        let (rooms, messages, participants) = (
            index_names(&self.rooms).await?,
            index_names(&self.messages).await?,
            index_names(&self.participants).await?,
        );
        let missing = [(rooms, ROOM_INDEXES), (messages, MESSAGE_INDEXES), (participants, PARTICIPANT_INDEXES)]
            .iter()
            .flat_map(|(there, wanted)| wanted.iter().filter(|index| !there.iter().any(|name| name == index.name)))
            .map(|index| index.name)
            .collect::<Vec<_>>();
        if missing.is_empty() {
            return Ok(Schema::Current);
        }
        Ok(Schema::Behind(format!("indexes are missing: {}", missing.join(", "))))
    }

    async fn create_room(&self, room: &Room, owner: Option<&str>) -> Result<bool, Error> {
        let document = RoomDocument::new(room)?;
        // The owner comes first: a death in between leaves a member of no room, which no listing shows, rather than a
        // room that nobody owns.
        if let Some(owner) = owner {
            self.join(&room.id, owner, Role::Owner).await?;
        }
        let created = not_duplicate(self.rooms.insert_one(document).into_future()).await?;
        if let (false, Some(owner)) = (created, owner) {
            self.leave(&room.id, owner).await?;
        }
        Ok(created)
    }

    async fn rooms(&self, ids: &[String]) -> Result<Vec<Room>, Error> {
        let ids = object_ids(ids)?;
        let found = async { self.rooms.find(doc! {"_id": {"$in": ids}}).await?.map_ok(Room::from).try_collect().await };
        in_time(found).await
    }

    async fn room_by_name(&self, name: &str) -> Result<Option<Room>, Error> {
        Ok(in_time(self.rooms.find_one(doc! {"name": name}).into_future()).await?.map(Room::from))
    }

    async fn rename_room(&self, room: &str, name: &str) -> Result<(), Error> {
        let update = self.rooms.update_one(doc! {"_id": object_id(room)?}, doc! {"$set": {"name": name}});
        in_time(update.into_future()).await.map(|_| ())
    }

    async fn public_rooms(&self, user: &str, search: &str, page: Page) -> Result<(Vec<Listed>, u64), Error> {
        in_time(self.list_public(user, search, page)).await
    }

    async fn rooms_of(&self, users: &[String]) -> Result<Vec<RoomsOf>, Error> {
        in_time(self.list_rooms_of(users)).await
    }

    async fn join(&self, room: &str, user: &str, role: Role) -> Result<bool, Error> {
        let document = ParticipantDocument {
            room_id: object_id(room)?,
            user_id: user.to_owned(),
            role: role.as_str().to_owned(),
            joined_at: stamp(crate::model::now()),
        };
        not_duplicate(self.participants.insert_one(document).into_future()).await
    }

    async fn leave(&self, room: &str, user: &str) -> Result<bool, Error> {
        let filter = doc! {"roomId": object_id(room)?, "userId": user};
        Ok(in_time(self.participants.delete_one(filter).into_future()).await?.deleted_count == 1)
    }

    async fn members(&self, room: &str, page: Page) -> Result<(Vec<Member>, u64), Error> {
        let filter = doc! {"roomId": object_id(room)?};
        in_time(self.list_members(filter, page)).await
    }

    async fn owner(&self, room: &str) -> Result<Option<String>, Error> {
        let query = self.participants.find_one(doc! {"roomId": object_id(room)?});
        // "owner" comes after "member".
        let query = query.sort(doc! {"role": -1, "joinedAt": 1, "userId": 1});
        Ok(in_time(query.into_future()).await?.map(|participant| participant.user_id))
    }

    async fn memberships(&self, wanted: &[Place]) -> Result<Vec<Option<Membership>>, Error> {
        let mut rooms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (room, user) in wanted {
            rooms.entry(room).or_default().push(user);
        }
        // One index range a room, and mostly there is one room.
        let of_room = |(room, users): (&&str, &Vec<&str>)| match users[..] {
            [user] => Ok(doc! {"roomId": object_id(room)?, "userId": user}),
            _ => Ok(doc! {"roomId": object_id(room)?, "userId": {"$in": users}}),
        };
        if rooms.is_empty() {
            return Ok(Vec::new()); // MongoDB takes no empty choice
        }
        let mut filters = rooms.iter().map(of_room).collect::<Result<Vec<_>, Error>>()?;
        let filter = if filters.len() == 1 {
            filters.remove(0)
        } else {
            doc! {"$or": filters}
        };
        let mut found = HashMap::new();
        let read = async {
            let mut cursor = self.participants.find(filter).await?;
            while let Some(p) = cursor.try_next().await? {
                let membership = Membership { role: Role::parse(&p.role), joined_at: time(p.joined_at) };
                found.insert((p.room_id.to_hex(), p.user_id), membership);
            }
            Ok::<_, mongodb::error::Error>(())
        };
        in_time(read).await?;
        Ok(wanted.iter().map(|place| found.get(place).copied()).collect())
    }

    async fn members_among(&self, room: &str, users: Users) -> Result<Users, Error> {
        let users: Vec<_> = users.iter().map(ToString::to_string).collect();
        let filter = doc! {"roomId": object_id(room)?, "userId": {"$in": users}};
        in_time(async { self.participants.find(filter).await?.map_ok(|p| p.user_id.into()).try_collect().await }).await
    }

    async fn insert(&self, messages: &[Message]) -> Result<usize, Error> {
        let documents = messages.iter().map(MessageDocument::new).collect::<Result<Vec<_>, _>>()?;
        let inserted = tokio::time::timeout(super::DEADLINE, self.messages.insert_many(documents).ordered(true));
        match inserted.await {
            Err(_) => Err(Error::unavailable(anyhow::anyhow!("the store didn't confirm messages in time"))),
            Ok(Ok(_)) => Ok(messages.len()),
            Ok(Err(error)) => stored_before_duplicate(&error).ok_or_else(|| Error::unavailable(error)),
        }
    }

    async fn tail(&self, room: &str) -> Result<Tail, Error> {
        // A number behind one that a change of primary takes back would leave a hole for ever.
        let query = self.settled.find_one(doc! {"roomId": object_id(room)?}).sort(doc! {"seq": -1});
        let newest = in_time(query.into_future()).await?;
        Ok(newest.map(|m| Tail { seq: m.seq.cast_unsigned(), created_at: time(m.created_at) }).unwrap_or_default())
    }

    async fn after(&self, room: &str, seq: u64, limit: u32) -> Result<Vec<Message>, Error> {
        if limit == 0 {
            return Ok(Vec::new()); // which MongoDB would take for "any number"
        }
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let query = self.settled.find(doc! {"roomId": object_id(room)?, "seq": {"$gt": seq}});
        let query = query.sort(doc! {"seq": 1}).limit(limit.into());
        in_time(async { query.await?.map_ok(Message::from).try_collect().await }).await
    }

    async fn find_sent(&self, room: &str, user: &str, client_id: &ClientId) -> Result<Option<Message>, Error> {
        let filter = doc! {"roomId": object_id(room)?, "userId": user, "clientId": client_id.as_str()};
        Ok(in_time(self.settled.find_one(filter).into_future()).await?.map(Message::from))
    }
}

fn object_ids(ids: &[String]) -> Result<Vec<ObjectId>, Error> {
    ids.iter().map(|id| object_id(id)).collect()
}

/// How many messages an ordered insert stored before it met a number or client id that is taken.
fn stored_before_duplicate(error: &mongodb::error::Error) -> Option<usize> {
    match error.kind.as_ref() {
        ErrorKind::InsertMany(failed) if failed.write_concern_error.is_none() => {
            let first = failed.write_errors.as_ref()?.first()?;
            (first.code == DUPLICATE_KEY).then_some(first.index)
        }
        _ => None,
    }
}

/// `false` if the document was there already.
async fn not_duplicate<T>(insert: impl Future<Output = mongodb::error::Result<T>>) -> Result<bool, Error> {
    in_time(async {
        match insert.await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind.as_ref() {
                ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => Ok(false),
                _ => Err(error),
            },
        }
    })
    .await
}

async fn index_names<T: Send + Sync>(collection: &Collection<T>) -> Result<Vec<String>, Error> {
    in_time(async {
        match collection.list_index_names().await {
            Err(error) => match error.kind.as_ref() {
                ErrorKind::Command(command) if command.code == NAMESPACE_NOT_FOUND => Ok(Vec::new()),
                _ => Err(error),
            },
            names => names,
        }
    })
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_servers_and_database_and_never_holds_credentials() {
        for (url, place) in [
            (
                "mongodb://u:secret@chat-mongodb.team.svc:27017/aetherconnect?authSource=admin",
                "chat-mongodb.team.svc:27017/aetherconnect",
            ),
            ("mongodb://u:se%2Fcr%40et@b:2,a:1/chat?appName=x@y", "a:1,b:2/chat"),
            ("mongodb://other-mongodb.team.svc", "other-mongodb.team.svc:27017/aetherconnect"),
            ("mongodb+srv://u:secret@db.example.com/?tls=true", "db.example.com/aetherconnect"),
        ] {
            assert_eq!(MongoStore::place(&Secret::new(url)).unwrap(), place);
        }
        let error = MongoStore::place(&Secret::new("mongodb://u:sec/ret@host/db")).unwrap_err();
        assert!(!format!("{error:?}").contains("sec"), "{error:?}");
    }
}
