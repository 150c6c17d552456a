//! Users of an earlier backend: `aetherconnect-auth import`, which `aetherconnect import` runs or, on a laptop, is.
//!
//! Requests and answers are a line of JSON each. Whoever was imported is known by the id of then, so that a request may
//! be repeated. Passwords stay what bcrypt made of them, until their owners log in.

use std::{collections::HashMap, sync::Arc};

use aether_common::{Error, Secret};
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    accounts::FIRST_ROLE,
    admin,
    store::{Database, ImportedUser, NewUser, Store},
    validate::Form,
};

/// What is asked for.
#[derive(Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// Make those users who aren't here yet.
    Users {
        /// Any number.
        users: Vec<User>,
        /// Only look whether they could be made.
        dry_run: bool,
    },
    /// Which of these users are here?
    Find {
        /// Ids in the earlier backend.
        ids: Vec<String>,
    },
}

/// A user of an earlier backend.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// In the earlier backend.
    pub id: String,
    /// The e-mail address.
    pub email: String,
    /// The user name.
    pub username: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// By bcrypt. Without one the user can't log in before somebody sets a password.
    pub password_hash: Option<String>,
    /// What the user may do; that of a new user where it is empty.
    pub roles: Vec<String>,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
    /// When the profile last changed.
    pub updated_at: DateTime<Utc>,
    /// Since when the user can't log in.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// What came of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Answer {
    /// What became of each user, in their order.
    Users(Vec<Outcome>),
    /// Those who are here.
    Found(Vec<Found>),
    /// It failed, perhaps in the middle: it may be asked again.
    Failed {
        /// Why.
        message: String,
    },
}

/// What became of a user.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Made, or would be.
    Made {
        /// As in the API; none in a dry run.
        id: Option<String>,
    },
    /// Imported before.
    There {
        /// As in the API.
        id: String,
    },
    /// Not made.
    Refused {
        /// Fields, each with its mend.
        fields: Vec<(String, String)>,
    },
}

/// A user who is here.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// In the earlier backend.
    pub old_id: String,
    /// As in the API.
    pub id: String,
    /// As it is now.
    pub username: String,
}

/// Imports into a database whose schema is up to date.
pub struct Importer {
    store: Arc<dyn Store>,
}

impl Importer {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self { store: database.open() }
    }

    /// Does what is asked for.
    pub async fn answer(&self, request: Request) -> Answer {
        self.act(request).await.unwrap_or_else(|error| Answer::Failed {
            message: error.cause.as_ref().map_or_else(|| error.message.clone(), |cause| format!("{cause:#}")),
        })
    }

    async fn act(&self, request: Request) -> Result<Answer, Error> {
        self.store.check().await?;
        match request {
            Request::Find { ids } => {
                let found = self.store.imported(&ids).await?.into_iter();
                let found = found.map(|known| Found {
                    old_id: known.old_id,
                    id: known.id.to_string(),
                    username: known.username,
                });
                Ok(Answer::Found(found.collect()))
            }
            Request::Users { users, dry_run } => {
                let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
                let there = self.store.imported(&ids).await?.into_iter();
                let there: HashMap<_, _> = there.map(|known| (known.old_id, known.id)).collect();
                let mut outcomes = Vec::with_capacity(users.len());
                for user in users {
                    outcomes.push(match there.get(&user.id) {
                        Some(id) => Outcome::There { id: id.to_string() },
                        None => self.import(user, dry_run).await?,
                    });
                }
                Ok(Answer::Users(outcomes))
            }
        }
    }

    async fn import(&self, user: User, dry_run: bool) -> Result<Outcome, Error> {
        let user = match checked(user) {
            Ok(user) => user,
            Err(error) => return Ok(Outcome::Refused { fields: error.fields }),
        };
        let fields = self.taken(&user).await?;
        if !fields.is_empty() {
            return Ok(Outcome::Refused { fields });
        }
        if dry_run {
            return Ok(Outcome::Made { id: None });
        }
        let id = self.store.import(&user.with_hash().await?).await?;
        Ok(Outcome::Made { id: Some(id.to_string()) })
    }

    /// Which of the user's names belong to somebody who wasn't imported, or was as somebody else.
    async fn taken(&self, user: &Checked) -> Result<Vec<(String, String)>, Error> {
        let wanted = &user.0.user;
        if !self.store.is_taken(&wanted.email, &wanted.username).await? {
            return Ok(Vec::new());
        }
        let mut fields = Vec::new();
        for (field, name) in [("email", &wanted.email), ("username", &wanted.username)] {
            if let Some(other) = self.store.account(name, Utc::now()).await? {
                let other = other.user.username;
                let mend = format!("belongs to the user {other} here, who is another one: change one of the two");
                fields.push((field.to_owned(), mend));
            }
        }
        Ok(fields)
    }
}

/// One who keeps the rules. An empty hash stands for none.
struct Checked(ImportedUser);

impl Checked {
    /// A password that nobody knows takes the place of one that isn't there.
    async fn with_hash(mut self) -> Result<ImportedUser, Error> {
        if self.0.user.password_hash.expose().is_empty() {
            self.0.user.password_hash = admin::hash(Secret::new(uuid::Uuid::new_v4().to_string())).await?;
        }
        Ok(self.0)
    }
}

fn checked(user: User) -> Result<Checked, Error> {
    let mut form = Form::default();
    let email = form.email(&user.email);
    let username = form.username(&user.username);
    let first_name = form.name("firstName", &user.first_name);
    let last_name = form.name("lastName", &user.last_name);
    let password_hash = Secret::new(user.password_hash.unwrap_or_default());
    if !password_hash.expose().is_empty() {
        form.imported_hash(&password_hash);
    }
    form.check()?;
    let roles = if user.roles.is_empty() { vec![FIRST_ROLE.to_owned()] } else { user.roles };
    Ok(Checked(ImportedUser {
        old_id: user.id,
        user: NewUser { email, username, first_name, last_name, password_hash, roles },
        created_at: user.created_at.trunc_subsecs(3),
        updated_at: user.updated_at.trunc_subsecs(3),
        disabled_at: user.disabled_at.map(|at| at.trunc_subsecs(3)),
    }))
}
