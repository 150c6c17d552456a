//! Fourth step: applying what was built, skipped when nothing differs.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    Error,
    cluster::Cluster,
    compare::{covers, covers_whole},
    facts::{Condition, Problem},
    read::{Observed, is_orphan, is_owned},
};
use crate::resources::{Child, Instance, Kind, MANAGER, hash};

/// On every applied object: the hash of what was applied. Comparing it tells whether something was taken out of the
/// desired object since; comparing the object itself tells whether somebody changed it.
pub const APPLIED_HASH: &str = "aetherconnect.io/applied-hash";

/// How many objects of an instance are made at a time.
const AT_A_TIME: usize = 3;

/// Whether the live object is what was built.
pub fn is_current(live: &Value, child: &Child) -> bool {
    covers_whole(live, &stamped(child))
}

/// Whether nothing is to be done about the live object. What a Job does can't be changed, and one that has run has done
/// what it was for: only whose it is matters.
fn is_done(live: &Value, child: &Child) -> bool {
    if child.kind != Kind::Job {
        return is_current(live, child);
    }
    let (live, wanted) = (&live["metadata"], &child.body["metadata"]);
    ["labels", "ownerReferences"].into_iter().all(|field| covers(&live[field], &wanted[field]))
}

/// Makes the object what it should be, and notes what it has become.
pub async fn ensure(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
    child: &Child,
) -> Result<(), Error> {
    if let Some(made) = make(cluster, instance, observed, child).await? {
        observed.children.insert((child.kind, child.name.clone()), made);
    }
    Ok(())
}

/// The same with objects that need none of each other, some at a time: a request that takes long holds up few, and one
/// that fails none. The first failure is given back, with the object's place in the list; others are logged.
pub async fn ensure_all(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &mut Observed,
    children: &[&Child],
) -> Result<(), (usize, Error)> {
    let seen = &*observed;
    let each = |(place, child)| async move { (place, make(cluster, instance, seen, child).await) };
    let each: Vec<_> = children.iter().copied().enumerate().map(each).collect();
    let mut made: Vec<_> = stream::iter(each).buffer_unordered(AT_A_TIME).collect().await;
    made.sort_by_key(|(place, _)| *place);
    let mut failed = Ok(());
    for (place, made) in made {
        match made {
            Ok(Some(made)) => {
                observed.children.insert((children[place].kind, children[place].name.clone()), made);
            }
            Ok(None) => {}
            Err(error) if failed.is_ok() => failed = Err((place, error)),
            Err(error) => tracing::warn!(%error, "something else failed, too"),
        }
    }
    failed
}

/// What the object has become; none where nothing had to be done.
async fn make(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &Observed,
    child: &Child,
) -> Result<Option<Value>, Error> {
    match observed.children.get(&(child.kind, child.name.clone())) {
        Some(live) if is_done(live, child) => return Ok(None),
        Some(_) => {}
        // Created rather than applied: that fails where somebody else has taken the name.
        None => {
            if let Some(created) = cluster.create(child, &stamped(child)).await? {
                tracing::info!(kind = ?child.kind, name = child.name, "created");
                return Ok(Some(created));
            }
        }
    }
    change(cluster, instance, child).await.map(Some)
}

/// The number of pods that the operator owned until now and no longer sets: an apply without it would take it back to
/// one, until an autoscaler looks. None at zero, where autoscalers don't look.
pub fn let_go_of_replicas(live: &Value, child: &Child) -> Option<i64> {
    if child.kind != Kind::Deployment || child.body["spec"].get("replicas").is_some() {
        return None;
    }
    let managers = live["metadata"]["managedFields"].as_array()?;
    let is_ours = |entry: &&Value| entry["manager"] == MANAGER && entry["subresource"].is_null();
    let owned = managers.iter().filter(is_ours).any(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_some());
    live["spec"]["replicas"].as_i64().filter(|replicas| owned && *replicas > 0)
}

/// Creating would fail on an object of the same name, whoever made it.
pub async fn refuse_foreign(cluster: &Cluster, instance: &Instance<'_>, child: &Child) -> Result<(), Error> {
    match cluster.get(child.kind, &child.name).await? {
        // Ours, without its labels: applying puts them back.
        Some(live) if is_owned(&live, instance) || is_orphan(&live, instance) => Ok(()),
        Some(_) => Err(Error::NameTaken { kind: child.kind, name: child.name.clone() }),
        None => Ok(()),
    }
}

/// Changes an object that is there, as it is now: what the watches have told may be old.
async fn change(cluster: &Cluster, instance: &Instance<'_>, child: &Child) -> Result<Value, Error> {
    if let Some(live) = cluster.get(child.kind, &child.name).await? {
        if !is_owned(&live, instance) && !is_orphan(&live, instance) {
            return Err(Error::NameTaken { kind: child.kind, name: child.name.clone() });
        }
        if is_done(&live, child) {
            return Ok(live);
        }
        if child.kind == Kind::Job {
            return cluster.mend_metadata(child).await;
        }
        cluster.own_by_apply(child.kind, &live).await?;
        if let Some(replicas) = let_go_of_replicas(&live, child) {
            cluster.hand_over_replicas(&child.name, replicas).await?;
        }
    }
    let applied = cluster.apply(child, &stamped(child)).await?;
    tracing::info!(kind = ?child.kind, name = child.name, "applied");
    Ok(applied)
}

fn stamped(child: &Child) -> Value {
    let mut body = child.body.clone();
    body["metadata"]["annotations"][APPLIED_HASH] = json!(hash([child.body.to_string().as_str()]));
    body
}

/// What a failed request means to the person who reads the conditions.
pub fn problem(condition: Condition, error: &Error) -> Problem {
    let reason = match error {
        Error::NameTaken { .. } => "NameTaken",
        Error::Request { .. } | Error::Malformed(_) | Error::Unreadable(_) => "ApplyFailed",
    };
    Problem::new(condition, reason, error.to_string())
}
