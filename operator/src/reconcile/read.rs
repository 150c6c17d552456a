//! First step: everything that reconciliation has to know, read before anything is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Secret};
use serde_json::Value;

use super::{Error, cluster::Cluster, pace::PATIENCE, rollout};
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

/// Reads it all; pods only if something hasn't been complete for a while, since most often it soon is.
pub async fn read(cluster: &Cluster, instance: &Instance<'_>, unsettled: Duration) -> Result<Observed, Error> {
    let mut observed = Observed::default();
    let labels = labels(instance);
    for kind in Kind::ALL {
        let Some(objects) = cluster.list(kind, instance.name, &labels).await? else {
            observed.unknown_kinds.insert(kind);
            continue;
        };
        for object in objects {
            // The stores that other operators run have no owner under `Retain`.
            if is_owned(&object, instance) || is_orphan(&object, instance) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                observed.children.insert((kind, name), object);
            }
        }
    }
    let own = own_secrets(instance);
    for name in secret_names(instance) {
        if let Some(secret) = cluster.secret(&name, own.contains(&name)).await? {
            observed.secrets.insert(name, secret);
        }
    }
    let guards = |generated: &Generated| generated.guards_a_volume() && generated.wanted(instance);
    let is_missing = |generated: &Generated| !observed.secrets.contains_key(&instance.child(generated.part()));
    let claims = Generated::ALL.into_iter().filter(guards).filter(is_missing).map(|generated| async move {
        let claim = store::claim_name(instance, generated.part());
        let exists = cluster.has_claim(&claim).await?;
        Ok::<_, Error>(exists.then_some(claim))
    });
    observed.orphaned_claims = try_join_all(claims).await?.into_iter().flatten().collect();
    let is_unsettled = |((kind, _), object): (&(Kind, String), &Value)| !rollout::of(*kind, object).complete();
    let is_late = !cluster.is_watching() || unsettled >= PATIENCE;
    if is_late && observed.children.iter().any(is_unsettled) {
        observed.pods = cluster.pods(&labels).await?;
    }
    Ok(observed)
}

/// Whether the resource controls the object.
pub fn is_owned(object: &Value, instance: &Instance<'_>) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == instance.uid && owner["controller"] == true))
}

/// Whether the object has lost its owner: made for the instance, and nobody controls it.
pub fn is_orphan(object: &Value, instance: &Instance<'_>) -> bool {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    let is_controlled = owners.is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true));
    let labels = &metadata["labels"];
    let is_labelled =
        labels["app.kubernetes.io/managed-by"] == MANAGER && labels["app.kubernetes.io/instance"] == instance.name;
    is_labelled && !is_controlled
}

/// The Secrets that the operator may have made.
fn own_secrets(instance: &Instance<'_>) -> BTreeSet<String> {
    let generated = Generated::ALL.iter().map(|generated| instance.child(generated.part()));
    generated.chain(Store::ALL.into_iter().map(|store| instance.derived_secret(store))).collect()
}

/// The Secrets that matter: those the operator may have made, and those the resource names.
pub fn secret_names(instance: &Instance<'_>) -> BTreeSet<String> {
    let mut names = own_secrets(instance);
    names.insert(instance.jwt_secret());
    for store in Store::ALL {
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
