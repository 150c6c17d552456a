//! Redis: managed, or by another operator. It carries events between replicas and keeps nothing, so it has no volume.

use serde_json::{Value, json};

use super::{
    Child, Instance, Kind, merge,
    pod::secret_var,
    store::{self, ManagedStore},
};
use crate::api::Store;

/// The port.
pub const PORT: u16 = 6379;

/// Service and StatefulSet, when Redis is managed.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    if !instance.spec.manages(Store::Redis) {
        return operated(instance).into_iter().collect();
    }
    let spec = instance.spec.redis.as_ref().and_then(|spec| spec.managed.clone()).unwrap_or_default();
    ManagedStore {
        component: "redis",
        image: spec.image.clone().unwrap_or_else(|| instance.defaults.images.redis.clone()),
        port: PORT,
        args: vec!["--requirepass", "$(REDIS_PASSWORD)", "--save", "", "--appendonly", "no"],
        env: vec![secret_var("REDIS_PASSWORD", &instance.child("redis"), "password")],
        data: "/data",
        storage: None,
        scratch: vec!["/tmp"],
        probe: store::tcp_probe(),
        resources: store::resources(instance.resources("redis", spec.resources.as_ref()), "256Mi"),
        config_hash: Some(&instance.hashes.redis),
    }
    .build(instance)
}

/// The resource of the Redis operator, when that runs it.
fn operated(instance: &Instance<'_>) -> Option<Child> {
    let spec = instance.spec.redis.as_ref()?.replication.as_ref()?;
    let name = instance.child("redis");
    let mut body = json!({
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2",
        "kind": "RedisReplication",
        "metadata": instance.metadata(&name, "redis"),
        "spec": {
            "clusterSize": spec.cluster_size,
            "kubernetesConfig": {
                "image": spec.image,
                "imagePullPolicy": instance.spec.image.pull_policy.as_str(),
                "imagePullSecrets": instance.spec.image.pull_secrets,
                "redisSecret": {"name": name, "key": "password"},
            },
            "podSecurityContext": {"runAsUser": 1000, "runAsNonRoot": true, "fsGroup": 1000},
        },
    });
    if let Some(resources) = &spec.resources {
        body["spec"]["kubernetesConfig"]["resources"] = json!(resources);
    }
    if let Value::Object(ours) = &mut body["spec"] {
        merge::strategic(ours, &spec.spec);
    }
    Some(Child { kind: Kind::RedisReplication, name, body })
}

/// The host that leads to the writable Redis.
pub fn host(instance: &Instance<'_>) -> String {
    let part = if instance.spec.manages(Store::Redis) { "redis" } else { "redis-master" };
    store::host(instance, part)
}
