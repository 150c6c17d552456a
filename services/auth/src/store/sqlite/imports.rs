//! Users of an earlier backend.

use aether_common::Secret;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::super::{ImportedUser, Known, key};

/// Adds a user and the id that the user had, both or none.
pub(super) async fn insert(db: &mut SqliteConnection, new: &ImportedUser) -> Result<i64, sqlx::Error> {
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
    let user = &new.user;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO users (email, email_key, username, username_key, first_name, last_name, password_hash, roles, \
         created_at, updated_at, disabled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
    )
    .bind(&user.email)
    .bind(key(&user.email))
    .bind(&user.username)
    .bind(key(&user.username))
    .bind(&user.first_name)
    .bind(&user.last_name)
    .bind(user.password_hash.expose())
    .bind(serde_json::json!(user.roles).to_string())
    .bind(new.created_at.timestamp_micros())
    .bind(new.updated_at.timestamp_micros())
    .bind(new.disabled_at.map(|at| at.timestamp_micros()))
    .fetch_one(&mut *transaction)
    .await?;
    let map = sqlx::query("INSERT INTO imported_users (old_id, user_id) VALUES ($1, $2)");
    map.bind(&new.old_id).bind(id).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(id)
}

pub(super) async fn known(db: &mut SqliteConnection, old_ids: &[String]) -> Result<Vec<Known>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT old_id, id, username FROM imported_users JOIN users ON id = user_id \
         WHERE old_id IN (SELECT value FROM json_each($1))",
    );
    let rows = query.bind(serde_json::json!(old_ids).to_string()).fetch_all(db).await?;
    let known = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Known { old_id: row.try_get("old_id")?, id: row.try_get("id")?, username: row.try_get("username")? })
    };
    rows.iter().map(known).collect()
}

pub(super) async fn replace_hash(
    db: &mut SqliteConnection,
    user: i64,
    old: &Secret,
    new: &Secret,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2");
    let done = query.bind(user).bind(old.expose()).bind(new.expose()).execute(db).await?;
    Ok(done.rows_affected() == 1)
}
