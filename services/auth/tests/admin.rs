//! What those who run an instance do to its users, beside a replica that serves.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use aether_auth::admin::{Admin, Answer, Request};
use aether_common::{Code, Error, grpc::Caller};
use aether_proto::auth::{LoginRequest, RegisterRequest, TokenKind, ValidateTokenRequest};
use support::{Replica, database, env, on_postgres, on_sqlite};

const PASSWORD: &str = "correct horse battery";

struct World {
    replica: Replica,
    admin: Admin,
}

impl World {
    async fn new(url: &str) -> Self {
        let env = env(url);
        Self { replica: Replica::start_ready(&env).await, admin: Admin::new(&database(&env)) }
    }

    async fn register(&self, name: &str) -> String {
        let request = RegisterRequest {
            email: format!("{name}@example.com"),
            password: PASSWORD.into(),
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            username: name.into(),
        };
        self.replica.client.clone().register(request).await.unwrap().into_inner().access_token
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<String, Error> {
        let request = LoginRequest { email: format!("{name}@example.com"), password: password.into() };
        Ok(self.replica.client.clone().login(request).await.map_err(Error::from)?.into_inner().access_token)
    }

    async fn is_valid(&self, token: &str) -> bool {
        let caller = Caller { token: Some(token.into()), request_id: "test".into() };
        let request = caller.request(ValidateTokenRequest { kind: TokenKind::Access.into() }).unwrap();
        self.replica.client.clone().validate_token(request).await.is_ok()
    }

    async fn refusal(&self, request: Request) -> (String, String) {
        match self.admin.answer(request).await {
            Answer::Refused { reason, message } => (reason, message),
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn create(name: &str, password: &str) -> Request {
    Request::Create {
        email: format!("{name}@example.com"),
        username: name.into(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        password: password.into(),
    }
}

async fn a_disabled_user_is_answered_like_one_with_a_wrong_password(url: String) {
    let world = World::new(&url).await;
    let token = world.register("ada").await;
    assert!(world.is_valid(&token).await);
    let wrong = world.log_in("ada", "wrong horse battery").await.unwrap_err();
    let Answer::Done { user, changed: true, ended_sessions: 1 } =
        world.admin.answer(Request::Disable { user: "ADA".into() }).await
    else {
        panic!("not disabled")
    };
    assert!(user.disabled_at.is_some() && user.sessions == 0);
    assert!(!world.is_valid(&token).await);
    let refused = world.log_in("ada", PASSWORD).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert_eq!((refused.code, &refused.reason, &refused.message), (wrong.code, &wrong.reason, &wrong.message));

    let enabled = world.admin.answer(Request::Enable { user: "ada@example.com".into() }).await;
    assert!(matches!(enabled, Answer::Done { changed: true, ended_sessions: 0, .. }), "{enabled:?}");
    assert!(world.log_in("ada", PASSWORD).await.is_ok());
    assert!(!world.is_valid(&token).await, "what has ended stays ended");
    world.replica.stop().await;
}

async fn a_reset_password_replaces_the_old_one_and_ends_all_sessions(url: String) {
    let world = World::new(&url).await;
    let token = world.register("ada").await;
    let reset = Request::ResetPassword { user: "ada".into(), password: "another horse battery".into() };
    assert!(matches!(world.admin.answer(reset).await, Answer::Done { ended_sessions: 1, .. }));
    assert!(!world.is_valid(&token).await);
    assert!(world.log_in("ada", PASSWORD).await.is_err());
    assert!(world.log_in("ada", "another horse battery").await.is_ok());
    world.replica.stop().await;
}

#[tokio::test]
async fn a_disabled_user_is_answered_like_one_with_a_wrong_password_on_sqlite() {
    on_sqlite(a_disabled_user_is_answered_like_one_with_a_wrong_password).await;
}

#[tokio::test]
async fn a_disabled_user_is_answered_like_one_with_a_wrong_password_on_postgres() {
    on_postgres(a_disabled_user_is_answered_like_one_with_a_wrong_password).await;
}

#[tokio::test]
async fn a_reset_password_replaces_the_old_one_on_sqlite() {
    on_sqlite(a_reset_password_replaces_the_old_one_and_ends_all_sessions).await;
}

#[tokio::test]
async fn a_reset_password_replaces_the_old_one_on_postgres() {
    on_postgres(a_reset_password_replaces_the_old_one_and_ends_all_sessions).await;
}

#[tokio::test]
async fn right_passwords_of_a_disabled_user_are_throttled_like_wrong_ones() {
    on_sqlite(|url| async move {
        let world = World::new(&url).await;
        world.register("ada").await;
        world.admin.answer(Request::Disable { user: "ada".into() }).await;
        let mut codes = Vec::new();
        for _ in 0..7 {
            codes.push(world.log_in("ada", PASSWORD).await.unwrap_err().code);
        }
        assert!(codes.contains(&Code::Exhausted), "{codes:?}");
        world.replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_rules_for_users_hold_for_those_that_are_made_for_them() {
    on_sqlite(|url| async move {
        let world = World::new(&url).await;
        let made = world.admin.answer(create("ada", PASSWORD)).await;
        assert!(matches!(&made, Answer::Done { user, .. } if user.roles == ["user"]), "{made:?}");
        assert!(world.log_in("ada", PASSWORD).await.is_ok());
        assert_eq!(world.refusal(create("ADA", PASSWORD)).await.0, "USER_EXISTS");
        let (_, message) = world.refusal(create("b!", "password1")).await;
        assert!(message.contains("username must") && message.contains("password is one of the commonest"), "{message}");
        let reset = Request::ResetPassword { user: "ada".into(), password: "short".into() };
        assert!(world.refusal(reset).await.1.starts_with("password must have 8 to 128"));
        let (reason, message) = world.refusal(Request::Disable { user: "nobody".into() }).await;
        assert!(reason == "USER_NOT_FOUND" && message.ends_with("nobody"), "{message}");
        world.replica.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_behind_is_told_with_what_to_run() {
    on_sqlite(|url| async move {
        let admin = Admin::new(&database(&env(&url)));
        let Answer::Refused { message, .. } = admin.answer(Request::List { after: 0 }).await else { panic!("listed") };
        assert!(!message.is_empty() && !message.contains("try again"), "{message}");
    })
    .await;
}

#[tokio::test]
async fn replicas_hear_within_a_second_of_the_sessions_that_end() {
    on_postgres(|url| async move {
        let world = World::new(&url).await;
        world.register("ada").await;
        let mut events = world
            .replica
            .client
            .clone()
            .watch_revocations(aether_proto::auth::WatchRevocationsRequest {})
            .await
            .unwrap()
            .into_inner();
        use aether_proto::auth::revocation_event::Event;
        while !matches!(events.message().await.unwrap().unwrap().event.unwrap(), Event::Synced(_)) {}
        let asked = Instant::now();
        world.admin.answer(Request::Disable { user: "ada".into() }).await;
        while !matches!(events.message().await.unwrap().unwrap().event.unwrap(), Event::Revoked(_)) {}
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        drop(events);
        world.replica.stop().await;
    })
    .await;
}
