//! Users and sessions in PostgreSQL.

/// Named one by one: a later migration may add columns while this program still runs.
macro_rules! user_columns {
    () => {
        "id, email, username, first_name, last_name, roles, created_at, updated_at"
    };
}

mod accounts;
mod failures;
mod imports;
mod sessions;

use std::time::Duration;

use aether_common::Secret;
use anyhow::Context as _;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Row as _,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{
    Account, AccountChange, Changes, DEADLINE, Failures, ImportedUser, Known, NewSession, NewUser, Own, PAGE,
    PasswordChange, Revoked, Session, Store, StoreError, User, by, check_schema, each_its_own, key,
};

/// Replicas tell each other of revocations here.
const CHANNEL: &str = "aetherconnect_auth_revoked";
const MAX_CONNECTIONS: u32 = 10;
/// After so long without a word the connection that listens is tried.
const QUIET: Duration = Duration::from_secs(10);

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/postgres");
    // A newer program may have been here before a roll-back.
    migrator.set_ignore_missing(true);
    migrator
}

pub(super) async fn migrate(options: &PgConnectOptions) -> anyhow::Result<()> {
    let place = || format!("cannot reach PostgreSQL at {}:{} (DATABASE_URL)", options.get_host(), options.get_port());
    // The pool tries again for a while where nobody listens yet.
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.with_context(place)?;
    // Strict, unlike the service: going back to an older version must not pass for success.
    migrator().set_ignore_missing(false).run(&pool).await.map_err(super::explain)?;
    pool.close().await;
    Ok(())
}

pub(super) struct Postgres {
    pool: PgPool,
    options: PgConnectOptions,
    migrator: Migrator,
}

impl Postgres {
    pub(super) fn open(options: &PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(DEADLINE)
            .after_connect(|connection, _| {
                // Not as a start-up parameter, which connection poolers refuse.
                Box::pin(async move { connection.execute("SET statement_timeout = '2s'").await.map(drop) })
            })
            .connect_lazy_with(options.clone());
        Self { pool, options: options.clone(), migrator: migrator() }
    }

    async fn lease(&self) -> Result<Lease, StoreError> {
        let deadline = Instant::now() + DEADLINE;
        let connection = by(deadline, self.pool.acquire()).await?;
        Ok(Lease { connection: Some(connection), deadline })
    }
}

/// A connection for one piece of work. Unless [`Lease::end`] says that it is at rest, it is closed: the pool would
/// wait without limit for an answer on a connection whose other end has vanished, and run out of connections.
struct Lease {
    connection: Option<PoolConnection<sqlx::Postgres>>,
    deadline: Instant,
}

impl Lease {
    fn get(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until the lease ends")
    }

    fn end(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
    }
}

fn user(row: &PgRow) -> Result<User, sqlx::Error> {
    Ok(User {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        username: row.try_get("username")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        roles: row.try_get("roles")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn register(db: &mut PgConnection, new: &NewUser, session: &NewSession) -> Result<User, sqlx::Error> {
    let mut transaction = db.begin().await?;
    let user = accounts::insert(&mut transaction, new, session.created_at).await?;
    sessions::open(&mut transaction, user.id, session, None).await?;
    transaction.commit().await?;
    Ok(user)
}

#[async_trait]
impl Store for Postgres {
    async fn register(&self, new: &NewUser, session: &NewSession) -> Result<User, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, register(db.get(), new, session)).await;
        // A refused name leaves the connection at rest, after the roll-back that comes with its next use.
        if matches!(done, Ok(_) | Err(StoreError::Taken)) {
            db.end();
        }
        done
    }

    async fn credentials(&self, email: &str) -> Result<Option<(User, Secret)>, StoreError> {
        let query = concat!(
            "SELECT ",
            user_columns!(),
            ", password_hash FROM users WHERE email_key = $1 AND disabled_at IS NULL"
        );
        let mut db = self.lease().await?;
        let row = by(db.deadline, sqlx::query(query).bind(key(email)).fetch_optional(db.get())).await?;
        db.end();
        let read = |row: PgRow| Ok((user(&row)?, Secret::new(row.try_get::<String, _>("password_hash")?)));
        row.map(read).transpose()
    }

    async fn is_taken(&self, email: &str, username: &str) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE email_key = $1 OR username_key = $2)");
        let query = query.bind(key(email)).bind(key(username));
        let mut db = self.lease().await?;
        let taken = by(db.deadline, query.fetch_one(db.get())).await?;
        db.end();
        Ok(taken)
    }

    async fn password_hash(&self, user: i64) -> Result<Option<Secret>, StoreError> {
        let query = sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1").bind(user);
        let mut db = self.lease().await?;
        let hash: Option<String> = by(db.deadline, query.fetch_optional(db.get())).await?;
        db.end();
        Ok(hash.map(Secret::new))
    }

    async fn open_session(&self, user: i64, session: &NewSession, hash: &Secret) -> Result<bool, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, sessions::open(db.get(), user, session, Some(hash))).await?;
        db.end();
        Ok(done)
    }

    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<Option<Vec<Revoked>>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, sessions::change_password(db.get(), change)).await?;
        db.end();
        Ok(done)
    }

    async fn sessions(&self, user: i64, now: DateTime<Utc>) -> Result<Vec<Session>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, sessions::list(db.get(), user, now)).await?;
        db.end();
        Ok(done)
    }

    async fn revoke_own(&self, user: i64, which: Own<'_>, now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, sessions::revoke(db.get(), user, which, now)).await?;
        db.end();
        Ok(done)
    }

    async fn session_users(
        &self,
        sessions: &[(String, i64)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<User>>, StoreError> {
        let query = concat!(
            "SELECT session, ",
            user_columns!(),
            " FROM users JOIN (SELECT id AS session, user_id FROM sessions \
             WHERE id = ANY($1) AND revoked_at IS NULL AND expires_at > $2) AS live ON user_id = users.id"
        );
        let ids: Vec<&str> = sessions.iter().map(|(session, _)| session.as_str()).collect();
        let mut db = self.lease().await?;
        let query = sqlx::query(query).bind(ids).bind(now);
        let rows = by(db.deadline, query.fetch_all(db.get())).await?;
        db.end();
        let found = rows.iter().map(|row| Ok((row.try_get("session")?, user(row)?)));
        Ok(each_its_own(sessions, &found.collect::<Result<_, sqlx::Error>>()?))
    }

    async fn users(&self, ids: &[i64], usernames: &[String]) -> Result<Vec<User>, StoreError> {
        let query = concat!("SELECT ", user_columns!(), " FROM users WHERE id = ANY($1) OR username_key = ANY($2)");
        let keys: Vec<String> = usernames.iter().map(|name| key(name)).collect();
        let mut db = self.lease().await?;
        let rows = by(db.deadline, sqlx::query(query).bind(ids).bind(keys).fetch_all(db.get())).await?;
        db.end();
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
        .bind(now);
        let mut db = self.lease().await?;
        let done = by(db.deadline, query.fetch_optional(db.get())).await;
        if matches!(done, Ok(_) | Err(StoreError::Taken)) {
            db.end();
        }
        Ok(done?.as_ref().map(self::user).transpose()?)
    }

    async fn create(&self, user: &NewUser, now: DateTime<Utc>) -> Result<User, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, accounts::insert(db.get(), user, now)).await;
        if matches!(done, Ok(_) | Err(StoreError::Taken)) {
            db.end();
        }
        done
    }

    async fn accounts(&self, after: i64, now: DateTime<Utc>) -> Result<Vec<Account>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, accounts::list(db.get(), after, now)).await?;
        db.end();
        Ok(done)
    }

    async fn account(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Account>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, accounts::find(db.get(), name, now)).await?;
        db.end();
        Ok(done)
    }

    async fn change_account(
        &self,
        user: i64,
        change: AccountChange<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Revoked>>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, accounts::change(db.get(), user, change, now)).await?;
        db.end();
        Ok(done)
    }

    async fn import(&self, user: &ImportedUser) -> Result<i64, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, imports::insert(db.get(), user)).await;
        // A refused name leaves the connection at rest, after the roll-back that comes with its next use.
        if matches!(done, Ok(_) | Err(StoreError::Taken)) {
            db.end();
        }
        done
    }

    async fn imported(&self, old_ids: &[String]) -> Result<Vec<Known>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, imports::known(db.get(), old_ids)).await?;
        db.end();
        Ok(done)
    }

    async fn replace_hash(&self, user: i64, old: &Secret, new: &Secret) -> Result<bool, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, imports::replace_hash(db.get(), user, old, new)).await?;
        db.end();
        Ok(done)
    }

    async fn revoke(&self, session: &str) -> Result<Option<Revoked>, StoreError> {
        let query = sqlx::query(
            "UPDATE sessions SET revoked_at = COALESCE(revoked_at, clock_timestamp()) WHERE id = $1 \
             RETURNING id, revoked_at, expires_at, pg_notify($2, id)::text",
        );
        let mut db = self.lease().await?;
        let row = by(db.deadline, query.bind(session).bind(CHANNEL).fetch_optional(db.get())).await?;
        db.end();
        Ok(row.as_ref().map(sessions::revoked).transpose()?)
    }

    async fn revoked(&self, after: (DateTime<Utc>, &str), now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        let query = sqlx::query(
            "SELECT id, revoked_at, expires_at FROM sessions WHERE (revoked_at, id) > ($1, $2) AND expires_at > $3 \
             ORDER BY revoked_at, id LIMIT $4",
        );
        let query = query.bind(after.0).bind(after.1).bind(now).bind(i64::from(PAGE));
        let mut db = self.lease().await?;
        let rows = by(db.deadline, query.fetch_all(db.get())).await?;
        db.end();
        Ok(rows.iter().map(sessions::revoked).collect::<Result<_, _>>()?)
    }

    async fn forget_expired(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        // In portions, so that none takes long.
        let query =
            sqlx::query("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT 1000)");
        let mut db = self.lease().await?;
        let done = by(db.deadline, query.bind(before).execute(db.get())).await?;
        db.end();
        Ok(done.rows_affected())
    }

    async fn failures(&self, account: &str, address: &str) -> Result<Option<Failures>, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, failures::read(db.get(), account, address)).await?;
        db.end();
        Ok(done)
    }

    async fn set_failures(
        &self,
        account: &str,
        address: &str,
        expected: Option<&Failures>,
        new: &Failures,
    ) -> Result<bool, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, failures::set(db.get(), account, address, expected, new)).await?;
        db.end();
        Ok(done)
    }

    async fn forget_failures_of(&self, account: &str, address: &str) -> Result<(), StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, failures::forget(db.get(), account, address)).await?;
        db.end();
        Ok(done)
    }

    async fn forget_failures(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, failures::forget_before(db.get(), before)).await?;
        db.end();
        Ok(done)
    }

    async fn is_familiar(&self, email: &str, address: &str) -> Result<bool, StoreError> {
        let mut db = self.lease().await?;
        let done = by(db.deadline, failures::is_familiar(db.get(), email, address)).await?;
        db.end();
        Ok(done)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let mut db = self.lease().await?;
        let query = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success");
        let version = by(db.deadline, query.fetch_one(db.get())).await;
        if !matches!(version, Err(StoreError::Unavailable(_))) {
            db.end();
        }
        check_schema(version, &self.migrator)
    }

    async fn hints(&self, wake: &Notify) -> Result<(), StoreError> {
        // A pool of its own: a connection that hangs here must not be missing there.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(DEADLINE);
        let pool = pool.connect_with(self.options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        by(Instant::now() + DEADLINE, listener.listen(CHANNEL)).await?;
        // Something may have happened before.
        wake.notify_one();
        loop {
            match timeout(QUIET, listener.try_recv()).await {
                Ok(Ok(Some(_))) => wake.notify_one(),
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => by(Instant::now() + DEADLINE, (&mut listener).execute("SELECT 1")).await.map(drop)?,
            }
        }
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
