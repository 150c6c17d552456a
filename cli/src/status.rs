//! `aetherconnect status`: instances at a glance, and the first thing to mend.

#[cfg(test)]
mod tests;
mod text;
pub(crate) mod view;

use std::collections::BTreeMap;

use aether_operator::resources::Kind;
use jiff::Timestamp;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use serde_json::json;

use self::view::View;
use crate::{
    Exit,
    cluster::{Cluster, ClusterArgs},
    output::{OutputArgs, Paint, Progress},
};

/// What the instances of a namespace, or one of them, are like: components, versions, conditions, and the first thing
/// to mend.
///
/// Ends with 0 when all of them are ready, with 2 when one isn't, and with 1 when that can't be told.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect status                       all instances of the namespace
  aetherconnect status -A -o json            all instances of the cluster, for a program
  aetherconnect status chat -n team-a        one instance, in full")]
pub(crate) struct StatusArgs {
    /// The instance; all of the namespace when absent
    name: Option<String>,
    /// The instances of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<Exit> {
    let progress = Progress::start("asking the cluster");
    let cluster = args.cluster.connect().await?;
    let (now, paint) = (Timestamp::now(), Paint::for_stdout());
    let views = match &args.name {
        Some(name) => {
            let object = cluster.instance(name).await?;
            vec![View::new(&object, &images(&cluster, name).await)]
        }
        None => {
            let objects = cluster.list(args.all_namespaces).await?;
            objects.iter().map(|object: &DynamicObject| View::new(object, &BTreeMap::new())).collect()
        }
    };
    let is_missing = views.is_empty() && !args.all_namespaces && cluster.namespace_is_missing().await;
    drop(progress);
    anyhow::ensure!(!is_missing, "there is no namespace {}: -n chooses another, -A takes all", cluster.namespace);
    if let (Some(_), [view]) = (&args.name, &views[..]) {
        args.output.show(view, || text::one(view, now, paint))?;
    } else {
        args.output.show(&json!({"instances": views}), || match views.is_empty() {
            true => none(args.all_namespaces, &cluster.namespace),
            false => text::list(&views, args.all_namespaces, now, paint),
        })?;
    }
    Ok(if views.iter().all(|view| view.ready) { Exit::Well } else { Exit::NotWell })
}

fn none(all: bool, namespace: &str) -> String {
    let place = if all { "any namespace".to_owned() } else { format!("namespace {namespace} (-A looks in all)") };
    format!("There is no instance in {place}. `kubectl apply -f examples/quickstart.yaml` makes one.\n")
}

/// The images of an instance's workloads by component, as far as one may see them.
async fn images(cluster: &Cluster, name: &str) -> BTreeMap<String, String> {
    let mut images = BTreeMap::new();
    for kind in [Kind::Deployment, Kind::StatefulSet] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.resource());
        let Ok(list) = api.list(&ListParams::default().labels(&selector(name))).await else { continue };
        for object in list {
            let component = object.metadata.labels.iter().flatten().find(|(key, _)| *key == COMPONENT);
            let image = object.data.pointer("/spec/template/spec/containers/0/image").and_then(|image| image.as_str());
            if let (Some((_, component)), Some(image)) = (component, image) {
                images.insert(component.clone(), image.to_owned());
            }
        }
    }
    images
}

/// The label that names the component.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";

/// Selects all objects of an instance.
pub(crate) fn selector(name: &str) -> String {
    format!("app.kubernetes.io/name=aetherconnect,app.kubernetes.io/instance={name}")
}
