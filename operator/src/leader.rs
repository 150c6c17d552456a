//! Leader election by a Lease: of several replicas one reconciles, the others stand by.
//!
//! Every write carries the `resourceVersion` that was read, so that of two who try one is refused; and a lease counts
//! as expired by this process' own clock, from when it last saw it change, so that clocks need not agree.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;

use crate::patience::Fence;

/// Name of the Lease.
pub const LEASE: &str = "aetherconnect-operator";
/// How long a holder that is silent keeps the lease.
const DURATION: Duration = Duration::from_secs(10);
/// A holder that hasn't renewed for this long gives up, before anybody else can take over.
const DEADLINE: Duration = Duration::from_secs(7);
/// How often holders renew and others look. Each request gets as long.
const PERIOD: Duration = Duration::from_secs(2);
/// A holder whose renewal failed tries again after this long.
const RETRY: Duration = Duration::from_millis(500);

/// One candidate.
pub struct Candidate {
    api: Api<Lease>,
    identity: String,
    fence: Fence,
    /// What the lease said when it was last seen to change, and when that was.
    seen: Option<(LeaseSpec, Instant)>,
    /// The lease as this candidate wrote it last, and when it began to.
    held: Option<(Lease, Instant)>,
}

impl Candidate {
    /// A candidate by this name. The fence is open as long as it surely holds the lease.
    pub fn new(client: Client, namespace: &str, identity: &str, fence: Fence) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, identity: identity.to_owned(), fence, seen: None, held: None }
    }

    /// Waits until the lease is this candidate's.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "can't reach the lease; trying again"),
            }
            let expires = self.seen.as_ref().map(|(_, at)| (*at + DURATION).saturating_duration_since(Instant::now()));
            // A little later than it expires, rather than a whole period.
            let pause = expires.map_or(PERIOD, |rest| (rest + Duration::from_millis(50)).min(PERIOD));
            tokio::time::sleep(pause.max(RETRY)).await;
        }
    }

    /// Renews until the lease is lost. Then somebody else may reconcile, so this process must stop at once.
    pub async fn hold(&mut self) {
        let mut renewed = self.held.as_ref().map_or_else(Instant::now, |(_, at)| *at);
        let mut pause = PERIOD;
        loop {
            let renewal = async {
                tokio::time::sleep(pause).await;
                (Instant::now(), self.attempt().await)
            };
            // The deadline cuts off an attempt too: somebody else may take over before its answer comes.
            match tokio::time::timeout_at(renewed + DEADLINE, renewal).await {
                Ok((started, Ok(true))) => (renewed, pause) = (started, PERIOD),
                Ok((_, Err(error))) => {
                    tracing::warn!(%error, "can't renew the lease");
                    pause = RETRY;
                }
                Ok((_, Ok(false))) | Err(_) => return,
            }
        }
    }

    /// Gives the lease back, so that another takes over without waiting for it to expire.
    pub async fn release(&mut self) {
        let released = async {
            let lease = self.api.get(LEASE).await?;
            if holder(&lease) != Some(self.identity.as_str()) {
                return Ok(());
            }
            self.write(lease, "", false).await.map(drop)
        };
        if let Err(error) = released.await {
            tracing::warn!(%error, "can't release the lease; it expires by itself");
        }
    }

    /// Takes or renews the lease if it is free, expired or one's own.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        match tokio::time::timeout(PERIOD, self.try_once()).await {
            Ok(result) => result,
            Err(_) => Err(kube::Error::Service("the API server doesn't answer".into())),
        }
    }

    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let started = Instant::now();
        // What one wrote oneself needs no reading, unless writing fails.
        let lease = match self.held.take() {
            Some((lease, _)) => Some(lease),
            None => self.api.get_opt(LEASE).await?,
        };
        let Some(lease) = lease else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(LEASE.into()), ..ObjectMeta::default() },
                spec: Some(self.spec(&self.identity, 0)),
            };
            let created = self.api.create(&PostParams::default(), &lease).await;
            return self.won(created, started);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let is_mine = spec.holder_identity.as_deref() == Some(self.identity.as_str());
        if !is_mine && !self.has_expired(&spec) {
            return Ok(false);
        }
        let identity = self.identity.clone();
        let written = self.write(lease, &identity, !is_mine).await;
        match written {
            // Somebody wrote it meanwhile, or one's own last write whose answer was lost: the next attempt reads it.
            Err(kube::Error::Api(status)) if is_mine && status.code == 409 => Err(kube::Error::Api(status)),
            written => self.won(written, started),
        }
    }

    /// Whether a write went through; a conflict means that somebody else was first.
    fn won(&mut self, result: Result<Lease, kube::Error>, started: Instant) -> Result<bool, kube::Error> {
        match result {
            Ok(lease) => {
                self.held = Some((lease, started));
                self.fence.open_until(started + DEADLINE);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn has_expired(&mut self, spec: &LeaseSpec) -> bool {
        if spec.holder_identity.as_deref().is_none_or(str::is_empty) {
            return true;
        }
        match &self.seen {
            Some((seen, at)) if seen == spec => at.elapsed() > DURATION,
            _ => {
                self.seen = Some((spec.clone(), Instant::now()));
                false
            }
        }
    }

    async fn write(&self, mut lease: Lease, holder: &str, is_new: bool) -> Result<Lease, kube::Error> {
        let old = lease.spec.take().unwrap_or_default();
        let transitions = old.lease_transitions.unwrap_or(0) + i32::from(is_new);
        let mut spec = self.spec(holder, transitions);
        if !is_new {
            spec.acquire_time = old.acquire_time;
        }
        lease.spec = Some(spec);
        self.api.replace(LEASE, &PostParams::default(), &lease).await
    }

    fn spec(&self, holder: &str, transitions: i32) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use kube::client::Body;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn leadership_ends_at_the_deadline_while_the_api_server_is_silent() {
        let silent = tower::service_fn(|_: http::Request<Body>| {
            std::future::pending::<Result<http::Response<Body>, Infallible>>()
        });
        let mut candidate = Candidate::new(Client::new(silent, "default"), "default", "me", Fence::default());
        let started = Instant::now();
        candidate.hold().await;
        let held = started.elapsed();
        assert!(held >= DEADLINE && held < DEADLINE + Duration::from_millis(100), "{held:?}");
    }
}
