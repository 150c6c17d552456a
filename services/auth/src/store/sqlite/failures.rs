//! Failed logins.

use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection};

use super::{
    super::{Failures, key},
    time,
};

pub(super) async fn read(
    db: &mut SqliteConnection,
    account: &str,
    address: &str,
) -> Result<Option<Failures>, sqlx::Error> {
    let query = sqlx::query("SELECT number, last_at FROM login_failures WHERE account = $1 AND address = $2");
    let row = query.bind(account).bind(address).fetch_optional(db).await?;
    let failures = row.map(|row| {
        let number: i64 = row.try_get("number")?;
        Ok(Failures { number: u32::try_from(number).unwrap_or(u32::MAX), last_at: time(&row, "last_at")? })
    });
    failures.transpose()
}

pub(super) async fn set(
    db: &mut SqliteConnection,
    account: &str,
    address: &str,
    expected: Option<&Failures>,
    new: &Failures,
) -> Result<bool, sqlx::Error> {
    // Where none are expected, the comparison with NULL lets no others be replaced.
    let query = sqlx::query(
        "INSERT INTO login_failures AS kept (account, address, number, last_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, address) DO UPDATE SET number = $3, last_at = $4 \
         WHERE kept.number = $5 AND kept.last_at = $6",
    );
    let query = query.bind(account).bind(address).bind(i64::from(new.number)).bind(new.last_at.timestamp_micros());
    let query = query.bind(expected.map(|e| i64::from(e.number))).bind(expected.map(|e| e.last_at.timestamp_micros()));
    Ok(query.execute(db).await?.rows_affected() == 1)
}

pub(super) async fn forget(db: &mut SqliteConnection, account: &str, address: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM login_failures WHERE account = $1 AND address = $2");
    query.bind(account).bind(address).execute(db).await.map(drop)
}

pub(super) async fn forget_before(db: &mut SqliteConnection, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    // In portions, so that none takes long.
    let query = sqlx::query(
        "DELETE FROM login_failures WHERE (account, address) IN \
         (SELECT account, address FROM login_failures WHERE last_at <= $1 LIMIT 1000)",
    );
    Ok(query.bind(before.timestamp_micros()).execute(db).await?.rows_affected())
}

pub(super) async fn is_familiar(db: &mut SqliteConnection, email: &str, address: &str) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sessions \
         WHERE user_id = (SELECT id FROM users WHERE email_key = $1) AND address = $2)",
    );
    query.bind(key(email)).bind(address).fetch_one(db).await
}
