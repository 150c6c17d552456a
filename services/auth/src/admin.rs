//! What those who run an instance do to its users: `aetherconnect-auth users` and, on a laptop, `aetherconnect users`.
//!
//! A request and its answer are a line of JSON each, so that nothing of them, least of all a password, stands in the
//! arguments of a program. The rules are those of users who come by themselves.

use std::sync::Arc;

use aether_common::{Code, Error, Secret};
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Registration,
    metrics::Metrics,
    passwords::Passwords,
    store::{self, AccountChange, Database, PAGE, Store, StoreError},
    validate::Form,
};

/// What is asked for. It may hold a password: never to be printed.
#[derive(Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// Make a user.
    Create {
        /// The e-mail address.
        email: String,
        /// The user name.
        username: String,
        /// The given name.
        first_name: String,
        /// The family name.
        last_name: String,
        /// The first password.
        password: String,
    },
    /// Tell some users, by id.
    List {
        /// Those with a later id than this one; 0 for the first.
        #[serde(default)]
        after: i64,
    },
    /// Let a user not log in any more, and end all sessions.
    Disable {
        /// E-mail address or user name.
        user: String,
    },
    /// Let a user log in again.
    Enable {
        /// E-mail address or user name.
        user: String,
    },
    /// Set another password, and end all sessions.
    ResetPassword {
        /// E-mail address or user name.
        user: String,
        /// The new password.
        password: String,
    },
}

/// What came of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Answer {
    /// Some users.
    Listed {
        /// By id.
        users: Vec<Account>,
        /// Where to go on, if there may be more.
        next: Option<i64>,
    },
    /// A user was made or changed.
    Done {
        /// As it is now.
        user: Account,
        /// Whether it was different before.
        changed: bool,
        /// How many live sessions were ended.
        ended_sessions: usize,
    },
    /// Nothing was changed.
    Refused {
        /// In `UPPER_SNAKE_CASE`.
        reason: String,
        /// What is wrong, and how to mend it.
        message: String,
    },
}

/// A user, as it is told.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// As in the API.
    pub id: String,
    /// The e-mail address.
    pub email: String,
    /// The user name.
    pub username: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// What the user may do.
    pub roles: Vec<String>,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// Since when the user can't log in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// How many live sessions the user has.
    pub sessions: i64,
}

impl From<store::Account> for Account {
    fn from(account: store::Account) -> Self {
        let store::Account { user, disabled_at, sessions } = account;
        Self {
            id: user.id.to_string(),
            email: user.email,
            username: user.username,
            first_name: user.first_name,
            last_name: user.last_name,
            roles: user.roles,
            created_at: user.created_at,
            disabled_at,
            sessions,
        }
    }
}

/// Does what is asked for in a database whose schema is up to date.
pub struct Admin {
    store: Arc<dyn Store>,
}

impl Admin {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self { store: database.open() }
    }

    /// Does it. A refusal is an answer, too; its cause is told, as whoever asks runs the instance.
    pub async fn answer(&self, request: Request) -> Answer {
        match self.act(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let message = match &error.cause {
                    Some(cause) => format!("{cause:#}"),
                    None => error.message.clone(),
                };
                Answer::Refused { reason: error.reason.into_owned(), message }
            }
        }
    }

    async fn act(&self, request: Request) -> Result<Answer, Error> {
        self.store.check().await?;
        match request {
            Request::Create { email, username, first_name, last_name, password } => {
                let password = Secret::new(password);
                self.create(Registration { email, password, first_name, last_name, username }).await
            }
            Request::List { after } => {
                let users = self.store.accounts(after, Utc::now()).await?;
                let is_last = users.len() < PAGE as usize;
                let next = users.last().map(|last| last.user.id).filter(|_| !is_last);
                Ok(Answer::Listed { users: users.into_iter().map(Into::into).collect(), next })
            }
            Request::Disable { user } => self.change(&user, AccountChange::Disable).await,
            Request::Enable { user } => self.change(&user, AccountChange::Enable).await,
            Request::ResetPassword { user, password } => {
                let account = self.find(&user).await?.user;
                let mut form = Form::default();
                form.new_password("password", &password, [&account.email, &account.username]);
                form.check()?;
                let hash = hash(Secret::new(password)).await?;
                self.change(&user, AccountChange::SetPassword(&hash)).await
            }
        }
    }

    async fn create(&self, wanted: Registration) -> Result<Answer, Error> {
        let wanted = wanted.checked()?;
        if self.store.is_taken(&wanted.email, &wanted.username).await? {
            return Err(StoreError::Taken.into());
        }
        let password_hash = hash(wanted.password.clone()).await?;
        let user = self.store.create(&wanted.with_hash(password_hash), Utc::now().trunc_subsecs(3)).await?;
        let user = store::Account { user, disabled_at: None, sessions: 0 }.into();
        Ok(Answer::Done { user, changed: true, ended_sessions: 0 })
    }

    async fn change(&self, name: &str, change: AccountChange<'_>) -> Result<Answer, Error> {
        let before = self.find(name).await?;
        let now = Utc::now().trunc_subsecs(3);
        // The other replicas and services hear of the sessions from the database, as of any that ends on one of them.
        let ended = self.store.change_account(before.user.id, change, now).await?.ok_or_else(|| no_such(name))?;
        let changed = match change {
            AccountChange::Disable => before.disabled_at.is_none(),
            AccountChange::Enable => before.disabled_at.is_some(),
            AccountChange::SetPassword(_) => true,
        };
        let user = self.find(name).await?.into();
        Ok(Answer::Done { user, changed, ended_sessions: ended.len() })
    }

    async fn find(&self, name: &str) -> Result<store::Account, Error> {
        self.store.account(name, Utc::now()).await?.ok_or_else(|| no_such(name))
    }
}

fn no_such(name: &str) -> Error {
    let message = format!("no user has the e-mail address or user name {name}");
    Error::new(Code::NotFound, "USER_NOT_FOUND", message)
}

/// Hashes one password, where no service runs that would.
pub(crate) async fn hash(password: Secret) -> Result<Secret, Error> {
    let metrics = Metrics::new().map_err(Error::internal)?;
    let passwords = Passwords::new(metrics.hash_seconds.clone(), metrics.hashes_waiting.clone());
    let passwords = passwords.await.map_err(Error::internal)?;
    passwords.hash(passwords.turn().await?, password).await
}
