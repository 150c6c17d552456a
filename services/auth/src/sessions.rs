//! Sessions and their tokens: opened by a login, checked on every call, revoked by a logout.

use std::sync::Arc;

use aether_common::{
    Code, Error, Secret,
    batch::Batch,
    client::Client,
    tokens::{ACCESS_LIFETIME, Claims, Keys, TokenKind, WEBSOCKET_LIFETIME, is_session_id},
};
use chrono::{DateTime, SubsecRound as _, Utc};
use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::{
    revocations::Revocations,
    store::{NewSession, Own, Revoked, Session, Store, User},
};

/// Who makes a call: the user as the database knows it now, and what the token says.
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) claims: Claims,
}

/// The users of live sessions: every request needs one.
pub(crate) type Live = Batch<(String, i64), Option<User>>;

/// Asks the store.
pub(crate) fn live(store: &Arc<dyn Store>) -> Live {
    let store = Arc::clone(store);
    Batch::new(move |sessions: Vec<(String, i64)>| {
        let store = Arc::clone(&store);
        async move { Ok(store.session_users(&sessions, Utc::now()).await?) }
    })
}

/// The sessions of all users.
pub(crate) struct Sessions {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: Live,
    pub(crate) access: Keys,
    pub(crate) websocket: Keys,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) revoked: IntCounter,
    /// Where revoked sessions are announced besides the database; absent without Redis.
    pub(crate) announce: Option<mpsc::Sender<String>>,
}

impl Sessions {
    /// A session that begins now.
    pub(crate) fn new_session(client: &Client) -> NewSession {
        // Databases keep less than nanoseconds, and what is told first must be what is told later.
        let created_at = Utc::now().trunc_subsecs(3);
        NewSession {
            id: uuid::Uuid::new_v4().to_string(),
            created_at,
            expires_at: created_at + ACCESS_LIFETIME,
            address: client.network(),
            user_agent: client.agent.clone(),
        }
    }

    /// The access token of a session, which lives as long.
    pub(crate) fn access_token(&self, user: &User, session: &NewSession) -> Result<Secret, Error> {
        let claims = claims(user, &session.id, TokenKind::Access, session.created_at, session.expires_at.timestamp());
        self.access.sign(&claims).map(Secret::new).map_err(Error::internal)
    }

    /// A token of 60 seconds that opens a Socket.IO connection in the caller's session.
    pub(crate) fn websocket_token(&self, caller: &Caller) -> Result<Secret, Error> {
        let now = Utc::now();
        let end = (now + WEBSOCKET_LIFETIME).timestamp().min(caller.claims.exp);
        let claims = claims(&caller.user, &caller.claims.sid, TokenKind::WebSocket, now, end);
        self.websocket.sign(&claims).map(Secret::new).map_err(Error::internal)
    }

    /// Whose token it is. `Unauthenticated` when it is absent, forged, expired, revoked or of another kind;
    /// `Unavailable` when the database cannot say.
    pub(crate) async fn check(&self, token: Option<&str>, kind: TokenKind) -> Result<Caller, Error> {
        let now = Utc::now();
        let keys = match kind {
            TokenKind::Access => &self.access,
            TokenKind::WebSocket => &self.websocket,
        };
        let claims = token.ok_or_else(Error::unauthenticated).and_then(|token| {
            keys.verify(token, now).map_err(|refusal| {
                tracing::debug!(%refusal, "token refused");
                Error::unauthenticated()
            })
        })?;
        let id = claims.sub.parse().map_err(|_| Error::unauthenticated())?;
        let user = self.live.ask((claims.sid.clone(), id)).await?.ok_or_else(Error::unauthenticated)?;
        Ok(Caller { user, claims })
    }

    /// Revokes the caller's session: for this replica at once, for all others within a second.
    pub(crate) async fn log_out(&self, caller: &Caller) -> Result<(), Error> {
        let revoked = self.store.revoke(&caller.claims.sid).await?.ok_or_else(Error::unauthenticated)?;
        self.tell(&[revoked]);
        tracing::info!(user_id = caller.user.id, "logged out");
        Ok(())
    }

    /// The caller's live sessions.
    pub(crate) async fn list(&self, caller: &Caller) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions(caller.user.id, Utc::now()).await?)
    }

    /// Revokes live sessions of the caller, and says which.
    pub(crate) async fn revoke(&self, caller: &Caller, which: Own<'_>) -> Result<Vec<Revoked>, Error> {
        let not_found = || Error::new(Code::NotFound, "SESSION_NOT_FOUND", "Session not found");
        if matches!(which, Own::One(id) if !is_session_id(id)) {
            return Err(not_found());
        }
        let revoked = self.store.revoke_own(caller.user.id, which, Utc::now()).await?;
        if revoked.is_empty() && matches!(which, Own::One(_)) {
            return Err(not_found());
        }
        self.tell(&revoked);
        tracing::info!(user_id = caller.user.id, sessions = revoked.len(), "revoked sessions");
        Ok(revoked)
    }

    /// Tells everybody of sessions that the database has marked.
    pub(crate) fn tell(&self, revoked: &[Revoked]) {
        if let (Some(announce), Some(one)) = (&self.announce, revoked.first()) {
            // A hint, no more: without it the others read the database a moment later. Any one makes them read all.
            let _ = announce.try_send(one.id.clone());
        }
        for session in revoked {
            self.revocations.insert(session.clone());
            self.revoked.inc();
        }
    }
}

fn claims(user: &User, session: &str, kind: TokenKind, now: DateTime<Utc>, exp: i64) -> Claims {
    Claims {
        sub: user.id.to_string(),
        username: user.username.clone(),
        roles: user.roles.clone(),
        sid: session.to_owned(),
        kind,
        iat: now.timestamp(),
        exp,
        nbf: None,
    }
}
