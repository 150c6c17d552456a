//! How many requests a client address may make in a window of time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use aether_common::{Code, Error, client::network, error::whole_seconds};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::{IntoResponse as _, Response},
};

use crate::{Config, access::Context, app::App, error::Failure, proxy, routes};

/// So many addresses are remembered at once: some 10 MB at most.
const CAPACITY: usize = 100_000;

/// The headers that tell a client where it stands.
pub(crate) const HEADERS: [&str; 6] = [
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// The limits by address.
pub(crate) struct Limits {
    requests: Option<FixedWindow>,
    logins: Option<FixedWindow>,
    /// On sessions of Socket.IO that are opened.
    sockets: Option<FixedWindow>,
    /// On requests of sessions that aren't there.
    strays: Option<FixedWindow>,
}

impl Limits {
    /// A limit of 0 is none.
    pub(crate) fn new(config: &Config) -> Self {
        let limit = |max: u32| (max > 0).then(|| FixedWindow::new(max, config.rate_window, CAPACITY));
        Self {
            requests: limit(config.rate_limit),
            logins: limit(config.login_rate_limit),
            sockets: limit(config.socket_rate_limit),
            strays: limit(config.socket_rate_limit),
        }
    }
}

/// Where an address stands after one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u32,
    remaining: u32,
    allowed: bool,
    reset: Duration,
}

struct Window {
    start: Instant,
    used: u32,
}

/// Counts by address in windows that begin with an address's first request.
struct FixedWindow {
    max: u32,
    length: Duration,
    capacity: usize,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

impl FixedWindow {
    fn new(max: u32, length: Duration, capacity: usize) -> Self {
        Self { max, length, capacity, windows: Mutex::new(HashMap::new()) }
    }

    /// How long an address that has used up its window has to wait.
    fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&network(address)).filter(|window| window.used >= self.max)?;
        self.length.checked_sub(now.duration_since(window.start)).filter(|wait| !wait.is_zero())
    }

    /// Counts a request. A refused one changes nothing, so it lengthens no wait.
    fn take(&self, address: IpAddr, now: Instant) -> Standing {
        let key = network(address);
        // A panic elsewhere leaves whole numbers behind: the counts are still good.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= self.capacity && !windows.contains_key(&key) {
            make_room(&mut windows, self.length, self.capacity, now);
        }
        let window = windows.entry(key).or_insert(Window { start: now, used: 0 });
        if now.duration_since(window.start) >= self.length {
            *window = Window { start: now, used: 0 };
        }
        let allowed = window.used < self.max;
        window.used += u32::from(allowed);
        Standing {
            limit: self.max,
            remaining: self.max - window.used,
            allowed,
            reset: self.length - now.duration_since(window.start),
        }
    }
}

/// Forgets what is over; if that isn't enough, the oldest tenth, so that the next calls need not look again.
fn make_room(windows: &mut HashMap<IpAddr, Window>, length: Duration, capacity: usize, now: Instant) {
    windows.retain(|_, window| now.duration_since(window.start) < length);
    let surplus = (windows.len() + capacity / 10 + 1).saturating_sub(capacity);
    if surplus == 0 {
        return;
    }
    let mut starts: Vec<Instant> = windows.values().map(|window| window.start).collect();
    let (_, oldest, _) = starts.select_nth_unstable(surplus - 1);
    let oldest = *oldest;
    windows.retain(|_, window| window.start > oldest);
}

/// A request that no limit refused.
pub(crate) enum Admitted {
    /// Nothing is counted, or nothing more.
    Freely,
    Counted(Standing),
    /// A request of a session of Socket.IO: the session counts once, by its handshake. But anyone can make up a
    /// session's id, and such requests count.
    OfSession,
}

/// Counts a request of a client; the answer is 429 beyond a limit.
#[allow(clippy::result_large_err)] // a refusal is what the client gets, and goes nowhere else
pub(crate) fn admit(app: &App, context: &Context, request: &Request) -> Result<Admitted, Response> {
    let (path, now) = (request.uri().path(), Instant::now());
    let socket = routes::is_socket(path);
    if socket && proxy::has_session(request.uri().query().unwrap_or_default()) {
        let wait = app.limits.strays.as_ref().and_then(|strays| strays.wait(context.address, now));
        return wait.map_or(Ok(Admitted::OfSession), |wait| {
            app.metrics.limited("sessions");
            Err(refuse(wait))
        });
    }
    if routes::is_health(path) {
        return Ok(Admitted::Freely);
    }
    let login = request.method() == Method::POST && path == routes::LOGIN;
    let checks = [
        ("requests", app.limits.requests.as_ref()),
        ("logins", app.limits.logins.as_ref().filter(|_| login)),
        ("sockets", app.limits.sockets.as_ref().filter(|_| socket)),
    ];
    let mut standing = None;
    for (name, limit) in checks {
        let Some(limit) = limit else { continue };
        let current = limit.take(context.address, now);
        if !current.allowed {
            app.metrics.limited(name);
            return Err(with_headers(refuse(current.reset), current));
        }
        standing = standing.or(Some(current));
    }
    Ok(standing.map_or(Admitted::Freely, Admitted::Counted))
}

impl Admitted {
    /// The response, with where its client stands.
    pub(crate) fn answered(self, app: &App, context: &Context, response: Response) -> Response {
        match self {
            Self::Freely => response,
            Self::Counted(standing) => with_headers(response, standing),
            Self::OfSession => {
                if let Some(strays) =
                    app.limits.strays.as_ref().filter(|_| response.status() == StatusCode::BAD_REQUEST)
                {
                    strays.take(context.address, Instant::now());
                }
                response
            }
        }
    }
}

fn refuse(wait: Duration) -> Response {
    let seconds = whole_seconds(wait);
    let message = format!("Too many requests, please try again in {seconds} seconds");
    Failure(Error { retry_after: Some(wait), ..Error::new(Code::Exhausted, "RATE_LIMITED", message) }).into_response()
}

fn with_headers(mut response: Response, standing: Standing) -> Response {
    write_headers(response.headers_mut(), standing);
    response
}

fn write_headers(headers: &mut HeaderMap, standing: Standing) {
    let reset = whole_seconds(standing.reset);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // The older headers tell the reset as a time, the newer as a wait.
    let values = [standing.limit.into(), standing.remaining.into(), reset];
    let older = [standing.limit.into(), standing.remaining.into(), now + reset];
    for (name, value) in HEADERS.into_iter().zip(values.into_iter().chain(older)) {
        headers.insert(name, HeaderValue::from(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_refused_beyond_its_limit_and_others_are_not() {
        let (limit, now) = (FixedWindow::new(2, MINUTE, 10), Instant::now());
        let remaining: Vec<_> =
            (0..3).map(|_| limit.take(ip("192.0.2.1"), now)).map(|s| (s.allowed, s.remaining)).collect();
        assert_eq!(remaining, [(true, 1), (true, 0), (false, 0)]);
        assert!(limit.take(ip("192.0.2.2"), now).allowed);
    }

    #[test]
    fn a_refused_attempt_does_not_lengthen_the_wait() {
        let (limit, start) = (FixedWindow::new(1, MINUTE, 10), Instant::now());
        limit.take(ip("192.0.2.1"), start);
        let refused = limit.take(ip("192.0.2.1"), start + MINUTE * 3 / 4);
        assert_eq!((refused.allowed, refused.reset), (false, MINUTE / 4));
        assert!(limit.take(ip("192.0.2.1"), start + MINUTE).allowed);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let (limit, now) = (FixedWindow::new(1, MINUTE, 10), Instant::now());
        limit.take(ip("2001:db8:0:1::1"), now);
        assert!(!limit.take(ip("2001:db8:0:1:ffff::2"), now).allowed);
        assert!(limit.take(ip("2001:db8:0:2::1"), now).allowed);
        limit.take(ip("::ffff:192.0.2.1"), now);
        assert!(!limit.take(ip("192.0.2.1"), now).allowed);
    }

    #[test]
    fn memory_stays_bounded_and_the_newest_windows_survive() {
        let (limit, start) = (FixedWindow::new(1, MINUTE, 100), Instant::now());
        for n in 0..1000_u32 {
            limit.take(IpAddr::from(n.to_be_bytes()), start + Duration::from_millis(n.into()));
            assert!(limit.windows.lock().unwrap().len() <= 100);
        }
        assert!(!limit.take(IpAddr::from(990_u32.to_be_bytes()), start + Duration::from_secs(1)).allowed);
    }

    #[test]
    fn what_is_over_is_forgotten_first() {
        let (limit, start) = (FixedWindow::new(1, MINUTE, 10), Instant::now());
        for n in 0..10_u32 {
            limit.take(IpAddr::from(n.to_be_bytes()), start);
        }
        limit.take(ip("192.0.2.1"), start + MINUTE);
        assert_eq!(limit.windows.lock().unwrap().len(), 1);
    }
}
