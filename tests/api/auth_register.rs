//! POST /api/auth/register
use crate::{api, failure};
use aether_tests::{Options, Stack, Store, User, unique};
use futures::future::join_all;
use serde_json::{Value, json};

const PATH: &str = "/api/auth/register";
const TAKEN: &str = "User with this email or username already exists";

#[tokio::test]
async fn a_new_user_gets_201_with_every_field_and_an_access_token() {
    let username = unique("register");
    let answer = api().post(PATH, None, User::form(&username)).await;
    let expected = json!({
        "success": true,
        "message": "User created successfully",
        "user": {
            "id": "<digits>", "username": username, "email": format!("{username}@example.com"),
            "firstName": "John", "lastName": "Doe", "name": "John Doe", "roles": ["user"],
            "createdAt": "<time>", "updatedAt": "<time>",
        },
        "accessToken": "<jwt>",
    });
    answer.assert(201, expected);
}

#[tokio::test]
async fn the_access_token_of_a_registration_works_at_once() {
    let api = api();
    let user = User::register(&api, "fresh").await;
    assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.body["user"]["id"], user.id);
}

#[tokio::test]
async fn a_taken_email_or_username_is_refused_whatever_its_case() {
    let api = api();
    let user = User::register(&api, "taken").await;
    let other = unique("other");
    for (field, value) in [
        ("email", user.email.clone()),
        ("email", user.email.to_uppercase()),
        ("username", user.username.clone()),
        ("username", user.username.to_uppercase()),
    ] {
        let mut form = User::form(&other);
        form[field] = value.into();
        api.post(PATH, None, form).await.assert(400, failure(TAKEN));
    }
}

/// A hundred registrations at once, through all gateways, of one name or one e-mail address.
async fn one_of_a_hundred_at_once_passes(stack: &Stack) {
    let apis: Vec<_> = (0..stack.urls.len()).map(|index| stack.api_of(index)).collect();
    for field in ["username", "email"] {
        let other = if field == "email" { "username" } else { "email" };
        let forms = (0..100).map(|_| {
            let mut form = User::form("the_one");
            form[other] = User::form(&unique("race"))[other].clone();
            form[field] = User::form(&format!("one_{field}"))[field].clone();
            form
        });
        let tries = forms.zip(apis.iter().cycle()).map(|(form, api)| api.post(PATH, None, form));
        let tries = join_all(tries).await;
        let (won, lost): (Vec<_>, Vec<_>) = tries.iter().partition(|answer| answer.status == 201);
        assert_eq!(won.len(), 1, "{field}");
        lost.iter().for_each(|answer| answer.assert(400, failure(TAKEN)));
    }
}

#[tokio::test]
async fn of_a_hundred_registrations_at_once_exactly_one_passes_on_embedded_stores() {
    one_of_a_hundred_at_once_passes(&Stack::start(&Options { store: Store::Embedded, ..Options::default() })).await;
}

#[tokio::test]
async fn of_a_hundred_registrations_at_two_replicas_at_once_exactly_one_passes() {
    let options = Options { store: Store::Real, ..Options::default() };
    one_of_a_hundred_at_once_passes(&Stack::start(&options.replicas(2))).await;
}

#[tokio::test]
async fn a_weak_password_is_refused_by_a_message_that_says_why() {
    let api = api();
    let username = unique("weak");
    let email = format!("{username}@example.com").to_uppercase();
    for (password, why) in [
        ("1234567", "8 to 128"),
        ("🐎🐎🐎🐎🐎🐎🐎", "8 to 128"),
        (&"x".repeat(129), "8 to 128"),
        ("Password1", "commonest"),
        ("qwertyuiop", "commonest"),
        (&username, "user name"),
        (&email, "user name"),
    ] {
        let mut form = User::form(&username);
        form["password"] = password.into();
        let answer = api.post(PATH, None, form).await;
        answer.assert(400, failure("<string>"));
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains("password") && message.contains(why), "{password}: {message}");
    }
}

#[tokio::test]
async fn every_character_of_a_password_counts() {
    let api = api();
    let username = unique("long");
    let mut form = User::form(&username);
    let password = "🐎".repeat(127);
    form["password"] = format!("{password}a").into();
    assert_eq!(api.post(PATH, None, form.clone()).await.status, 201);
    for (end, status) in [("b", 401), ("", 401), ("A", 401), ("a", 200)] {
        let body = json!({"email": form["email"], "password": format!("{password}{end}")});
        assert_eq!(api.post("/api/auth/login", None, body).await.status, status, "{end}");
    }
}

#[tokio::test]
async fn a_bad_field_is_refused_by_a_message_that_names_it() {
    let api = api();
    for (field, bad) in [
        ("email", json!("no-address")),
        ("email", json!("")),
        ("username", json!("ab")),
        ("password", json!("1234567")),
        ("firstName", json!("")),
        ("lastName", json!("")),
        ("email", Value::Null),
        ("username", json!(7)),
    ] {
        let mut form = User::form(&unique("bad"));
        form[field] = bad.clone();
        let answer = api.post(PATH, None, form).await;
        answer.assert(400, failure("<string>"));
        let message = answer.body["message"].as_str().unwrap().to_lowercase();
        assert!(message.contains(&field.to_lowercase()), "{field} = {bad}: {message}");
    }
}

#[tokio::test]
async fn a_missing_field_is_refused_by_a_message_that_names_it() {
    let api = api();
    for field in ["email", "password", "firstName", "lastName", "username"] {
        let mut form = User::form(&unique("missing"));
        form.as_object_mut().unwrap().remove(field);
        let answer = api.post(PATH, None, form).await;
        answer.assert(400, failure("<string>"));
        let message = answer.body["message"].as_str().unwrap().to_lowercase();
        assert!(message.contains(&field.to_lowercase()), "{field}: {message}");
    }
}

#[tokio::test]
async fn an_error_message_tells_nothing_of_what_lies_beneath() {
    let api = api();
    let mut form = User::form(&unique("beneath"));
    form["username"] = "x\u{0}y' OR 1=1 --".into();
    let answer = api.post(PATH, None, form).await;
    answer.assert(400, failure("<string>"));
    let message = answer.body["message"].as_str().unwrap().to_lowercase();
    for word in ["sql", "constraint", "grpc", "panic", "error:", "status"] {
        assert!(!message.contains(word), "{message}");
    }
}
