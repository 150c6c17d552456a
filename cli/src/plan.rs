//! `aetherconnect plan`: what would be created, changed and deleted, as a diff.

use std::{fs, path::Path};

use aether_operator::{
    api::parse_all,
    config::Defaults,
    reconcile::plan::{self, Change, Plan},
};
use anyhow::Context as _;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::{
    Exit,
    cluster::ClusterArgs,
    output::{OutputArgs, Progress, print},
};

/// What a person asks for.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The resources, or `-` for the standard input.
    #[arg(short, long, value_name = "RESOURCE.YAML")]
    file: std::path::PathBuf,
    /// Print what would be created on an empty cluster, as YAML, and ask none.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Plans every resource of the file; the exit code tells whether anything would change.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let text = read(&arguments.file)?;
    let mut resources =
        parse_all(&text).with_context(|| format!("{} is not a valid resource", arguments.file.display()))?;
    let defaults = Defaults::from_env(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    if arguments.offline {
        for resource in &mut resources {
            let namespace = arguments.cluster.namespace.clone().unwrap_or_else(|| "default".into());
            resource.metadata.namespace.get_or_insert(namespace);
            print(&plan::render(resource, &defaults)?)?;
        }
        return Ok(Exit::Well);
    }
    let cluster = arguments.cluster.connect().await.context("with --offline this needs no cluster")?;
    let progress = Progress::start("asking the cluster what would change");
    let mut plans = Vec::new();
    for resource in &mut resources {
        resource.metadata.namespace.get_or_insert_with(|| cluster.namespace.clone());
        plans.push(plan::plan(&cluster.client, resource, &defaults).await?);
    }
    drop(progress);
    let text = as_text(&plans)?;
    arguments.output.show(&as_json(&plans), || text)?;
    let is_quiet = plans.iter().all(|plan| plan.changes.is_empty() && plan.problems.is_empty());
    Ok(if is_quiet { Exit::Well } else { Exit::NotWell })
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("cannot read the standard input");
    }
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn as_json(plans: &[Plan]) -> Value {
    let change = |change: &Change| {
        json!({
            "verb": change.verb(),
            "kind": change.kind,
            "name": change.name,
            "before": change.before,
            "after": change.after,
        })
    };
    json!({
        "changes": plans.iter().flat_map(|plan| &plan.changes).map(change).collect::<Vec<_>>(),
        "problems": plans.iter().flat_map(|plan| &plan.problems)
            .map(|problem| json!({"condition": problem.condition.as_str(), "message": problem.fact.message}))
            .collect::<Vec<_>>(),
        "missing": plans.iter().flat_map(|plan| &plan.unknown)
            .map(|(kind, who)| json!({"kind": format!("{kind:?}"), "provider": who}))
            .collect::<Vec<_>>(),
    })
}

fn as_text(plans: &[Plan]) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut counts = [0; 3];
    for plan in plans {
        for change in &plan.changes {
            text.push_str(&diff(change)?);
            counts[match change.verb() {
                "create" => 0,
                "update" => 1,
                _ => 2,
            }] += 1;
        }
        for (kind, who) in &plan.unknown {
            text.push_str(&format!("! {kind:?}: the cluster doesn't know it; it needs {who}\n"));
        }
        for problem in &plan.problems {
            let (condition, message) = (problem.condition.as_str(), &problem.fact.message);
            text.push_str(&format!("! {condition}: {message}. Nothing happens until this is mended.\n"));
        }
    }
    let [created, changed, deleted] = counts;
    text.push_str(&match counts {
        [0, 0, 0] => "Nothing would change.\n".to_owned(),
        _ => format!("{created} to create, {changed} to change, {deleted} to delete.\n"),
    });
    Ok(text)
}

/// A change as a unified diff of YAML.
fn diff(change: &Change) -> anyhow::Result<String> {
    let yaml = |object: &Option<Value>| object.as_ref().map_or(Ok(String::new()), serde_yaml::to_string);
    let (before, after) = (yaml(&change.before)?, yaml(&change.after)?);
    let title = format!("{} {}/{}", change.verb(), change.kind, change.name);
    let (old, new) =
        (format!("{}/{} (now)", change.kind, change.name), format!("{}/{} (planned)", change.kind, change.name));
    let diff = TextDiff::from_lines(&before, &after);
    Ok(format!("# {title}\n{}\n", diff.unified_diff().context_radius(3).header(&old, &new)))
}
