//! Where users and sessions are kept: one trait, two back ends, one schema.

mod measured;
mod postgres;
mod records;
mod sqlite;

use std::{collections::HashMap, future::Future, path::PathBuf, str::FromStr as _, sync::Arc, time::Duration};

use aether_common::{Env, Secret, env::ConfigError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    error::{DatabaseError, ErrorKind},
    postgres::PgConnectOptions,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

pub(crate) use self::measured::Measured;
pub use self::records::{
    Account, AccountChange, Changes, Failures, ImportedUser, Known, NewSession, NewUser, Own, PasswordChange, Revoked,
    Session, User,
};
use self::{postgres::Postgres, sqlite::Sqlite};

/// How long the database may take before it counts as out of reach.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// How many revoked sessions, or users, are read at once.
pub const PAGE: u32 = 5000;
/// How many sessions of one user are listed at most.
pub const MOST_LISTED: u32 = 1000;
const SQLITE_CONSTRAINT_UNIQUE: &str = "2067";

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The e-mail address or the user name belongs to somebody else.
    #[error("e-mail address or user name is taken")]
    Taken,
    /// The database is out of reach, too slow, or not yet migrated.
    #[error("database is unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// A fault of ours.
    #[error("database refused a statement")]
    Fault(#[source] anyhow::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let ours = match &error {
            E::Database(e) if is_taken(&**e) => return Self::Taken,
            // A broken constraint, a bad value (class 22) or a syntax error. All else (shutdown, failover, a missing
            // table, changed credentials) goes away without a change of the program.
            E::Database(e) => {
                let code = e.code().unwrap_or_default();
                !matches!(e.kind(), ErrorKind::Other) || code == "42601" || (code.len() == 5 && code.starts_with("22"))
            }
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => false,
            _ => true,
        };
        let cause = anyhow::Error::new(error);
        if ours { Self::Fault(cause) } else { Self::Unavailable(cause) }
    }
}

/// Whether one of the unique names is in use. SQLite doesn't name the constraint, but tells it from a primary key.
fn is_taken(error: &dyn DatabaseError) -> bool {
    match error.constraint() {
        Some(name) => ["users_email_key", "users_username_key"].contains(&name),
        None => error.code().as_deref() == Some(SQLITE_CONSTRAINT_UNIQUE),
    }
}

impl From<StoreError> for aether_common::Error {
    fn from(error: StoreError) -> Self {
        use aether_common::{Code, Error};
        match error {
            StoreError::Taken => {
                Self::new(Code::Conflict, "USER_EXISTS", "User with this email or username already exists")
            }
            StoreError::Unavailable(cause) => Error::unavailable(cause.context("database is unavailable")),
            StoreError::Fault(cause) => Error::internal(cause.context("database refused a statement")),
        }
    }
}

/// Users and sessions. Every method but [`Store::hints`] answers within [`DEADLINE`].
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a user and its first session, both or none. Of several at once with one name, one wins.
    async fn register(&self, user: &NewUser, session: &NewSession) -> Result<User, StoreError>;
    /// The user with this e-mail address, whatever its case, and the password's hash; nobody who is disabled.
    async fn credentials(&self, email: &str) -> Result<Option<(User, Secret)>, StoreError>;
    /// Whether the e-mail address or the user name belongs to somebody.
    async fn is_taken(&self, email: &str, username: &str) -> Result<bool, StoreError>;
    /// Makes a session of a user whose password has this hash; false when it has another one by now, or the user is
    /// disabled.
    async fn open_session(&self, user: i64, session: &NewSession, hash: &Secret) -> Result<bool, StoreError>;
    /// The hash of a user's password.
    async fn password_hash(&self, user: i64) -> Result<Option<Secret>, StoreError>;
    /// Sets a password and revokes all other sessions of the user, both or none. `None`, and nothing is changed, when
    /// the password isn't the one that it was or the session isn't live any more.
    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<Option<Vec<Revoked>>, StoreError>;
    /// A user's live sessions, the newest [`MOST_LISTED`], newest first.
    async fn sessions(&self, user: i64, now: DateTime<Utc>) -> Result<Vec<Session>, StoreError>;
    /// Revokes live sessions of a user.
    async fn revoke_own(&self, user: i64, which: Own<'_>, now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError>;
    /// The user of each session that is the user's, and neither revoked nor over.
    async fn session_users(
        &self,
        sessions: &[(String, i64)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<User>>, StoreError>;
    /// The same of one session.
    async fn session_user(&self, session: &str, user: i64, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        Ok(self.session_users(&[(session.to_owned(), user)], now).await?.pop().flatten())
    }
    /// The users with these ids or user names, whatever the case.
    async fn users(&self, ids: &[i64], usernames: &[String]) -> Result<Vec<User>, StoreError>;
    /// Changes a profile; `None` when there is no such user.
    async fn update(&self, user: i64, changes: &Changes, now: DateTime<Utc>) -> Result<Option<User>, StoreError>;
    /// Makes a user without a session.
    async fn create(&self, user: &NewUser, now: DateTime<Utc>) -> Result<User, StoreError>;
    /// The first [`PAGE`] users with a later id than `after`, by id.
    async fn accounts(&self, after: i64, now: DateTime<Utc>) -> Result<Vec<Account>, StoreError>;
    /// The user with this e-mail address or user name, whatever its case.
    async fn account(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Account>, StoreError>;
    /// Changes a user, and revokes the sessions that end thereby, both or none; `None` when there is no such user.
    async fn change_account(
        &self,
        user: i64,
        change: AccountChange<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Revoked>>, StoreError>;
    /// Makes a user of an earlier backend, and keeps the id that the user had there, both or none.
    async fn import(&self, user: &ImportedUser) -> Result<i64, StoreError>;
    /// Those of the ids in an earlier backend whose users are here.
    async fn imported(&self, old_ids: &[String]) -> Result<Vec<Known>, StoreError>;
    /// Keeps another hash of the same password; false when it has another one by now.
    async fn replace_hash(&self, user: i64, old: &Secret, new: &Secret) -> Result<bool, StoreError>;
    /// Revokes a session, once and for all: a second time changes nothing. `None` when there is no such session.
    async fn revoke(&self, session: &str) -> Result<Option<Revoked>, StoreError>;
    /// The first [`PAGE`] sessions revoked after a time, or at it with a later id, that are not over at `now`; in order
    /// of time and id.
    async fn revoked(&self, after: (DateTime<Utc>, &str), now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError>;
    /// Deletes sessions that were over at `before`.
    async fn forget_expired(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Failed attempts on an account from an address.
    async fn failures(&self, account: &str, address: &str) -> Result<Option<Failures>, StoreError>;
    /// Notes failed attempts, if nobody has noted others than those `expected` meanwhile.
    async fn set_failures(
        &self,
        account: &str,
        address: &str,
        expected: Option<&Failures>,
        new: &Failures,
    ) -> Result<bool, StoreError>;
    /// Forgets failed attempts on an account from an address.
    async fn forget_failures_of(&self, account: &str, address: &str) -> Result<(), StoreError>;
    /// Forgets failed attempts on all accounts of which the last was at `before` or earlier.
    async fn forget_failures(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Whether the user with this e-mail address has a session, live or not, that was opened from the address.
    async fn is_familiar(&self, email: &str, address: &str) -> Result<bool, StoreError>;
    /// Whether the database answers and its schema is the one this program knows, or a newer one.
    async fn check(&self) -> Result<(), StoreError>;
    /// Wakes whenever another replica revokes a session; returns when it can no longer hear of it.
    async fn hints(&self, wake: &Notify) -> Result<(), StoreError>;
    /// Closes all connections.
    async fn close(&self);
}

/// Which database, from `DATABASE_URL`.
#[derive(Clone)]
pub enum Database {
    /// `postgres://user:password@host:port/name`
    Postgres(Box<PgConnectOptions>),
    /// `sqlite://path`
    Sqlite(PathBuf),
}

impl Database {
    /// Reads `DATABASE_URL`. The value is never shown: it holds a password.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let url = env.secret("DATABASE_URL", "set it to postgres://user:password@host:5432/name or sqlite://path")?;
        let invalid = |why: &str| ConfigError::Invalid("DATABASE_URL", "***".into(), why.to_owned());
        if let Some(path) = url.expose().strip_prefix("sqlite://") {
            if path.is_empty() || path.contains('?') {
                return Err(invalid("use sqlite:// followed by the path of a file, e.g. sqlite:///var/lib/auth.db"));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme)) {
            return Err(invalid("use postgres://… or sqlite://…"));
        }
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|_| invalid("use postgres://user:password@host:5432/name, special characters as %XX"))?;
        Ok(Self::Postgres(Box::new(options.application_name("aetherconnect-auth"))))
    }

    /// The name of this dependency in health reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "database",
        }
    }

    /// The store. It connects when it is first used, and makes nothing.
    #[must_use]
    pub fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Postgres(options) => Arc::new(Postgres::open(options)),
            Self::Sqlite(path) => Arc::new(Sqlite::open(path)),
        }
    }

    /// Brings the schema up to date. Several at once take turns.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        match self {
            Self::Postgres(options) => postgres::migrate(options).await,
            Self::Sqlite(path) => sqlite::migrate(path).await,
        }
    }
}

/// Why a schema can't be brought up to date.
fn explain(error: sqlx::migrate::MigrateError) -> anyhow::Error {
    let why = match &error {
        sqlx::migrate::MigrateError::VersionMissing(version) => format!(
            "the database has migration {version}, which aetherconnect-auth {} doesn't know: a newer version has been \
             here. Run that version or a newer one, or restore a backup from before it",
            env!("CARGO_PKG_VERSION")
        ),
        _ => "cannot bring the schema up to date".to_owned(),
    };
    anyhow::Error::new(error).context(why)
}

/// The form of an e-mail address or user name in which two that differ by case alone are equal.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

/// The user of each session, where it is the one that was named.
fn each_its_own(sessions: &[(String, i64)], found: &HashMap<String, User>) -> Vec<Option<User>> {
    let user = |(session, id): &(String, i64)| found.get(session).filter(|user| user.id == *id).cloned();
    sessions.iter().map(user).collect()
}

/// Waits for the database, but not for ever.
async fn by<T>(deadline: Instant, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match timeout_at(deadline, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Unavailable(anyhow::anyhow!("no answer within {} s", DEADLINE.as_secs()))),
    }
}

/// Compares the newest migration that was applied with the newest one known here.
fn check_schema(applied: Result<Option<i64>, StoreError>, known: &sqlx::migrate::Migrator) -> Result<(), StoreError> {
    let applied = applied.map_err(|error| match error {
        // The database answers, but has nothing to tell.
        StoreError::Unavailable(cause)
            if cause.downcast_ref::<sqlx::Error>().is_some_and(|e| e.as_database_error().is_some()) =>
        {
            StoreError::Unavailable(cause.context("no schema found: `aetherconnect-auth migrate` makes it"))
        }
        other => other,
    })?;
    let newest = known.iter().map(|m| m.version).max().unwrap_or_default();
    match applied {
        Some(version) if version >= newest => Ok(()),
        _ => Err(StoreError::Unavailable(anyhow::anyhow!(
            "schema is at version {}, {newest} is needed: run `aetherconnect-auth migrate`",
            applied.unwrap_or_default()
        ))),
    }
}
