//! A server that speaks MongoDB's protocol and keeps everything in memory, behind real indexes: just what the message
//! service asks of a MongoDB. FerretDB, which the other tests use, reads a whole collection for each query, and so
//! can't hold the many messages of a long run. `aether-message`'s conformance suite passes on both.

mod collection;
mod query;
mod wire;

use self::collection::{Collection, Failure};
use crate::process::free_port;
use mongodb::bson::{Bson, Document, doc};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

const BAD_VALUE: i32 = 2;
const NAMESPACE_NOT_FOUND: i32 = 26;
const COMMAND_NOT_FOUND: i32 = 59;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Mongo {
    port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Debug, Default)]
struct Databases {
    collections: Mutex<HashMap<(String, String), Collection>>,
}

impl Mongo {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let port = free_port();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(serve(listener));
        Self { port, runtime: Some(runtime) }
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        // One that waited couldn't be dropped inside of another runtime.
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn serve(listener: std::net::TcpListener) {
    let (listener, databases) = (TcpListener::from_std(listener).unwrap(), Arc::new(Databases::default()));
    while let Ok((stream, _)) = listener.accept().await {
        let databases = Arc::clone(&databases);
        tokio::spawn(async move {
            // However a connection ends, it is its client's to say so.
            let _ = converse(stream, &databases).await;
        });
    }
}

async fn converse(mut stream: TcpStream, databases: &Databases) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let request = wire::read(&mut stream).await?;
        let answer = databases.answer(&request.body);
        wire::write(&mut stream, &request, &answer).await?;
    }
}

impl Databases {
    fn answer(&self, command: &Document) -> Document {
        let mut answer = self.run(command).unwrap_or_else(|failure| {
            doc! {"ok": 0.0, "code": failure.code, "codeName": "Failed", "errmsg": failure.message}
        });
        if !answer.contains_key("ok") {
            answer.insert("ok", 1.0);
        }
        answer
    }

    fn run(&self, command: &Document) -> Result<Document, Failure> {
        let (name, target) = command.iter().next().ok_or_else(|| Failure::new(BAD_VALUE, "no command"))?;
        let namespace =
            (command.get_str("$db").unwrap_or("test").to_owned(), target.as_str().unwrap_or_default().to_owned());
        let mut collections = self.collections.lock().unwrap();
        match name.to_ascii_lowercase().as_str() {
            "hello" | "ismaster" => Ok(hello()),
            "ping" | "endsessions" => Ok(doc! {}),
            "insert" => collections.entry(namespace).or_default().insert(documents(command, "documents")),
            "delete" => collections.entry(namespace).or_default().delete(&documents(command, "deletes")),
            "update" => collections.entry(namespace).or_default().update(&documents(command, "updates")),
            "createindexes" => collections.entry(namespace).or_default().create_indexes(&documents(command, "indexes")),
            "find" => {
                let found = collections.entry(namespace.clone()).or_default().find(command)?;
                Ok(cursor(&namespace, found))
            }
            "listindexes" => match collections.get(&namespace) {
                Some(collection) => Ok(cursor(&namespace, collection.list_indexes())),
                None => Err(Failure::new(NAMESPACE_NOT_FOUND, "ns does not exist")),
            },
            _ => Err(Failure::new(COMMAND_NOT_FOUND, format!("no such command: '{name}'"))),
        }
    }
}

fn hello() -> Document {
    doc! {
        "helloOk": true, "ismaster": true, "isWritablePrimary": true, "readOnly": false,
        "maxBsonObjectSize": 16 * 1024 * 1024, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        "minWireVersion": 0, "maxWireVersion": 21,
    }
}

fn documents(command: &Document, key: &str) -> Vec<Document> {
    let all = command.get_array(key).into_iter().flatten();
    all.filter_map(Bson::as_document).cloned().collect()
}

/// Everything in one batch.
fn cursor((database, collection): &(String, String), found: Vec<Document>) -> Document {
    doc! {"cursor": {"id": 0_i64, "ns": format!("{database}.{collection}"), "firstBatch": found}}
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt as _;
    use mongodb::error::ErrorKind;
    use mongodb::options::IndexOptions;
    use mongodb::{Client, IndexModel};

    async fn with_unique_numbers(mongo: &Mongo) -> mongodb::Collection<Document> {
        let client = Client::with_uri_str(mongo.url("test")).await.unwrap();
        let messages = client.default_database().unwrap().collection("messages");
        let options = IndexOptions::builder().unique(true).build();
        let model = IndexModel::builder().keys(doc! {"room": 1, "seq": 1}).options(options).build();
        messages.create_index(model).await.unwrap();
        messages
    }

    fn numbers(room: &'static str, numbers: impl IntoIterator<Item = i64>) -> Vec<Document> {
        numbers.into_iter().map(|seq| doc! {"room": room, "seq": seq}).collect()
    }

    #[tokio::test]
    async fn an_insert_ends_at_the_first_number_that_is_taken() {
        let mongo = Mongo::start();
        let messages = with_unique_numbers(&mongo).await;
        messages.insert_many(numbers("a", [1, 3])).await.unwrap();
        let error = messages.insert_many(numbers("a", 2..6)).await.unwrap_err();
        let ErrorKind::InsertMany(error) = *error.kind else { panic!("{error}") };
        let first = &error.write_errors.unwrap()[0];
        assert_eq!((first.index, first.code), (1, 11000));
        assert_eq!(messages.find(doc! {"room": "a"}).await.unwrap().try_collect::<Vec<_>>().await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn documents_come_by_index_in_either_order_and_no_more_than_asked_for() {
        let mongo = Mongo::start();
        let messages = with_unique_numbers(&mongo).await;
        messages.insert_many(numbers("a", 1..8).into_iter().chain(numbers("b", 1..3))).await.unwrap();
        let found = async |filter, direction, limit| {
            let found = messages.find(filter).sort(doc! {"seq": direction}).limit(limit).await.unwrap();
            let found: Vec<Document> = found.try_collect().await.unwrap();
            found.iter().map(|one| one.get_i64("seq").unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(doc! {"room": "a"}, -1, 1).await, [7]);
        assert_eq!(found(doc! {"room": "a", "seq": {"$gt": 2, "$lte": 6}}, 1, 3).await, [3, 4, 5]);
        assert_eq!(found(doc! {"room": "a", "seq": {"$lt": 3}}, 1, 0).await, [1, 2]);
        assert_eq!(found(doc! {"room": "b", "seq": 2}, 1, 0).await, [2]);
        assert_eq!(found(doc! {"seq": {"$in": [2, 7]}}, -1, 0).await, [7, 2, 2]);
        assert_eq!(messages.delete_many(doc! {"room": "a"}).await.unwrap().deleted_count, 7);
        assert_eq!(found(doc! {}, 1, 0).await, [1, 2]);
    }
}
