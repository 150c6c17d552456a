//! What earlier releases left on a laptop, opened by the `aetherconnect run` of today.
use aether_tests::{Laptop, Socket, User};
use serde_json::json;
use sqlx::Connection as _;
use std::path::Path;

const DUMPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/upgrade");
/// Of the users of every dump.
const PASSWORD: &str = "correct horse battery";

async fn restore(dump: &Path, database: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database).create_if_missing(true);
    // A dump has its tables in the order of their names.
    let options = options.foreign_keys(false);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let text = std::fs::read_to_string(dump).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn users_log_in_and_find_their_history_in_what_every_release_left() {
    let mut releases = 0;
    for release in std::fs::read_dir(DUMPS).unwrap() {
        let release = release.unwrap().path();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        restore(&release.join("auth.sqlite.sql"), &data.join("auth.db")).await;
        restore(&release.join("message.sqlite.sql"), &data.join("message.db")).await;
        let laptop = Laptop::start(&data, &[]);
        let api = laptop.api();
        let log_in = async |email: &str, password: &str| {
            api.post("/api/auth/login", None, json!({"email": email, "password": password})).await
        };
        assert_eq!(log_in("gone@example.com", PASSWORD).await.status, 401, "disabled");
        assert_eq!(log_in("old@example.com", "correct horse").await.status, 200, "imported, not logged in yet");
        let answer = log_in("ada@example.com", PASSWORD).await;
        assert_eq!(answer.status, 200, "{}: {}", release.display(), answer.body);
        let text = |name: &str| answer.body["user"][name].as_str().unwrap().to_owned();
        let token = answer.body["accessToken"].as_str().unwrap().to_owned();
        let ada = User { id: text("id"), email: text("email"), username: text("username"), token };
        let rooms = api.get("/api/rooms", Some(&ada.token)).await;
        assert_eq!(rooms.body["rooms"].as_array().unwrap().len(), 2, "{}", rooms.body);
        let mut socket = Socket::connect(&api, &ada).await;
        let history = async || {
            let history = api.get("/api/rooms/project x/messages", Some(&ada.token)).await;
            let messages = history.body["messages"].as_array().unwrap().clone();
            messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(history().await, ["message 1", "message 2", "message 3"]);
        let sent = socket.send("project x", "of today").await;
        assert_eq!(sent["seq"], 4, "{sent}");
        assert_eq!(history().await[3], "of today");
        releases += 1;
    }
    assert!(releases > 0);
}
