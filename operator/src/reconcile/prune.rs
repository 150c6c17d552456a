//! Fifth step: removing what the resource no longer asks for. Volume claims are never touched here: the StatefulSet's
//! retention policy, which follows `deletionPolicy`, decides on them.

use std::collections::BTreeSet;

use super::{Error, cluster::Cluster, read::Observed, validate};
use crate::{
    api::{DeletionPolicy, Store},
    resources::{Children, Instance, Kind, secrets::Generated},
};

/// What an instance has and no longer asks for.
pub struct Unwanted {
    /// Owned children that were not built.
    pub children: Vec<(Kind, String)>,
    /// Names of Secrets of ours that nothing needs any more.
    pub secrets: Vec<String>,
}

/// Finds it.
pub fn unwanted(instance: &Instance<'_>, observed: &Observed, children: &Children) -> Unwanted {
    let wanted: BTreeSet<(Kind, &str)> = children.all().map(|child| (child.kind, child.name.as_str())).collect();
    // It would take its volumes along.
    let stays = |kind: Kind| kind.is_operated_store() && instance.spec.deletion_policy == DeletionPolicy::Retain;
    let left =
        observed.children.keys().filter(|(kind, name)| !wanted.contains(&(*kind, name.as_str())) && !stays(*kind));
    // Under `Retain` credentials stay with the volume that they open.
    let generated = Generated::ALL.into_iter().filter(|secret| !secret.wanted(instance) && secret.owned(instance));
    let generated = generated.map(|secret| instance.child(secret.part()));
    let derived = Store::ALL.into_iter().map(|store| (instance.uri(store), instance.derived_secret(store)));
    let derived = derived.filter(|(uri, name)| uri.as_ref().is_none_or(|at| at.name != *name)).map(|(_, name)| name);
    let is_ours = |name: &String| observed.secrets.get(name).is_some_and(|secret| validate::is_ours(secret, instance));
    Unwanted { children: left.cloned().collect(), secrets: generated.chain(derived).filter(is_ours).collect() }
}

/// Removes it.
pub async fn run(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
    children: &Children,
) -> Result<(), Error> {
    let unwanted = unwanted(instance, observed, children);
    for key in unwanted.children {
        cluster.delete(key.0, &key.1).await?;
        tracing::info!(kind = ?key.0, name = key.1, "pruned");
        observed.children.remove(&key);
    }
    for name in unwanted.secrets {
        cluster.delete_secret(&name).await?;
        tracing::info!(secret = name, "pruned");
        observed.secrets.remove(&name);
    }
    Ok(())
}
