//! Redis is a hint: without it, messages still reach the other replicas soon, and at once again when it is back.

use crate::report::{percentile, tell};
use crate::scene::{enter, rooms, three_replicas};
use crate::{alone, size};
use aether_tests::{Options, Packet, Redis, Stack, WebSocket};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PACE: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(20);
/// So many messages in a row tell how fast the way is.
const SAMPLE: usize = 10;
const FAST: Duration = Duration::from_millis(50);

/// When a replica's socket got each message, by its number.
type Arrivals = Arc<Mutex<Vec<Instant>>>;

/// Somebody who talks on replica 0, and a listener on each of the others.
struct Line {
    mouth: WebSocket,
    room: String,
    sent: Vec<Instant>,
    ears: Vec<Arrivals>,
}

impl Line {
    async fn open(stack: &Stack) -> Self {
        let users = stack.crowd(3).await;
        let room = rooms(stack, &users[0], 1).await.remove(0);
        let mut ears = Vec::new();
        for (gateway, user) in users.iter().enumerate().skip(1) {
            let arrivals = Arrivals::default();
            tokio::spawn(listen(enter(stack, gateway, user, &room, 0).await, Arc::clone(&arrivals)));
            ears.push(arrivals);
        }
        Self { mouth: enter(stack, 0, &users[0], &room, 0).await, room, sent: Vec::new(), ears }
    }

    /// Sends one message, which is acknowledged, and waits for the next one's turn.
    async fn say(&mut self) {
        self.sent.push(Instant::now());
        let payload = json!({"roomId": self.room, "content": format!("number {}", self.sent.len())});
        let answer = self.mouth.answer("send_message", payload, LIMIT).await;
        assert_eq!(answer["seq"], self.sent.len(), "{answer}");
        tokio::time::sleep_until((*self.sent.last().unwrap() + PACE).into()).await;
    }

    async fn say_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.say().await;
        }
    }

    /// Waits until everybody has everything.
    async fn settle(&self) {
        let end = Instant::now() + LIMIT;
        while self.ears.iter().any(|ear| ear.lock().unwrap().len() < self.sent.len()) {
            let far: Vec<usize> = self.ears.iter().map(|ear| ear.lock().unwrap().len()).collect();
            assert!(Instant::now() < end, "{far:?} of {} messages have arrived", self.sent.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How long each message took from number `from` on, to each of the other replicas.
    fn times(&self, from: usize) -> Vec<Duration> {
        let of = |ear: &Arrivals| {
            let arrivals = ear.lock().unwrap();
            arrivals.iter().zip(&self.sent).skip(from).map(|(at, sent)| at.duration_since(*sent)).collect::<Vec<_>>()
        };
        self.ears.iter().flat_map(of).collect()
    }

    /// Talks until messages cross at once, and returns how long that took.
    async fn until_fast(&mut self) -> Duration {
        let start = Instant::now();
        loop {
            self.say().await;
            let known = self.ears.iter().map(|ear| ear.lock().unwrap().len()).min().unwrap();
            let recent = self.times(self.sent.len().saturating_sub(SAMPLE));
            if known + 1 >= self.sent.len() && recent.len() >= SAMPLE && percentile(&recent, 50) <= as_ms(FAST) {
                return start.elapsed().saturating_sub(PACE * u32::try_from(SAMPLE).unwrap());
            }
            assert!(start.elapsed() < LIMIT, "messages still cross slowly after {LIMIT:?}: {recent:?}");
        }
    }
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

async fn listen(mut socket: WebSocket, arrivals: Arrivals) {
    while let Ok(packet) = socket.next().await {
        if let Packet::Event(event, message) = packet
            && event == "new_message"
        {
            let mut arrivals = arrivals.lock().unwrap();
            assert_eq!(message["seq"], arrivals.len() + 1, "one order, without a gap");
            arrivals.push(Instant::now());
        }
    }
}

fn outage() -> Duration {
    Duration::from_secs(size("FAULTS_REDIS_SECONDS", 30, 4))
}

async fn messages_cross_without_redis(test: &str, stop: impl Fn(&mut Redis), go_on: impl Fn(&mut Redis)) {
    let _alone = alone().await;
    let mut redis = Redis::start();
    let stack = Stack::start(&Options { redis: true, ..three_replicas() }.env("REDIS_URL", redis.url()));
    let mut line = Line::open(&stack).await;
    line.until_fast().await;
    let before = line.sent.len();
    line.say_for(Duration::from_secs(1)).await;
    line.settle().await;
    let usual = line.times(before);

    let without = line.sent.len();
    stop(&mut redis);
    line.say_for(outage()).await;
    line.settle().await;
    let times = line.times(without);
    go_on(&mut redis);
    let back = line.until_fast().await;
    line.settle().await;
    let figures = json!({
        "messages": line.sent.len(), "with_p50_ms": percentile(&usual, 50), "without_p50_ms": percentile(&times, 50),
        "without_p99_ms": percentile(&times, 99), "back_ms": as_ms(back),
    });
    tell(test, figures);
    assert!(percentile(&times, 99) <= 1000, "{times:?}");
    assert!(back <= Duration::from_secs(5), "{back:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_killed_messages_cross_within_a_second_and_at_once_when_it_is_back() {
    messages_cross_without_redis("redis-killed", Redis::kill, Redis::restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_hung_messages_cross_within_a_second_and_at_once_when_it_goes_on() {
    messages_cross_without_redis("redis-hung", |redis| redis.pause(), |redis| redis.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_disabled_messages_cross_within_a_second() {
    let _alone = alone().await;
    let stack = Stack::start(&three_replicas());
    let mut line = Line::open(&stack).await;
    line.say_for(outage()).await;
    line.settle().await;
    let times = line.times(0);
    let figures = json!({
        "messages": line.sent.len(), "p50_ms": percentile(&times, 50), "p99_ms": percentile(&times, 99),
    });
    tell("redis-disabled", figures);
    assert!(percentile(&times, 99) <= 1000, "{times:?}");
}
