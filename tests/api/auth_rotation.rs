//! Signing keys rotate while clients go on, replica by replica, without one 401: first the coming key is accepted
//! everywhere, then it signs everywhere, and at last, when no token of the old one is left, that is withdrawn.
use aether_tests::{Api, Options, PASSWORD, Service, Socket, Stack, Store, Token, User, eventually, unique};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What clients have seen.
#[derive(Debug, Default)]
struct Seen {
    stop: AtomicBool,
    fine: AtomicUsize,
    unavailable: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Seen {
    fn note(&self, what: &str, status: u16) {
        match status {
            200 => self.fine.fetch_add(1, Ordering::SeqCst),
            401 => {
                self.refused.lock().unwrap().push(what.to_owned());
                0
            }
            // A replica that restarts answers nothing.
            _ => self.unavailable.fetch_add(1, Ordering::SeqCst),
        };
    }
}

async fn status(api: &Api, path: &str, token: &str) -> u16 {
    api.try_send(api.request(reqwest::Method::GET, path).bearer_auth(token)).await.map_or(0, |answer| answer.status)
}

/// A client that uses an old token and new ones, each at both gateways.
fn client(urls: Vec<String>, user: User, seen: Arc<Seen>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let apis: Vec<_> = urls.iter().map(|url| Api::new(url)).collect();
        let mut newest = user.token.clone();
        for round in 0.. {
            if seen.stop.load(Ordering::SeqCst) {
                return;
            }
            let body = json!({"email": user.email, "password": PASSWORD});
            let login = apis[round % 2].request(reqwest::Method::POST, "/api/auth/login").json(&body);
            if let Ok(answer) = apis[round % 2].try_send(login).await {
                seen.note("login", answer.status);
                newest = answer.body["accessToken"].as_str().map_or(newest, str::to_owned);
            }
            for (number, api) in apis.iter().enumerate() {
                for (token, age) in [(&user.token, "old"), (&newest, "new")] {
                    for path in ["/api/auth/profile", "/api/rooms", "/api/auth/ws-token"] {
                        seen.note(&format!("{path} at gateway {number}, {age}"), status(api, path, token).await);
                    }
                }
            }
        }
    })
}

/// Each replica of each service by itself: ends it in peace and starts it with other keys.
fn roll_out(stack: &mut Stack, keys: &[(&'static str, &str)]) {
    let restart = |service: &mut Service| {
        service.terminate();
        service.wait_for_exit(Duration::from_secs(30)).expect("it ends");
        keys.iter().for_each(|(name, value)| service.set_env(name, value));
        service.restart();
    };
    stack.auth.iter_mut().chain(&mut stack.message).chain(&mut stack.gateways).for_each(restart);
}

fn key_id(token: &str) -> String {
    Token::parse(token).header["kid"].as_str().unwrap().to_owned()
}

async fn assert_serves(api: &Api, token: &str) {
    let profile = async || status(api, "/api/auth/profile", token).await;
    eventually("the gateway to serve", Duration::from_secs(10), profile, |status| *status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_one_spurious_401() {
    let mut stack = Stack::start(&Options { store: Store::Real, ..Options::default() }.replicas(2));
    let (old, old_ws) = (stack.jwt_secret.clone(), stack.ws_secret.clone());
    let (new, new_ws) = (unique(&"new".repeat(12)), unique(&"newws".repeat(8)));
    let user = User::register(&stack.api(), "rotates").await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..3).map(|_| client(stack.urls.clone(), user.clone(), Arc::clone(&seen))).collect();

    let mut step = |keys: [(&'static str, &str); 4]| {
        tokio::task::block_in_place(|| roll_out(&mut stack, &keys));
    };
    step([
        ("JWT_SECRET", &old),
        ("JWT_SECRET_PREVIOUS", &new),
        ("JWT_WS_SECRET", &old_ws),
        ("JWT_WS_SECRET_PREVIOUS", &new_ws),
    ]);
    step([
        ("JWT_SECRET", &new),
        ("JWT_SECRET_PREVIOUS", &old),
        ("JWT_WS_SECRET", &new_ws),
        ("JWT_WS_SECRET_PREVIOUS", &old_ws),
    ]);
    seen.stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    println!("while keys rotated: {seen:?}");
    assert_eq!(*seen.refused.lock().unwrap(), [] as [String; 0]);
    assert!(seen.fine.load(Ordering::SeqCst) > 50, "{seen:?}");

    let apis = [stack.api(), stack.api_of(1)];
    for api in &apis {
        assert_serves(api, &user.token).await;
    }
    let newest = user.login(&apis[0]).await;
    assert_ne!(key_id(&newest), key_id(&user.token));
    let withdrawn = [("JWT_SECRET_PREVIOUS", ""), ("JWT_WS_SECRET_PREVIOUS", "")];
    tokio::task::block_in_place(|| roll_out(&mut stack, &withdrawn));
    for api in &apis {
        assert_serves(api, &newest).await;
        assert_eq!(status(api, "/api/auth/profile", &user.token).await, 401);
        Socket::connect(api, &User { token: newest.clone(), ..user.clone() }).await;
    }
}
