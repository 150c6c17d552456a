//! Listening sockets.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    http::{HeaderMap, header},
    serve::ListenerExt as _,
};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::{Env, env::ConfigError};

/// A peer that acknowledges nothing for so long is cut off; without it one that stops reading holds its rooms for
/// 40 seconds and more.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
const LOOK_UP: Duration = Duration::from_secs(1);

/// Whether a request's headers ask for another protocol, as `websocket` (RFC 9110, 7.8; RFC 6455, 4.2.1).
#[must_use]
pub fn asks_for(protocol: &str, headers: &HeaderMap) -> bool {
    let says = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    says(header::CONNECTION, "upgrade") && says(header::UPGRADE, protocol)
}

/// `LISTEN_ADDRESS`: the address that servers listen on (default `0.0.0.0`, every IPv4 address; `::` for IPv6 too).
pub fn listen_address(env: &Env) -> Result<IpAddr, ConfigError> {
    env.parse("LISTEN_ADDRESS", IpAddr::from([0, 0, 0, 0]))
}

/// Listens on a port; port 0 picks a free one. The error names the variable that set the port.
pub async fn bind(address: IpAddr, port: u16, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((address, port))
        .await
        .with_context(|| format!("cannot listen on {address} port {port}; set {variable} to a free port"))
}

/// All addresses that a name stands for now, ascending; never none.
pub async fn look_up(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let answer = tokio::time::timeout(LOOK_UP, lookup_host((host, port))).await;
    let mut addresses: Vec<_> = answer.with_context(|| host.to_owned())?.with_context(|| host.to_owned())?.collect();
    anyhow::ensure!(!addresses.is_empty(), "{host} has no address");
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Lets this process open as many files as it may at all, and tells how many that are.
pub fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // None is no limit.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

/// Sends small packets at once, and gives up on a peer that acknowledges nothing for five seconds.
pub fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // Both only improve on the defaults; a kernel without them still serves.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    #[cfg(not(target_os = "linux"))]
    let _ = UNACKNOWLEDGED;
}

/// An axum listener whose connections are tuned.
pub fn tuned(listener: TcpListener) -> impl axum::serve::Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| tune(stream))
}
