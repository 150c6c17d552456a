//! Hints over Redis pub/sub: one channel an instance, one connection to send and one to receive, each connecting
//! again by itself. Replicas tell every 200 ms that they are there; one that hears neither itself nor a peer that it
//! knows doesn't trust the bus.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aether_common::tls;
use anyhow::Context as _;
use futures::StreamExt as _;
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Bus, Connected, Hint, INCOMING, Incoming, State};
use crate::metrics::Metrics;

const OUTGOING: usize = 4096;
const BATCH: usize = 64;
const LIMIT: Duration = Duration::from_millis(500);
const RECONNECT: Duration = Duration::from_millis(250);
const BEAT: Duration = Duration::from_millis(200);
/// Silent for longer: not to be trusted.
const SILENT: Duration = Duration::from_millis(700);
/// A peer that is silent for longer is taken for dead. Until then it may be alive and cut off from Redis, and live
/// rooms are read all the time for its messages' sake, which costs the store much. Afterwards they come by the regular
/// looks, a few seconds late at most: nothing is lost by an error here.
const DEAD: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
struct Packet {
    from: String,
    body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Body {
    Hint(Hint),
    Beat,
    /// The sender dropped hints.
    Lost,
    /// The sender ends.
    Bye,
}

/// The sending side.
pub(crate) struct RedisBus {
    outgoing: mpsc::Sender<Hint>,
    lost: Arc<AtomicBool>,
    state: watch::Receiver<State>,
    metrics: Arc<Metrics>,
}

struct Link {
    client: Client,
    channel: String,
    replica: String,
}

impl RedisBus {
    /// Starts both connections; they end with `stop`. The channel is named after the place of the instance's messages.
    pub(crate) fn start(
        client: &Client,
        place: &str,
        metrics: &Arc<Metrics>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Connected {
        let link = Arc::new(Link {
            client: client.clone(),
            channel: format!("aetherconnect:{place}:message"),
            replica: uuid::Uuid::new_v4().simple().to_string(),
        });
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let (deliver, incoming) = mpsc::channel(INCOMING);
        let (set_state, state) = watch::channel(State::Unhealthy);
        let lost = Arc::new(AtomicBool::new(false));
        tasks.spawn(send(Arc::clone(&link), queue, Arc::clone(&lost), stop.clone()));
        tasks.spawn(receive(link, deliver, set_state, stop.clone()));
        (Arc::new(Self { outgoing, lost, state, metrics: Arc::clone(metrics) }), incoming)
    }
}

impl Bus for RedisBus {
    fn publish(&self, hint: Hint) {
        if self.outgoing.try_send(hint).is_err() {
            self.metrics.hints_dropped.inc();
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

impl Link {
    fn packet(&self, body: Body) -> String {
        // A packet is made of texts and numbers, which always have a JSON form.
        serde_json::to_string(&Packet { from: self.replica.clone(), body }).unwrap_or_default()
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(LIMIT)).set_response_timeout(Some(LIMIT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn publish(&self, connection: &mut MultiplexedConnection, bodies: Vec<Body>) -> redis::RedisResult<()> {
        let mut pipe = redis::pipe();
        for body in bodies {
            pipe.cmd("PUBLISH").arg(&self.channel).arg(self.packet(body)).ignore();
        }
        pipe.query_async(connection).await
    }
}

/// Sends hints and beats. What is in hand when the connection breaks is lost, and said to be so afterwards.
async fn send(link: Arc<Link>, mut queue: mpsc::Receiver<Hint>, lost: Arc<AtomicBool>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let result = match link.connect().await {
            Ok(mut connection) => send_over(&link, &mut connection, &mut queue, &lost, &stop).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            lost.store(true, Ordering::Relaxed);
            tracing::debug!(%error, "Redis cannot be sent to");
        }
        let _ = stop.run_until_cancelled(sleep(RECONNECT)).await;
    }
}

async fn send_over(
    link: &Link,
    connection: &mut MultiplexedConnection,
    queue: &mut mpsc::Receiver<Hint>,
    lost: &AtomicBool,
    stop: &CancellationToken,
) -> redis::RedisResult<()> {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hints = Vec::with_capacity(BATCH);
    loop {
        let mut bodies = tokio::select! {
            () = stop.cancelled() => return link.publish(connection, vec![Body::Bye]).await,
            _ = beat.tick() => vec![Body::Beat],
            n = queue.recv_many(&mut hints, BATCH) => {
                if n == 0 {
                    return Ok(());
                }
                hints.drain(..).map(Body::Hint).collect()
            }
        };
        if lost.swap(false, Ordering::Relaxed) {
            bodies.push(Body::Lost);
        }
        link.publish(connection, bodies).await?;
    }
}

async fn receive(
    link: Arc<Link>,
    deliver: mpsc::Sender<Incoming>,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let (mut heard, mut told) = (Heard::default(), false);
    while !stop.is_cancelled() {
        let round = receive_once(&link, &deliver, &state, &mut heard);
        let ended = stop.run_until_cancelled(round).await;
        let worked = state.send_if_modified(|s| std::mem::replace(s, State::Unhealthy) != State::Unhealthy);
        if let Some(Err(error)) = ended
            && (worked || !told)
        {
            told = true;
            let reason = tls::explained(&format!("{error:#}"), "REDIS_TLS_CA_FILE");
            tracing::warn!(reason, "Redis cannot be received from: other replicas' messages come from the store");
        }
        let _ = stop.run_until_cancelled(sleep(RECONNECT)).await;
    }
}

async fn receive_once(
    link: &Link,
    deliver: &mpsc::Sender<Incoming>,
    state: &watch::Sender<State>,
    heard: &mut Heard,
) -> anyhow::Result<()> {
    let mut subscription = timeout(LIMIT, link.client.get_async_pubsub()).await??;
    timeout(LIMIT, subscription.subscribe(&link.channel)).await??;
    let mut packets = subscription.on_message();
    // Whatever was published while nobody listened.
    let mut resync = true;
    heard.me = Some(Instant::now());
    let mut check = interval(BEAT);
    loop {
        if resync && deliver.try_send(Incoming::Resync).is_ok() {
            resync = false;
        }
        tokio::select! {
            packet = packets.next() => {
                let packet = packet.context("Redis closed the connection")?;
                let Ok(packet) = serde_json::from_slice::<Packet>(packet.get_payload_bytes()) else { continue };
                let own = packet.from == link.replica;
                heard.note(&packet, own);
                match packet.body {
                    Body::Hint(hint) if !own => {
                        resync |= deliver.try_send(Incoming::Hint { from: packet.from, hint }).is_err();
                    }
                    Body::Lost if !own => resync = true,
                    _ => {}
                }
            }
            _ = check.tick() => {
                let new = heard.state(Instant::now());
                state.send_if_modified(|s| std::mem::replace(s, new) != new);
                anyhow::ensure!(heard.alive(Instant::now()), "no echo from Redis");
            }
        }
    }
}

/// When this replica last heard itself and each of its peers.
#[derive(Default)]
struct Heard {
    me: Option<Instant>,
    peers: HashMap<String, Instant>,
}

impl Heard {
    fn note(&mut self, packet: &Packet, own: bool) {
        if own {
            self.me = Some(Instant::now());
        } else if matches!(packet.body, Body::Bye) {
            self.peers.remove(&packet.from);
        } else {
            self.peers.insert(packet.from.clone(), Instant::now());
        }
    }

    fn state(&mut self, now: Instant) -> State {
        self.peers.retain(|_, at| now.duration_since(*at) < DEAD);
        let fresh = |at: &Instant| now.duration_since(*at) < SILENT;
        match (self.me.as_ref().is_some_and(fresh), self.peers.values().all(fresh)) {
            (true, true) => State::Healthy,
            (true, false) => State::PeerSilent,
            (false, _) => State::Unhealthy,
        }
    }

    /// Whether the own echo is young enough to keep the connection: a hung server never closes it.
    fn alive(&self, now: Instant) -> bool {
        self.me.is_some_and(|at| now.duration_since(at) < 5 * SILENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: &str, body: Body) -> Packet {
        Packet { from: from.into(), body }
    }

    #[tokio::test(start_paused = true)]
    async fn the_bus_is_trusted_while_this_replica_and_its_peers_are_heard() {
        let mut heard = Heard::default();
        assert_eq!(heard.state(Instant::now()), State::Unhealthy);
        heard.note(&packet("me", Body::Beat), true);
        assert_eq!(heard.state(Instant::now()), State::Healthy);
        heard.note(&packet("peer", Body::Beat), false);
        tokio::time::advance(SILENT).await;
        heard.note(&packet("me", Body::Beat), true);
        assert_eq!(heard.state(Instant::now()), State::PeerSilent, "it may be cut off");
        heard.note(&packet("peer", Body::Bye), false);
        assert_eq!(heard.state(Instant::now()), State::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_peer_is_forgotten() {
        let mut heard = Heard::default();
        heard.note(&packet("peer", Body::Beat), false);
        tokio::time::advance(DEAD).await;
        heard.note(&packet("me", Body::Beat), true);
        assert_eq!(heard.state(Instant::now()), State::Healthy);
    }

    #[test]
    fn a_packet_survives_its_way() {
        let user = crate::model::User { id: "1".into(), username: "ada".into() };
        let body = Body::Hint(Hint::Typing { room: "r".into(), user, on: true });
        let text = serde_json::to_string(&packet("a", body)).expect("JSON");
        let back: Packet = serde_json::from_str(&text).expect("the same");
        assert!(matches!(back.body, Body::Hint(Hint::Typing { on: true, .. })));
    }
}
