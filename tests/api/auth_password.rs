//! PUT /api/auth/password
use crate::{api, failure, guard_401};
use aether_tests::{Answer, Api, Options, PASSWORD, Socket, Stack, Store, User, eventually};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/auth/password";
const NEW: &str = "battery staple";
const SOON: Duration = Duration::from_secs(2);

fn body(current: &str, new: &str) -> Value {
    json!({"currentPassword": current, "newPassword": new})
}

fn done() -> Value {
    json!({"success": true, "message": "Password changed successfully"})
}

async fn status(api: &Api, token: &str) -> u16 {
    api.get("/api/auth/profile", Some(token)).await.status
}

fn token(answer: &Answer) -> Option<String> {
    (answer.status == 200).then(|| answer.body["accessToken"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_all_other_sessions() {
    let api = api();
    let user = User::register(&api, "changes").await;
    let thief = User { token: user.login(&api).await, ..user.clone() };
    let ws_token = thief.ws_token(&api).await;
    let mut socket = Socket::connect(&api, &thief).await;
    let mut own = Socket::connect(&api, &user).await;
    api.put(PATH, Some(&user.token), body(PASSWORD, NEW)).await.assert(200, done());
    let thiefs = async || status(&api, &thief.token).await;
    eventually("the other session to end", SOON, thiefs, |status| *status == 401).await;
    socket.assert_closes_within(SOON).await;
    assert!(Socket::try_connect(&api, json!({"token": ws_token})).await.is_err());
    own.join("general").await;
    assert_eq!(status(&api, &user.token).await, 200);
    user.try_login(&api, PASSWORD).await.assert(401, failure("Invalid credentials"));
    assert_eq!(user.try_login(&api, NEW).await.status, 200);
}

#[tokio::test]
async fn a_wrong_current_password_or_a_weak_new_one_is_named_and_changes_nothing() {
    let api = api();
    let user = User::register(&api, "unchanged").await;
    let second = user.login(&api).await;
    let wrong = api.put(PATH, Some(&user.token), body("not the password", NEW)).await;
    wrong.assert(400, failure("currentPassword is wrong"));
    for weak in ["", "1234567", &"x".repeat(129), "password1", &user.username, &user.email.to_uppercase()] {
        let answer = api.put(PATH, Some(&user.token), body(PASSWORD, weak)).await;
        answer.assert(400, failure("<string>"));
        assert!(answer.body["message"].as_str().unwrap().starts_with("newPassword "), "{answer:?}");
    }
    for field in ["currentPassword", "newPassword"] {
        let mut body = body(PASSWORD, NEW);
        body.as_object_mut().unwrap().remove(field);
        let required = failure(&format!("{field} is required"));
        api.put(PATH, Some(&user.token), body).await.assert(400, required);
    }
    assert_eq!(status(&api, &second).await, 200);
    assert_eq!(user.try_login(&api, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn without_a_token_it_is_refused() {
    let api = api();
    api.put(PATH, None, body(PASSWORD, NEW)).await.assert(401, guard_401());
    api.put(PATH, Some("nonsense"), json!({})).await.assert(401, guard_401());
}

#[tokio::test]
async fn wrong_current_passwords_are_throttled_as_logins_are() {
    let options = Options { store: Store::Embedded, ..Options::default() };
    let stack = Stack::start(&options.env("LOGIN_FAILURES_PER_ADDRESS", 2));
    let api = stack.api();
    let user = User::register(&api, "guesses").await;
    for _ in 0..2 {
        let wrong = api.put(PATH, Some(&user.token), body("not the password", NEW)).await;
        wrong.assert(400, failure("currentPassword is wrong"));
    }
    let refused = api.put(PATH, Some(&user.token), body(PASSWORD, NEW)).await;
    refused.assert(429, failure("<string>"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(user.try_login(&api, PASSWORD).await.status, 429, "it is the same count");
    let put = async || api.put(PATH, Some(&user.token), body(PASSWORD, NEW)).await.status;
    eventually("the wait to pass", Duration::from_secs(10), put, |status| *status == 200).await;
}

async fn no_session_of_the_old_password_survives(stack: &Stack) {
    let apis: Vec<_> = (0..stack.urls.len()).map(|index| stack.api_of(index)).collect();
    for round in 0..4 {
        let user = User::register(&apis[0], "races").await;
        let changing = async {
            // Somewhere in the midst of the logins.
            tokio::time::sleep(Duration::from_millis(20 * round)).await;
            // A busy machine sends away whoever waits too long for a password's hash.
            let put = async || apis[0].put(PATH, Some(&user.token), body(PASSWORD, NEW)).await;
            eventually("the change", Duration::from_secs(30), put, |answer| answer.status != 503).await
        };
        let logins = join_all((0..6).map(|number| user.try_login(&apis[number % apis.len()], PASSWORD)));
        let (changed, logins) = tokio::join!(changing, logins);
        changed.assert(200, done());
        let opened: Vec<_> = logins.iter().filter_map(token).collect();
        for (api, token) in apis.iter().flat_map(|api| opened.iter().map(move |token| (api, token))) {
            let ask = async || status(api, token).await;
            eventually("a session of the old password to end", SOON, ask, |status| *status == 401).await;
        }
        assert_eq!(status(&apis[0], &user.token).await, 200);
        let sessions = apis[0].get("/api/auth/sessions", Some(&user.token)).await;
        assert_eq!(sessions.body["sessions"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_login_during_the_change_leaves_no_session_of_the_old_password() {
    no_session_of_the_old_password_survives(&Stack::start(&Options { store: Store::Embedded, ..Options::default() }))
        .await;
}

#[tokio::test]
async fn a_login_at_another_replica_during_the_change_leaves_no_session_of_the_old_password() {
    let options = Options { store: Store::Real, ..Options::default() };
    no_session_of_the_old_password_survives(&Stack::start(&options.replicas(2))).await;
}
