//! Users in memory; real tokens.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use aether_common::{
    Code, Error, Secret,
    grpc::Caller,
    tokens::{Claims, Keys, TokenKind},
};
use aether_proto::auth::{
    ChangePasswordRequest, ChangePasswordResponse, CreateWebSocketTokenRequest, CreateWebSocketTokenResponse,
    GetProfileRequest, GetUsersRequest, GetUsersResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest,
    LogoutRequest, LogoutResponse, ProfileResponse, PublicUser, RegisterRequest, RevocationEvent, RevokeSessionRequest,
    RevokeSessionsRequest, RevokeSessionsResponse, RevokedSession, Session, SessionResponse, UpdateProfileRequest,
    User, ValidateTokenRequest, ValidateTokenResponse, WatchRevocationsRequest,
    auth_service_server::AuthService,
    revocation_event::{Event, Heartbeat, Synced},
};
use chrono::Utc;
use prost_types::Timestamp;
use tokio_stream::{Stream, StreamExt as _, wrappers::IntervalStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, metadata::MetadataMap};

#[derive(Default)]
struct State {
    users: Vec<(User, String)>,
    revoked: HashSet<String>,
}

pub(crate) struct FakeAuth {
    keys: Keys,
    stop: CancellationToken,
    state: Arc<Mutex<State>>,
}

type Answer<T> = Result<Response<T>, Status>;

impl FakeAuth {
    pub(crate) fn new(secret: &str, stop: CancellationToken) -> Self {
        let keys = Keys::new(TokenKind::Access, &Secret::new(secret), None);
        Self { keys, stop, state: Arc::default() }
    }

    fn session(&self, user: User) -> SessionResponse {
        let now = Utc::now().timestamp();
        let claims = Claims {
            sub: user.id.clone(),
            username: user.username.clone(),
            roles: user.roles.clone(),
            sid: format!("session-{}-{}", user.id, uuid::Uuid::new_v4()),
            kind: TokenKind::Access,
            iat: now,
            exp: now + 3600,
            nbf: None,
        };
        SessionResponse { user: Some(user), access_token: self.keys.sign(&claims).unwrap() }
    }

    fn revoke(&self, session_id: String) -> RevokeSessionsResponse {
        self.state.lock().unwrap().revoked.insert(session_id.clone());
        RevokeSessionsResponse { revoked: vec![RevokedSession { session_id, expires_at: None, revoked_at: None }] }
    }

    fn caller(&self, metadata: &MetadataMap) -> Result<Claims, Status> {
        let caller = Caller::from_metadata(metadata);
        assert_ne!(caller.request_id, "-", "a call without a request id");
        let token = caller.token.ok_or_else(Error::unauthenticated)?;
        let claims = self.keys.verify(&token, Utc::now()).map_err(|_| Error::unauthenticated())?;
        if self.state.lock().unwrap().revoked.contains(&claims.sid) {
            return Err(Error::unauthenticated().into());
        }
        Ok(claims)
    }
}

#[tonic::async_trait]
impl AuthService for FakeAuth {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<SessionResponse> {
        let wanted = request.into_inner();
        if wanted.password.len() < 8 {
            let fields = vec![("password".to_owned(), "must have at least 8 characters".to_owned())];
            return Err(Error::invalid(fields).into());
        }
        let mut state = self.state.lock().unwrap();
        if state.users.iter().any(|(user, _)| user.username == wanted.username) {
            return Err(Error::new(Code::Conflict, "USER_EXISTS", "taken").into());
        }
        let at = Some(Timestamp { seconds: 1_698_400_800, nanos: 0 });
        let user = User {
            id: (state.users.len() + 1).to_string(),
            username: wanted.username,
            email: wanted.email,
            first_name: wanted.first_name,
            last_name: wanted.last_name,
            roles: vec!["user".to_owned()],
            created_at: at,
            updated_at: at,
        };
        state.users.push((user.clone(), wanted.password));
        Ok(Response::new(self.session(user)))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Answer<SessionResponse> {
        let wanted = request.into_inner();
        let state = self.state.lock().unwrap();
        let user =
            state.users.iter().find(|(user, password)| user.email == wanted.email && *password == wanted.password);
        let (user, _) = user.ok_or_else(|| Error::new(Code::Unauthenticated, "INVALID_CREDENTIALS", "no"))?;
        Ok(Response::new(self.session(user.clone())))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Answer<LogoutResponse> {
        let claims = self.caller(request.metadata())?;
        self.state.lock().unwrap().revoked.insert(claims.sid.clone());
        Ok(Response::new(LogoutResponse { session_id: claims.sid }))
    }

    async fn validate_token(&self, request: Request<ValidateTokenRequest>) -> Answer<ValidateTokenResponse> {
        let claims = self.caller(request.metadata())?;
        Ok(Response::new(ValidateTokenResponse {
            user_id: claims.sub,
            username: claims.username,
            roles: claims.roles,
            session_id: claims.sid,
        }))
    }

    async fn get_profile(&self, request: Request<GetProfileRequest>) -> Answer<ProfileResponse> {
        let claims = self.caller(request.metadata())?;
        let state = self.state.lock().unwrap();
        let user = state.users.iter().map(|(user, _)| user).find(|user| user.id == claims.sub).cloned();
        Ok(Response::new(ProfileResponse { user }))
    }

    async fn update_profile(&self, request: Request<UpdateProfileRequest>) -> Answer<ProfileResponse> {
        let claims = self.caller(request.metadata())?;
        let wanted = request.into_inner();
        let mut state = self.state.lock().unwrap();
        match wanted.username.as_deref() {
            Some("ab") => {
                let fields = vec![("first_name".to_owned(), "must be short".to_owned())];
                return Err(Error::invalid(fields).into());
            }
            Some("odd") => return Err(Error::new(Code::Invalid, "ODD", "something").into()),
            Some("broken") => return Err(Error::internal(std::io::Error::other("disk on fire")).into()),
            Some(name) if state.users.iter().any(|(user, _)| user.username == name) => {
                return Err(Error::new(Code::Conflict, "USERNAME_TAKEN", "taken").into());
            }
            _ => {}
        }
        let (user, _) = state.users.iter_mut().find(|(user, _)| user.id == claims.sub).unwrap();
        user.first_name = wanted.first_name.unwrap_or(user.first_name.clone());
        user.last_name = wanted.last_name.unwrap_or(user.last_name.clone());
        user.username = wanted.username.unwrap_or(user.username.clone());
        Ok(Response::new(ProfileResponse { user: Some(user.clone()) }))
    }

    async fn get_users(&self, request: Request<GetUsersRequest>) -> Answer<GetUsersResponse> {
        self.caller(request.metadata())?;
        let wanted = request.into_inner();
        let state = self.state.lock().unwrap();
        let users = state.users.iter().map(|(user, _)| user);
        let users = users.filter(|user| wanted.ids.contains(&user.id) || wanted.usernames.contains(&user.username));
        let users = users.map(|user| PublicUser { id: user.id.clone(), username: user.username.clone() }).collect();
        Ok(Response::new(GetUsersResponse { users }))
    }

    async fn create_web_socket_token(
        &self,
        request: Request<CreateWebSocketTokenRequest>,
    ) -> Answer<CreateWebSocketTokenResponse> {
        self.caller(request.metadata())?;
        Ok(Response::new(CreateWebSocketTokenResponse { token: "a token".to_owned() }))
    }

    async fn change_password(&self, request: Request<ChangePasswordRequest>) -> Answer<ChangePasswordResponse> {
        self.caller(request.metadata())?;
        let wanted = request.into_inner();
        let mut state = self.state.lock().unwrap();
        let kept = state.users.iter_mut().find(|(_, password)| *password == wanted.current_password);
        let wrong = || Error::invalid(vec![("currentPassword".to_owned(), "is wrong".to_owned())]);
        kept.ok_or_else(wrong)?.1 = wanted.new_password;
        Ok(Response::new(ChangePasswordResponse { revoked: Vec::new() }))
    }

    async fn list_sessions(&self, request: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        let claims = self.caller(request.metadata())?;
        let at = Some(Timestamp { seconds: 1_698_400_800, nanos: 0 });
        let own = Session { id: claims.sid, created_at: at, expires_at: at, current: true, ..Session::default() };
        Ok(Response::new(ListSessionsResponse { sessions: vec![own] }))
    }

    async fn revoke_session(&self, request: Request<RevokeSessionRequest>) -> Answer<RevokeSessionsResponse> {
        let claims = self.caller(request.metadata())?;
        if request.into_inner().session_id != claims.sid {
            return Err(Error::new(Code::NotFound, "SESSION_NOT_FOUND", "Session not found").into());
        }
        Ok(Response::new(self.revoke(claims.sid)))
    }

    async fn revoke_sessions(&self, request: Request<RevokeSessionsRequest>) -> Answer<RevokeSessionsResponse> {
        let claims = self.caller(request.metadata())?;
        let all = request.into_inner().include_current;
        Ok(Response::new(if all { self.revoke(claims.sid) } else { RevokeSessionsResponse::default() }))
    }

    type WatchRevocationsStream = Pin<Box<dyn Stream<Item = Result<RevocationEvent, Status>> + Send>>;

    async fn watch_revocations(&self, _: Request<WatchRevocationsRequest>) -> Answer<Self::WatchRevocationsStream> {
        let synced = tokio_stream::once(Event::Synced(Synced {}));
        let beats = IntervalStream::new(tokio::time::interval(Duration::from_millis(500)));
        let events = synced.chain(beats.map(|_| Event::Heartbeat(Heartbeat {})));
        let events = events.map(|event| Ok(RevocationEvent { event: Some(event) }));
        let ended = self.stop.clone().cancelled_owned();
        Ok(Response::new(Box::pin(futures::StreamExt::take_until(events, ended))))
    }
}
