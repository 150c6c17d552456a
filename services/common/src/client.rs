//! Where a user is: told by the gateway, which sees the connection, to services that must know.

use std::net::{IpAddr, Ipv6Addr};

use tonic::metadata::{MetadataMap, MetadataValue};

const ADDRESS: &str = "x-client-address";
const AGENT: &str = "x-client-agent";
/// Longer names of programs are cut off.
const LONGEST_AGENT: usize = 256;

/// The other end of a client's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: Option<IpAddr>,
    /// The program that it says it is.
    pub agent: Option<String>,
}

impl Client {
    /// Adds what is known to a call's metadata.
    pub fn write(&self, metadata: &mut MetadataMap) {
        if let Some(address) = self.address.and_then(|address| MetadataValue::try_from(address.to_string()).ok()) {
            metadata.insert(ADDRESS, address);
        }
        let agent = self.agent.as_deref().map(|agent| agent.chars().take(LONGEST_AGENT).collect::<String>());
        if let Some(agent) = agent.and_then(|agent| MetadataValue::try_from(agent).ok()) {
            metadata.insert(AGENT, agent);
        }
    }

    /// Reads what [`Client::write`] wrote.
    #[must_use]
    pub fn from_metadata(metadata: &MetadataMap) -> Self {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        Self {
            address: text(ADDRESS).and_then(|address| address.parse().ok()),
            agent: text(AGENT).map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
        }
    }

    /// As [`network`], in words.
    #[must_use]
    pub fn network(&self) -> Option<String> {
        Some(match network(self.address?) {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(network) => format!("{network}/64"),
        })
    }
}

/// An address as far as it tells one client from another: of IPv6, a client has a whole /64 to choose from.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client { address: address.parse().ok(), agent: Some("Firefox".into()) }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut metadata = MetadataMap::new();
        client("2001:db8::1").write(&mut metadata);
        assert_eq!(Client::from_metadata(&metadata), client("2001:db8::1"));
        assert_eq!(Client::from_metadata(&MetadataMap::new()), Client::default());
    }

    #[test]
    fn a_long_name_of_a_program_is_cut_off_and_an_odd_one_left_out() {
        let mut metadata = MetadataMap::new();
        Client { agent: Some("x".repeat(5000)), address: None }.write(&mut metadata);
        assert_eq!(Client::from_metadata(&metadata).agent.map(|agent| agent.len()), Some(LONGEST_AGENT));
        let mut metadata = MetadataMap::new();
        Client { agent: Some("a\nb".into()), address: None }.write(&mut metadata);
        assert_eq!(Client::from_metadata(&metadata), Client::default());
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_are_one_client() {
        assert_eq!(client("2001:db8:0:1::5").network(), client("2001:db8:0:1:9::").network());
        assert_eq!(client("2001:db8:0:1::5").network().as_deref(), Some("2001:db8:0:1::/64"));
        assert_eq!(client("::ffff:192.0.2.1").network().as_deref(), Some("192.0.2.1"));
    }
}
