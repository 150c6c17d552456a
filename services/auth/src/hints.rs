//! Hints between replicas that a session was revoked. Whoever gets one reads the database, see [`crate::revocations`];
//! so a lost hint costs at most a second, and Redis may be down, hung or absent.

use std::time::Duration;

use aether_common::{health::Health, tls};
use futures::StreamExt as _;
use redis::AsyncConnectionConfig;
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// The name of the dependency in health reports.
pub(crate) const REDIS: &str = "redis";
const CHANNEL: &str = "aetherconnect:auth:revoked";
/// Redis answers within this, or counts as down.
const LIMIT: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_secs(1);

/// Passes the database's own hints on, connecting again whenever they break off.
pub(crate) async fn follow_store(store: &dyn Store, wake: &Notify, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            ended = store.hints(wake) => tracing::debug!(?ended, "hints of the database broke off"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(AGAIN) => {}
        }
    }
}

/// Publishes what `revoked` brings and passes on what others publish, connecting again whenever Redis goes.
pub(crate) async fn follow_redis(
    client: redis::Client,
    mut revoked: mpsc::Receiver<String>,
    wake: &Notify,
    health: &Health,
    stop: &CancellationToken,
) {
    let mut was_up = None;
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = follow_once(&client, &mut revoked, wake, health, &mut was_up) => ended,
        };
        // The health report logs a loss, but not that something was never there.
        if was_up.is_none() {
            let reason = tls::explained(&format!("{ended:#}"), "REDIS_TLS_CA_FILE");
            tracing::warn!(reason, "Redis cannot be reached: revocations spread through the database alone");
        }
        was_up = Some(false);
        health.set(REDIS, false);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(AGAIN) => {}
        }
    }
}

async fn follow_once(
    client: &redis::Client,
    revoked: &mut mpsc::Receiver<String>,
    wake: &Notify,
    health: &Health,
    was_up: &mut Option<bool>,
) -> anyhow::Error {
    let run = async {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(LIMIT)).set_response_timeout(Some(LIMIT));
        let mut publisher = timeout(LIMIT, client.get_multiplexed_async_connection_with_config(&config)).await??;
        let (mut subscription, mut messages) = timeout(LIMIT, client.get_async_pubsub()).await??.split();
        timeout(LIMIT, subscription.subscribe(CHANNEL)).await??;
        *was_up = Some(true);
        health.set(REDIS, true);
        // Something may have been published before.
        wake.notify_one();
        let mut checks = tokio::time::interval(AGAIN);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(_) => wake.notify_one(),
                    None => anyhow::bail!("subscription ended"),
                },
                Some(session) = revoked.recv() => {
                    let mut publish = redis::cmd("PUBLISH");
                    publish.arg(CHANNEL).arg(session);
                    let () = timeout(LIMIT, publish.query_async(&mut publisher)).await??;
                }
                _ = checks.tick() => {
                    // Each of the two connections may die alone and in silence.
                    let _: redis::Value = timeout(LIMIT, subscription.ping()).await??;
                    let _: redis::Value = timeout(LIMIT, redis::cmd("PING").query_async(&mut publisher)).await??;
                }
            }
        }
    };
    match run.await {
        Ok(never) => never,
        Err(error) => error,
    }
}
