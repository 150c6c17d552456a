//! Sessions, and the password that opens them.

use aether_common::Secret;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    super::{MOST_LISTED, NewSession, Own, PasswordChange, Revoked, Session},
    time,
};

pub(super) fn revoked(row: &SqliteRow) -> Result<Revoked, sqlx::Error> {
    Ok(Revoked { id: row.try_get("id")?, revoked_at: time(row, "revoked_at")?, expires_at: time(row, "expires_at")? })
}

fn session(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: row.try_get("id")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        address: row.try_get("address")?,
        user_agent: row.try_get("user_agent")?,
    })
}

/// Where a hash is given it must still be the user's.
pub(super) async fn open(
    db: &mut SqliteConnection,
    user: i64,
    session: &NewSession,
    hash: Option<&Secret>,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at, address, user_agent) \
         SELECT $2, id, $3, $4, $5, $6 FROM users WHERE id = $1 AND disabled_at IS NULL \
         AND password_hash = COALESCE($7, password_hash)",
    );
    let query = query
        .bind(user)
        .bind(&session.id)
        .bind(session.created_at.timestamp_micros())
        .bind(session.expires_at.timestamp_micros());
    let query = query.bind(&session.address).bind(&session.user_agent).bind(hash.map(Secret::expose));
    Ok(query.execute(db).await?.rows_affected() == 1)
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    user: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT id, created_at, expires_at, address, user_agent FROM sessions \
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY created_at DESC, id LIMIT $3",
    );
    let rows = query.bind(user).bind(now.timestamp_micros()).bind(i64::from(MOST_LISTED)).fetch_all(db).await?;
    rows.iter().map(session).collect()
}

pub(super) async fn revoke(
    db: &mut SqliteConnection,
    user: i64,
    which: Own<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Revoked>, sqlx::Error> {
    let query = sqlx::query(
        "UPDATE sessions SET revoked_at = $5 WHERE user_id = $1 AND revoked_at IS NULL \
         AND expires_at > $2 AND id = COALESCE($3, id) AND id IS NOT $4 RETURNING id, revoked_at, expires_at",
    );
    let (this, but) = which.bounds();
    let rows = query
        .bind(user)
        .bind(now.timestamp_micros())
        .bind(this)
        .bind(but)
        .bind(Utc::now().timestamp_micros())
        .fetch_all(db)
        .await?;
    rows.iter().map(revoked).collect()
}

pub(super) async fn change_password(
    db: &mut SqliteConnection,
    change: &PasswordChange<'_>,
) -> Result<Option<Vec<Revoked>>, sqlx::Error> {
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
    let set = sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2");
    let set = set.bind(change.user).bind(change.old.expose()).bind(change.new.expose());
    let live =
        sqlx::query("SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3");
    let live = live.bind(change.session).bind(change.user).bind(change.now.timestamp_micros());
    if set.execute(&mut *transaction).await?.rows_affected() == 0
        || live.fetch_optional(&mut *transaction).await?.is_none()
    {
        transaction.rollback().await?;
        return Ok(None);
    }
    let others = Own::AllBut(change.session);
    let revoked = revoke(&mut transaction, change.user, others, change.now).await?;
    transaction.commit().await?;
    Ok(Some(revoked))
}
