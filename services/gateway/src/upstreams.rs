//! How the services behind the gateway are, asked every second by their gRPC health.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aether_common::{grpc::Channel, health::Health};
use futures::future;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const EVERY: Duration = Duration::from_secs(1);
/// The dependencies that a service may tell of. It tells only of those that it has.
const OF_AUTH: [&str; 3] = ["database", "postgres", "redis"];
const OF_MESSAGE: [&str; 3] = ["database", "mongodb", "redis"];

/// What was last heard from auth and message.
pub(crate) struct Upstreams {
    started: Instant,
    health: Health,
    auth: HealthClient<Channel>,
    message: HealthClient<Channel>,
    heard: Mutex<BTreeMap<&'static str, bool>>,
}

/// One service's answer: itself, and what it needs.
struct Answer {
    up: bool,
    needs: BTreeMap<&'static str, bool>,
}

impl Upstreams {
    pub(crate) fn new(auth: Channel, message: Channel) -> Self {
        Self {
            started: Instant::now(),
            // Only `serving` decides readiness: once it is up, the gateway has the better answer to an outage (503 with
            // Retry-After) than to vanish.
            health: Health::new("api-gateway", &["serving"], &["auth", "message"]),
            auth: HealthClient::new(auth),
            message: HealthClient::new(message),
            heard: Mutex::default(),
        }
    }

    /// The gateway's own health, for probes.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// How long the gateway has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether each dependency, direct or not, is up.
    pub(crate) fn dependencies(&self) -> BTreeMap<&'static str, bool> {
        let direct = self.health.dependencies().into_iter().filter(|(name, _)| *name != "serving");
        let mut all: BTreeMap<_, _> = direct.map(|(name, dependency)| (name, dependency.up)).collect();
        all.extend(self.heard.lock().unwrap_or_else(PoisonError::into_inner).iter());
        all
    }

    /// Asks again and again until `stop`, from when on the gateway isn't ready.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let (mut auth_met, mut message_met) = (false, false);
        loop {
            let round = future::join(ask(&self.auth, &OF_AUTH), ask(&self.message, &OF_MESSAGE));
            let (auth, message) = tokio::select! {
                () = stop.cancelled() => break,
                answers = round => answers,
            };
            self.health.set("auth", auth.up);
            self.health.set("message", message.up);
            (auth_met, message_met) = (auth_met || auth.up, message_met || message.up);
            if auth_met && message_met {
                self.health.set("serving", true);
            }
            let mut heard = auth.needs;
            for (name, up) in message.needs {
                heard.entry(name).and_modify(|both| *both &= up).or_insert(up);
            }
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
            // Until all is there, a start is not to wait for this.
            let pause = if self.health.ready() { EVERY } else { EVERY / 20 };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.health.set("serving", false);
    }
}

async fn ask(service: &HealthClient<Channel>, names: &[&'static str]) -> Answer {
    let Ok(Some(up)) = check(service, "").await else {
        return Answer { up: false, needs: BTreeMap::new() };
    };
    let needs = future::join_all(names.iter().map(|name| async move { (*name, check(service, name).await) })).await;
    let told = needs.into_iter().filter_map(|(name, answer)| Some((name, answer.ok()??)));
    Answer { up, needs: told.collect() }
}

/// Whether a part of a service is up; `None` if it knows no such part.
async fn check(service: &HealthClient<Channel>, name: &str) -> Result<Option<bool>, ()> {
    let request = HealthCheckRequest { service: name.to_owned() };
    let mut client = service.clone();
    match tokio::time::timeout(EVERY, client.check(request)).await {
        Ok(Ok(answer)) => Ok(Some(answer.into_inner().status() == ServingStatus::Serving)),
        Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}
