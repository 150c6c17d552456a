//! A gateway before two auth and three message replicas, some of which are killed or hang.
use aether_tests::{Api, Options, Socket, Stack, Store, User, WebSocket, eventually};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const CALLERS: usize = 8;

fn several() -> Stack {
    Stack::start(&Options { store: Store::Real, auth: 2, message: 3, spread: true, ..Options::default() })
}

/// Callers that read and write without a pause.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    failures: Arc<std::sync::Mutex<Vec<String>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(api: &Api, user: &User) -> Self {
        let (stop, made): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let failures: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let callers = (0..CALLERS).map(|_| {
            let (api, token) = (api.clone(), user.token.clone());
            let (stop, made, failures) = (Arc::clone(&stop), Arc::clone(&made), Arc::clone(&failures));
            tokio::spawn(async move {
                let general = "/api/rooms/general";
                while !stop.load(Ordering::SeqCst) {
                    let answers = [
                        api.get("/api/auth/profile", Some(&token)).await,
                        api.get("/api/rooms", Some(&token)).await,
                        api.post(&format!("{general}/join"), Some(&token), json!({})).await,
                        api.put("/api/auth/profile", Some(&token), json!({"firstName": "Other"})).await,
                    ];
                    made.fetch_add(answers.len(), Ordering::SeqCst);
                    let failed = answers.iter().filter(|answer| answer.status >= 300);
                    failures.lock().unwrap().extend(failed.map(|answer| format!("{answer:?}")));
                }
            })
        });
        let callers = callers.collect();
        Self { stop, made, failures, callers }
    }

    async fn goes_on(&self) {
        let before = self.made.load(Ordering::SeqCst);
        let made = async || self.made.load(Ordering::SeqCst);
        eventually("calls to go on", Duration::from_secs(30), made, |made| *made > before + 40 * CALLERS).await;
    }

    fn failed(&self) -> usize {
        self.failures.lock().unwrap().len()
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for caller in self.callers {
            caller.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_killed_replica_costs_no_call_but_those_it_had_in_hand() {
    let mut stack = several();
    let user = User::register(&stack.api(), "balanced").await;
    let load = Load::start(&stack.api(), &user);
    load.goes_on().await;
    assert_eq!(load.failed(), 0, "{:?}", load.failures);
    for round in 0..2 {
        stack.message[round].kill();
        load.goes_on().await;
        stack.auth[round].kill();
        load.goes_on().await;
        assert!(load.failed() <= 2 * CALLERS, "{:?}", load.failures);
        let before = load.failed();
        load.goes_on().await;
        assert_eq!(load.failed(), before, "{:?}", load.failures);
        stack.message[round].restart();
        stack.auth[round].restart();
    }
    println!("{} calls, {} of them failed by 4 kills", load.made.load(Ordering::SeqCst), load.failed());
    load.end().await;
}

#[tokio::test]
async fn sockets_go_on_with_the_replicas_that_are_left() {
    let mut stack = several();
    let user = User::register(&stack.api(), "stays").await;
    stack.message[1].kill();
    for _ in 0..4 {
        let mut socket = Socket::connect(&stack.api(), &user).await;
        socket.join("general").await;
        socket.send("general", "still here").await;
    }
}

#[tokio::test]
async fn a_replica_that_hangs_is_asked_no_more_after_a_few_calls() {
    let stack = several();
    let user = User::register(&stack.api(), "hangs").await;
    let load = Load::start(&stack.api(), &user);
    load.goes_on().await;
    stack.message[2].pause();
    stack.auth[1].pause();
    let start = Instant::now();
    // The first calls hang until their time is up, while others go on.
    while start.elapsed() < Duration::from_secs(7) {
        load.goes_on().await;
    }
    println!("{} calls failed in {:?}", load.failed(), start.elapsed());
    assert!(load.failed() <= 4 * CALLERS, "{:?}", load.failures);
    let before = load.failed();
    load.goes_on().await;
    assert_eq!(load.failed(), before, "{:?}", load.failures);
    stack.message[2].resume();
    stack.auth[1].resume();
    load.end().await;
}

#[tokio::test]
async fn a_websocket_is_opened_within_three_seconds_though_a_replica_hangs() {
    let stack = several();
    let user = User::register(&stack.api(), "patient").await;
    stack.message[0].pause();
    for _ in 0..4 {
        let start = Instant::now();
        let mut socket = WebSocket::connect(&stack.api(), &user).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        let sent = socket.answer("join_room", json!({"roomId": "general"}), Duration::from_secs(5)).await;
        assert_eq!(sent["success"], true, "{sent}");
    }
    stack.message[0].resume();
}
