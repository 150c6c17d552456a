//! Secrets that the operator generates: made once, completed where a key is missing, never overwritten.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use rand::{RngExt, distr::Alphanumeric};
use serde_json::json;

use super::{Error, cluster::Cluster, read::Observed, validate};
use crate::{
    api::Store,
    resources::{Instance, secrets::Generated},
};

/// Makes sure that all wanted Secrets exist, with all keys and the right owner. One that was taken for missing and is
/// there after all is noted, and left to validation if it is somebody else's.
pub async fn ensure(cluster: &Cluster, instance: &Instance<'_>, observed: &mut Observed) -> Result<(), Error> {
    let wanted = Generated::ALL.into_iter().filter(|generated| generated.wanted(instance));
    let made = wanted.map(|generated| {
        let name = instance.child(generated.part());
        let existing = observed.secrets.get(&name).cloned();
        async move { (make(cluster, instance, generated, &name, existing).await, name) }
    });
    let mut failed = Ok(());
    for (made, name) in join_all(made).await {
        match made {
            Ok(Some(secret)) => {
                observed.secrets.insert(name, secret);
            }
            Ok(None) => {
                observed.secrets.remove(&name);
            }
            Err(error) => failed = failed.and(Err(error)),
        }
    }
    failed
}

/// One of them; none if it went in the same moment.
async fn make(
    cluster: &Cluster,
    instance: &Instance<'_>,
    generated: Generated,
    name: &str,
    mut existing: Option<Secret>,
) -> Result<Option<Secret>, Error> {
    if existing.is_none() {
        let values = generated.missing(instance, &BTreeMap::new(), &mut random);
        // Created, never applied: of two who generate one, the second must not win.
        if let Some(created) = cluster.create_secret(name, generated.secret(instance, &values)).await? {
            tracing::info!(secret = name, "generated");
            return Ok(Some(created));
        }
        existing = cluster.read_secret(name).await?;
    }
    match existing {
        Some(secret) if validate::is_ours(&secret, instance) => {
            complete(cluster, instance, generated, secret).await.map(Some)
        }
        other => Ok(other),
    }
}

/// Adds what a Secret lacks.
async fn complete(
    cluster: &Cluster,
    instance: &Instance<'_>,
    generated: Generated,
    secret: Secret,
) -> Result<Secret, Error> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(&value.0)));
    let missing = generated.missing(instance, &data.collect(), &mut random);
    let fix = validate::metadata_fix(generated, instance, &secret);
    if missing.is_empty() && fix.is_none() {
        return Ok(secret);
    }
    let mut patch = fix.unwrap_or_else(|| json!({}));
    // Refused if somebody else has completed it meanwhile.
    patch["metadata"]["resourceVersion"] = json!(secret.metadata.resource_version);
    patch["stringData"] = json!(missing);
    let name = instance.child(generated.part());
    tracing::info!(secret = name, keys = missing.len(), "completed");
    cluster.patch_secret(&name, &patch).await
}

/// Writes the URIs that are made from other people's Secrets, where they differ from what stands there, and removes those
/// that nothing needs any more.
pub async fn derive(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
    wanted: &[(Store, String)],
) -> Result<(), Error> {
    for (store, uri) in wanted {
        let name = instance.derived_secret(*store);
        let current = observed.secrets.get(&name).and_then(|secret| secret.data.as_ref()?.get("uri"));
        if current.is_some_and(|current| current.0 == uri.as_bytes()) {
            continue;
        }
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": instance.metadata(&name, store.part()),
            "stringData": {"uri": uri},
        });
        let created = match observed.secrets.contains_key(&name) {
            true => None,
            false => cluster.create_secret(&name, body).await?,
        };
        let secret = match created {
            Some(created) => created,
            None => cluster.patch_secret(&name, &json!({"stringData": {"uri": uri}})).await?,
        };
        tracing::info!(secret = name, "made a URI from what the store's Secret says");
        observed.secrets.insert(name, secret);
    }
    Ok(())
}

/// 48 letters and digits from the system's generator: 285 bits, and nothing that a URI would have to encode.
pub fn random() -> String {
    rand::rng().sample_iter(Alphanumeric).take(48).map(char::from).collect()
}
