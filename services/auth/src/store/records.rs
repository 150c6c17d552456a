//! What is kept.

use aether_common::Secret;
use chrono::{DateTime, Utc};

/// A user as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Given by the database, ascending.
    pub id: i64,
    /// As its owner wrote it; unique whatever the case.
    pub email: String,
    /// As its owner wrote it; unique whatever the case.
    pub username: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// What the user may do.
    pub roles: Vec<String>,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
    /// When the profile last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to be.
#[derive(Clone)]
pub struct NewUser {
    /// The e-mail address.
    pub email: String,
    /// The user name.
    pub username: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// In PHC form.
    pub password_hash: Secret,
    /// What the user may do.
    pub roles: Vec<String>,
}

/// A user of an earlier backend, to be one here.
#[derive(Clone)]
pub struct ImportedUser {
    /// The id that the user had there.
    pub old_id: String,
    /// The user.
    pub user: NewUser,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
    /// When the profile last changed.
    pub updated_at: DateTime<Utc>,
    /// Since when the user can't log in.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// A user who was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The id in the earlier backend.
    pub old_id: String,
    /// The id here.
    pub id: i64,
    /// As it is now.
    pub username: String,
}

/// A session to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The `sid` of every token of the session.
    pub id: String,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// When its last token runs out.
    pub expires_at: DateTime<Utc>,
    /// Where its user was, see [`aether_common::client::Client::network`].
    pub address: Option<String>,
    /// The program that its user used.
    pub user_agent: Option<String>,
}

/// A session as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of every token of the session.
    pub id: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When its last token runs out.
    pub expires_at: DateTime<Utc>,
    /// Where its user was.
    pub address: Option<String>,
    /// The program that its user used.
    pub user_agent: Option<String>,
}

/// Which of a user's sessions.
#[derive(Debug, Clone, Copy)]
pub enum Own<'a> {
    /// This one.
    One(&'a str),
    /// All but this one.
    AllBut(&'a str),
    /// All.
    All,
}

impl<'a> Own<'a> {
    /// The one that it must be, and the one that it must not be.
    pub(super) fn bounds(self) -> (Option<&'a str>, Option<&'a str>) {
        match self {
            Self::One(id) => (Some(id), None),
            Self::AllBut(id) => (None, Some(id)),
            Self::All => (None, None),
        }
    }
}

/// A change of a password.
pub struct PasswordChange<'a> {
    /// Whose.
    pub user: i64,
    /// The session that goes on.
    pub session: &'a str,
    /// The hash that is kept until now.
    pub old: &'a Secret,
    /// The hash to keep.
    pub new: &'a Secret,
    /// The time by which a session must not be over.
    pub now: DateTime<Utc>,
}

/// A user as those see them who run the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// Since when the user can't log in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// How many live sessions the user has.
    pub sessions: i64,
}

/// What those who run the service change about a user.
#[derive(Clone, Copy)]
pub enum AccountChange<'a> {
    /// The user can't log in any more, and all sessions end.
    Disable,
    /// The user can log in again.
    Enable,
    /// The password has this hash from now on, and all sessions end.
    SetPassword(&'a Secret),
}

/// Failed attempts to show that one knows a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub number: u32,
    /// When the last one was.
    pub last_at: DateTime<Utc>,
}

/// What is to change in a profile.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The user name.
    pub username: Option<String>,
}

/// A session that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The session.
    pub id: String,
    /// By the clock of the database.
    pub revoked_at: DateTime<Utc>,
    /// When it may be forgotten.
    pub expires_at: DateTime<Utc>,
}
