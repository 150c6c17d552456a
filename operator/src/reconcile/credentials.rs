//! Secrets that the operator generates: made once, completed where a key is missing, never overwritten.

use std::collections::BTreeMap;

use rand::{RngExt, distr::Alphanumeric};
use serde_json::json;

use super::{Error, cluster::Cluster, read::Observed, validate};
use crate::{
    api::Store,
    resources::{Instance, secrets::Generated},
};

/// Makes sure that all wanted Secrets exist, with all keys and the right owner.
pub async fn ensure(cluster: &Cluster, instance: &Instance<'_>, observed: &mut Observed) -> Result<(), Error> {
    for generated in Generated::ALL.into_iter().filter(|generated| generated.wanted(instance)) {
        let name = instance.child(generated.part());
        let existing = observed.secrets.get(&name);
        let changed = match existing {
            None => {
                let values = generated.missing(instance, &BTreeMap::new(), &mut random);
                let created = cluster.create_secret(&name, generated.secret(instance, &values)).await?;
                tracing::info!(secret = name, "generated");
                Some(created)
            }
            Some(secret) => {
                let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
                let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(&value.0)));
                let missing = generated.missing(instance, &data.collect(), &mut random);
                let fix = validate::metadata_fix(generated, instance, secret);
                if missing.is_empty() && fix.is_none() {
                    None
                } else {
                    let mut patch = fix.unwrap_or_else(|| json!({}));
                    // Refused if somebody else has completed it meanwhile.
                    patch["metadata"]["resourceVersion"] = json!(secret.metadata.resource_version);
                    patch["stringData"] = json!(missing);
                    tracing::info!(secret = name, keys = missing.len(), "completed");
                    Some(cluster.patch_secret(&name, &patch).await?)
                }
            }
        };
        if let Some(secret) = changed {
            observed.secrets.insert(name, secret);
        }
    }
    Ok(())
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
        let secret = match observed.secrets.get(&name) {
            Some(_) => cluster.patch_secret(&name, &json!({"stringData": {"uri": uri}})).await?,
            None => cluster.create_secret(&name, body).await?,
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
