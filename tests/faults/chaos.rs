//! Processes die and hang at random while a crowd talks.

use crate::order::Talk;
use crate::report::{percentile, tell};
use crate::scene::{rooms, stack};
use crate::{alone, size};
use aether_tests::{Options, Redis, Service, Stack};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde_json::json;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const ROOMS: usize = 20;
const SENDERS: usize = 50;
const ROOMS_OF_EACH: usize = 4;
/// So long the next share of messages may take, however many are down at once.
const LIMIT: Duration = Duration::from_secs(120);

enum Process {
    Service(Service),
    Redis(Redis),
}

/// A process that is hit again and again.
struct Victim {
    process: Mutex<Process>,
    down: AtomicBool,
}

#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Stop,
}

impl Process {
    fn suffer(&mut self, blow: Blow, pause: Duration) {
        match (&mut *self, blow) {
            (Self::Service(service), Blow::Kill) => service.kill(),
            (Self::Service(service), Blow::Stop) => service.pause(),
            (Self::Redis(redis), Blow::Kill) => redis.kill(),
            (Self::Redis(redis), Blow::Stop) => redis.pause(),
        }
        std::thread::sleep(pause);
        match (self, blow) {
            (Self::Service(service), Blow::Kill) => service.restart(),
            (Self::Service(service), Blow::Stop) => service.resume(),
            (Self::Redis(redis), Blow::Kill) => redis.restart(),
            (Self::Redis(redis), Blow::Stop) => redis.resume(),
        }
    }
}

fn victims(stack: &mut Stack, redis: Redis) -> Vec<Arc<Victim>> {
    let services = [&mut stack.gateways, &mut stack.auth, &mut stack.message].into_iter().flat_map(std::mem::take);
    let processes = services.map(Process::Service).chain([Process::Redis(redis)]);
    processes.map(|process| Arc::new(Victim { process: Mutex::new(process), down: AtomicBool::new(false) })).collect()
}

/// Spreads the blows evenly over the messages, each on a process that is up.
async fn torment(victims: &[Arc<Victim>], talk: &Talk, blows: &[Blow], sent: u64, random: &mut SmallRng) {
    let mut under_way: Vec<JoinHandle<()>> = Vec::new();
    for (index, blow) in (1..).zip(blows) {
        talk.until_acknowledged(sent * index / (blows.len() as u64 + 1), LIMIT).await;
        let up: Vec<_> = victims.iter().filter(|victim| !victim.down.load(Ordering::SeqCst)).collect();
        let Some(victim) = up.choose(random) else { continue };
        let pause = match blow {
            Blow::Kill => random.random_range(0..1500),
            Blow::Stop => random.random_range(1000..4000),
        };
        victim.down.store(true, Ordering::SeqCst);
        let (victim, blow) = (Arc::clone(victim), *blow);
        under_way.push(tokio::task::spawn_blocking(move || {
            victim.process.lock().unwrap().suffer(blow, Duration::from_millis(pause));
            victim.down.store(false, Ordering::SeqCst);
        }));
    }
    for blow in under_way {
        blow.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_or_hangs_every_acknowledged_message_is_kept_and_seen_once_in_one_order() {
    let _alone = alone().await;
    let sent = size("FAULTS_MESSAGES", 100_000, 2_000);
    let (kills, stops) = (size("FAULTS_KILLS", 100, 6), size("FAULTS_STOPS", 20, 2));
    let seed = size("FAULTS_SEED", rand::random_range(0..1_000_000), rand::random_range(0..1_000_000));
    let _ = writeln!(std::io::stderr(), "faults/chaos: FAULTS_SEED={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut blows: Vec<Blow> = (0..kills).map(|_| Blow::Kill).chain((0..stops).map(|_| Blow::Stop)).collect();
    blows.shuffle(&mut random);

    let redis = Redis::start();
    let mut stack = Stack::start(&Options { redis: true, ..stack() }.env("REDIS_URL", redis.url()));
    let users = stack.crowd(SENDERS).await;
    let rooms = rooms(&stack, &users[0], ROOMS).await;
    let started = Instant::now();
    let mut talk = Talk::new(&rooms);
    let each = usize::try_from(sent).unwrap() / SENDERS;
    for (index, user) in users.iter().enumerate() {
        let own: Vec<_> =
            (0..ROOMS_OF_EACH).map(|n| rooms[(index + n * ROOMS / ROOMS_OF_EACH) % ROOMS].clone()).collect();
        talk.start(user, &stack, &own, each);
    }
    let sent = (each * SENDERS) as u64;
    let victims = victims(&mut stack, redis);
    torment(&victims, &talk, &blows, sent, &mut random).await;
    talk.until_acknowledged(sent, LIMIT).await;
    let took = started.elapsed();
    let journal = Arc::clone(&talk.journal);
    talk.end(&stack, &users[0], each * SENDERS).await;
    let latencies = journal.latencies.lock().unwrap().clone();
    let figures = json!({
        "seed": seed, "messages": sent, "kills": kills, "stops": stops, "deliveries": latencies.len(),
        "seconds": took.as_secs_f64(), "reconnects": journal.reconnects.load(Ordering::Relaxed),
        "resent": journal.resent.load(Ordering::Relaxed), "refused": journal.refused.load(Ordering::Relaxed),
        "p50_ms": percentile(&latencies, 50), "p99_ms": percentile(&latencies, 99),
    });
    tell("chaos", figures);
}
