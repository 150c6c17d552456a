//! The limits: requests and logins for each address and window, messages for each user and minute. Each test has a
//! backend of its own, on embedded stores since those start fastest.
use crate::{api, failure};
use aether_tests::{Answer, Api, Options, PASSWORD, Socket, Stack, Store, User, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn embedded() -> Options {
    Options { store: Store::Embedded, ..Options::default() }
}

async fn ask(api: &Api) -> Answer {
    api.get("/api/auth/profile", None).await
}

async fn ask_for(api: &Api, address: &str) -> u16 {
    let request = api.request(Method::GET, "/api/auth/profile").header("x-forwarded-for", address);
    api.send(request).await.status
}

#[tokio::test]
async fn requests_over_the_limit_get_429_with_retry_after() {
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 5));
    let api = stack.api();
    for _ in 0..5 {
        assert_eq!(ask(&api).await.status, 401);
    }
    let answer = ask(&api).await;
    answer.assert(429, failure("<string>"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
}

#[tokio::test]
async fn answers_tell_how_much_of_the_limit_is_left() {
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 5));
    let api = stack.api();
    let left = |answer: &Answer| -> u64 {
        let name =
            ["ratelimit-remaining", "x-ratelimit-remaining"].into_iter().find(|name| answer.header(name).is_some());
        answer.header(name.expect("a header of what is left")).unwrap().parse().unwrap()
    };
    let (first, second) = (ask(&api).await, ask(&api).await);
    assert_eq!((left(&first), left(&second)), (4, 3));
}

#[tokio::test]
async fn refused_attempts_do_not_lengthen_the_wait() {
    let window = Duration::from_secs(3);
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 3).env("RATE_LIMIT_WINDOW_SECONDS", window.as_secs()));
    let api = stack.api();
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(ask(&api).await.status, 401);
    }
    assert_eq!(ask(&api).await.status, 429);
    // Asks on and on, as an impatient client does.
    eventually("the window to pass", window * 2, async || ask(&api).await.status, |status| *status == 401).await;
    assert!(start.elapsed() < window + Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_socket_handshake_counts_too() {
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 2));
    let api = stack.api();
    for _ in 0..2 {
        Socket::open(&api).await.unwrap();
    }
    Socket::open(&api).await.unwrap_err().assert(429, failure("<string>"));
}

#[tokio::test]
async fn a_forwarded_address_is_believed_only_from_a_trusted_proxy() {
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 2));
    let api = stack.api();
    for address in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(ask_for(&api, address).await, 401);
    }
    assert_eq!(ask_for(&api, "203.0.113.3").await, 429);

    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", 1).env("TRUSTED_PROXIES", "127.0.0.0/8"));
    let api = stack.api();
    assert_eq!(ask_for(&api, "203.0.113.1").await, 401);
    assert_eq!(ask_for(&api, "203.0.113.1").await, 429);
    assert_eq!(ask_for(&api, "203.0.113.2").await, 401);
    assert_eq!(
        ask_for(&api, "198.51.100.7, 203.0.113.2").await,
        429,
        "what the client itself put first is not believed"
    );
}

#[tokio::test]
async fn logins_have_a_limit_of_their_own() {
    let stack = Stack::start(&embedded().env("LOGIN_RATE_LIMIT_MAX", 3));
    let api = stack.api();
    let user = User::register(&api, "limited").await;
    let login = async |password: &str| {
        api.post("/api/auth/login", None, json!({"email": user.email, "password": password})).await
    };
    for _ in 0..3 {
        login("not the password").await.assert(401, failure("Invalid credentials"));
    }
    let answer = login(PASSWORD).await;
    answer.assert(429, failure("<string>"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
}

#[tokio::test]
async fn zero_turns_a_limit_off() {
    let api = api();
    for _ in 0..150 {
        assert_eq!(ask(&api).await.status, 401);
    }
}

#[tokio::test]
async fn messages_over_the_limit_of_a_user_are_refused_and_acknowledged() {
    let stack = Stack::start(&embedded().env("MESSAGE_RATE_LIMIT_PER_MINUTE", 3));
    let api = stack.api();
    let (talker, other) = (User::register(&api, "talker").await, User::register(&api, "other").await);
    let mut first = Socket::connect(&api, &talker).await;
    let room = first.join("general").await;
    for number in 0..3 {
        first.send(&room, &format!("message {number}")).await;
    }
    // A second socket of the same user shares the limit.
    let mut second = Socket::connect(&api, &talker).await;
    for socket in [&mut first, &mut second] {
        let refused: Value = socket.call("send_message", json!({"roomId": room, "content": "one too many"})).await;
        aether_tests::assert_json(&refused, json!({"success": false, "message": "<string>", "error": "<string>"}));
    }
    let mut free = Socket::connect(&api, &other).await;
    free.join("general").await;
    free.send(&room, "mine").await;
}

#[tokio::test]
async fn a_user_who_goes_from_replica_to_replica_sends_no_more_messages_whether_redis_is_there_or_not() {
    let options = Options { store: Store::Real, redis: true, ..Options::default() }.replicas(2);
    let stack = Stack::start(&options.env("MESSAGE_RATE_LIMIT_PER_MINUTE", 20));
    for redis in ["there", "gone", "hung"] {
        let cable = stack.cables.redis.as_ref().unwrap();
        match redis {
            "gone" => cable.cut(),
            "hung" => cable.clog(),
            _ => {}
        }
        let user = User::register(&stack.api(), "roamer").await;
        let (mut here, mut there) =
            (Socket::connect(&stack.api(), &user).await, Socket::connect(&stack.api_of(1), &user).await);
        let room = here.join("general").await;
        there.join("general").await;
        let mut sent = 0;
        for number in 0..20 {
            let payload = json!({"roomId": room, "content": format!("message {number}")});
            let acks = futures::join!(here.call("send_message", payload.clone()), there.call("send_message", payload));
            sent += [acks.0, acks.1].iter().filter(|ack| ack["success"] == true).count();
        }
        assert_eq!(sent, 20, "Redis is {redis}");
    }
}

#[tokio::test]
async fn made_up_forwarded_addresses_earn_a_client_nothing() {
    let (asked, max) = if std::env::var_os("AETHER_LONG").is_some() { (10_000, 1000) } else { (2000, 200) };
    let stack = Stack::start(&embedded().env("RATE_LIMIT_MAX", max));
    let api = stack.api();
    let address = |n: usize| format!("203.{}.{}.{}", n % 256, n / 256, n % 7);
    let mut allowed = 0;
    for batch in 0..asked / 50 {
        let statuses = (0..50).map(|n| {
            let (api, address) = (&api, address(batch * 50 + n));
            async move { ask_for(api, &address).await }
        });
        let statuses = futures::future::join_all(statuses).await;
        allowed += statuses.iter().filter(|status| **status == 401).count();
        assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    }
    assert!(allowed.abs_diff(max) <= max / 20, "{allowed} of {asked} with a limit of {max}");
}
