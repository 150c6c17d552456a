//! A store whose operations are timed.

use std::sync::Arc;

use aether_common::{Secret, metrics::StoreTimes};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::{
    Account, AccountChange, Changes, Failures, ImportedUser, Known, NewSession, NewUser, Own, PasswordChange, Revoked,
    Session, Store, StoreError, User,
};

/// See the module.
pub(crate) struct Measured {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) times: StoreTimes,
}

#[async_trait]
impl Store for Measured {
    async fn register(&self, user: &NewUser, session: &NewSession) -> Result<User, StoreError> {
        self.times.note("register", self.store.register(user, session)).await
    }

    async fn credentials(&self, email: &str) -> Result<Option<(User, Secret)>, StoreError> {
        self.times.note("credentials", self.store.credentials(email)).await
    }

    async fn is_taken(&self, email: &str, username: &str) -> Result<bool, StoreError> {
        self.times.note("is_taken", self.store.is_taken(email, username)).await
    }

    async fn open_session(&self, user: i64, session: &NewSession, hash: &Secret) -> Result<bool, StoreError> {
        self.times.note("open_session", self.store.open_session(user, session, hash)).await
    }

    async fn password_hash(&self, user: i64) -> Result<Option<Secret>, StoreError> {
        self.times.note("password_hash", self.store.password_hash(user)).await
    }

    async fn change_password(&self, change: &PasswordChange<'_>) -> Result<Option<Vec<Revoked>>, StoreError> {
        self.times.note("change_password", self.store.change_password(change)).await
    }

    async fn sessions(&self, user: i64, now: DateTime<Utc>) -> Result<Vec<Session>, StoreError> {
        self.times.note("sessions", self.store.sessions(user, now)).await
    }

    async fn revoke_own(&self, user: i64, which: Own<'_>, now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        self.times.note("revoke_own", self.store.revoke_own(user, which, now)).await
    }

    async fn session_users(
        &self,
        sessions: &[(String, i64)],
        now: DateTime<Utc>,
    ) -> Result<Vec<Option<User>>, StoreError> {
        self.times.note("session_users", self.store.session_users(sessions, now)).await
    }

    async fn users(&self, ids: &[i64], usernames: &[String]) -> Result<Vec<User>, StoreError> {
        self.times.note("users", self.store.users(ids, usernames)).await
    }

    async fn update(&self, user: i64, changes: &Changes, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        self.times.note("update", self.store.update(user, changes, now)).await
    }

    async fn create(&self, user: &NewUser, now: DateTime<Utc>) -> Result<User, StoreError> {
        self.times.note("create", self.store.create(user, now)).await
    }

    async fn accounts(&self, after: i64, now: DateTime<Utc>) -> Result<Vec<Account>, StoreError> {
        self.times.note("accounts", self.store.accounts(after, now)).await
    }

    async fn account(&self, name: &str, now: DateTime<Utc>) -> Result<Option<Account>, StoreError> {
        self.times.note("account", self.store.account(name, now)).await
    }

    async fn change_account(
        &self,
        user: i64,
        change: AccountChange<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<Revoked>>, StoreError> {
        self.times.note("change_account", self.store.change_account(user, change, now)).await
    }

    async fn import(&self, user: &ImportedUser) -> Result<i64, StoreError> {
        self.times.note("import", self.store.import(user)).await
    }

    async fn imported(&self, old_ids: &[String]) -> Result<Vec<Known>, StoreError> {
        self.times.note("imported", self.store.imported(old_ids)).await
    }

    async fn replace_hash(&self, user: i64, old: &Secret, new: &Secret) -> Result<bool, StoreError> {
        self.times.note("replace_hash", self.store.replace_hash(user, old, new)).await
    }

    async fn revoke(&self, session: &str) -> Result<Option<Revoked>, StoreError> {
        self.times.note("revoke", self.store.revoke(session)).await
    }

    async fn revoked(&self, after: (DateTime<Utc>, &str), now: DateTime<Utc>) -> Result<Vec<Revoked>, StoreError> {
        self.times.note("revoked", self.store.revoked(after, now)).await
    }

    async fn forget_expired(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.times.note("forget_expired", self.store.forget_expired(before)).await
    }

    async fn failures(&self, account: &str, address: &str) -> Result<Option<Failures>, StoreError> {
        self.times.note("failures", self.store.failures(account, address)).await
    }

    async fn set_failures(
        &self,
        account: &str,
        address: &str,
        expected: Option<&Failures>,
        new: &Failures,
    ) -> Result<bool, StoreError> {
        self.times.note("set_failures", self.store.set_failures(account, address, expected, new)).await
    }

    async fn forget_failures_of(&self, account: &str, address: &str) -> Result<(), StoreError> {
        self.times.note("forget_failures_of", self.store.forget_failures_of(account, address)).await
    }

    async fn forget_failures(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.times.note("forget_failures", self.store.forget_failures(before)).await
    }

    async fn is_familiar(&self, email: &str, address: &str) -> Result<bool, StoreError> {
        self.times.note("is_familiar", self.store.is_familiar(email, address)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.times.note("check", self.store.check()).await
    }

    /// Waits for news, so its time would say nothing.
    async fn hints(&self, wake: &Notify) -> Result<(), StoreError> {
        self.store.hints(wake).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
