//! The cluster that commands work with: found by kubeconfig, its errors told with what to do.

use std::{path::PathBuf, time::Duration};

use aether_operator::{api::KIND, reconcile};
use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
};

/// A server that doesn't take a connection within this is out of reach.
const CONNECT: Duration = Duration::from_secs(5);

/// Which cluster, and where in it.
#[derive(clap::Args)]
pub(crate) struct ClusterArgs {
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
    /// Namespace [default: the context's]
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) namespace: Option<String>,
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, or the pod that this runs in]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
}

/// Access to a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// Its address, for messages.
    pub(crate) url: String,
}

impl ClusterArgs {
    /// Finds the cluster; connects when it is first asked something.
    pub(crate) async fn connect(&self) -> anyhow::Result<Cluster> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT);
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config).context("the kubeconfig can't be used")?;
        Ok(Cluster { client, namespace, url })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let mend = "`kubectl config get-contexts` lists what there is; --kubeconfig and --context choose";
        if let Some(path) = &self.kubeconfig {
            let file = Kubeconfig::read_from(path).with_context(|| format!("can't read {}", path.display()))?;
            return Config::from_custom_kubeconfig(file, &options)
                .await
                .with_context(|| format!("{} can't be used: {mend}", path.display()));
        }
        if self.context.is_some() {
            return Config::from_kubeconfig(&options).await.with_context(|| format!("no usable kubeconfig: {mend}"));
        }
        Config::infer().await.map_err(|error| {
            anyhow!(
                "no cluster is configured ({error}): set KUBECONFIG or --kubeconfig to a file that your cluster's \
                 provider gives you, or make a cluster by `make up`. `aetherconnect run` needs none"
            )
        })
    }
}

impl Cluster {
    /// The instances of this namespace.
    pub(crate) fn instances(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &reconcile::resource())
    }

    /// The instances of all namespaces.
    pub(crate) fn all_instances(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &reconcile::resource())
    }

    /// All instances, of this namespace or of all.
    pub(crate) async fn list(&self, all: bool) -> anyhow::Result<Vec<DynamicObject>> {
        let api = if all { self.all_instances() } else { self.instances() };
        let place = if all { "all namespaces".to_owned() } else { format!("namespace {}", self.namespace) };
        let listed = api.list(&ListParams::default()).await;
        let mut items = listed.map_err(|e| self.explain(e, &format!("list {KIND} resources in {place}")))?.items;
        items.sort_by_key(|object| (object.metadata.namespace.clone(), object.metadata.name.clone()));
        Ok(items)
    }

    /// An instance by name.
    pub(crate) async fn instance(&self, name: &str) -> anyhow::Result<DynamicObject> {
        let found = self.instances().get_opt(name).await;
        let found =
            found.map_err(|e| self.explain(e, &format!("get {KIND} {name} in namespace {}", self.namespace)))?;
        match found {
            Some(object) => Ok(object),
            None => Err(self.no_such(name).await),
        }
    }

    async fn no_such(&self, name: &str) -> anyhow::Error {
        let here = match self.list(false).await {
            Ok(here) => names(&here),
            Err(error) => return error,
        };
        let everywhere = match self.all_instances().list(&ListParams::default()).await {
            Ok(all) => all.items,
            Err(_) => Vec::new(),
        };
        let elsewhere: Vec<_> = everywhere
            .iter()
            .filter(|object| object.metadata.name.as_deref() == Some(name))
            .filter_map(|object| object.metadata.namespace.clone())
            .collect();
        anyhow!(missing(name, &self.namespace, &here, &elsewhere))
    }

    /// An error of the API server with what to do about it.
    pub(crate) fn explain(&self, error: kube::Error, action: &str) -> anyhow::Error {
        let status = match &error {
            kube::Error::Api(status) => status,
            kube::Error::Auth(_) => {
                return anyhow!("can't log in to the cluster at {}: {error}. Log in again, or try kubectl", self.url);
            }
            kube::Error::Service(_) | kube::Error::HyperError(_) => {
                let why = root_cause(&error);
                return anyhow!(
                    "the cluster at {} can't be reached: {why}. Is it running, and your network or VPN up? --context \
                     chooses another one",
                    self.url
                );
            }
            _ => return anyhow::Error::new(error).context(format!("can't {action}")),
        };
        match status.code {
            401 => anyhow!("the cluster at {} doesn't accept your credentials: log in again, as for kubectl", self.url),
            403 => anyhow!(
                "you may not {action}: {}. Ask whoever runs the cluster for a role that allows it; `aetherconnect \
                 doctor` lists what you need",
                status.message
            ),
            404 if is_unknown_kind(status) => anyhow!(
                "the cluster at {} doesn't know {KIND} resources: install the operator (`helm install \
                 aetherconnect-operator charts/aetherconnect-operator --namespace aetherconnect-system \
                 --create-namespace`), or choose another cluster by --context",
                self.url
            ),
            _ => anyhow!("can't {action}: {}", status.message),
        }
    }

    /// Whether the namespace is there, where one may know.
    pub(crate) async fn namespace_is_missing(&self) -> bool {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        matches!(namespaces.get_opt(&self.namespace).await, Ok(None))
    }
}

/// The server has no such kind, rather than no such object.
fn is_unknown_kind(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_none_or(|details| details.name.is_empty())
}

/// The innermost error says it best.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The names of objects.
pub(crate) fn names(objects: &[DynamicObject]) -> Vec<String> {
    objects.iter().filter_map(|object| object.metadata.name.clone()).collect()
}

/// That there is no such instance, and which one may be meant.
fn missing(name: &str, namespace: &str, here: &[String], elsewhere: &[String]) -> String {
    let text = format!("there is no instance {name} in namespace {namespace}");
    if let [other, ..] = elsewhere {
        return format!("{text}, but there is one in namespace {other}: add `-n {other}`");
    }
    match alike(name, here) {
        Some(other) => format!("{text}: did you mean {other}?"),
        None if here.is_empty() => format!("{text}, nor any other: `aetherconnect status -A` looks everywhere"),
        None => format!("{text}; there is {}", here.join(", ")),
    }
}

/// The name that is most like another, if one is.
pub(crate) fn alike<'a>(name: &str, names: &'a [String]) -> Option<&'a String> {
    let likeness = |other: &&String| strsim::jaro_winkler(name, other);
    names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|other| likeness(other) > 0.75)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_unknown_is_told_from_an_object_that_is() {
        let status = |text: &str| serde_json::from_str(text).expect("a status");
        assert!(is_unknown_kind(&status(r#"{"code": 404, "message": "404 page not found"}"#)));
        assert!(!is_unknown_kind(&status(r#"{"code": 404, "details": {"name": "chat", "kind": "aetherconnects"}}"#)));
    }

    #[test]
    fn a_missing_instance_is_answered_by_the_one_that_may_be_meant() {
        let here = ["chat".to_owned(), "support".to_owned()];
        let text = |name, here: &[String], elsewhere: &[String]| missing(name, "team-a", here, elsewhere);
        assert!(text("chta", &here, &[]).ends_with("did you mean chat?"));
        assert!(text("chat", &here[1..], &["team-b".to_owned()]).ends_with("add `-n team-b`"));
        assert!(text("zzz", &here, &[]).ends_with("there is chat, support"));
        assert!(text("chat", &[], &[]).contains("status -A"));
    }
}
