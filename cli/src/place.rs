//! Where an instance's data is: behind its services on a cluster, or in files on a laptop.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};

use crate::{
    cluster::{Cluster, ClusterArgs, names},
    status::{COMPONENT, selector, view::namespace_option},
};

/// Which instance.
#[derive(clap::Args)]
pub(crate) struct PlaceArgs {
    /// The instance [default: the only one of the namespace]
    #[arg(short, long, value_name = "NAME")]
    instance: Option<String>,
    /// The data of an `aetherconnect run`, rather than a cluster
    #[arg(long, value_name = "DIR", conflicts_with_all = ["instance", "context", "namespace", "kubeconfig"])]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// One that is there.
pub(crate) enum Target {
    /// A data directory.
    Laptop(PathBuf),
    /// An instance on a cluster.
    Instance {
        /// Where.
        cluster: Box<Cluster>,
        /// Its name.
        name: String,
    },
}

impl PlaceArgs {
    /// Finds it.
    pub(crate) async fn find(&self) -> anyhow::Result<Target> {
        if let Some(folder) = &self.data_dir {
            check_laptop(folder)?;
            return Ok(Target::Laptop(folder.clone()));
        }
        let cluster = self.cluster.connect().await?;
        let name = match &self.instance {
            Some(name) => name.clone(),
            None => only(&names(&cluster.list(false).await?), &cluster.namespace)?,
        };
        cluster.instance(&name).await?;
        Ok(Target::Instance { cluster: Box::new(cluster), name })
    }
}

/// The instance that is meant when none is named.
fn only(names: &[String], namespace: &str) -> anyhow::Result<String> {
    match names {
        [name] => Ok(name.clone()),
        [] => bail!(
            "there is no instance in namespace {namespace}: -n chooses another one, and --data-dir a laptop's data"
        ),
        many => bail!("there are several instances in namespace {namespace}: add --instance {}", many.join(" or ")),
    }
}

fn check_laptop(folder: &Path) -> anyhow::Result<()> {
    if !folder.join("auth.db").is_file() {
        bail!(
            "{} holds no users: it must be the data directory of an `aetherconnect run`, which tells it at its start",
            folder.display()
        );
    }
    Ok(())
}

/// A pod of one of the instance's services that is ready.
pub(crate) async fn pod(cluster: &Cluster, name: &str, component: &str) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let params = ListParams::default().labels(&format!("{},{COMPONENT}={component}", selector(name)));
    let list = pods.list(&params).await;
    let list = list.map_err(|e| cluster.explain(e, &format!("list pods in namespace {}", cluster.namespace)))?;
    let ready = list.items.iter().find(|pod| is_ready(pod)).and_then(|pod| pod.metadata.name.clone());
    ready.with_context(|| {
        let option = namespace_option(&cluster.namespace);
        format!(
            "no pod of {name}'s {component} service is ready: `aetherconnect status {name}{option}` says what to mend"
        )
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_need_not_be_named_where_there_is_one() {
        assert_eq!(only(&["chat".into()], "team-a").unwrap(), "chat");
        let told = |names: &[String]| only(names, "team-a").unwrap_err().to_string();
        assert!(told(&["a".into(), "b".into()]).ends_with("--instance a or b"));
        assert!(told(&[]).contains("--data-dir"));
    }
}
