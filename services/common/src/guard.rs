//! Who a token belongs to, for services that are not auth.

use std::sync::Arc;

use aether_proto::auth::{self as pb, ValidateTokenRequest, auth_service_client::AuthServiceClient};
use chrono::Utc;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    grpc::{Caller, Channel},
    revocation::Revocations,
    tokens::{Keys, TokenError, TokenKind},
};

/// The user behind a request, as the token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Decimal digits.
    pub user_id: String,
    /// The user's name when the token was made.
    pub username: String,
    /// The user's roles when the token was made.
    pub roles: Vec<String>,
    /// The session, which a logout revokes.
    pub session_id: String,
}

/// Verifies tokens of one kind: signature, kind and time here; revocation by the stream from auth, or by asking auth
/// while that stream is lost. Never open when auth cannot be asked.
#[derive(Clone)]
pub struct Guard {
    keys: Keys,
    kind: TokenKind,
    revocations: Arc<Revocations>,
    auth: AuthServiceClient<Channel>,
}

impl Guard {
    /// A guard over a view of revocations that somebody follows, see [`follow`].
    #[must_use]
    pub fn new(keys: Keys, kind: TokenKind, revocations: Arc<Revocations>, auth: AuthServiceClient<Channel>) -> Self {
        Self { keys, kind, revocations, auth }
    }

    /// Whose token it is. `Unauthenticated` for a token that is forged, expired, revoked or of another kind;
    /// `Unavailable` when its revocation can't be known.
    pub async fn check(&self, token: &str, request_id: &str) -> Result<Identity, Error> {
        let claims = match self.keys.verify(token, Utc::now()) {
            Ok(claims) => claims,
            // While keys rotate, auth may sign by one that this replica hasn't got yet.
            Err(TokenError::UnknownKey) => return self.ask(token, request_id).await,
            Err(refusal) => {
                tracing::debug!(request_id, %refusal, "token refused");
                return Err(Error::unauthenticated());
            }
        };
        if self.revocations.contains(&claims.sid) {
            return Err(Error::unauthenticated());
        }
        if !self.revocations.fresh() {
            return self.ask(token, request_id).await;
        }
        Ok(Identity { user_id: claims.sub, username: claims.username, roles: claims.roles, session_id: claims.sid })
    }

    /// The view of revocations that this guard looks at.
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    async fn ask(&self, token: &str, request_id: &str) -> Result<Identity, Error> {
        let kind = match self.kind {
            TokenKind::Access => pb::TokenKind::Access,
            TokenKind::WebSocket => pb::TokenKind::Websocket,
        };
        let caller = Caller { token: Some(token.to_owned()), request_id: request_id.to_owned() };
        let request = caller.request(ValidateTokenRequest { kind: kind.into() })?;
        let answer = self.auth.clone().validate_token(request).await?.into_inner();
        let pb::ValidateTokenResponse { user_id, username, roles, session_id } = answer;
        Ok(Identity { user_id, username, roles, session_id })
    }
}

/// Starts following auth's stream of revocations; ends with `stop`. How far behind it is, is told in `registry`.
pub fn follow(
    auth: AuthServiceClient<Channel>,
    registry: &Registry,
    stop: CancellationToken,
) -> prometheus::Result<Arc<Revocations>> {
    let revocations = Revocations::new(registry)?;
    tokio::spawn(Arc::clone(&revocations).follow(auth, stop));
    Ok(revocations)
}
