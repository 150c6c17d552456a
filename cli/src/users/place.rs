//! Where users are: behind the auth service of a cluster, or in a file on a laptop.

use std::{path::PathBuf, time::Duration};

use aether_auth::{
    admin::{Admin, Answer, Request},
    store::Database,
};
use aether_common::Env;
use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{AttachParams, ListParams},
    client::UpgradeConnectionError,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    cluster::{Cluster, ClusterArgs, names},
    status::{COMPONENT, selector, view::namespace_option},
};

/// The program in the auth service's image, and its container.
const PROGRAM: [&str; 2] = ["/aetherconnect-auth", "users"];
const CONTAINER: &str = "auth";
/// Longer than the database and a password's hash may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Which users.
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

/// Who does what is asked for.
pub(crate) enum Place {
    /// The store itself, in this process.
    Laptop(Box<Admin>, PathBuf),
    /// A pod of the auth service.
    Pod {
        /// Its cluster.
        cluster: Cluster,
        /// Its name.
        pod: String,
    },
}

impl PlaceArgs {
    /// Finds it.
    pub(crate) async fn find(&self) -> anyhow::Result<Place> {
        if let Some(folder) = &self.data_dir {
            return laptop(folder.clone()).await;
        }
        let cluster = self.cluster.connect().await?;
        let name = match &self.instance {
            Some(name) => name.clone(),
            None => only(&names(&cluster.list(false).await?), &cluster.namespace)?,
        };
        cluster.instance(&name).await?;
        let pod = pod(&cluster, &name).await?;
        Ok(Place::Pod { cluster, pod })
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

async fn laptop(folder: PathBuf) -> anyhow::Result<Place> {
    let file = folder.join("auth.db");
    if !file.is_file() {
        bail!(
            "{} holds no users: it must be the data directory of an `aetherconnect run`, which tells it at its start",
            folder.display()
        );
    }
    let database = Database::from_env(&Env::default().with("DATABASE_URL", format!("sqlite://{}", file.display())))?;
    // As `aetherconnect run` does when it starts.
    database.migrate().await?;
    Ok(Place::Laptop(Box::new(Admin::new(&database)), folder))
}

/// A pod of auth that is ready.
async fn pod(cluster: &Cluster, name: &str) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let params = ListParams::default().labels(&format!("{},{COMPONENT}=auth", selector(name)));
    let list = pods.list(&params).await;
    let list = list.map_err(|e| cluster.explain(e, &format!("list pods in namespace {}", cluster.namespace)))?;
    let ready = list.items.iter().find(|pod| is_ready(pod)).and_then(|pod| pod.metadata.name.clone());
    ready.with_context(|| {
        let option = namespace_option(&cluster.namespace);
        format!("no pod of {name}'s auth service is ready: `aetherconnect status {name}{option}` says what to mend")
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

impl Place {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Laptop(_, folder) => folder.display().to_string(),
            Self::Pod { pod, .. } => format!("pod {pod}"),
        }
    }

    /// Asks for something.
    pub(crate) async fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        match self {
            Self::Laptop(admin, _) => {
                // The same way as to a pod, so that a request is the same for both.
                Ok(admin.answer(serde_json::from_str(&serde_json::to_string(request)?)?).await)
            }
            Self::Pod { cluster, pod } => {
                let answer = timeout(LIMIT, exec(cluster, pod, request)).await;
                answer.map_err(|_| anyhow!("pod {pod} didn't answer within {} s", LIMIT.as_secs()))?
            }
        }
    }
}

async fn exec(cluster: &Cluster, pod: &str, request: &Request) -> anyhow::Result<Answer> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let params = AttachParams::default().container(CONTAINER).stdin(true).stdout(true).stderr(true);
    let started = pods.exec(pod, PROGRAM, &params).await;
    let mut process = started.map_err(|error| match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) if status.as_u16() == 403 => {
            anyhow!(
                "you may not run programs in the pods of namespace {}: ask for `create` and `get` on pods/exec",
                cluster.namespace
            )
        }
        error => cluster.explain(error, &format!("run a program in pod {pod}")),
    })?;
    let parts = (process.stdin(), process.stdout(), process.stderr());
    let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = parts else { bail!("pod {pod} gives no streams") };
    let line = format!("{}\n", serde_json::to_string(request)?);
    let (mut told, mut log) = (String::new(), String::new());
    let (wrote, read, _) = tokio::join!(
        async { stdin.write_all(line.as_bytes()).await },
        stdout.read_to_string(&mut told),
        stderr.read_to_string(&mut log),
    );
    wrote.and(read).with_context(|| format!("pod {pod} broke off"))?;
    understand(&told, &log, pod)
}

/// The answer, or why there is none.
fn understand(told: &str, log: &str, pod: &str) -> anyhow::Result<Answer> {
    if let Some(answer) = told.lines().last().and_then(|line| serde_json::from_str(line).ok()) {
        return Ok(answer);
    }
    if log.contains("usage: aetherconnect-auth") || log.contains("unknown command") {
        bail!("pod {pod} runs a version that doesn't know `users`: upgrade the instance");
    }
    let why = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    bail!("pod {pod} gave no answer: {why}")
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

    #[test]
    fn an_answer_is_told_from_a_version_that_knows_no_users() {
        let refused = r#"{"refused":{"reason":"USER_NOT_FOUND","message":"no"}}"#;
        assert!(matches!(understand(&format!("{refused}\n"), "", "p").unwrap(), Answer::Refused { .. }));
        let old = understand("", "aetherconnect-auth: usage: aetherconnect-auth [migrate]\n", "p").unwrap_err();
        assert!(old.to_string().contains("upgrade the instance"), "{old}");
        let broken = understand("", "aetherconnect-auth: DATABASE_URL is not set\n\n", "p").unwrap_err();
        assert!(broken.to_string().ends_with("DATABASE_URL is not set"), "{broken}");
    }
}
