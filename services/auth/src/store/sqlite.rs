//! Users and sessions in a file, for one process. Times are microseconds since 1970.

macro_rules! user_columns {
    () => {
        "id, email, username, first_name, last_name, roles, created_at, updated_at"
    };
}

mod accounts;
mod failures;
mod imports;
mod sessions;

use std::{path::Path, time::Duration};

use aether_common::Secret;
use anyhow::Context as _;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Row as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::{sync::Notify, time::Instant};

use super::{
    Account, AccountChange, Changes, DEADLINE, Failures, ImportedUser, Known, NewSession, NewUser, Own, PAGE,
    PasswordChange, Revoked, Session, Store, StoreError, User, by, check_schema, each_its_own, key,
};

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // What was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(1))
}

pub(super) async fn migrate(path: &Path) -> anyhow::Result<()> {
    let place = || format!("cannot open {} (DATABASE_URL)", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(place)?;
    }
    let pool = pool_options().connect_with(options(path).create_if_missing(true)).await.with_context(place)?;
    // Strict, unlike the service: going back to an older version must not pass for success.
    migrator().set_ignore_missing(false).run(&pool).await.map_err(super::explain)?;
    pool.close().await;
    Ok(())
}

/// One connection: SQLite has one writer anyway, and reads take microseconds.
/// A connection to a file can't have gone away, and to ask it costs as much as a reading.
fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(1).acquire_timeout(DEADLINE).test_before_acquire(false)
}

pub(super) struct Sqlite {
    pool: SqlitePool,
    migrator: Migrator,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Self {
        Self { pool: pool_options().connect_lazy_with(options(path)), migrator: migrator() }
    }
}

fn deadline() -> Instant {
    Instant::now() + DEADLINE
}

fn time(row: &SqliteRow, column: &str) -> Result<DateTime<Utc>, sqlx::Error> {
    let micros: i64 = row.try_get(column)?;
    DateTime::from_timestamp_micros(micros).ok_or_else(|| sqlx::Error::Decode("time out of range".into()))
}

fn user(row: &SqliteRow) -> Result<User, sqlx::Error> {
    let roles: String = row.try_get("roles")?;
    Ok(User {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        username: row.try_get("username")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        roles: serde_json::from_str(&roles).map_err(|e| sqlx::Error::Decode(e.into()))?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

async fn register(pool: &SqlitePool, new: &NewUser, session: &NewSession) -> Result<User, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let user = accounts::insert(&mut transaction, new, session.created_at).await?;
    sessions::open(&mut transaction, user.id, session, None).await?;
    transaction.commit().await?;
    Ok(user)
}

#[async_trait]
impl Store for Sqlite {
    async fn register(&self, new: &NewUser, session: &NewSession) -> Result<User, StoreError> {
        by(deadline(), register(&self.pool, new, session)).await
    }

    async fn credentials(&self, email: &str) -> Result<Option<(User, Secret)>, StoreError> {
        let query = concat!(
            "SELECT ",
            user_columns!(),
            ", password_hash FROM users WHERE email_key = $1 AND disabled_at IS NULL"
        );
        let row = by(deadline(), sqlx::query(query).bind(key(email)).fetch_optional(&self.pool)).await?;
        let read = |row: SqliteRow| Ok((user(&row)?, Secret::new(row.try_get::<String, _>("password_hash")?)));
        row.map(read).transpose()
    }

    async fn is_taken(&self, email: &str, username: &str) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = $1 OR username_key = $2)");
        let query = query.bind(key(email)).bind(key(username));
        let taken = by(deadline(), query.fetch_one(&self.pool)).await?;
        Ok(taken)
    }

    async fn password_hash(&self, user: i64) -> Result<Option<Secret>, StoreError> {
        let query = sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1").bind(user);
        let hash: Option<String> = by(deadline(), query.fetch_optional(&self.pool)).await?;
        Ok(hash.map(Secret::new))
    }

    async fn open_session(&self, user: i64, session: &NewSession, hash: &Secret) -> Result<bool, StoreError> {
        let work = async { sessions::open(&mut *self.pool.acquire().await?, user, session, Some(hash)).await };
        by(deadline(), work).await
    }

    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<Option<Vec<Revoked>>, StoreError> {
        let work = async { sessions::change_password(&mut *self.pool.acquire().await?, change).await };
        by(deadline(), work).await
    }

    async fn sessions(&self, user: i64, now: DateTime<Utc>) -> Result<Vec<Session>, StoreError> {
        let work = async { sessions::list(&mut *self.pool.acquire().await?, user, now).await };
        by(deadline(), work).await
    }

    async fn revoke_own(&self, user: i64, which: Own<'_>, now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        let work = async { sessions::revoke(&mut *self.pool.acquire().await?, user, which, now).await };
        by(deadline(), work).await
    }

    async fn session_users(
        &self,
        sessions: &[(String, i64)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<User>>, StoreError> {
        let query = sqlx::query(concat!(
            "SELECT session, ",
            user_columns!(),
            " FROM users JOIN (SELECT id AS session, user_id FROM sessions \
             WHERE id IN (SELECT value FROM json_each($1)) AND revoked_at IS NULL AND expires_at > $2) \
             ON user_id = users.id"
        ));
        let ids: Vec<&str> = sessions.iter().map(|(session, _)| session.as_str()).collect();
        let query = query.bind(serde_json::json!(ids).to_string()).bind(now.timestamp_micros());
        let rows = by(deadline(), query.fetch_all(&self.pool)).await?;
        let found = rows.iter().map(|row| Ok((row.try_get("session")?, user(row)?)));
        Ok(each_its_own(sessions, &found.collect::<Result<_, sqlx::Error>>()?))
    }

    async fn users(&self, ids: &[i64], usernames: &[String]) -> Result<Vec<User>, StoreError> {
        let query = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            " FROM users WHERE id IN (SELECT value FROM json_each($1)) \
             OR username_key IN (SELECT value FROM json_each($2))"
        ));
        let keys: Vec<String> = usernames.iter().map(|name| key(name)).collect();
        let query = query.bind(serde_json::json!(ids).to_string()).bind(serde_json::json!(keys).to_string());
        let rows = by(deadline(), query.fetch_all(&self.pool)).await?;
        Ok(rows.iter().map(user).collect::<Result<_, _>>()?)
    }

    async fn update(&self, user: i64, changes: &Changes, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        let query = sqlx::query(concat!(
            "UPDATE users SET first_name = COALESCE($2, first_name), last_name = COALESCE($3, last_name), \
             username = COALESCE($4, username), username_key = COALESCE($5, username_key), updated_at = $6 \
             WHERE id = $1 RETURNING ",
            user_columns!()
        ))
        .bind(user)
        .bind(&changes.first_name)
        .bind(&changes.last_name)
        .bind(&changes.username)
        .bind(changes.username.as_deref().map(key))
        .bind(now.timestamp_micros());
        let row = by(deadline(), query.fetch_optional(&self.pool)).await?;
        Ok(row.as_ref().map(self::user).transpose()?)
    }

    async fn create(&self, user: &NewUser, now: DateTime<Utc>) -> Result<User, StoreError> {
        let work = async { accounts::insert(&mut *self.pool.acquire().await?, user, now).await };
        by(deadline(), work).await
    }

    async fn accounts(&self, after: i64, now: DateTime<Utc>) -> Result<Vec<Account>, StoreError> {
        let work = async { accounts::list(&mut *self.pool.acquire().await?, after, now).await };
        by(deadline(), work).await
    }

    async fn account(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Account>, StoreError> {
        let work = async { accounts::find(&mut *self.pool.acquire().await?, name, now).await };
        by(deadline(), work).await
    }

    async fn change_account(
        &self,
        user: i64,
        change: AccountChange<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Revoked>>, StoreError> {
        let work = async { accounts::change(&mut *self.pool.acquire().await?, user, change, now).await };
        by(deadline(), work).await
    }

    async fn import(&self, user: &ImportedUser) -> Result<i64, StoreError> {
        let work = async { imports::insert(&mut *self.pool.acquire().await?, user).await };
        by(deadline(), work).await
    }

    async fn imported(&self, old_ids: &[String]) -> Result<Vec<Known>, StoreError> {
        let work = async { imports::known(&mut *self.pool.acquire().await?, old_ids).await };
        by(deadline(), work).await
    }

    async fn replace_hash(&self, user: i64, old: &Secret, new: &Secret) -> Result<bool, StoreError> {
        let work = async { imports::replace_hash(&mut *self.pool.acquire().await?, user, old, new).await };
        by(deadline(), work).await
    }

    async fn revoke(&self, session: &str) -> Result<Option<Revoked>, StoreError> {
        let query = sqlx::query(
            "UPDATE sessions SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 \
             RETURNING id, revoked_at, expires_at",
        );
        let query = query.bind(session).bind(Utc::now().timestamp_micros());
        let row = by(deadline(), query.fetch_optional(&self.pool)).await?;
        Ok(row.as_ref().map(sessions::revoked).transpose()?)
    }

    async fn revoked(&self, after: (DateTime<Utc>, &str), now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        let query = sqlx::query(
            "SELECT id, revoked_at, expires_at FROM sessions WHERE (revoked_at, id) > ($1, $2) AND expires_at > $3 \
             ORDER BY revoked_at, id LIMIT $4",
        );
        let query =
            query.bind(after.0.timestamp_micros()).bind(after.1).bind(now.timestamp_micros()).bind(i64::from(PAGE));
        let rows = by(deadline(), query.fetch_all(&self.pool)).await?;
        Ok(rows.iter().map(sessions::revoked).collect::<Result<_, _>>()?)
    }

    async fn forget_expired(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let query =
            sqlx::query("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT 1000)");
        Ok(by(deadline(), query.bind(before.timestamp_micros()).execute(&self.pool)).await?.rows_affected())
    }

    async fn failures(&self, account: &str, address: &str) -> Result<Option<Failures>, StoreError> {
        let work = async { failures::read(&mut *self.pool.acquire().await?, account, address).await };
        by(deadline(), work).await
    }

    async fn set_failures(
        &self,
        account: &str,
        address: &str,
        expected: Option<&Failures>,
        new: &Failures,
    ) -> Result<bool, StoreError> {
        let work = async { failures::set(&mut *self.pool.acquire().await?, account, address, expected, new).await };
        by(deadline(), work).await
    }

    async fn forget_failures_of(&self, account: &str, address: &str) -> Result<(), StoreError> {
        let work = async { failures::forget(&mut *self.pool.acquire().await?, account, address).await };
        by(deadline(), work).await
    }

    async fn forget_failures(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let work = async { failures::forget_before(&mut *self.pool.acquire().await?, before).await };
        by(deadline(), work).await
    }

    async fn is_familiar(&self, email: &str, address: &str) -> Result<bool, StoreError> {
        let work = async { failures::is_familiar(&mut *self.pool.acquire().await?, email, address).await };
        by(deadline(), work).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let query = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success");
        check_schema(by(deadline(), query.fetch_one(&self.pool)).await, &self.migrator)
    }

    /// There are no other replicas.
    async fn hints(&self, _wake: &Notify) -> Result<(), StoreError> {
        std::future::pending().await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
