//! A store is gone for a minute: callers are told so in time, nobody is taken for a stranger, sockets stay, and all
//! works again soon after it is back, without a restart.

use crate::report::{percentile, tell};
use crate::scene::{enter, history, rooms, stack};
use crate::{beside_others, size};
use aether_tests::{Answer, Api, Cable, Options, PASSWORD, Stack, Store, User, WebSocket, unique};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PACE: Duration = Duration::from_millis(250);
/// Within this, a caller has to know.
const TOLD: Duration = Duration::from_secs(3);
/// Within this, all works again.
const BACK: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(20);

/// The calls of a user who goes on as if nothing had happened.
struct Caller {
    api: Api,
    user: User,
    /// How long each answer took.
    took: Arc<Mutex<Vec<Duration>>>,
}

impl Caller {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.api.request(method, path).bearer_auth(&self.user.token);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let start = Instant::now();
        let answer = self.api.send(request).await;
        let took = start.elapsed();
        assert!(took <= TOLD, "{path} was answered after {took:?}: {answer:?}");
        assert_ne!(answer.status, 401, "{path}: {answer:?}");
        self.took.lock().unwrap().push(took);
        answer
    }

    /// What only works with PostgreSQL.
    async fn accounts(&self) -> [Answer; 4] {
        let login = json!({"email": self.user.email, "password": PASSWORD});
        let register = User::form(&unique("meanwhile"));
        let (one, two, three, four) = tokio::join!(
            self.call(Method::POST, "/api/auth/login", Some(login)),
            self.call(Method::POST, "/api/auth/register", Some(register)),
            self.call(Method::GET, "/api/auth/profile", None),
            self.call(Method::GET, "/api/auth/ws-token", None),
        );
        [one, two, three, four]
    }

    /// What only works with MongoDB.
    async fn rooms(&self, room: &str) -> [Answer; 3] {
        let (history, made) = (format!("/api/rooms/{room}/messages"), json!({"name": unique("meanwhile")}));
        let (one, two, three) = tokio::join!(
            self.call(Method::GET, "/api/rooms", None),
            self.call(Method::GET, &history, None),
            self.call(Method::POST, "/api/rooms", Some(made)),
        );
        [one, two, three]
    }
}

fn assert_unavailable(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        let wait: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(answer.body["success"], false, "{answer:?}");
    }
}

fn outage() -> Duration {
    Duration::from_secs(size("FAULTS_OUTAGE_SECONDS", 60, 6))
}

/// Real stores, a caller at each gateway, and a socket of each in one room.
async fn scene() -> (Stack, Vec<Caller>, Vec<WebSocket>, String) {
    let stack = Stack::start(&Options { store: Store::Real, ..stack() });
    let users = stack.crowd(2).await;
    let room = rooms(&stack, &users[0], 1).await.remove(0);
    let (mut callers, mut sockets) = (Vec::new(), Vec::new());
    for (gateway, user) in users.into_iter().enumerate() {
        sockets.push(enter(&stack, gateway, &user, &room, 0).await);
        callers.push(Caller { api: stack.api_of(gateway), user, took: Arc::default() });
    }
    (stack, callers, sockets, room)
}

async fn say(socket: &mut WebSocket, room: &str, temp_id: &str) -> Value {
    let start = Instant::now();
    let payload = json!({"roomId": room, "content": temp_id, "tempId": temp_id});
    let answer = socket.answer("send_message", payload, LIMIT).await;
    let took = start.elapsed();
    assert!(took <= TOLD, "answered after {took:?}: {answer}");
    answer
}

/// Asks again until all is well; how long that took.
async fn recovered(mut is_well: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_well().await {
        assert!(start.elapsed() <= BACK, "not back after {:?}", start.elapsed());
        tokio::time::sleep(PACE).await;
    }
    assert!(start.elapsed() <= BACK, "back after {:?}", start.elapsed());
    start.elapsed()
}

fn report(test: &str, callers: &[Caller], back: Duration) {
    let took: Vec<Duration> = callers.iter().flat_map(|caller| caller.took.lock().unwrap().clone()).collect();
    let figures = json!({
        "seconds": outage().as_secs(), "answers": took.len(), "p50_ms": percentile(&took, 50),
        "p99_ms": percentile(&took, 99), "slowest_ms": percentile(&took, 100), "back_ms": back.as_millis(),
    });
    tell(test, figures);
}

async fn without_postgresql(test: &str, stop: impl Fn(&Cable)) {
    let _beside = beside_others().await;
    let (stack, callers, mut sockets, room) = scene().await;
    let cable = stack.cables.postgres.as_ref().unwrap();
    let all_is_well = async |caller: &Caller| {
        let accounts = caller.accounts().await.iter().all(|answer| matches!(answer.status, 200 | 201));
        accounts && caller.rooms(&room).await.iter().all(|answer| matches!(answer.status, 200 | 201))
    };
    assert!(all_is_well(&callers[0]).await && all_is_well(&callers[1]).await);
    stop(cable);
    let end = Instant::now() + outage();
    while Instant::now() < end {
        for (caller, socket) in callers.iter().zip(&mut sockets) {
            assert_unavailable(&caller.accounts().await);
            // Tokens that are known good may be taken for a while, or refused until auth can say; not as a stranger's.
            for answer in caller.rooms(&room).await.iter().filter(|answer| !matches!(answer.status, 200 | 201)) {
                assert_unavailable(std::slice::from_ref(answer));
            }
            assert_eq!(say(socket, &room, &unique("on")).await["success"], true, "a socket that is open goes on");
        }
        tokio::time::sleep(PACE).await;
    }
    cable.mend();
    let back = recovered(async || all_is_well(&callers[0]).await && all_is_well(&callers[1]).await).await;
    report(test, &callers, back);
}

async fn without_mongodb(test: &str, stop: impl Fn(&Cable)) {
    let _beside = beside_others().await;
    let (stack, callers, mut sockets, room) = scene().await;
    let cable = stack.cables.mongodb.as_ref().unwrap();
    assert_eq!(say(&mut sockets[0], &room, "before").await["success"], true);
    stop(cable);
    let end = Instant::now() + outage();
    while Instant::now() < end {
        for (caller, socket) in callers.iter().zip(&mut sockets) {
            assert_unavailable(&caller.rooms(&room).await);
            let profile = caller.call(Method::GET, "/api/auth/profile", None).await;
            assert_eq!(profile.status, 200, "{profile:?}");
            assert_eq!(say(socket, &room, &caller.user.username).await["success"], false);
            let error = socket.next_event("message_error", TOLD).await;
            assert_eq!(error["tempId"], caller.user.username.as_str(), "{error}");
        }
        tokio::time::sleep(PACE).await;
    }
    cable.mend();
    let is_well = async || {
        let mut well = true;
        for (caller, socket) in callers.iter().zip(&mut sockets) {
            well &= caller.rooms(&room).await.iter().all(|answer| matches!(answer.status, 200 | 201));
            well &= say(socket, &room, &caller.user.username).await["success"] == true;
        }
        well
    };
    let back = recovered(is_well).await;
    let kept = history(&callers[0].api, &callers[0].user, &room).await;
    let mut contents: Vec<&str> = kept.iter().map(|kept| kept.content.as_str()).collect();
    contents[1..].sort_unstable();
    let mut expected: Vec<&str> = callers.iter().map(|caller| caller.user.username.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(contents, [vec!["before"], expected].concat(), "what was sent again and again is kept once");
    report(test, &callers, back);
}

#[tokio::test]
async fn with_postgresql_cut_off_callers_get_503_in_time_and_sockets_go_on() {
    without_postgresql("postgresql-cut", Cable::cut).await;
}

#[tokio::test]
async fn with_postgresql_silent_callers_get_503_in_time_and_sockets_go_on() {
    without_postgresql("postgresql-silent", Cable::clog).await;
}

#[tokio::test]
async fn with_mongodb_cut_off_callers_get_503_in_time_and_sockets_stay() {
    without_mongodb("mongodb-cut", Cable::cut).await;
}

#[tokio::test]
async fn with_mongodb_silent_callers_get_503_in_time_and_sockets_stay() {
    without_mongodb("mongodb-silent", Cable::clog).await;
}
