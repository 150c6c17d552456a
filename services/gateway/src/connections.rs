//! How many connections may be open, in all and by client address: slow clients must not use up file descriptors.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aether_common::client::network;

use crate::access::Proxies;

/// The connections that are open. A websocket counts until its tunnel ends.
pub(crate) struct Connections {
    most: usize,
    most_of_address: usize,
    /// These connect on behalf of many clients.
    proxies: Arc<Proxies>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection; dropping it makes room for another.
pub(crate) struct Slot {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    pub(crate) fn new(most: usize, most_of_address: usize, proxies: Arc<Proxies>) -> Self {
        Self { most, most_of_address, proxies, open: Mutex::default() }
    }

    /// A place for a connection from an address, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let address = network(peer);
        let mut open = self.open();
        let of_address = open.by_address.get(&address).copied().unwrap_or_default();
        let many = of_address >= self.most_of_address && !self.proxies.trusts(peer.to_canonical());
        if open.all >= self.most || many {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, of_address + 1);
        drop(open);
        Some(Slot { connections: Arc::clone(self), address })
    }

    /// How many are open.
    pub(crate) fn number(&self) -> usize {
        self.open().all
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // A panic elsewhere leaves whole numbers behind.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all -= 1;
        match open.by_address.get_mut(&self.address) {
            Some(number @ 2..) => *number -= 1,
            _ => drop(open.by_address.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn connections() -> Arc<Connections> {
        Arc::new(Connections::new(3, 2, Arc::new(Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]))))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_gets_a_place_again_when_one_is_free() {
        let connections = connections();
        let (first, _second) = (connections.admit(ip("192.0.2.1")), connections.admit(ip("192.0.2.1")));
        assert!(first.is_some() && connections.admit(ip("::ffff:192.0.2.1")).is_none());
        drop(first);
        assert!(connections.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_trusted_proxy_is_limited_by_the_number_of_all_alone() {
        let connections = connections();
        let slots: Vec<_> = (0..4).map(|_| connections.admit(ip("10.0.0.1"))).collect();
        assert_eq!(slots.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, true, false]);
        drop(slots);
        assert_eq!(connections.open().all, 0);
        assert!(connections.open().by_address.is_empty());
    }
}
