//! `aetherconnect rotate-keys`: asks the operator for new keys, and follows its steps.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aether_operator::reconcile::rotation::{Keys, REQUEST};
use anyhow::bail;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    Exit,
    cluster::Cluster,
    output::Progress,
    power::CLI,
    status::view::{View, namespace_option},
    wait::{ChangeArgs, LOOK_EVERY, seconds},
};

/// The operator looks at the pods right after it has changed the key that signs; so long the instance must stay ready
/// before that is what its status speaks of.
const SETTLED: Duration = Duration::from_secs(2);

/// Replace the generated keys that sign tokens, without a token that is refused.
///
/// The operator takes three steps, each when all pods have taken up the one before: the new key is accepted everywhere;
/// it signs; and once all tokens of the old key have expired (30 days), that one is withdrawn. --wait follows the
/// first two, and needs the right to read the Secret NAME-jwt.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect rotate-keys chat -n team-a
  aetherconnect rotate-keys chat --wait      comes back when the new key signs")]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Runs the command.
pub(crate) async fn run(RotateArgs { change: args }: RotateArgs) -> anyhow::Result<Exit> {
    let name = &args.name;
    let progress = Progress::start("asking the cluster");
    let cluster = args.cluster.connect().await?;
    let object = cluster.instance(name).await?;
    refuse_where_it_would_do_nothing(&object, name)?;
    let request = Timestamp::now().to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUEST: request}}}));
    let params = PatchParams { field_manager: Some(CLI.into()), ..PatchParams::default() };
    let patched = cluster.instances().patch(name, &params, &patch).await;
    patched.map_err(|e| cluster.explain(e, &format!("change {name} in namespace {}", cluster.namespace)))?;
    if args.wait.wait {
        follow(&cluster, name, &request, args.wait.timeout, &progress).await?;
    }
    drop(progress);
    let next = next(args.wait.wait, name, &cluster.namespace);
    let result = json!({
        "name": name, "namespace": cluster.namespace, "action": "rotate-keys", "request": request,
        "waited": args.wait.wait, "next": next,
    });
    let what = if args.wait.wait { "A new key signs the tokens of" } else { "Asked for new keys of" };
    args.output.show(&result, || format!("{what} {name}. {next}\n"))?;
    Ok(Exit::Well)
}

fn refuse_where_it_would_do_nothing(object: &DynamicObject, name: &str) -> anyhow::Result<()> {
    let spec = &object.data["spec"];
    if let Some(secret) = spec["jwt"]["secretRef"]["name"].as_str() {
        bail!(
            "the keys of {name} are not the operator's: they are in your Secret {secret}. ARCHITECTURE.md says how to \
             rotate them there (\"Rotating the signing keys\")"
        );
    }
    for (field, mend) in [("suspend", format!("`aetherconnect resume {name}`")), ("paused", "set it to false".into())] {
        if spec[field] == true {
            bail!("nothing happens to {name} while spec.{field} is true: {mend}, then rotate its keys");
        }
    }
    Ok(())
}

/// Where a rotation is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// An earlier rotation's old key is still accepted.
    Queued,
    /// The operator hasn't begun.
    Asked,
    /// The new key is accepted, step by step, everywhere.
    Distributing,
    /// The new key signs.
    Signing,
}

fn stage(keys: &Keys<'_>, request: &str) -> Stage {
    match keys.answered() == request {
        false if keys.is_overlapping() => Stage::Queued,
        false => Stage::Asked,
        true if keys.is_distributing() => Stage::Distributing,
        true => Stage::Signing,
    }
}

async fn follow(
    cluster: &Cluster,
    name: &str,
    request: &str,
    limit: Duration,
    progress: &Progress,
) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let secret_name = format!("{name}-jwt");
    let started = Instant::now();
    let mut ready_since = None;
    loop {
        // What follows needs its annotations; the keys themselves are not asked for.
        let metadata = secrets.get_metadata(&secret_name).await;
        let metadata = metadata.map_err(|e| {
            let error = cluster.explain(e, &format!("read Secret {secret_name} to follow the rotation"));
            error.context("new keys are asked for, but how far they are can't be seen")
        })?;
        let secret = Secret { metadata: metadata.metadata, ..Secret::default() };
        let stage = stage(&Keys::of(&secret), request);
        let view = View::new(&cluster.instance(name).await?, &BTreeMap::new());
        if stage == Stage::Queued {
            bail!(
                "asked for, but the old key of the rotation before is still accepted: the operator begins when all \
                 its tokens have expired (spec.jwt.rotation.overlap says when). There is nothing to wait for now"
            );
        }
        ready_since = match stage {
            Stage::Signing if view.ready => ready_since.or_else(|| Some(Instant::now())),
            _ => None,
        };
        if ready_since.is_some_and(|since| since.elapsed() >= SETTLED) {
            return Ok(());
        }
        let doing = match stage {
            Stage::Distributing => "step 1 of 2: all pods learn to accept the new key",
            Stage::Signing => "step 2 of 2: all pods begin to sign by the new key",
            _ => "waiting for the operator, which begins once the instance is ready",
        };
        progress.say(format!("{doing}; {}", view.message));
        if started.elapsed() >= limit {
            bail!("not done after {}, at {doing}; {}. It goes on without this command", seconds(limit), view.message);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn next(waited: bool, name: &str, namespace: &str) -> String {
    let option = namespace_option(namespace);
    match waited {
        true => {
            "Nobody has to log in again: the old key is accepted until its tokens have expired, and is withdrawn then."
        }
        false => {
            return format!(
                "The operator lets all pods accept the new key, then sign by it, and withdraws the old one when its \
                 tokens have expired; `aetherconnect status {name}{option}` shows how far it is."
            );
        }
    }
    .to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_tells_how_far_a_rotation_is() {
        let of = |phase: Option<&str>, answered: &str| {
            let mut notes = json!({"aetherconnect.io/rotation-answered": answered});
            if let Some(phase) = phase {
                notes["aetherconnect.io/rotation-phase"] = json!(phase);
            }
            let secret = serde_json::from_value(json!({"metadata": {"annotations": notes}})).unwrap();
            stage(&Keys::of(&secret), "second")
        };
        assert_eq!(of(None, "first"), Stage::Asked);
        assert_eq!(of(Some("overlapping"), "first"), Stage::Queued);
        assert_eq!(of(Some("distributing"), "second"), Stage::Distributing);
        assert_eq!(of(Some("overlapping"), "second"), Stage::Signing);
        assert_eq!(of(None, "second"), Stage::Signing);
    }
}
