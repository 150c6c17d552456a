//! The replicas of a service that can be called now, and which of them is called next.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::Reason;
use http::{Request, Response, Uri, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Bytes, client::conn::http2::SendRequest};
use tokio::{sync::watch, time::Instant};
use tonic::{Status, body::Body};

/// A replica that has been asked and hasn't said anything for so long may hang.
const SLOW: Duration = Duration::from_millis(500);
/// For so long after a call that it left unanswered, others are asked first.
const DOUBT: Duration = Duration::from_secs(3);

/// Replicas that are connected.
#[derive(Default)]
pub(super) struct Replicas {
    connected: watch::Sender<Vec<Arc<Replica>>>,
    next: AtomicUsize,
}

impl Replicas {
    pub(super) fn add(&self, replica: &Arc<Replica>) {
        self.connected.send_modify(|all| all.push(Arc::clone(replica)));
    }

    pub(super) fn remove(&self, replica: &Arc<Replica>) {
        self.connected.send_modify(|all| all.retain(|other| !Arc::ptr_eq(other, replica)));
    }

    /// The best replica but for those given; waits until there is one.
    pub(super) async fn pick(&self, but: &[Arc<Replica>]) -> Arc<Replica> {
        let mut connected = self.connected.subscribe();
        loop {
            let picked = self.best(&connected.borrow_and_update(), but);
            if let Some(replica) = picked {
                return replica;
            }
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = connected.changed().await;
        }
    }

    /// The one that isn't suspected to hang, has the fewest calls open, and whose turn it is.
    fn best(&self, all: &[Arc<Replica>], but: &[Arc<Replica>]) -> Option<Arc<Replica>> {
        let (now, turn) = (Instant::now(), self.next.fetch_add(1, Ordering::Relaxed));
        let usable = |replica: &Arc<Replica>| {
            !replica.sender.is_closed() && !but.iter().any(|other| Arc::ptr_eq(other, replica))
        };
        let candidates = all.iter().enumerate().filter(|(_, replica)| usable(replica));
        let best = candidates.min_by_key(|(place, replica)| {
            let load = replica.load();
            (load.doubtful(now), load.calls, (place + all.len() - turn % all.len()) % all.len())
        });
        best.map(|(_, replica)| Arc::clone(replica))
    }
}

/// A connection to a replica.
pub(super) struct Replica {
    sender: SendRequest<Body>,
    base: Uri,
    load: Mutex<Load>,
}

impl Replica {
    pub(super) fn new(sender: SendRequest<Body>, base: Uri) -> Self {
        Self { sender, base, load: Mutex::new(Load::new(Instant::now())) }
    }

    /// Makes a call.
    pub(super) async fn send(&self, mut head: Parts, message: Bytes) -> Result<Response<Body>, Failure> {
        let mut uri = self.base.clone().into_parts();
        uri.path_and_query = head.uri.path_and_query().cloned();
        head.uri = Uri::from_parts(uri).map_err(|error| Failure::Broken(Status::internal(error.to_string())))?;
        let request = Request::from_parts(head, Body::new(Full::new(message)));
        let mut call = Call::begin(self);
        match self.sender.clone().try_send_request(request).await {
            Ok(response) => {
                call.answered = true;
                Ok(response.map(|body| Body::new(body.map_err(|error| broken(&error)))))
            }
            Err(error) if error.message().is_some() || was_refused(error.error()) => Err(Failure::NotTaken),
            Err(error) => Err(Failure::Broken(broken(error.error()))),
        }
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        // A panic elsewhere leaves whole numbers behind.
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call has no answer.
pub(super) enum Failure {
    /// The replica hasn't begun it and never will.
    NotTaken,
    /// It may have been done.
    Broken(Status),
}

/// Whether a replica said that it didn't begin a call: one that comes after a farewell, or is refused.
fn was_refused(error: &hyper::Error) -> bool {
    let error = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        let farewell = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
        error.is_remote() && (farewell || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
    })
}

/// A connection that ends under a call is an outage.
fn broken(error: &hyper::Error) -> Status {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Status::unavailable(format!("the connection broke: {error}: {cause}"))
}

/// A call that is open; it ends when it is answered or dropped.
struct Call<'a> {
    replica: &'a Replica,
    answered: bool,
}

impl<'a> Call<'a> {
    fn begin(replica: &'a Replica) -> Self {
        replica.load().begin(Instant::now());
        Self { replica, answered: false }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.replica.load().end(self.answered, Instant::now());
    }
}

/// What a replica has to do, and whether it seems to do it.
struct Load {
    calls: usize,
    /// When it last answered, or was first asked after a time without calls.
    heard: Instant,
    doubted_until: Instant,
}

impl Load {
    fn new(now: Instant) -> Self {
        Self { calls: 0, heard: now, doubted_until: now }
    }

    fn begin(&mut self, now: Instant) {
        if self.calls == 0 {
            self.heard = now;
        }
        self.calls += 1;
    }

    fn end(&mut self, answered: bool, now: Instant) {
        self.calls -= 1;
        if answered {
            (self.heard, self.doubted_until) = (now, now);
        } else if now.duration_since(self.heard) > SLOW {
            self.doubted_until = now + DOUBT;
        }
    }

    fn doubtful(&self, now: Instant) -> bool {
        now < self.doubted_until || (self.calls > 0 && now.duration_since(self.heard) > SLOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_leaves_calls_unanswered_is_doubted_until_it_answers() {
        let start = Instant::now();
        let mut load = Load::new(start);
        load.begin(start);
        load.begin(start);
        assert!(!load.doubtful(start + SLOW));
        assert!(load.doubtful(start + SLOW * 2));
        load.end(false, start + SLOW * 2);
        load.end(false, start + SLOW * 2);
        assert!(load.doubtful(start + SLOW * 3), "nothing is open, but nothing was answered either");
        load.begin(start + SLOW * 3);
        load.end(true, start + SLOW * 3);
        assert!(!load.doubtful(start + SLOW * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_early_casts_no_doubt() {
        let start = Instant::now();
        let mut load = Load::new(start);
        load.begin(start);
        load.end(false, start + SLOW);
        assert!(!load.doubtful(start + SLOW));
    }
}
