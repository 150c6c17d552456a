//! Fifth step: removing what the resource no longer asks for. Volume claims are never touched here: the StatefulSet's
//! retention policy, which follows `deletionPolicy`, decides on them.

use std::collections::BTreeSet;

use super::{Error, cluster::Cluster, read::Observed, validate};
use crate::{
    api::{DeletionPolicy, Store},
    resources::{Children, Instance, Kind, secrets::Generated},
};

/// Removes owned children that were not built, and generated Secrets that nothing needs any more.
pub async fn run(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
    children: &Children,
) -> Result<(), Error> {
    let wanted: BTreeSet<(Kind, String)> = children.all().map(|child| (child.kind, child.name.clone())).collect();
    let unwanted: Vec<_> = observed.children.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
    for key in unwanted {
        if key.0.is_operated_store() && instance.spec.deletion_policy == DeletionPolicy::Retain {
            // It would take its volumes along.
            continue;
        }
        cluster.delete(key.0, &key.1).await?;
        tracing::info!(kind = ?key.0, name = key.1, "pruned");
        observed.children.remove(&key);
    }
    for generated in Generated::ALL {
        let name = instance.child(generated.part());
        let is_ours = observed.secrets.get(&name).is_some_and(|secret| validate::is_ours(secret, instance));
        // Under `Retain` credentials stay with the volume that they open.
        if !generated.wanted(instance) && generated.owned(instance) && is_ours {
            cluster.delete_secret(&name).await?;
            tracing::info!(secret = name, "pruned");
            observed.secrets.remove(&name);
        }
    }
    for store in Store::ALL {
        let name = instance.derived_secret(store);
        let is_ours = observed.secrets.get(&name).is_some_and(|secret| validate::is_ours(secret, instance));
        if is_ours && instance.uri(store).is_none_or(|at| at.name != name) {
            cluster.delete_secret(&name).await?;
            tracing::info!(secret = name, "pruned");
            observed.secrets.remove(&name);
        }
    }
    Ok(())
}
