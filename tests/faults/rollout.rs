//! A gateway is started again, or dies, with many sockets on it: all are back soon, and not all at once.

use crate::report::{percentile, tell};
use crate::scene::stack;
use crate::{alone, size};
use aether_tests::{Api, Redis, Stack, User, WebSocket};
use rand::RngExt as _;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const USERS: usize = 20;
const ROOM: &str = "general";
const LIMIT: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(30);
/// The longest that a client waits between two attempts, as the official one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a client has lived through.
#[derive(Debug, Default)]
struct Life {
    /// The gateway that it is connected to.
    gateway: Option<usize>,
    closed: Vec<Instant>,
    /// When it first tried to come back.
    tried: Vec<Instant>,
    back: Vec<Instant>,
}

type Lives = Vec<Arc<Mutex<Life>>>;

/// Stays connected, with the pauses of the official client: a second or so, twice that after each failure.
async fn stay(apis: Vec<Api>, user: User, first: usize, life: Arc<Mutex<Life>>) {
    for connection in first.. {
        let gateway = connection % apis.len();
        let mut pause = Duration::from_secs(1);
        {
            let mut life = life.lock().unwrap();
            if life.tried.len() < life.closed.len() {
                life.tried.push(Instant::now());
            }
        }
        if let Ok(mut socket) = joined(&apis[gateway], &user).await {
            {
                let mut life = life.lock().unwrap();
                life.gateway = Some(gateway);
                life.back.push(Instant::now());
            }
            while socket.next().await.is_ok() {}
            let mut life = life.lock().unwrap();
            life.gateway = None;
            life.closed.push(Instant::now());
        } else {
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let factor = rand::rng().random_range(0.5..1.5);
        tokio::time::sleep(pause.mul_f64(factor)).await;
    }
}

async fn joined(api: &Api, user: &User) -> Result<WebSocket, String> {
    let mut socket = WebSocket::connect(api, user).await?;
    let number = socket.call("join_room", json!({"roomId": ROOM})).await?;
    let answered = async {
        while !matches!(socket.next().await?, aether_tests::Packet::Answer(answered, _) if answered == number) {}
        Ok::<_, String>(())
    };
    tokio::time::timeout(Duration::from_secs(5), answered).await.map_err(|_| "no answer".to_owned())??;
    Ok(socket)
}

fn connected(lives: &Lives) -> usize {
    lives.iter().filter(|life| life.lock().unwrap().gateway.is_some()).count()
}

/// Those that are connected to a gateway.
fn on(lives: &Lives, gateway: usize) -> Lives {
    lives.iter().filter(|life| life.lock().unwrap().gateway == Some(gateway)).cloned().collect()
}

/// After how long sockets were closed, first tried to come back, and were back.
struct Times {
    closed: Vec<Duration>,
    tried: Vec<Duration>,
    back: Vec<Duration>,
}

/// Waits until all have come back.
async fn all_back(lives: &Lives, since: Instant) -> Times {
    let after = |times: &[Instant]| times.iter().find(|at| **at > since).map(|at| at.duration_since(since));
    let of = |times: fn(&Life) -> &[Instant]| {
        lives.iter().filter_map(|life| after(times(&life.lock().unwrap()))).collect::<Vec<_>>()
    };
    while let missing @ 1.. = lives.len() - of(|life| &life.back).len() {
        assert!(since.elapsed() < LIMIT, "{missing} of {} aren't back after {LIMIT:?}", lives.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Times { closed: of(|life| &life.closed), tried: of(|life| &life.tried), back: of(|life| &life.back) }
}

/// The share of the busiest second, in per cent.
fn busiest_second(times: &[Duration]) -> usize {
    let within = |start: &Duration| {
        times.iter().filter(|time| (*start..*start + Duration::from_secs(1)).contains(*time)).count()
    };
    100 * times.iter().map(within).max().unwrap_or(0) / times.len().max(1)
}

async fn sockets(stack: &Stack, number: usize) -> Lives {
    let users = stack.crowd(USERS).await;
    let lives: Lives = (0..number).map(|_| Arc::default()).collect();
    for (index, life) in lives.iter().enumerate() {
        let apis = stack.urls.iter().map(|url| Api::new(url)).collect();
        tokio::spawn(stay(apis, users[index % USERS].clone(), index, Arc::clone(life)));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let end = Instant::now() + Duration::from_secs(60);
    while connected(&lives) < number {
        assert!(Instant::now() < end, "only {} of {number} sockets are connected", connected(&lives));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lives
}

fn report(test: &str, Times { closed, tried, back }: &Times) {
    let figures = json!({
        "sockets": back.len(), "closed_p50_ms": percentile(closed, 50), "closed_last_ms": percentile(closed, 100),
        "back_p50_ms": percentile(back, 50), "back_p99_ms": percentile(back, 99),
        "back_last_ms": percentile(back, 100), "busiest_second_percent": busiest_second(tried),
    });
    tell(test, figures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sockets_are_back_in_time_after_a_gateway_is_started_again_and_after_one_is_killed() {
    let _alone = alone().await;
    let redis = Redis::start();
    let mut stack = Stack::start(&aether_tests::Options { redis: true, ..stack() }.env("REDIS_URL", redis.url()));
    let number = usize::try_from(size("FAULTS_SOCKETS", 1000, 200)).unwrap();
    let lives = sockets(&stack, number).await;

    let moved = on(&lives, 0);
    let start = Instant::now();
    stack.gateways[0].terminate();
    let times = all_back(&moved, start).await;
    report("gateway-restarted", &times);
    // They are closed over two seconds; a client that waits a second or so spreads its return further.
    assert!(busiest_second(&times.closed) <= 75, "closed all at once: {:?}", times.closed);
    assert!(busiest_second(&times.tried) <= 75, "all come at once: {:?}", times.tried);
    assert_eq!(stack.gateways[0].wait_for_exit(GRACE), Some(0));
    stack.gateways[0].restart();

    let moved = on(&lives, 1);
    let start = Instant::now();
    stack.gateways[1].kill();
    report("gateway-killed", &all_back(&moved, start).await);
    assert_eq!(connected(&lives), number);
}
