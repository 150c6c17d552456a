//! `aetherconnect suspend` and `resume`: scales an instance to nothing, and back.

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::{
    Exit,
    cluster::Cluster,
    output::Progress,
    status::view::{View, namespace_option},
    wait::{ChangeArgs, until},
};

/// Field manager of what the command changes.
pub(crate) const CLI: &str = "aetherconnect-cli";

/// Scale an instance to nothing. Its data, keys and addresses are kept; clients can't connect.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect suspend chat -n team-a
  aetherconnect suspend chat --wait          comes back when all pods are gone")]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Start a suspended instance again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect resume chat -n team-a
  aetherconnect resume chat --wait --timeout 10m")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Runs `suspend`.
pub(crate) async fn suspend(args: SuspendArgs) -> anyhow::Result<Exit> {
    change(args.change, true).await
}

/// Runs `resume`.
pub(crate) async fn resume(args: ResumeArgs) -> anyhow::Result<Exit> {
    change(args.change, false).await
}

async fn change(args: ChangeArgs, suspend: bool) -> anyhow::Result<Exit> {
    let name = &args.name;
    let action = if suspend { "suspend" } else { "resume" };
    let progress = Progress::start("asking the cluster");
    let cluster = args.cluster.connect().await?;
    let before = cluster.instance(name).await?;
    let changed = (before.data["spec"]["suspend"] == true) != suspend;
    if changed {
        set(&cluster, name, suspend).await?;
    }
    let paused = before.data["spec"]["paused"] == true;
    anyhow::ensure!(
        !(paused && args.wait.wait),
        "spec.suspend is {suspend} now, but nothing happens while spec.paused is true: set it to false"
    );
    if args.wait.wait {
        let doing = if suspend { "waiting for the pods to end" } else { "waiting for the instance to be ready" };
        progress.say(doing);
        until(&cluster, name, args.wait.timeout, &progress, doing, |view| is_done(view, suspend)).await?;
    }
    drop(progress);
    let next = next(suspend, args.wait.wait, paused, name, &cluster.namespace);
    let result = json!({
        "name": name, "namespace": cluster.namespace, "action": action, "changed": changed,
        "waited": args.wait.wait, "next": next,
    });
    let what = match (suspend, changed) {
        (true, true) => "is suspended now",
        (true, false) => "was suspended already",
        (false, true) => "is resumed",
        (false, false) => "was not suspended",
    };
    args.output.show(&result, || format!("{name} {what}. {next}\n"))?;
    Ok(Exit::Well)
}

async fn set(cluster: &Cluster, name: &str, suspend: bool) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let params = PatchParams { field_manager: Some(CLI.into()), ..PatchParams::default() };
    let patched: Result<DynamicObject, _> = cluster.instances().patch(name, &params, &patch).await;
    patched.map(drop).map_err(|e| cluster.explain(e, &format!("change {name} in namespace {}", cluster.namespace)))
}

fn is_done(view: &View, suspend: bool) -> bool {
    match suspend {
        true => view.reason == "Suspended" && view.components.iter().all(|pods| pods.ready == 0 && pods.desired == 0),
        false => view.ready,
    }
}

fn next(suspend: bool, waited: bool, paused: bool, name: &str, namespace: &str) -> String {
    let option = namespace_option(namespace);
    match (suspend, waited) {
        _ if paused => "Nothing happens while spec.paused is true: set it to false to go on.".to_owned(),
        (true, false) => format!(
            "The operator ends all pods now and keeps the data; `aetherconnect resume {name}{option}` starts them again."
        ),
        (true, true) => {
            format!("All pods are gone, the data is kept; `aetherconnect resume {name}{option}` starts them again.")
        }
        (false, false) => format!(
            "The operator starts stores, then services; `aetherconnect status {name}{option}` shows how far it is."
        ),
        (false, true) => "It is ready.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_says_what_happens_next() {
        assert!(next(true, false, false, "chat", "team-a").contains("aetherconnect resume chat -n team-a"));
        assert!(next(false, false, false, "chat", "default").contains("`aetherconnect status chat`"));
        assert!(next(false, false, true, "chat", "default").contains("spec.paused"));
    }
}
