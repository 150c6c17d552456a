//! Managed Redis. It carries events between replicas and keeps nothing, so it has no volume.

use super::{
    Child, Instance,
    pod::secret_var,
    store::{self, ManagedStore},
};
use crate::api::Redis;

/// The port.
pub const PORT: u16 = 6379;

/// Service and StatefulSet, when Redis is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let Redis::Managed(spec) = Redis::of(instance.spec.redis.as_ref()) else {
        return Vec::new();
    };
    ManagedStore {
        component: "redis",
        image: spec.image.clone().unwrap_or_else(|| instance.images.redis.clone()),
        port: PORT,
        args: vec!["--requirepass", "$(REDIS_PASSWORD)", "--save", "", "--appendonly", "no"],
        env: vec![secret_var("REDIS_PASSWORD", &instance.child("redis"), "password")],
        data: "/data",
        storage: None,
        scratch: vec!["/tmp"],
        probe: store::tcp_probe(),
        resources: store::resources(spec.resources.as_ref(), "256Mi"),
        config_hash: Some(&instance.hashes.redis),
    }
    .build(instance)
}
