//! `aetherconnect.auth.v1.AuthService` over gRPC: takes requests apart, calls the core, puts answers together.

use std::{future::Future, pin::Pin, sync::Arc};

use aether_common::{Error, Secret, client::Client, grpc::Caller as Metadata, tokens::TokenKind};
use aether_proto::auth::{self as pb, auth_service_server::AuthService, revocation_event::Event as PbEvent};
use chrono::{DateTime, Utc};
use futures::Stream;
use prost_types::Timestamp;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    accounts::{Accounts, LoggedIn, Registration},
    revocations::Event,
    sessions::{Caller, Sessions},
    store::{Changes, Own, Revoked, User},
};

/// The service as gRPC sees it.
pub(crate) struct Grpc {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<Sessions>,
    /// Ends the streams, which would hold up a shutdown for ever.
    pub(crate) stop: CancellationToken,
}

async fn answer<T>(work: impl Future<Output = Result<T, Error>>) -> Result<Response<T>, Status> {
    work.await.map(Response::new).map_err(Status::from)
}

fn open<T>(request: Request<T>) -> (Metadata, T) {
    (Metadata::from_metadata(request.metadata()), request.into_inner())
}

impl Grpc {
    async fn caller(&self, metadata: &Metadata) -> Result<Caller, Error> {
        self.sessions.check(metadata.token.as_deref(), TokenKind::Access).await
    }
}

#[tonic::async_trait]
impl AuthService for Grpc {
    type WatchRevocationsStream = Pin<Box<dyn Stream<Item = Result<pb::RevocationEvent, Status>> + Send>>;

    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::SessionResponse>, Status> {
        let client = Client::from_metadata(request.metadata());
        let wanted = request.into_inner();
        let wanted = Registration {
            email: wanted.email,
            password: Secret::new(wanted.password),
            first_name: wanted.first_name,
            last_name: wanted.last_name,
            username: wanted.username,
        };
        let work = async { Ok(session(self.accounts.register(wanted, &client).await?)) };
        answer(work).await
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::SessionResponse>, Status> {
        let client = Client::from_metadata(request.metadata());
        let given = request.into_inner();
        let password = Secret::new(given.password);
        let work = async { Ok(session(self.accounts.log_in(&given.email, password, &client).await?)) };
        answer(work).await
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let (metadata, _) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            self.sessions.log_out(&caller).await?;
            Ok(pb::LogoutResponse { session_id: caller.claims.sid })
        };
        answer(work).await
    }

    async fn validate_token(
        &self,
        request: Request<pb::ValidateTokenRequest>,
    ) -> Result<Response<pb::ValidateTokenResponse>, Status> {
        let (metadata, wanted) = open(request);
        let work = async {
            let kind = match wanted.kind() {
                pb::TokenKind::Access => TokenKind::Access,
                pb::TokenKind::Websocket => TokenKind::WebSocket,
                pb::TokenKind::Unspecified => {
                    let mend = "must be TOKEN_KIND_ACCESS or TOKEN_KIND_WEBSOCKET";
                    return Err(Error::invalid(vec![("kind".into(), mend.into())]));
                }
            };
            let caller = self.sessions.check(metadata.token.as_deref(), kind).await?;
            Ok(pb::ValidateTokenResponse {
                user_id: caller.user.id.to_string(),
                username: caller.user.username,
                roles: caller.user.roles,
                session_id: caller.claims.sid,
            })
        };
        answer(work).await
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::ProfileResponse>, Status> {
        let (metadata, _) = open(request);
        let work = async { Ok(profile(self.caller(&metadata).await?.user)) };
        answer(work).await
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::ProfileResponse>, Status> {
        let (metadata, wanted) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            let changes =
                Changes { first_name: wanted.first_name, last_name: wanted.last_name, username: wanted.username };
            Ok(profile(self.accounts.update(&caller, changes).await?))
        };
        answer(work).await
    }

    async fn get_users(&self, request: Request<pb::GetUsersRequest>) -> Result<Response<pb::GetUsersResponse>, Status> {
        let (metadata, wanted) = open(request);
        let work = async {
            self.caller(&metadata).await?;
            let users = self.accounts.find(&wanted.ids, &wanted.usernames).await?;
            let public = |user: User| pb::PublicUser { id: user.id.to_string(), username: user.username };
            Ok(pb::GetUsersResponse { users: users.into_iter().map(public).collect() })
        };
        answer(work).await
    }

    async fn create_web_socket_token(
        &self,
        request: Request<pb::CreateWebSocketTokenRequest>,
    ) -> Result<Response<pb::CreateWebSocketTokenResponse>, Status> {
        let (metadata, _) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            let token = self.sessions.websocket_token(&caller)?;
            Ok(pb::CreateWebSocketTokenResponse { token: token.expose().to_owned() })
        };
        answer(work).await
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let client = Client::from_metadata(request.metadata());
        let (metadata, given) = open(request);
        let (current, new) = (Secret::new(given.current_password), Secret::new(given.new_password));
        let work = async {
            let caller = self.caller(&metadata).await?;
            let revoked = self.accounts.change_password(&caller, current, new, &client).await?;
            Ok(pb::ChangePasswordResponse { revoked: revoked.into_iter().map(revoked_session).collect() })
        };
        answer(work).await
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let (metadata, _) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            let sessions = self.sessions.list(&caller).await?.into_iter().map(|session| pb::Session {
                current: session.id == caller.claims.sid,
                id: session.id,
                created_at: Some(timestamp(session.created_at)),
                expires_at: Some(timestamp(session.expires_at)),
                address: session.address.unwrap_or_default(),
                user_agent: session.user_agent.unwrap_or_default(),
            });
            Ok(pb::ListSessionsResponse { sessions: sessions.collect() })
        };
        answer(work).await
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let (metadata, wanted) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            Ok(revoked_sessions(self.sessions.revoke(&caller, Own::One(&wanted.session_id)).await?))
        };
        answer(work).await
    }

    async fn revoke_sessions(
        &self,
        request: Request<pb::RevokeSessionsRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let (metadata, wanted) = open(request);
        let work = async {
            let caller = self.caller(&metadata).await?;
            let which = if wanted.include_current { Own::All } else { Own::AllBut(&caller.claims.sid) };
            Ok(revoked_sessions(self.sessions.revoke(&caller, which).await?))
        };
        answer(work).await
    }

    async fn watch_revocations(
        &self,
        _request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let events = self.sessions.revocations.watch(self.stop.clone());
        Ok(Response::new(Box::pin(ReceiverStream::new(events).map(event))))
    }
}

fn event(event: Event) -> Result<pb::RevocationEvent, Status> {
    let event = match event {
        Event::Revoked(revoked) => PbEvent::Revoked(revoked_session(revoked)),
        Event::Synced => PbEvent::Synced(pb::revocation_event::Synced {}),
        Event::Heartbeat => PbEvent::Heartbeat(pb::revocation_event::Heartbeat {}),
        Event::Lost => return Err(Status::data_loss("revocations were read too slowly: watch anew")),
    };
    Ok(pb::RevocationEvent { event: Some(event) })
}

fn revoked_session(revoked: Revoked) -> pb::RevokedSession {
    pb::RevokedSession {
        session_id: revoked.id,
        expires_at: Some(timestamp(revoked.expires_at)),
        revoked_at: Some(timestamp(revoked.revoked_at)),
    }
}

fn revoked_sessions(revoked: Vec<Revoked>) -> pb::RevokeSessionsResponse {
    pb::RevokeSessionsResponse { revoked: revoked.into_iter().map(revoked_session).collect() }
}

fn session(logged_in: LoggedIn) -> pb::SessionResponse {
    pb::SessionResponse { user: Some(user(logged_in.user)), access_token: logged_in.access_token.expose().to_owned() }
}

fn profile(of: User) -> pb::ProfileResponse {
    pb::ProfileResponse { user: Some(user(of)) }
}

fn user(user: User) -> pb::User {
    pb::User {
        id: user.id.to_string(),
        username: user.username,
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
        roles: user.roles,
        created_at: Some(timestamp(user.created_at)),
        updated_at: Some(timestamp(user.updated_at)),
    }
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    // Below 2 * 10^9 even in a leap second.
    Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos() as i32 }
}
