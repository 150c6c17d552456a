//! What every store must do, over SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::Arc;

use aether_auth::store::{
    AccountChange, Changes, Failures, ImportedUser, Known, NewSession, NewUser, Own, PasswordChange, Store, StoreError,
};
use aether_common::Secret;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use futures::future::join_all;
use sqlx::Executor as _;

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
    a_users_live_sessions_are_listed_newest_first,
    of_a_users_sessions_those_that_are_meant_are_revoked,
    a_new_password_ends_all_other_sessions_and_those_that_the_old_one_opens,
    a_password_changes_only_from_what_it_was_and_in_a_live_session,
    a_session_opened_while_its_password_changes_is_never_left_alive,
    failed_logins_are_counted_by_one_at_a_time,
    an_address_is_familiar_once_its_user_logged_in_there,
    a_taken_name_is_known_before_it_is_registered,
    a_user_that_is_made_for_somebody_has_no_session,
    a_disabled_user_opens_no_session_and_has_none_left_until_enabled,
    a_password_that_is_set_ends_all_sessions_and_opens_new_ones,
    a_session_opened_while_its_user_is_disabled_is_never_left_alive,
    all_users_are_listed_by_id_with_their_live_sessions,
    a_user_of_an_earlier_backend_is_known_by_the_id_of_then,
    a_hash_is_replaced_only_by_one_of_the_same_password,
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
        password_hash: hash(),
        roles: vec!["user".into(), "moderator".into()],
    }
}

fn hash() -> Secret {
    Secret::new("$argon2id$…")
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

fn session(id: &str) -> NewSession {
    let (address, user_agent) = (Some("192.0.2.1".into()), Some("Firefox".into()));
    NewSession { id: id.into(), created_at: now(), expires_at: now() + TimeDelta::hours(1), address, user_agent }
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
    let wanted = [("s1", ada.id), ("s1", bob.id), ("none", ada.id), ("s1", ada.id)];
    let found = store.session_users(&wanted.map(|(id, user)| (id.to_owned(), user)), now()).await.unwrap();
    assert_eq!(found, [Some(ada.clone()), None, None, Some(ada.clone())], "of several at once each gets its own");
    assert!(store.open_session(ada.id, &session("s3"), &hash()).await.unwrap());
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
    assert!(store.open_session(ada.id, &second, &hash()).await.unwrap());
    assert!(store.open_session(ada.id, &session("s3"), &hash()).await.unwrap());
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
    assert!(store.open_session(ada.id, &NewSession { expires_at: now(), ..session("s2") }, &hash()).await.unwrap());
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

async fn ids_of(store: &dyn Store, user: i64) -> Vec<String> {
    store.sessions(user, now()).await.unwrap().into_iter().map(|session| session.id).collect()
}

async fn a_users_live_sessions_are_listed_newest_first(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    store.register(&user("bob"), &session("b1")).await.unwrap();
    let later = |id, seconds| NewSession { created_at: now() + TimeDelta::seconds(seconds), ..session(id) };
    let newest = later("s2", 20);
    for session in [&newest, &later("s3", 10), &NewSession { expires_at: now(), ..session("over") }, &session("s4")] {
        assert!(store.open_session(ada.id, session, &hash()).await.unwrap());
    }
    store.revoke("s4").await.unwrap();
    assert_eq!(ids_of(&*store, ada.id).await, ["s2", "s3", "s1"]);
    let listed = store.sessions(ada.id, now()).await.unwrap().remove(0);
    assert_eq!((listed.created_at, listed.expires_at), (newest.created_at, newest.expires_at));
    assert_eq!((listed.address, listed.user_agent), (newest.address, newest.user_agent));
}

async fn of_a_users_sessions_those_that_are_meant_are_revoked(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let bob = store.register(&user("bob"), &session("b1")).await.unwrap();
    for id in ["s2", "s3", "s4"] {
        assert!(store.open_session(ada.id, &session(id), &hash()).await.unwrap());
    }
    let revoke = async |which| {
        let revoked = store.revoke_own(ada.id, which, now()).await.unwrap();
        let mut ids: Vec<_> = revoked.into_iter().map(|revoked| revoked.id).collect();
        ids.sort();
        ids
    };
    for others in ["b1", "s5", ""] {
        assert!(revoke(Own::One(others)).await.is_empty(), "{others}");
    }
    assert_eq!(revoke(Own::One("s2")).await, ["s2"]);
    assert!(revoke(Own::One("s2")).await.is_empty(), "it has ended already");
    assert_eq!(revoke(Own::AllBut("s3")).await, ["s1", "s4"]);
    assert_eq!(ids_of(&*store, ada.id).await, ["s3"]);
    assert_eq!(revoke(Own::All).await, ["s3"]);
    assert_eq!(ids_of(&*store, bob.id).await, ["b1"]);
    let told = store.revoked((DateTime::UNIX_EPOCH, ""), now()).await.unwrap();
    assert_eq!(told.len(), 4);
}

async fn a_new_password_ends_all_other_sessions_and_those_that_the_old_one_opens(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    assert!(store.open_session(ada.id, &session("s2"), &hash()).await.unwrap());
    let new = Secret::new("new");
    let change = PasswordChange { user: ada.id, session: "s1", old: &hash(), new: &new, now: now() };
    let revoked = store.change_password(&change).await.unwrap().unwrap();
    assert_eq!(revoked.iter().map(|revoked| revoked.id.as_str()).collect::<Vec<_>>(), ["s2"]);
    assert_eq!(store.password_hash(ada.id).await.unwrap(), Some(new.clone()));
    assert!(!store.open_session(ada.id, &session("s3"), &hash()).await.unwrap(), "the old password opens nothing");
    assert!(store.open_session(ada.id, &session("s4"), &new).await.unwrap());
    assert_eq!(ids_of(&*store, ada.id).await.len(), 2);
}

async fn a_password_changes_only_from_what_it_was_and_in_a_live_session(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let bob = store.register(&user("bob"), &session("b1")).await.unwrap();
    store.open_session(ada.id, &session("s2"), &hash()).await.unwrap();
    store.revoke("s2").await.unwrap();
    let (other, new) = (Secret::new("other"), Secret::new("new"));
    for (user, session, old) in [(ada.id, "s1", &other), (ada.id, "s2", &hash()), (bob.id, "s1", &hash())] {
        let change = PasswordChange { user, session, old, new: &new, now: now() };
        assert!(store.change_password(&change).await.unwrap().is_none());
    }
    for user in [ada.id, bob.id] {
        assert_eq!(store.password_hash(user).await.unwrap(), Some(hash()));
    }
    assert_eq!(ids_of(&*store, ada.id).await, ["s1"]);
}

async fn a_session_opened_while_its_password_changes_is_never_left_alive(store: Arc<dyn Store>) {
    for round in 0..10 {
        let name = format!("ada{round}");
        let first = format!("first{round}");
        let ada = store.register(&user(&name), &session(&first)).await.unwrap();
        let opened = (0..8).map(|n| {
            let (store, id) = (Arc::clone(&store), format!("s{round}-{n}"));
            async move { store.open_session(ada.id, &session(&id), &hash()).await.unwrap() }
        });
        let (old, new) = (hash(), Secret::new("new"));
        let change = PasswordChange { user: ada.id, session: &first, old: &old, new: &new, now: now() };
        let (opened, changed) = tokio::join!(join_all(opened), store.change_password(&change));
        let revoked = changed.unwrap().unwrap().len();
        assert_eq!(opened.into_iter().filter(|opened| *opened).count(), revoked);
        assert_eq!(ids_of(&*store, ada.id).await, [first.as_str()]);
    }
}

async fn failed_logins_are_counted_by_one_at_a_time(store: Arc<dyn Store>) {
    let at = |number| Failures { number, last_at: now() };
    let (first, second) = (at(1), at(2));
    assert_eq!(store.failures("a", "here").await.unwrap(), None);
    assert!(store.set_failures("a", "here", None, &first).await.unwrap());
    assert!(!store.set_failures("a", "here", None, &second).await.unwrap());
    assert!(!store.set_failures("a", "here", Some(&at(5)), &second).await.unwrap());
    assert!(store.set_failures("a", "here", Some(&first), &second).await.unwrap());
    assert_eq!(store.failures("a", "here").await.unwrap(), Some(second));
    for (account, address) in [("a", "there"), ("a", ""), ("b", "here")] {
        assert_eq!(store.failures(account, address).await.unwrap(), None);
    }
    store.forget_failures_of("a", "here").await.unwrap();
    assert_eq!(store.failures("a", "here").await.unwrap(), None);
    assert!(store.set_failures("a", "here", None, &first).await.unwrap());
    assert_eq!(store.forget_failures(first.last_at - TimeDelta::seconds(1)).await.unwrap(), 0);
    assert_eq!(store.forget_failures(first.last_at).await.unwrap(), 1);
}

async fn an_address_is_familiar_once_its_user_logged_in_there(store: Arc<dyn Store>) {
    store.register(&user("ada"), &session("s1")).await.unwrap();
    store.register(&user("bob"), &NewSession { address: None, ..session("b1") }).await.unwrap();
    store.revoke("s1").await.unwrap();
    assert!(store.is_familiar("ADA@example.com", "192.0.2.1").await.unwrap());
    for (email, address) in [("ada@example.com", "192.0.2.2"), ("bob@example.com", "192.0.2.1"), ("", "")] {
        assert!(!store.is_familiar(email, address).await.unwrap(), "{email} {address}");
    }
}

async fn a_taken_name_is_known_before_it_is_registered(store: Arc<dyn Store>) {
    store.register(&user("ada"), &session("s1")).await.unwrap();
    assert!(store.is_taken("ADA@example.com", "free").await.unwrap());
    assert!(store.is_taken("free@example.com", "ADA").await.unwrap());
    assert!(!store.is_taken("free@example.com", "free").await.unwrap());
}

async fn a_user_that_is_made_for_somebody_has_no_session(store: Arc<dyn Store>) {
    let ada = store.create(&user("Ada"), now()).await.unwrap();
    assert_eq!((ada.username.as_str(), ada.roles.len()), ("Ada", 2));
    assert!(ids_of(&*store, ada.id).await.is_empty());
    assert!(matches!(store.create(&user("ADA"), now()).await, Err(StoreError::Taken)));
    assert!(store.open_session(ada.id, &session("s1"), &hash()).await.unwrap());
}

async fn a_disabled_user_opens_no_session_and_has_none_left_until_enabled(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    store.register(&user("bob"), &session("b1")).await.unwrap();
    let at = now();
    let ended = store.change_account(ada.id, AccountChange::Disable, at).await.unwrap().unwrap();
    assert_eq!(ended.iter().map(|revoked| revoked.id.as_str()).collect::<Vec<_>>(), ["s1"]);
    assert_eq!(store.session_user("s1", ada.id, now()).await.unwrap(), None);
    assert!(store.credentials("ada@example.com").await.unwrap().is_none(), "as if there were no such user");
    assert!(!store.open_session(ada.id, &session("s2"), &hash()).await.unwrap());
    assert_eq!(store.account("ADA", now()).await.unwrap().unwrap().disabled_at, Some(at));
    let again = store.change_account(ada.id, AccountChange::Disable, at + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(again.unwrap(), []);
    assert_eq!(
        store.account("ada@Example.com", now()).await.unwrap().unwrap().disabled_at,
        Some(at),
        "since the first"
    );
    assert!(store.is_taken("free@example.com", "ada").await.unwrap(), "the name stays taken");

    assert_eq!(store.change_account(ada.id, AccountChange::Enable, now()).await.unwrap().unwrap(), []);
    assert_eq!(store.account("ada", now()).await.unwrap().unwrap().disabled_at, None);
    assert!(store.credentials("ada@example.com").await.unwrap().is_some());
    assert!(store.open_session(ada.id, &session("s2"), &hash()).await.unwrap());
    assert_eq!(store.revoked((DateTime::UNIX_EPOCH, ""), now()).await.unwrap().len(), 1);
    assert!(store.change_account(ada.id + 99, AccountChange::Disable, now()).await.unwrap().is_none());
}

async fn a_password_that_is_set_ends_all_sessions_and_opens_new_ones(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    assert!(store.open_session(ada.id, &session("s2"), &hash()).await.unwrap());
    let new = Secret::new("new");
    let ended = store.change_account(ada.id, AccountChange::SetPassword(&new), now()).await.unwrap().unwrap();
    assert_eq!(ended.len(), 2);
    assert!(!store.open_session(ada.id, &session("s3"), &hash()).await.unwrap());
    assert!(store.open_session(ada.id, &session("s4"), &new).await.unwrap());
    assert_eq!(ids_of(&*store, ada.id).await, ["s4"]);
}

async fn a_session_opened_while_its_user_is_disabled_is_never_left_alive(store: Arc<dyn Store>) {
    for round in 0..10 {
        let ada = store.create(&user(&format!("ada{round}")), now()).await.unwrap();
        let opened = (0..8).map(|n| {
            let (store, id) = (Arc::clone(&store), format!("s{round}-{n}"));
            async move { store.open_session(ada.id, &session(&id), &hash()).await.unwrap() }
        });
        let disable = store.change_account(ada.id, AccountChange::Disable, now());
        let (opened, ended) = tokio::join!(join_all(opened), disable);
        assert_eq!(opened.into_iter().filter(|opened| *opened).count(), ended.unwrap().unwrap().len());
        assert!(ids_of(&*store, ada.id).await.is_empty());
    }
}

async fn all_users_are_listed_by_id_with_their_live_sessions(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let bob = store.create(&user("bob"), now()).await.unwrap();
    assert!(store.open_session(ada.id, &session("s2"), &hash()).await.unwrap());
    store.revoke("s1").await.unwrap();
    let all = store.accounts(0, now()).await.unwrap();
    let told: Vec<_> = all.iter().map(|account| (account.user.clone(), account.sessions)).collect();
    assert_eq!(told, [(ada.clone(), 1), (bob.clone(), 0)]);
    assert_eq!(store.accounts(ada.id, now()).await.unwrap().len(), 1);
    assert!(store.accounts(bob.id, now()).await.unwrap().is_empty());
}

/// As a newer version leaves it: with a migration that this one doesn't know.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'later', TRUE, '', 0)";

async fn assert_there_is_no_way_back(url: &str) {
    let database = support::database(&support::env(url));
    let error = format!("{:#}", database.migrate().await.unwrap_err());
    assert!(error.contains("migration 9999") && error.contains("a newer version has been here"), "{error}");
    // Pods of the former version go on while those of the newer one come up.
    database.open().check().await.unwrap();
}

#[tokio::test]
async fn an_older_version_does_not_migrate_what_a_newer_one_has_migrated_but_still_serves_sqlite() {
    support::on_sqlite(|url| async move {
        support::database(&support::env(&url)).migrate().await.unwrap();
        sqlx::SqlitePool::connect(&url).await.unwrap().execute(LATER).await.unwrap();
        assert_there_is_no_way_back(&url).await;
    })
    .await;
}

#[tokio::test]
async fn an_older_version_does_not_migrate_what_a_newer_one_has_migrated_but_still_serves_postgres() {
    support::on_postgres(|url| async move {
        support::database(&support::env(&url)).migrate().await.unwrap();
        sqlx::PgPool::connect(&url).await.unwrap().execute(LATER).await.unwrap();
        assert_there_is_no_way_back(&url).await;
    })
    .await;
}

async fn a_user_of_an_earlier_backend_is_known_by_the_id_of_then(store: Arc<dyn Store>) {
    let then = now() - TimeDelta::days(100);
    let old = |id: &str, name| ImportedUser {
        old_id: id.into(),
        user: user(name),
        created_at: then,
        updated_at: then + TimeDelta::days(1),
        disabled_at: (name == "bob").then(now),
    };
    let ada = store.import(&old("8f0d0a3e-6d3e-4b0a", "ada")).await.unwrap();
    let bob = store.import(&old("7", "bob")).await.unwrap();
    let known = store.imported(&["7".into(), "8f0d0a3e-6d3e-4b0a".into(), "8".into()]).await.unwrap();
    let mut known: Vec<_> = known.into_iter().map(|Known { old_id, id, username }| (old_id, id, username)).collect();
    known.sort();
    assert_eq!(known, [("7".into(), bob, "bob".into()), ("8f0d0a3e-6d3e-4b0a".into(), ada, "ada".into())]);
    let (found, kept) = store.credentials("ada@example.com").await.unwrap().unwrap();
    assert_eq!((found.created_at, found.updated_at), (then, then + TimeDelta::days(1)));
    assert_eq!(kept.expose(), hash().expose());
    assert!(store.credentials("bob@example.com").await.unwrap().is_none(), "disabled");
    // A name that is taken leaves nothing.
    assert!(matches!(store.import(&old("9", "ada")).await, Err(StoreError::Taken)));
    assert_eq!(store.imported(&["9".into()]).await.unwrap(), []);
    // Nor does an id that is.
    assert!(store.import(&old("7", "grace")).await.is_err());
    assert!(store.credentials("grace@example.com").await.unwrap().is_none());
}

async fn a_hash_is_replaced_only_by_one_of_the_same_password(store: Arc<dyn Store>) {
    let ada = store.register(&user("ada"), &session("s1")).await.unwrap();
    let new = Secret::new("$argon2id$new");
    assert!(!store.replace_hash(ada.id, &Secret::new("$2b$"), &new).await.unwrap(), "it was changed meanwhile");
    assert!(store.replace_hash(ada.id, &hash(), &new).await.unwrap());
    assert_eq!(store.password_hash(ada.id).await.unwrap().unwrap().expose(), new.expose());
    assert!(store.session_user("s1", ada.id, now()).await.unwrap().is_some(), "the session goes on");
}
