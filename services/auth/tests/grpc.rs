//! The service as its callers see it.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use aether_common::{Code, Error, grpc::Caller};
use aether_proto::auth::{
    CreateWebSocketTokenRequest, GetProfileRequest, GetUsersRequest, LoginRequest, LogoutRequest, RegisterRequest,
    RevocationEvent, SessionResponse, TokenKind, UpdateProfileRequest, User, ValidateTokenRequest,
    ValidateTokenResponse, WatchRevocationsRequest, auth_service_client::AuthServiceClient, revocation_event::Event,
};
use futures::future::join_all;
use support::{Proxy, Replica, env, on_postgres, on_sqlite, server, within};
use tonic::{Status, Streaming, transport::Channel};

type Client = AuthServiceClient<Channel>;

const PASSWORD: &str = "correct horse battery";

fn registration(name: &str) -> RegisterRequest {
    RegisterRequest {
        email: format!("{name}@example.com"),
        password: PASSWORD.into(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        username: name.into(),
    }
}

async fn register(client: &Client, name: &str) -> (User, String) {
    let SessionResponse { user, access_token } =
        client.clone().register(registration(name)).await.unwrap().into_inner();
    (user.unwrap(), access_token)
}

async fn log_in(client: &Client, email: &str, password: &str) -> Result<SessionResponse, Error> {
    let request = LoginRequest { email: email.into(), password: password.into() };
    Ok(client.clone().login(request).await.map_err(Error::from)?.into_inner())
}

fn with_token<T>(token: &str, message: T) -> tonic::Request<T> {
    Caller { token: Some(token.into()), request_id: "test".into() }.request(message).unwrap()
}

async fn validate(client: &Client, token: &str, kind: TokenKind) -> Result<ValidateTokenResponse, Error> {
    let request = with_token(token, ValidateTokenRequest { kind: kind.into() });
    Ok(client.clone().validate_token(request).await.map_err(Error::from)?.into_inner())
}

async fn profile(client: &Client, token: &str) -> Result<User, Error> {
    let answer = client.clone().get_profile(with_token(token, GetProfileRequest {})).await.map_err(Error::from)?;
    Ok(answer.into_inner().user.unwrap())
}

async fn websocket_token(client: &Client, token: &str) -> Result<String, Status> {
    Ok(client
        .clone()
        .create_web_socket_token(with_token(token, CreateWebSocketTokenRequest {}))
        .await?
        .into_inner()
        .token)
}

async fn log_out(client: &Client, token: &str) -> Result<String, Error> {
    let answer = client.clone().logout(with_token(token, LogoutRequest {})).await.map_err(Error::from)?;
    Ok(answer.into_inner().session_id)
}

async fn watch(client: &Client) -> Streaming<RevocationEvent> {
    client.clone().watch_revocations(WatchRevocationsRequest {}).await.unwrap().into_inner()
}

async fn next(events: &mut Streaming<RevocationEvent>) -> Event {
    within(3, events.message()).await.unwrap().unwrap().event.unwrap()
}

async fn next_revoked(events: &mut Streaming<RevocationEvent>) -> String {
    loop {
        if let Event::Revoked(session) = next(events).await {
            return session.session_id;
        }
    }
}

async fn synced(events: &mut Streaming<RevocationEvent>) {
    while !matches!(next(events).await, Event::Synced(_)) {}
}

#[tokio::test]
async fn a_user_registers_logs_in_and_has_a_profile() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let (made, token) = register(&replica.client, "Ada").await;
        assert_eq!((made.id.as_str(), made.username.as_str()), ("1", "Ada"));
        assert_eq!(made.roles, ["user"]);
        assert!(made.created_at.is_some() && made.created_at == made.updated_at);
        assert_eq!(profile(&replica.client, &token).await.unwrap(), made);

        let again = log_in(&replica.client, "ada@EXAMPLE.com", PASSWORD).await.unwrap();
        assert_eq!(again.user, Some(made.clone()));
        let who = validate(&replica.client, &again.access_token, TokenKind::Access).await.unwrap();
        assert_eq!((who.user_id, who.username, who.roles), ("1".into(), "Ada".into(), vec!["user".to_owned()]));
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_user_is_told_of_others_no_more_than_id_and_name_and_a_stranger_nothing() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let (ada, token) = register(&replica.client, "Ada").await;
        let (bob, _) = register(&replica.client, "bob").await;
        let wanted = GetUsersRequest { ids: vec![ada.id, "x".into(), "99".into()], usernames: vec!["BOB".into()] };
        let answer = replica.client.clone().get_users(with_token(&token, wanted.clone())).await.unwrap();
        let mut users: Vec<_> = answer.into_inner().users.into_iter().map(|user| (user.id, user.username)).collect();
        users.sort();
        assert_eq!(users, [("1".to_owned(), "Ada".to_owned()), (bob.id, "bob".to_owned())]);
        let refusal = replica.client.clone().get_users(wanted).await.unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::Unauthenticated);
        let many = GetUsersRequest { ids: vec!["1".into(); 101], usernames: vec![] };
        let refusal = replica.client.clone().get_users(with_token(&token, many)).await.unwrap_err();
        assert_eq!(Error::from(refusal).message, "ids must be at most 100");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_told_field_by_field() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let bad = RegisterRequest { password: "short".into(), email: "ada".into(), ..registration("a!") };
        let refusal = Error::from(replica.client.clone().register(bad).await.unwrap_err());
        assert_eq!(refusal.code, Code::Invalid);
        let fields: Vec<_> = refusal.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(fields, ["email", "username", "password"]);
        assert_eq!(log_in(&replica.client, "ada", "").await.unwrap_err().code, Code::Invalid);
        for name in ["system", "ad", "a b c", "ünal"] {
            let bad = RegisterRequest { email: "a@example.com".into(), ..registration(name) };
            let refusal = replica.client.clone().register(bad).await.unwrap_err();
            assert_eq!(refusal.code(), tonic::Code::InvalidArgument, "{name}");
        }
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_one_answer_after_one_time() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        register(&replica.client, "ada").await;
        let (mut answers, mut times) = (Vec::new(), Vec::new());
        for email in ["ada@example.com", "nobody@example.com"] {
            let started = Instant::now();
            let refusal = log_in(&replica.client, email, "wrong password").await.unwrap_err();
            times.push(started.elapsed());
            answers.push((refusal.code, refusal.reason, refusal.message));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!((answers[0].0, answers[0].2.as_str()), (Code::Unauthenticated, "Invalid credentials"));
        // Without a hash the second one takes a hundredth of the first one's time.
        assert!(times[1] > times[0] / 4, "{times:?}");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_profile_changes_where_told_and_a_name_in_use_is_refused() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        register(&replica.client, "ada").await;
        let (bob, token) = register(&replica.client, "bob").await;
        let update = async |request| {
            let answer = replica.client.clone().update_profile(with_token(&token, request)).await;
            answer.map(|a| a.into_inner().user.unwrap()).map_err(Error::from)
        };
        let nothing = update(UpdateProfileRequest::default()).await.unwrap_err();
        assert_eq!(nothing.code, Code::Invalid);
        let taken = UpdateProfileRequest { username: Some("ADA".into()), ..Default::default() };
        assert_eq!(update(taken).await.unwrap_err().code, Code::Conflict);
        let renamed = UpdateProfileRequest { username: Some("robert".into()), ..Default::default() };
        let user = update(renamed).await.unwrap();
        assert_eq!((user.username.as_str(), &user.last_name), ("robert", &bob.last_name));
        assert_eq!(validate(&replica.client, &token, TokenKind::Access).await.unwrap().username, "robert");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn neither_kind_of_token_is_accepted_in_the_others_place() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let client = &replica.client;
        let (_, access) = register(client, "ada").await;
        let websocket = websocket_token(client, &access).await.unwrap();
        let session = validate(client, &access, TokenKind::Access).await.unwrap().session_id;
        assert_eq!(validate(client, &websocket, TokenKind::Websocket).await.unwrap().session_id, session);
        for (token, kind) in [(&access, TokenKind::Websocket), (&websocket, TokenKind::Access)] {
            assert_eq!(validate(client, token, kind).await.unwrap_err().code, Code::Unauthenticated);
        }
        assert_eq!(validate(client, &access, TokenKind::Unspecified).await.unwrap_err().code, Code::Invalid);
        for token in [websocket.as_str(), "rubbish", "a.b.c"] {
            assert_eq!(profile(client, token).await.unwrap_err().code, Code::Unauthenticated);
        }
        let anonymous = client.clone().get_profile(GetProfileRequest {}).await.unwrap_err();
        assert_eq!(anonymous.code(), tonic::Code::Unauthenticated);
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_logout_ends_its_session_alone_and_is_seen_on_the_stream_at_once() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let client = &replica.client;
        let (_, first) = register(client, "ada").await;
        let second = log_in(client, "ada@example.com", PASSWORD).await.unwrap().access_token;
        let websocket = websocket_token(client, &first).await.unwrap();
        let mut events = watch(client).await;
        synced(&mut events).await;

        let started = Instant::now();
        let session = log_out(client, &first).await.unwrap();
        assert_eq!(next_revoked(&mut events).await, session);
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());

        for (token, kind) in [(&first, TokenKind::Access), (&websocket, TokenKind::Websocket)] {
            assert_eq!(validate(client, token, kind).await.unwrap_err().code, Code::Unauthenticated);
        }
        assert_eq!(log_out(client, &first).await.unwrap_err().code, Code::Unauthenticated);
        assert!(profile(client, &second).await.is_ok());

        let mut later = watch(client).await;
        assert!(matches!(next(&mut later).await, Event::Revoked(told) if told.session_id == session));
        assert!(matches!(next(&mut later).await, Event::Synced(_)));
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_stream_beats_each_second_and_does_not_hold_up_the_end() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        let mut events = watch(&replica.client).await;
        synced(&mut events).await;
        let started = Instant::now();
        for _ in 0..3 {
            assert!(matches!(next(&mut events).await, Event::Heartbeat(_)));
        }
        assert!((2..4).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
        let started = Instant::now();
        replica.stop().await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn health_and_metrics_are_told_over_http() {
    on_sqlite(|url| async move {
        let replica = Replica::start_ready(&env(&url)).await;
        register(&replica.client, "ada").await;
        assert!(replica.get("/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(replica.get("/readyz").await.contains(r#""database":"up""#));
        let metrics = replica.get("/metrics").await;
        assert!(metrics.contains("aetherconnect_auth_registrations_total 1"), "{metrics}");
        assert!(metrics.contains(r#"aetherconnect_auth_logins_total{result="failed"} 0"#), "{metrics}");
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_service_without_its_schema_is_alive_and_not_ready() {
    on_sqlite(|url| async move {
        let replica = Replica::start(&env(&url)).await;
        assert!(replica.get("/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(replica.get("/readyz").await.starts_with("HTTP/1.1 503"));
        support::database(&env(&url)).migrate().await.unwrap();
        within(3, replica.health.until_ready()).await;
        replica.stop().await;
    })
    .await;
}

async fn twenty_at_once_make_one_user(url: String) {
    let replica = Replica::start_ready(&env(&url)).await;
    let attempts = (0..20).map(|_| {
        let mut client = replica.client.clone();
        async move {
            loop {
                match client.register(registration("ada")).await.map_err(Error::from) {
                    // A busy machine sends away whoever waits too long for a password's hash.
                    Err(error) if error.code == Code::Unavailable => {}
                    answer => return answer,
                }
            }
        }
    });
    let results = join_all(attempts).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    for refusal in results.into_iter().filter_map(Result::err) {
        assert_eq!(refusal.code, Code::Conflict);
        assert_eq!(refusal.message, "User with this email or username already exists");
    }
    replica.stop().await;
}

#[tokio::test]
async fn twenty_registrations_of_one_name_at_once_make_one_user() {
    on_sqlite(twenty_at_once_make_one_user).await;
}

#[tokio::test]
async fn twenty_registrations_of_one_name_at_once_make_one_user_on_postgres() {
    on_postgres(twenty_at_once_make_one_user).await;
}

#[tokio::test]
async fn another_replica_tells_of_a_logout_within_a_second() {
    on_postgres(|url| async move {
        let (first, second) = (Replica::start_ready(&env(&url)).await, Replica::start_ready(&env(&url)).await);
        let mut events = watch(&second.client).await;
        synced(&mut events).await;
        for name in ["ada", "bob", "eve"] {
            let (_, token) = register(&first.client, name).await;
            let started = Instant::now();
            let session = log_out(&first.client, &token).await.unwrap();
            assert_eq!(next_revoked(&mut events).await, session);
            assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
            assert_eq!(profile(&second.client, &token).await.unwrap_err().code, Code::Unauthenticated);
        }
        first.stop().await;
        second.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_database_that_hangs_is_an_outage_and_not_a_refusal_and_it_heals() {
    on_postgres(|url| async move {
        let (start, place) = url.rsplit_once('@').unwrap();
        let (address, name) = place.split_once('/').unwrap();
        let proxy = Proxy::start(address.to_owned()).await;
        let replica = Replica::start_ready(&env(&format!("{start}@127.0.0.1:{}/{name}", proxy.port))).await;
        let (_, token) = register(&replica.client, "ada").await;
        let mut events = watch(&replica.client).await;
        synced(&mut events).await;

        proxy.hang();
        let calls = (0..15).map(|_| async {
            let started = Instant::now();
            (profile(&replica.client, &token).await.unwrap_err().code, started.elapsed())
        });
        for (code, time) in join_all(calls).await {
            assert_eq!(code, Code::Unavailable);
            assert!(time < Duration::from_secs(3), "{time:?}");
        }
        let login = log_in(&replica.client, "ada@example.com", PASSWORD).await.unwrap_err();
        assert_eq!(login.code, Code::Unavailable);
        assert!(!replica.health.ready());
        let silence = async {
            while let Ok(event) = tokio::time::timeout(Duration::from_millis(1500), events.message()).await {
                assert!(event.unwrap().is_some(), "the stream is silent, but goes on");
            }
        };
        within(10, silence).await;

        proxy.recover();
        within(10, replica.health.until_ready()).await;
        within(10, async { while profile(&replica.client, &token).await.is_err() {} }).await;
        synced(&mut watch(&replica.client).await).await;
        replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn redis_that_hangs_stalls_nothing_and_it_heals() {
    on_sqlite(|url| async move {
        let redis = server("TEST_REDIS_URL");
        let address = redis.trim_start_matches("redis://").split('/').next().unwrap().to_owned();
        let proxy = Proxy::start(address).await;
        let env = env(&url).with("REDIS_URL", format!("redis://127.0.0.1:{}", proxy.port));
        let replica = Replica::start_ready(&env).await;
        let is = async |up| {
            within(10, async {
                while replica.health.dependencies()["redis"].up != up {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await;
        };
        is(true).await;
        let (_, token) = register(&replica.client, "ada").await;
        let mut events = watch(&replica.client).await;
        synced(&mut events).await;
        proxy.hang();
        let started = Instant::now();
        let session = log_out(&replica.client, &token).await.unwrap();
        assert_eq!(next_revoked(&mut events).await, session);
        assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
        is(false).await;
        assert!(replica.health.ready());
        proxy.recover();
        is(true).await;
        replica.stop().await;
    })
    .await;
}
