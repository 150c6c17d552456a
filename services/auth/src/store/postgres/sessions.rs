//! Sessions, and the password that opens them.
//!
//! Whoever opens a session holds a share of the user's row, and whoever revokes several or changes the password holds
//! all of it. So they take turns: a session that is opened by a password while it changes is either revoked or refused.

use aether_common::Secret;
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

use super::{
    super::{MOST_LISTED, NewSession, Own, PasswordChange, Revoked, Session},
    CHANNEL,
};

pub(super) fn revoked(row: &PgRow) -> Result<Revoked, sqlx::Error> {
    Ok(Revoked {
        id: row.try_get("id")?,
        revoked_at: row.try_get("revoked_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

fn session(row: &PgRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: row.try_get("id")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        address: row.try_get("address")?,
        user_agent: row.try_get("user_agent")?,
    })
}

/// Where a hash is given it must still be the user's.
pub(super) async fn open(
    db: &mut PgConnection,
    user: i64,
    session: &NewSession,
    hash: Option<&Secret>,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO sessions (id, user_id, created_at, expires_at, address, user_agent) \
         SELECT $2, id, $3, $4, $5, $6 FROM users WHERE id = $1 AND disabled_at IS NULL \
         AND password_hash = COALESCE($7, password_hash) FOR SHARE",
    );
    let query = query.bind(user).bind(&session.id).bind(session.created_at).bind(session.expires_at);
    let query = query.bind(&session.address).bind(&session.user_agent).bind(hash.map(Secret::expose));
    Ok(query.execute(db).await?.rows_affected() == 1)
}

pub(super) async fn list(db: &mut PgConnection, user: i64, now: DateTime<Utc>) -> Result<Vec<Session>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT id, created_at, expires_at, address, user_agent FROM sessions \
         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY created_at DESC, id LIMIT $3",
    );
    let rows = query.bind(user).bind(now).bind(i64::from(MOST_LISTED)).fetch_all(db).await?;
    rows.iter().map(session).collect()
}

pub(super) async fn revoke(
    db: &mut PgConnection,
    user: i64,
    which: Own<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Revoked>, sqlx::Error> {
    let mut transaction = db.begin().await?;
    sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE").bind(user).execute(&mut *transaction).await?;
    let revoked = revoke_locked(&mut transaction, user, which, now).await?;
    transaction.commit().await?;
    Ok(revoked)
}

/// Whoever calls holds the user's row.
pub(super) async fn revoke_locked(
    db: &mut PgConnection,
    user: i64,
    which: Own<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Revoked>, sqlx::Error> {
    let query = sqlx::query(
        "UPDATE sessions SET revoked_at = clock_timestamp() WHERE user_id = $1 AND revoked_at IS NULL \
         AND expires_at > $2 AND id = COALESCE($3, id) AND id IS DISTINCT FROM $4 RETURNING id, revoked_at, expires_at",
    );
    let (this, but) = which.bounds();
    let rows = query.bind(user).bind(now).bind(this).bind(but).fetch_all(&mut *db).await?;
    if let Some(row) = rows.first() {
        // Any news makes the others read all of it.
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(row.try_get::<String, _>("id")?);
        notify.execute(db).await?;
    }
    rows.iter().map(revoked).collect()
}

pub(super) async fn change_password(
    db: &mut PgConnection,
    change: &PasswordChange<'_>,
) -> Result<Option<Vec<Revoked>>, sqlx::Error> {
    let mut transaction = db.begin().await?;
    let set = sqlx::query("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2");
    let set = set.bind(change.user).bind(change.old.expose()).bind(change.new.expose());
    let live = sqlx::query(
        "SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 FOR UPDATE",
    );
    let live = live.bind(change.session).bind(change.user).bind(change.now);
    if set.execute(&mut *transaction).await?.rows_affected() == 0
        || live.fetch_optional(&mut *transaction).await?.is_none()
    {
        transaction.rollback().await?;
        return Ok(None);
    }
    let others = Own::AllBut(change.session);
    let revoked = revoke_locked(&mut transaction, change.user, others, change.now).await?;
    transaction.commit().await?;
    Ok(Some(revoked))
}
