//! Which methods there are.

use std::{collections::HashSet, sync::LazyLock};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Asked for by probes and callers, again and again.
pub(super) const HEALTH: &str = "grpc.health.v1.Health";

/// A method of a service of ours, or of health.
pub(super) struct Method {
    /// With its package.
    pub(super) service: String,
    pub(super) name: String,
    /// Whether it has more than one answer.
    pub(super) streams: bool,
}

impl Method {
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

pub(super) fn all() -> Vec<Method> {
    let sets = [aether_proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
    // They are built into the program, from the same files as its code.
    let files = sets.into_iter().filter_map(|set| FileDescriptorSet::decode(set).ok()).flat_map(|set| set.file);
    let mut methods = Vec::new();
    for file in files {
        for service in &file.service {
            let full = format!("{}.{}", file.package(), service.name());
            methods.extend(service.method.iter().map(|rpc| Method {
                service: full.clone(),
                name: rpc.name().to_owned(),
                streams: rpc.server_streaming(),
            }));
        }
    }
    methods
}

/// Whether a method has more than one answer.
pub(super) fn streams(path: &str) -> bool {
    static STREAMS: LazyLock<HashSet<String>> =
        LazyLock::new(|| all().iter().filter(|method| method.streams).map(Method::path).collect());
    STREAMS.contains(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_from_single_answers() {
        assert!(streams("/aetherconnect.auth.v1.AuthService/WatchRevocations"));
        assert!(streams("/grpc.health.v1.Health/Watch"));
        assert!(!streams("/aetherconnect.message.v1.MessageService/GetHistory"));
    }
}
