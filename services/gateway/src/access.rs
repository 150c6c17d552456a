//! Who sends a request: the address it comes from, and the user its token names.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr as _,
    sync::{Arc, OnceLock},
};

use aether_common::{
    Error,
    client::Client,
    grpc::{Caller, bearer},
    guard::Identity,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use ipnet::IpNet;

use crate::{app::App, error::Failure};

/// The other end of the connection, as an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What is known of a request before any handler sees it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Ties the log lines of one request together.
    pub(crate) request_id: String,
    /// The client's address.
    pub(crate) address: IpAddr,
    /// The other end of the connection: the client, or a proxy before us.
    pub(crate) peer: IpAddr,
    /// Whether the peer is a proxy whose forwarding headers count.
    pub(crate) trusted_peer: bool,
    /// Filled in by the token guard, for the access log.
    pub(crate) user: Arc<OnceLock<String>>,
}

impl Context {
    /// The client as the auth service is told of it.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Client {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Client { address: Some(self.address), agent }
    }

    /// A caller without a token.
    pub(crate) fn anonymous(&self) -> Caller {
        Caller { token: None, request_id: self.request_id.clone() }
    }
}

impl FromRequestParts<App> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| Error::internal(std::io::Error::other("request without context")).into())
    }
}

/// A user with a valid token. Taking it as an argument is what guards a handler.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Whose token it is.
    pub(crate) identity: Identity,
    /// For calls on the user's behalf.
    pub(crate) caller: Caller,
}

impl FromRequestParts<App> for Session {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let context = Context::from_request_parts(parts, app).await?;
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        // Of two, who knows which one a proxy before us has looked at?
        let value = values.next().filter(|_| values.next().is_none());
        let token = value.and_then(|v| v.to_str().ok()).and_then(bearer);
        let token = token.ok_or_else(Error::unauthenticated)?;
        let identity = app.guard.check(token, &context.request_id).await?;
        // Set once: only one guard runs for each request.
        let _ = context.user.set(identity.user_id.clone());
        let caller = Caller { token: Some(token.to_owned()), request_id: context.request_id };
        Ok(Self { identity, caller })
    }
}

/// The proxies before this gateway whose word on the client's address is taken.
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>) -> Self {
        Self(trusted)
    }

    /// Whether an address is one of them.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client's address: the peer, or, as far as every hop so far is trusted, who that hop says it came from.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let hops: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = peer.to_canonical();
        for hop in hops.iter().rev() {
            match address(hop.trim()) {
                Some(hop) if self.trusts(client) => client = hop,
                _ => break,
            }
        }
        client
    }
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(hop: &str) -> Option<IpAddr> {
    IpAddr::from_str(hop.trim_matches(['[', ']']))
        .or_else(|_| SocketAddr::from_str(hop).map(|a| a.ip()))
        .ok()
        .map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_tells_the_address() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("fd00::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts_whatever_the_client_wrote_before_it() {
        assert_eq!(client("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.2.3.4", "198.51.100.1:80", "10.0.0.2"]), "198.51.100.1");
    }

    #[test]
    fn rubbish_ends_the_chain() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }
}
