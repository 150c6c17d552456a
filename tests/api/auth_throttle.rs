//! Guessing passwords is slow, for each account and address, across replicas, and nobody can lock others out.
use crate::failure;
use aether_tests::{Answer, Api, Options, PASSWORD, Stack, Store, User, eventually, unique};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

const WRONG: &str = "not the password";
const HOME: &str = "198.51.100.1";

/// A backend that believes what `x-forwarded-for` says, so that tests can come from anywhere.
fn options(store: Store, per_address: u32, per_account: u32) -> Options {
    Options { store, ..Options::default() }
        .env("TRUSTED_PROXIES", "127.0.0.0/8")
        .env("LOGIN_FAILURES_PER_ADDRESS", per_address)
        .env("LOGIN_FAILURES_PER_ACCOUNT", per_account)
}

async fn login(api: &Api, email: &str, password: &str, from: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    api.send(api.request(Method::POST, "/api/auth/login").header("x-forwarded-for", from).json(&body)).await
}

fn wait(answer: &Answer) -> u64 {
    answer.assert(429, failure("<string>"));
    answer.header("retry-after").unwrap().parse().unwrap()
}

async fn failed(api: &Api, email: &str, from: &str) {
    login(api, email, WRONG, from).await.assert(401, failure("Invalid credentials"));
}

#[tokio::test]
async fn failures_from_one_address_make_it_wait_longer_each_time_whether_the_account_exists_or_not() {
    let stack = Stack::start(&options(Store::Embedded, 2, 0));
    let api = stack.api();
    let user = User::register(&api, "slow").await;
    for email in [user.email.clone(), format!("{}@example.com", unique("nobody"))] {
        for _ in 0..2 {
            failed(&api, &email, HOME).await;
        }
        for longest in [1, 2, 4] {
            let refused = login(&api, &email, WRONG, HOME).await;
            if refused.status == 401 && longest == 1 {
                continue; // On a busy machine a second is soon over.
            }
            let seconds = wait(&refused);
            assert!((longest / 2..=longest).contains(&seconds), "{seconds} of {longest}");
            // Rejected ones don't count: it asks on and on, and is let in all the same.
            let start = Instant::now();
            let next = async || login(&api, &email, WRONG, HOME).await.status;
            eventually("the wait to pass", Duration::from_secs(longest + 3), next, |status| *status == 401).await;
            assert!(start.elapsed() < Duration::from_secs(longest + 2), "{:?}", start.elapsed());
        }
        for (email, password) in [(&email, PASSWORD), (&email.to_uppercase(), WRONG)] {
            let seconds = wait(&login(&api, email, password, HOME).await);
            assert!((5..=8).contains(&seconds), "the right one has to wait as well, not {seconds}");
        }
    }
    assert_eq!(login(&api, &user.email, PASSWORD, "198.51.100.2").await.status, 200, "others are not held up");
}

#[tokio::test]
async fn a_login_makes_up_for_the_failures_before_it() {
    let stack = Stack::start(&options(Store::Embedded, 3, 0));
    let api = stack.api();
    let user = User::register(&api, "clumsy").await;
    for _ in 0..3 {
        for _ in 0..2 {
            failed(&api, &user.email, HOME).await;
        }
        assert_eq!(login(&api, &user.email, PASSWORD, HOME).await.status, 200);
    }
}

#[tokio::test]
async fn an_attack_from_many_addresses_is_slowed_and_does_not_lock_the_owner_out() {
    let stack = Stack::start(&options(Store::Embedded, 5, 8));
    let api = stack.api();
    let user = User::register(&api, "attacked").await;
    assert_eq!(login(&api, &user.email, PASSWORD, HOME).await.status, 200);
    let nobody = format!("{}@example.com", unique("nobody"));
    for email in [&user.email, &nobody] {
        let mut refused = 0;
        for number in 0..30 {
            match login(&api, email, WRONG, &format!("203.0.113.{number}")).await.status {
                429 => refused += 1,
                status => assert_eq!(status, 401),
            }
        }
        // Eight are free; a few more come as waits pass.
        assert!(refused >= 15, "{refused}");
    }
    assert_eq!(login(&api, &user.email, PASSWORD, HOME).await.status, 200, "the owner is known there");
    // And one who isn't waits no longer than the attack lasts.
    let stranger = async || login(&api, &user.email, PASSWORD, "198.51.100.77").await.status;
    eventually("the wait to pass", Duration::from_secs(60), stranger, |status| *status == 200).await;
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_one_after_the_other() {
    let stack = Stack::start(&options(Store::Embedded, 3, 0));
    let api = stack.api();
    let user = User::register(&api, "burst").await;
    let guesses = join_all((0..30).map(|_| login(&api, &user.email, WRONG, HOME))).await;
    let told = guesses.iter().filter(|answer| answer.status == 401).count();
    let others = guesses.iter().filter(|answer| ![401, 429, 503].contains(&answer.status)).count();
    // Three are free; a second later one more may pass.
    assert!((3..=6).contains(&told), "{told}");
    assert_eq!(others, 0);
}

#[tokio::test]
async fn replicas_count_together() {
    let stack = Stack::start(&options(Store::Real, 4, 0).replicas(2));
    let (here, there) = (stack.api(), stack.api_of(1));
    let user = User::register(&here, "both").await;
    for api in [&here, &there, &here, &there] {
        failed(api, &user.email, HOME).await;
    }
    for api in [&here, &there] {
        wait(&login(api, &user.email, PASSWORD, HOME).await);
    }
}

#[tokio::test]
async fn all_addresses_of_an_ipv6_network_are_one() {
    let stack = Stack::start(&options(Store::Embedded, 2, 0));
    let api = stack.api();
    let user = User::register(&api, "six").await;
    for from in ["2001:db8::1", "2001:db8::2"] {
        failed(&api, &user.email, from).await;
    }
    wait(&login(&api, &user.email, PASSWORD, "2001:db8::3").await);
    assert_eq!(login(&api, &user.email, PASSWORD, "2001:db8:0:1::1").await.status, 200);
}

#[tokio::test]
async fn zero_turns_it_off() {
    let stack = Stack::start(&options(Store::Embedded, 0, 0));
    let api = stack.api();
    let user = User::register(&api, "free").await;
    for _ in 0..12 {
        failed(&api, &user.email, HOME).await;
    }
}
