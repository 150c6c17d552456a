//! Accounts: registration, login and profile.

use std::sync::Arc;

use aether_common::{Code, Error, Secret, client::Client};
use chrono::{SubsecRound as _, Utc};

use crate::{
    metrics::Metrics,
    passwords::{self, Passwords},
    sessions::{Caller, Sessions},
    store::{Changes, NewUser, PasswordChange, Revoked, Store, StoreError, User},
    throttle::{Attempt, Throttle},
    validate::Form,
};

/// What every user may do at first.
pub(crate) const FIRST_ROLE: &str = "user";

/// How many users can be looked up at once.
const MOST_FOUND: usize = 100;

/// What somebody gives to become a user.
pub(crate) struct Registration {
    pub(crate) email: String,
    pub(crate) password: Secret,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) username: String,
}

impl Registration {
    /// The same without the spaces around names, once it keeps all the rules.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        let mut form = Form::default();
        let email = form.email(&self.email);
        let first_name = form.name("firstName", &self.first_name);
        let last_name = form.name("lastName", &self.last_name);
        let username = form.username(&self.username);
        form.new_password("password", self.password.expose(), [&email, &username]);
        form.check()?;
        Ok(Self { email, password: self.password, first_name, last_name, username })
    }

    /// The user to be kept.
    pub(crate) fn with_hash(self, password_hash: Secret) -> NewUser {
        let Self { email, username, first_name, last_name, .. } = self;
        NewUser { email, username, first_name, last_name, password_hash, roles: vec![FIRST_ROLE.to_owned()] }
    }
}

/// A user with a fresh session.
pub(crate) struct LoggedIn {
    pub(crate) user: User,
    pub(crate) access_token: Secret,
}

/// The accounts of all users.
pub(crate) struct Accounts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Accounts {
    /// Makes a user and its first session.
    pub(crate) async fn register(&self, wanted: Registration, client: &Client) -> Result<LoggedIn, Error> {
        let wanted = wanted.checked()?;
        let turn = self.passwords.turn().await?;
        // Of many who want one name at once all but the first have waited for nothing: no hash, so that none waits long.
        if self.store.is_taken(&wanted.email, &wanted.username).await? {
            return Err(StoreError::Taken.into());
        }
        let password_hash = self.passwords.hash(turn, wanted.password.clone()).await?;
        let new = wanted.with_hash(password_hash);
        let session = Sessions::new_session(client);
        let user = self.store.register(&new, &session).await?;
        self.metrics.registrations.inc();
        tracing::info!(user_id = user.id, "registered");
        let access_token = self.sessions.access_token(&user, &session)?;
        Ok(LoggedIn { user, access_token })
    }

    /// The users behind ids and names, as far as there are any.
    pub(crate) async fn find(&self, ids: &[String], usernames: &[String]) -> Result<Vec<User>, Error> {
        let too_many = [("ids", ids), ("usernames", usernames)].into_iter().filter(|(_, of)| of.len() > MOST_FOUND);
        let too_many: Vec<_> =
            too_many.map(|(name, _)| (name.to_owned(), format!("must be at most {MOST_FOUND}"))).collect();
        if !too_many.is_empty() {
            return Err(Error::invalid(too_many));
        }
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        Ok(self.store.users(&ids, usernames).await?)
    }

    /// Opens a session. The refusal doesn't tell whether there is such a user, by its words or by its time.
    pub(crate) async fn log_in(&self, email: &str, password: Secret, client: &Client) -> Result<LoggedIn, Error> {
        let mut form = Form::default();
        let email = form.email(email);
        form.password("password", password.expose());
        form.check()?;

        let done = self.try_log_in(&email, password, client).await;
        let result = match &done {
            Ok(_) => "ok",
            Err(error) if error.code == Code::Unauthenticated => "failed",
            Err(error) if error.code == Code::Exhausted => "throttled",
            Err(_) => return done,
        };
        self.metrics.logins.with_label_values(&[result]).inc();
        tracing::info!(result, "login");
        done
    }

    async fn try_log_in(&self, email: &str, password: Secret, client: &Client) -> Result<LoggedIn, Error> {
        let refused = || Error::new(Code::Unauthenticated, "INVALID_CREDENTIALS", "Invalid credentials");
        let attempt = Attempt::new(email, client);
        self.throttle.admit(&attempt).await?;
        let (user, hash) = self.store.credentials(email).await?.unzip();
        let matches = self.passwords.matches(password.clone(), hash.clone()).await?;
        let (Some(user), Some(hash), true) = (user, hash, matches) else {
            self.throttle.count(&attempt).await?;
            return Err(refused());
        };
        self.throttle.admit(&attempt).await?;
        let hash = self.renewed(user.id, hash, password).await?.ok_or_else(refused)?;
        let session = Sessions::new_session(client);
        if !self.store.open_session(user.id, &session, &hash).await? {
            // It was right a moment ago, and its owner not disabled.
            return Err(refused());
        }
        self.throttle.forgive(&attempt).await?;
        tracing::info!(user_id = user.id, "logged in");
        let access_token = self.sessions.access_token(&user, &session)?;
        Ok(LoggedIn { user, access_token })
    }

    /// The hash to keep of a password that has just matched one: another one where that is of an earlier backend.
    /// `None` when the password isn't the user's any more.
    async fn renewed(&self, user: i64, old: Secret, password: Secret) -> Result<Option<Secret>, Error> {
        if !passwords::is_outdated(&old) {
            return Ok(Some(old));
        }
        let new = self.passwords.hash(self.passwords.turn().await?, password.clone()).await?;
        if self.store.replace_hash(user, &old, &new).await? {
            tracing::info!(user_id = user, "hashed an imported password anew");
            return Ok(Some(new));
        }
        // Another login was quicker, or the password was changed meanwhile.
        let now = self.store.password_hash(user).await?;
        let matches = self.passwords.matches(password, now.clone()).await?;
        Ok(now.filter(|_| matches))
    }

    /// Changes the caller's password and revokes the caller's other sessions, and says which.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        current: Secret,
        new: Secret,
        client: &Client,
    ) -> Result<Vec<Revoked>, Error> {
        let user = &caller.user;
        let mut form = Form::default();
        form.password("currentPassword", current.expose());
        form.new_password("newPassword", new.expose(), [&user.email, &user.username]);
        form.check()?;

        let wrong = || Error::invalid(vec![("currentPassword".to_owned(), "is wrong".to_owned())]);
        let attempt = Attempt::new(&user.email, client);
        self.throttle.admit(&attempt).await?;
        let old = self.store.password_hash(user.id).await?.ok_or_else(Error::unauthenticated)?;
        if !self.passwords.matches(current, Some(old.clone())).await? {
            self.throttle.count(&attempt).await?;
            return Err(wrong());
        }
        self.throttle.admit(&attempt).await?;
        let new = self.passwords.hash(self.passwords.turn().await?, new).await?;
        let (session, now) = (caller.claims.sid.as_str(), Utc::now());
        let change = PasswordChange { user: user.id, session, old: &old, new: &new, now };
        let Some(revoked) = self.store.change_password(&change).await? else {
            // Meanwhile somebody else changed it, in this session or in one that has thereby revoked this one.
            let live = self.store.session_user(session, user.id, now).await?;
            return Err(live.map_or_else(Error::unauthenticated, |_| wrong()));
        };
        self.sessions.tell(&revoked);
        self.throttle.forgive(&attempt).await?;
        tracing::info!(user_id = user.id, sessions = revoked.len(), "changed a password, revoked the other sessions");
        Ok(revoked)
    }

    /// Changes the caller's profile.
    pub(crate) async fn update(&self, caller: &Caller, wanted: Changes) -> Result<User, Error> {
        let mut form = Form::default();
        form.any(
            wanted.first_name.is_some() || wanted.last_name.is_some() || wanted.username.is_some(),
            "firstName, lastName, username",
        );
        let changes = Changes {
            first_name: wanted.first_name.map(|name| form.name("firstName", &name)),
            last_name: wanted.last_name.map(|name| form.name("lastName", &name)),
            username: wanted.username.map(|name| form.username(&name)),
        };
        form.check()?;
        match self.store.update(caller.user.id, &changes, Utc::now().trunc_subsecs(3)).await {
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(Error::unauthenticated()),
            Err(StoreError::Taken) => {
                Err(Error::new(Code::Conflict, "USERNAME_TAKEN", "User with this username already exists"))
            }
            Err(error) => Err(error.into()),
        }
    }
}
