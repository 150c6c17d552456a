//! POST /api/auth/login
use crate::{api, failure};
use aether_tests::{Api, PASSWORD, Token, User, unique};
use serde_json::json;
use std::time::{Duration, Instant};

const PATH: &str = "/api/auth/login";

#[tokio::test]
async fn the_right_password_gets_200_with_the_user_and_a_token() {
    let api = api();
    let user = User::register(&api, "login").await;
    let answer = api.post(PATH, None, json!({"email": user.email, "password": PASSWORD})).await;
    let expected = json!({
        "success": true,
        "message": "Login successful",
        "user": {
            "id": user.id, "username": user.username, "email": user.email,
            "firstName": "John", "lastName": "Doe", "name": "John Doe", "roles": ["user"],
            "createdAt": "<time>", "updatedAt": "<time>",
        },
        "accessToken": "<jwt>",
    });
    answer.assert(200, expected);
}

#[tokio::test]
async fn the_email_may_be_given_in_any_case() {
    let api = api();
    let user = User::register(&api, "case").await;
    let answer = api.post(PATH, None, json!({"email": user.email.to_uppercase(), "password": PASSWORD})).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_401() {
    let api = api();
    let user = User::register(&api, "wrong").await;
    let wrong = api.post(PATH, None, json!({"email": user.email, "password": "not the password"})).await;
    let unknown = api.post(PATH, None, json!({"email": "nobody@example.com", "password": PASSWORD})).await;
    wrong.assert(401, failure("Invalid credentials"));
    unknown.assert(401, failure("Invalid credentials"));
}

#[tokio::test]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let api = api();
    let user = User::register(&api, "timing").await;
    let unknown = format!("{}@example.com", unique("nobody"));
    let mut seen = Vec::new();
    // On a machine that does other things as well chance may part them, but hardly three times.
    for _ in 0..3 {
        let (mut known_times, mut unknown_times) = (Vec::new(), Vec::new());
        // In turns, and each first every other time, so that a slow spell of the machine hits both alike.
        for number in 0..100 {
            for known in [number % 2 == 0, number % 2 == 1] {
                let (email, times) =
                    if known { (&user.email, &mut known_times) } else { (&unknown, &mut unknown_times) };
                times.push(time_of_login(&api, email).await.as_secs_f64());
            }
        }
        let (known, unknown) = (median(known_times), median(unknown_times));
        let apart = (known - unknown).abs() / known.min(unknown);
        println!("200 logins: known {:.2} ms, unknown {:.2} ms", known * 1e3, unknown * 1e3);
        if apart < 0.05 {
            return;
        }
        seen.push(apart);
    }
    panic!("the medians are apart by {seen:?}");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

async fn time_of_login(api: &Api, email: &str) -> Duration {
    let start = Instant::now();
    let answer = api.post(PATH, None, json!({"email": email, "password": "not the password"})).await;
    assert_eq!(answer.status, 401);
    start.elapsed()
}

#[tokio::test]
async fn a_body_without_its_fields_is_a_400_that_names_them() {
    let api = api();
    for (body, field) in [(json!({"email": "a@example.com"}), "password"), (json!({"password": PASSWORD}), "email")] {
        let answer = api.post(PATH, None, body).await;
        answer.assert(400, failure("<string>"));
        assert!(answer.body["message"].as_str().unwrap().to_lowercase().contains(field));
    }
}

#[tokio::test]
async fn an_access_token_lasts_thirty_days() {
    let api = api();
    let user = User::register(&api, "thirty").await;
    let claims = Token::parse(&user.token).claims;
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 30 * 24 * 3600);
}
