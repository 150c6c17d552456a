//! What the first release left in PostgreSQL, opened by the service of today.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use aether_auth::admin::{Admin, Answer, Request};
use aether_proto::auth::LoginRequest;
use sqlx::{Connection as _, PgConnection};
use support::{Replica, database, env, on_postgres};

const DUMP: &str = include_str!("../../../tests/upgrade/0.1.0/auth.postgres.sql");

#[tokio::test]
async fn users_log_in_and_new_ones_come_to_what_the_first_release_left_in_postgresql() {
    on_postgres(|url| async move {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(DUMP).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let replica = Replica::start_ready(&env(&url)).await;
        let log_in = async |email: &str, password: &str| {
            let request = LoginRequest { email: email.into(), password: password.into() };
            replica.client.clone().login(request).await.is_ok()
        };
        assert!(log_in("ada@example.com", "correct horse battery").await);
        assert!(log_in("Old@Example.com", "correct horse").await, "imported, not logged in yet");
        assert!(log_in("old@example.com", "correct horse").await, "by the hash of today");
        assert!(!log_in("gone@example.com", "correct horse battery").await, "disabled");
        let admin = Admin::new(&database(&env(&url)));
        let Answer::Listed { users, .. } = admin.answer(Request::List { after: 0 }).await else { panic!("no list") };
        let told: Vec<_> = users.iter().map(|user| (user.username.as_str(), user.sessions)).collect();
        // One of ada's was open then; grace had logged out.
        assert_eq!(told, [("ada", 2), ("grace", 0), ("gone", 0), ("old", 2)]);
        let create = Request::Create {
            email: "new@example.com".into(),
            username: "new".into(),
            first_name: "New".into(),
            last_name: "User".into(),
            password: "a fine horse battery".into(),
        };
        assert!(matches!(admin.answer(create).await, Answer::Done { .. }), "ids go on where they were");
    })
    .await;
}
