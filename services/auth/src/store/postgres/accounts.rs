//! Users as those see them who run the service.

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

use super::{
    super::{Account, AccountChange, NewUser, Own, PAGE, Revoked, User, key},
    sessions, user,
};

/// Adds a user, without a session.
pub(super) async fn insert(db: &mut PgConnection, new: &NewUser, now: DateTime<Utc>) -> Result<User, sqlx::Error> {
    let row = sqlx::query(concat!(
        "INSERT INTO users (email, email_key, username, username_key, first_name, last_name, password_hash, roles, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING ",
        user_columns!()
    ))
    .bind(&new.email)
    .bind(key(&new.email))
    .bind(&new.username)
    .bind(key(&new.username))
    .bind(&new.first_name)
    .bind(&new.last_name)
    .bind(new.password_hash.expose())
    .bind(&new.roles)
    .bind(now)
    .fetch_one(db)
    .await?;
    user(&row)
}

macro_rules! accounts {
    () => {
        concat!(
            "SELECT ",
            user_columns!(),
            ", disabled_at, (SELECT count(*) FROM sessions WHERE user_id = users.id AND revoked_at IS NULL \
             AND expires_at > $1) AS live FROM users "
        )
    };
}

fn account(row: &PgRow) -> Result<Account, sqlx::Error> {
    Ok(Account { user: user(row)?, disabled_at: row.try_get("disabled_at")?, sessions: row.try_get("live")? })
}

pub(super) async fn list(db: &mut PgConnection, after: i64, now: DateTime<Utc>) -> Result<Vec<Account>, sqlx::Error> {
    let query = sqlx::query(concat!(accounts!(), "WHERE id > $2 ORDER BY id LIMIT $3"));
    let rows = query.bind(now).bind(after).bind(i64::from(PAGE)).fetch_all(db).await?;
    rows.iter().map(account).collect()
}

pub(super) async fn find(
    db: &mut PgConnection,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Option<Account>, sqlx::Error> {
    // No user name can be an e-mail address, so there is at most one.
    let query = sqlx::query(concat!(accounts!(), "WHERE email_key = $2 OR username_key = $2 LIMIT 1"));
    query.bind(now).bind(key(name)).fetch_optional(db).await?.as_ref().map(account).transpose()
}

pub(super) async fn change(
    db: &mut PgConnection,
    user: i64,
    change: AccountChange<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Vec<Revoked>>, sqlx::Error> {
    let mut transaction = db.begin().await?;
    let query = match change {
        AccountChange::Disable => {
            sqlx::query("UPDATE users SET disabled_at = COALESCE(disabled_at, $2) WHERE id = $1").bind(user).bind(now)
        }
        AccountChange::Enable => sqlx::query("UPDATE users SET disabled_at = NULL WHERE id = $1").bind(user),
        AccountChange::SetPassword(hash) => {
            sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(user).bind(hash.expose())
        }
    };
    if query.execute(&mut *transaction).await?.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(None);
    }
    let revoked = match change {
        AccountChange::Enable => Vec::new(),
        _ => sessions::revoke_locked(&mut transaction, user, Own::All, now).await?,
    };
    transaction.commit().await?;
    Ok(Some(revoked))
}
