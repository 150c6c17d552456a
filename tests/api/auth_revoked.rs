//! Tokens of sessions that have ended: none is accepted anywhere from a second after the logout on, with Redis up, down
//! and disabled. 2,000 requests each, and 10,000 where `AETHER_LONG` is set.
use aether_tests::{Options, Socket, Stack, Store, User};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::time::{Duration, Instant};

const PATHS: [&str; 4] = ["/api/auth/profile", "/api/rooms", "/api/auth/ws-token", "/api/auth/sessions"];
const USERS: usize = 4;

async fn no_token_of_an_ended_session_is_accepted(redis: bool, break_redis: bool) {
    let stack = Stack::start(&Options { store: Store::Real, redis, ..Options::default() }.replicas(2));
    let apis = [stack.api(), stack.api_of(1)];
    let (mut users, mut sockets) = (Vec::new(), Vec::new());
    for number in 0..USERS {
        let user = User::register(&apis[number % 2], "ends").await;
        for api in &apis {
            sockets.push(Socket::connect(api, &user).await);
        }
        users.push((user.ws_token(&apis[0]).await, user));
    }
    if break_redis {
        stack.cables.redis.as_ref().unwrap().cut();
    }
    for (number, (_, user)) in users.iter().enumerate() {
        let answer = apis[number % 2].post("/api/auth/logout", Some(&user.token), json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let ended = Instant::now();
    for socket in &mut sockets {
        socket.assert_closes_within(Duration::from_secs(2).saturating_sub(ended.elapsed())).await;
    }
    // What is promised begins a second after the logout, so an earlier question would prove nothing.
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(ended.elapsed())).await;
    let number = if std::env::var_os("AETHER_LONG").is_some() { 10_000 } else { 2_000 };
    let requests = (0..number).map(|index| {
        let (api, path) = (&apis[index % 2], PATHS[index / 2 % PATHS.len()]);
        let token = &users[index / 8 % USERS].1.token;
        async move { api.get(path, Some(token)).await.status }
    });
    let statuses: Vec<u16> = stream::iter(requests).buffer_unordered(8).collect().await;
    let accepted = statuses.iter().filter(|status| **status != 401).count();
    println!("redis {redis}, broken {break_redis}: {number} requests, {accepted} accepted, in {:?}", ended.elapsed());
    assert_eq!(accepted, 0, "{statuses:?}");
    for (api, (ws_token, _)) in apis.iter().flat_map(|api| users.iter().map(move |user| (api, user))) {
        assert!(Socket::try_connect(api, json!({"token": ws_token})).await.is_err());
    }
}

#[tokio::test]
async fn of_thousands_of_requests_none_is_accepted_after_the_logout_with_redis() {
    no_token_of_an_ended_session_is_accepted(true, false).await;
}

#[tokio::test]
async fn of_thousands_of_requests_none_is_accepted_after_the_logout_with_redis_down() {
    no_token_of_an_ended_session_is_accepted(true, true).await;
}

#[tokio::test]
async fn of_thousands_of_requests_none_is_accepted_after_the_logout_without_redis() {
    no_token_of_an_ended_session_is_accepted(false, false).await;
}
