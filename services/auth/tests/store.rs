//! What every store must do, over SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::Arc;

use aether_auth::store::{Changes, NewSession, NewUser, Store, StoreError};
use aether_common::Secret;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures::future::join_all;

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::support::on_sqlite(|url| async move { super::$test(super::open(&url).await).await }).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::support::on_postgres(|url| async move { super::$test(super::open(&url).await).await }).await;
            })*
        }
    };
}

conformance!(
    a_user_is_found_by_email_whatever_its_case,
    names_are_taken_whatever_their_case,
    of_twenty_registrations_at_once_one_wins,
    users_are_found_by_ids_and_by_names_whatever_their_case,
    a_session_is_its_users_until_it_is_over,
    a_revoked_session_is_nobodys_for_ever,
    revoked_sessions_are_listed_until_they_are_over,
    a_profile_changes_only_where_told,
    a_name_that_is_taken_is_not_changed_to,
    sessions_that_are_over_are_forgotten,
    migrating_twice_changes_nothing,
    a_session_id_in_use_is_a_fault_and_not_a_taken_name,
);

async fn open(url: &str) -> Arc<dyn Store> {
    let database = support::database(&support::env(url));
    let store = database.open();
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))), "not migrated, so not ready");
    database.migrate().await.unwrap();
    database.migrate().await.unwrap();
    store
}

fn user(name: &str) -> NewUser {
    NewUser {
        email: format!("{name}@example.com"),
        username: name.to_owned(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        password_hash: Secret::new("$argon2id$…"),
        roles: vec!["user".into(), "moderator".into()],
    }
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

fn session(id: &str) -> NewSession {
    NewSession { id: id.into(), created_at: now(), expires_at: now() + TimeDelta::hours(1) }
}

async fn a_user_is_found_by_email_whatever_its_case(store: Arc<dyn Store>) {
    let made = store.register(&user("Ada"), &session("s1")).await.unwrap();
    assert_eq!((made.username.as_str(), made.email.as_str()), ("Ada", "Ada@example.com"));
    assert_eq!(made.roles, ["user", "moderator"]);
    let (found, hash) = store.credentials("aDA@EXAMPLE.com").await.unwrap().unwrap();
    assert_eq!(found, made);
    assert_eq!(hash.expose(), "$argon2id$…");
    assert!(store.credentials("bob@example.com").await.unwrap().is_none());
}

async fn names_are_taken_whatever_their_case(store: Arc<dyn Store>) {
    store.register(&NewUser { email: "Änne@example.com".into(), ..user("anne") }, &session("s1")).await.unwrap();
    let same_name = NewUser { email: "other@example.com".into(), ..user("ANNE") };
    let same_email = NewUser { email: "äNNE@example.com".into(), ..user("other") };
    for (taken, id) in [(same_name, "s2"), (same_email, "s3")] {
        assert!(matches!(store.register(&taken, &session(id)).await, Err(StoreError::Taken)));
    }
    // The refusals left no trace.
    store.register(&user("other"), &session("s2")).await.unwrap();
}

async fn of_twenty_registrations_at_once_one_wins(store: Arc<dyn Store>) {
    let attempts = (0..20).map(|n| {
        let store = Arc::clone(&store);
        async move {
            let new = NewUser { email: format!("{n}@example.com"), ..user("ada") };
            store.register(&new, &session(&format!("s{n}"))).await
        }
    });
    let results = join_all(attempts).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::Taken))), "{results:?}");
}

async fn users_are_found_by_ids_and_by_names_whatever_their_case(store: Arc<dyn Store>) {
    let ada = store.register(&user("Ada"), &session("s1")).await.unwrap();
    let bob = store.register(&user("bob"), &session("s2")).await.unwrap();
    let found = async |ids: &[i64], names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut found = store.users(ids, &names).await.unwrap();
        found.sort_by_key(|user| user.id);
        found
    };
    assert_eq!(found(&[ada.id], &["BOB"]).await, [ada.clone(), bob.clone()]);
    assert_eq!(found(&[ada.id, ada.id], &["ada"]).await, [ada]);
    assert_eq!(found(&[], &["bob", "nobody", "%"]).await, [bob]);
    assert_eq!(found(&[i64::MAX], &[]).await, []);
}

async fn a_session_is_its_users_until_it_is_over(store: Arc<dyn Store>) {
    let (first, second) = (session("s1"), session("s2"));
    let ada = store.register(&user("ada"), &first).await.unwrap();
    let bob = store.register(&user("bob"), &second).await.unwrap();
    assert!(bob.id > ada.id);
    assert_eq!(store.session_user("s1", ada.id, now()).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.session_user("s1", bob.id, now()).await.unwrap(), None);
    assert_eq!(store.session_user("s3", ada.id, now()).await.unwrap(), None);
    assert_eq!(store.session_user("s1", ada.id, first.expires_at).await.unwrap(), None);
    store.open_session(ada.id, &session("s3")).await.unwrap();
    assert_eq!(store.session_user("s3", ada.id, now()).await.unwrap(), Some(ada));
}

async fn a_revoked_session_is_nobodys_for_ever(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let first = store.revoke("s1").await.unwrap().unwrap();
    assert_eq!(store.session_user("s1", ada.id, now()).await.unwrap(), None);
    assert_eq!(store.revoke("s1").await.unwrap(), Some(first));
    assert_eq!(store.revoke("s2").await.unwrap(), None);
}

async fn revoked_sessions_are_listed_until_they_are_over(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let second = session("s2");
    store.open_session(ada.id, &second).await.unwrap();
    store.open_session(ada.id, &session("s3")).await.unwrap();
    let first = store.revoke("s1").await.unwrap().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let later = store.revoke("s2").await.unwrap().unwrap();
    let all = store.revoked((DateTime::UNIX_EPOCH, ""), now()).await.unwrap();
    assert_eq!(all, [first.clone(), later.clone()]);
    assert_eq!(store.revoked((first.revoked_at, ""), now()).await.unwrap(), [first.clone(), later.clone()]);
    assert_eq!(store.revoked((first.revoked_at, "s1"), now()).await.unwrap(), std::slice::from_ref(&later));
    assert!(store.revoked((later.revoked_at, "s2"), now()).await.unwrap().is_empty());
    assert!(
        store.revoked((DateTime::UNIX_EPOCH, ""), second.expires_at + TimeDelta::hours(1)).await.unwrap().is_empty()
    );
}

async fn a_profile_changes_only_where_told(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let at = now() + TimeDelta::seconds(5);
    let changes = Changes { last_name: Some("King".into()), ..Changes::default() };
    let changed = store.update(ada.id, &changes, at).await.unwrap().unwrap();
    assert_eq!(changed, aether_auth::store::User { last_name: "King".into(), updated_at: at, ..ada.clone() });
    // One's own name in another case is free.
    let changes = Changes { username: Some("ADA".into()), ..Changes::default() };
    assert_eq!(store.update(ada.id, &changes, at).await.unwrap().unwrap().username, "ADA");
    assert!(store.update(ada.id + 1, &changes, at).await.unwrap().is_none());
}

async fn a_name_that_is_taken_is_not_changed_to(store: Arc<dyn Store>) {
    store.register(&user("ada"), &session("s1")).await.unwrap();
    let bob = store.register(&user("bob"), &session("s2")).await.unwrap();
    let changes = Changes { username: Some("Ada".into()), ..Changes::default() };
    assert!(matches!(store.update(bob.id, &changes, now()).await, Err(StoreError::Taken)));
}

async fn sessions_that_are_over_are_forgotten(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    store.open_session(ada.id, &NewSession { expires_at: now(), ..session("s2") }).await.unwrap();
    assert_eq!(store.forget_expired(now()).await.unwrap(), 1);
    assert!(store.session_user("s1", ada.id, now()).await.unwrap().is_some());
}

async fn migrating_twice_changes_nothing(store: Arc<dyn Store>) {
    // `open` has migrated twice.
    store.check().await.unwrap();
}

async fn a_session_id_in_use_is_a_fault_and_not_a_taken_name(store: Arc<dyn Store>) {
    store.register(&user("ada"), &session("s1")).await.unwrap();
    assert!(matches!(store.register(&user("bob"), &session("s1")).await, Err(StoreError::Fault(_))));
    // Nothing was left behind.
    store.register(&user("bob"), &session("s2")).await.unwrap();
}
