//! The checks: each asks the cluster, and tells what it found.

mod definition;
mod instances;
mod operator;
mod permissions;

use k8s_openapi::{api::storage::v1::StorageClass, apimachinery::pkg::version::Info};
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};

use self::operator::Operator;
use super::{findings::Finding, needs};
use crate::{cluster::Cluster, output::Progress};

/// Older ones lack the hook that sleeps, and the rules of the definition.
const OLDEST: u32 = 30;
/// How one installs the operator, or brings it up to date.
const INSTALL: &str = "`helm upgrade --install aetherconnect-operator charts/aetherconnect-operator --namespace \
                       aetherconnect-system --create-namespace`";

/// All checks, as far as they go.
pub(super) async fn all(cluster: &Cluster, everywhere: bool, progress: &Progress) -> Vec<Finding> {
    let version = match cluster.client.apiserver_version().await {
        Ok(version) => version,
        Err(error) => return vec![unreachable(&cluster.explain(error, "ask the cluster for its version"))],
    };
    let mut findings = vec![server(&version, &cluster.url)];
    progress.say("looking at the definition of the resource");
    let (is_defined, definition) = definition::check(cluster).await;
    findings.push(definition);
    progress.say("looking at the operator");
    let (operator, found) = operator::check(cluster).await;
    findings.push(found);
    progress.say("asking what you may do");
    findings.push(permissions::check(cluster).await);
    if !is_defined {
        return findings;
    }
    progress.say("looking at the instances");
    let objects = match cluster.list(everywhere).await {
        Ok(objects) => objects,
        Err(error) => {
            findings.push(Finding::error("instances", error.to_string(), "until then nothing more can be checked"));
            return findings;
        }
    };
    findings.push(storage(cluster, &objects, operator.as_ref()).await);
    findings.extend(instances::providers(cluster, &objects).await);
    findings.extend(instances::states(&objects));
    findings
}

/// The cluster can't be asked at all.
pub(super) fn unreachable(error: &anyhow::Error) -> Finding {
    Finding::error("cluster", format!("{error:#}"), "mend that, and run this again: nothing else can be checked")
}

fn server(version: &Info, url: &str) -> Finding {
    let text = &version.git_version;
    let number = |text: &str| text.trim_end_matches('+').parse::<u32>().unwrap_or_default();
    let (major, minor) = (number(&version.major), number(&version.minor));
    if (major, minor) >= (1, OLDEST) {
        return Finding::ok("cluster", format!("{url} answers, Kubernetes {text}"));
    }
    let to_do = format!("upgrade the cluster to 1.{OLDEST} or newer");
    Finding::error("cluster", format!("{url} runs Kubernetes {text}, which the operator doesn't support"), to_do)
}

/// Whether stores that name no class get a volume.
async fn storage(cluster: &Cluster, objects: &[DynamicObject], operator: Option<&Operator>) -> Finding {
    let check = "storage";
    if let Some(class) = operator.and_then(|operator| operator.storage_class.as_ref()) {
        return Finding::ok(check, format!("the operator gives stores the StorageClass {class}"));
    }
    let classes: Api<StorageClass> = Api::all(cluster.client.clone());
    let classes = match classes.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => {
            let why = cluster.explain(error, "list StorageClasses").to_string();
            return Finding::warning(check, why, "ask whether the cluster has a default StorageClass");
        }
    };
    default_class(&classes, objects)
}

fn default_class(classes: &[StorageClass], objects: &[DynamicObject]) -> Finding {
    let is_default = |class: &&StorageClass| {
        let notes = class.metadata.annotations.iter().flatten();
        notes.into_iter().any(|(key, value)| key == "storageclass.kubernetes.io/is-default-class" && value == "true")
    };
    if let Some(class) = classes.iter().find(is_default) {
        let name = class.metadata.name.as_deref().unwrap_or("?");
        return Finding::ok("storage", format!("the default StorageClass is {name}"));
    }
    let needing: Vec<_> = objects
        .iter()
        .filter(|object| instances::spec(object).is_some_and(|spec| needs::takes_default_storage(&spec)))
        .map(instances::name)
        .collect();
    let to_do = "mark a StorageClass as the default, or name one in spec.postgres.managed.storage.className and in \
                 spec.mongodb's";
    match needing.is_empty() {
        true => Finding::warning(
            "storage",
            "there is no default StorageClass: a store that the operator makes would get no volume",
            to_do,
        ),
        false => {
            let whose = needing.join(", ");
            let meaning = format!("there is no default StorageClass, so the stores of {whose} get no volume");
            Finding::error("storage", meaning, to_do)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Level;

    fn version(major: &str, minor: &str) -> Info {
        let value = json!({
            "major": major, "minor": minor, "gitVersion": format!("v{major}.{minor}.1"), "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn clusters_before_1_30_are_too_old() {
        assert_eq!(server(&version("1", "29+"), "u").level, Level::Error);
        assert_eq!(server(&version("1", "30+"), "u").level, Level::Ok);
        assert_eq!(server(&version("1", "34"), "u").level, Level::Ok);
    }

    #[test]
    fn a_missing_default_class_is_an_error_only_where_somebody_needs_it() {
        let class = |default: &str| -> StorageClass {
            let notes = json!({"storageclass.kubernetes.io/is-default-class": default});
            serde_json::from_value(json!({"metadata": {"name": "fast", "annotations": notes}, "provisioner": "p"}))
                .unwrap()
        };
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "aetherconnect.io/v1alpha1", "kind": "AetherConnect",
            "metadata": {"name": "chat", "namespace": "team-a"}, "spec": {},
        }))
        .unwrap();
        let objects = [object];
        assert_eq!(default_class(&[class("true")], &objects).level, Level::Ok);
        assert_eq!(default_class(&[class("false")], &[]).level, Level::Warning);
        let found = default_class(&[], &objects);
        assert!(found.level == Level::Error && found.meaning.contains("team-a/chat"), "{found:?}");
    }
}
