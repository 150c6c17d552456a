//! First step: everything that reconciliation has to know, read before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, Secret};
use serde_json::Value;

use super::{Error, cluster::Cluster, rollout};
use crate::{
    api::{Origin, Store},
    resources::{Instance, Kind, MANAGER, certificate, connection, secrets::Generated, store},
};

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The resource's children, by kind and name.
    pub children: BTreeMap<(Kind, String), Value>,
    /// Kinds of others' making that the cluster doesn't know.
    pub unknown_kinds: BTreeSet<Kind>,
    /// The Secrets that exist, of those that matter.
    pub secrets: BTreeMap<String, Secret>,
    /// Volume claims of managed stores whose Secret is missing.
    pub orphaned_claims: BTreeSet<String>,
    /// The pods, if any child is not as it should be.
    pub pods: Vec<Pod>,
}

/// Labels of everything that belongs to an instance.
pub fn labels(instance: &Instance<'_>) -> String {
    format!("app.kubernetes.io/managed-by={MANAGER},app.kubernetes.io/instance={}", instance.name)
}

/// Reads it all.
pub async fn read(cluster: &Cluster, instance: &Instance<'_>) -> Result<Observed, Error> {
    let mut observed = Observed::default();
    let labels = labels(instance);
    for kind in Kind::ALL {
        let Some(objects) = cluster.list(kind, &labels).await? else {
            observed.unknown_kinds.insert(kind);
            continue;
        };
        for object in objects {
            if is_owned(&object, instance) || (kind.is_operated_store() && has_no_owner(&object)) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                observed.children.insert((kind, name), object);
            }
        }
    }
    for name in secret_names(instance) {
        if let Some(secret) = cluster.secret(&name).await? {
            observed.secrets.insert(name, secret);
        }
    }
    for generated in Generated::ALL {
        let missing = !observed.secrets.contains_key(&instance.child(generated.part()));
        let claim = store::claim_name(instance, generated.part());
        if generated.guards_a_volume() && generated.wanted(instance) && missing && cluster.has_claim(&claim).await? {
            observed.orphaned_claims.insert(claim);
        }
    }
    let unsettled = |((kind, _), object): (&(Kind, String), &Value)| !rollout::of(*kind, object).complete();
    if observed.children.iter().any(unsettled) {
        observed.pods = cluster.pods(&labels).await?;
    }
    Ok(observed)
}

/// Whether the resource controls the object.
pub fn is_owned(object: &Value, instance: &Instance<'_>) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == instance.uid && owner["controller"] == true))
}

/// As the stores that other operators run have none under `Retain`; their labels say whose they are.
fn has_no_owner(object: &Value) -> bool {
    object["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty)
}

/// The Secrets that matter: those the operator may have made, and those the resource names.
pub fn secret_names(instance: &Instance<'_>) -> BTreeSet<String> {
    let mut names: BTreeSet<_> = Generated::ALL.iter().map(|generated| instance.child(generated.part())).collect();
    names.insert(instance.jwt_secret());
    for store in Store::ALL {
        names.insert(instance.derived_secret(store));
        names.extend(instance.uri(store).map(|uri| uri.name));
        names.extend(connection::ca(instance, store).map(|ca| ca.name));
        if let Origin::External(external) = instance.spec.origin(store) {
            names.insert(external.secret_ref.name);
        }
    }
    if instance.spec.tls.is_some() {
        names.extend(instance.services().map(|service| certificate::secret(instance, service.name)));
    }
    names
}
