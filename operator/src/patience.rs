//! A client that bears with the API server: no request waits for ever, what may pass is tried again, and as late as the
//! server asks for. It also holds back writes once the lease may be somebody else's.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Method, Request, Response, StatusCode, header::RETRY_AFTER};
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use rand::RngExt;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout},
};
use tower::BoxError;

/// How many requests may be within [`FIRST_ANSWER`] of being sent at a time. Each has a connection of its own, with its
/// buffers.
const AT_A_TIME: usize = 24;
/// How often a request is sent at most.
const ATTEMPTS: u32 = 6;
/// How often one that met a change by somebody else is.
const CONFLICTS: u32 = 4;
/// An attempt gets this long for its answer to begin, and twice as long after each that got none: a server that is well
/// answers within it ("99th percentile per day <= 1s", say Kubernetes's objectives).
const FIRST_ANSWER: Duration = Duration::from_secs(1);
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
/// The pause after the first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause that is granted to the server within a request; a longer one is the caller's matter.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Until when this process may write: as long as it surely holds the lease. Open until it is first set.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    /// Writes are let through until then.
    pub fn open_until(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn is_open(&self) -> bool {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_none_or(|end| Instant::now() < end)
    }
}

/// A write that was held back.
#[derive(Debug, thiserror::Error)]
#[error("this replica may no longer hold the lease, so it writes nothing")]
struct Fenced;

/// The client for everything but the lease, which has rules of its own.
pub fn client(config: kube::Config, fence: Fence) -> Result<Client, kube::Error> {
    let namespace = config.default_namespace.clone();
    let inner = direct(config)?;
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let service = tower::service_fn(move |request| send(inner.clone(), fence.clone(), turns.clone(), request));
    Ok(Client::new(service, namespace))
}

/// A client that sends each request once.
pub fn direct(mut config: kube::Config) -> Result<Client, kube::Error> {
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?.build())
}

async fn send(
    inner: Client,
    fence: Fence,
    turns: Arc<Semaphore>,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let mut unanswered = 0;
    for attempt in 0.. {
        // Before the lease is looked at: it may be lost while others have their turn.
        let turn = turns.acquire().await?;
        if parts.method != Method::GET && !fence.is_open() {
            return Err(Fenced.into());
        }
        let Some(body) = body.try_clone() else {
            return Ok(inner.send(Request::from_parts(parts, body)).await?);
        };
        let request = Request::from_parts(parts.clone(), body);
        let is_last = attempt + 1 >= ATTEMPTS;
        let pause = match ask(&inner, request, answer_time(unanswered), turn).await {
            Some(Ok(response)) if response.status() == StatusCode::CONFLICT && attempt + 1 < CONFLICTS => {
                let (head, body) = response.into_parts();
                let body = body.collect_bytes().await?;
                // A name that is taken stays so.
                if !is_passing_conflict(&body) {
                    return Ok(Response::from_parts(head, Body::from(body)));
                }
                growing_pause(attempt)
            }
            Some(Ok(response)) => match pause_after(response.status(), response.headers(), attempt) {
                Some(pause) if !is_last && pause <= LONGEST_PAUSE => pause,
                _ => return Ok(response),
            },
            Some(Err(error)) if is_last => return Err(error.into()),
            None if is_last => return Err("the API server doesn't answer".into()),
            // Whether a request whose answer is lost was carried out is not known: all that is sent can be sent twice.
            Some(Err(_)) => growing_pause(attempt),
            None => {
                unanswered += 1;
                growing_pause(attempt)
            }
        };
        sleep(pause).await;
    }
    unreachable!("the last attempt returns")
}

/// The answer, if it begins in time. The turn is over as soon as one that comes soon would be there: what hangs holds up
/// nobody else.
async fn ask(
    inner: &Client,
    request: Request<Body>,
    limit: Duration,
    turn: SemaphorePermit<'_>,
) -> Option<Result<Response<Body>, kube::Error>> {
    let mut answer = pin!(timeout(limit, inner.send(request)));
    let soon = timeout(FIRST_ANSWER, answer.as_mut()).await;
    drop(turn);
    match soon {
        Ok(answer) => answer.ok(),
        Err(_) => answer.await.ok(),
    }
}

fn answer_time(unanswered: u32) -> Duration {
    (FIRST_ANSWER * 2u32.pow(unanswered)).min(LONGEST_ANSWER)
}

/// Whether a 409 tells of a change in the same moment. Where the request names the version that it goes by, another
/// attempt is in vain, and does no harm; the others, such as one that a quota's count came between, may well pass.
fn is_passing_conflict(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|status| status["reason"] == "Conflict")
}

/// How long to wait after this answer before the request is sent again; none when the answer is final.
fn pause_after(status: StatusCode, headers: &HeaderMap, attempt: u32) -> Option<Duration> {
    let may_pass = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    if !may_pass && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let own = growing_pause(attempt);
    // A little later than asked for, so that not all who were sent away come back in the same moment.
    Some(asked.map_or(own, |seconds| Duration::from_secs(seconds) + own))
}

fn growing_pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2u32.pow(attempt);
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_asks_for_is_waited_for() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let pause = pause_after(StatusCode::TOO_MANY_REQUESTS, &headers, 0).unwrap();
        assert!(pause >= Duration::from_secs(7) && pause < Duration::from_secs(8), "{pause:?}");
        assert!(pause_after(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), 1).unwrap() < Duration::from_secs(1));
    }

    #[test]
    fn a_conflict_may_pass_and_a_name_that_is_taken_does_not() {
        assert!(is_passing_conflict(br#"{"kind":"Status","code":409,"reason":"Conflict"}"#));
        for body in [br#"{"kind":"Status","code":409,"reason":"AlreadyExists"}"#.as_slice(), b"a proxy's page", b""] {
            assert!(!is_passing_conflict(body));
        }
    }

    #[test]
    fn an_answer_that_another_attempt_would_not_change_is_final() {
        for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY] {
            assert_eq!(pause_after(status, &HeaderMap::new(), 0), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_hang_do_not_hold_the_others_up_for_as_long() {
        let server = tower::service_fn(async |request: Request<Body>| {
            if request.uri().path() == "/hangs" {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(Response::new(Body::empty()))
        });
        let (inner, turns) = (Client::new(server, "default"), Arc::new(Semaphore::new(AT_A_TIME)));
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            send(inner.clone(), Fence::default(), turns.clone(), request)
        };
        let hanging: Vec<_> = (0..2 * AT_A_TIME).map(|_| tokio::spawn(ask("/hangs"))).collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        assert_eq!(ask("/answers").await.unwrap().status(), StatusCode::OK);
        assert!(began.elapsed() <= 2 * FIRST_ANSWER, "{:?}", began.elapsed());
        assert!(hanging.iter().all(|request| !request.is_finished()));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_once_the_lease_may_be_lost() {
        let fence = Fence::default();
        assert!(fence.is_open());
        fence.open_until(Instant::now() + Duration::from_secs(1));
        assert!(fence.is_open());
        sleep(Duration::from_secs(2)).await;
        assert!(!fence.is_open());
    }
}
