//! Whether the resource is defined, and as in this build.

use aether_operator::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use kube::Api;

use super::{super::findings::Finding, INSTALL};
use crate::cluster::Cluster;

const CHECK: &str = "definition";

/// Whether there is a definition, and what was found about it.
pub(super) async fn check(cluster: &Cluster) -> (bool, Finding) {
    let wanted = api::crd();
    let name = wanted.metadata.name.clone().unwrap_or_default();
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    match definitions.get_opt(&name).await {
        Ok(Some(live)) => (true, compare(&live, &wanted)),
        Ok(None) => {
            let meaning = format!("the cluster doesn't know {} resources", api::KIND);
            (false, Finding::error(CHECK, meaning, format!("install the operator, which brings it: {INSTALL}")))
        }
        // Whoever may not read definitions may use them all the same.
        Err(error) => {
            let why = cluster.explain(error, &format!("read the definition {name}")).to_string();
            (true, Finding::warning(CHECK, why, "whether it fits this build can't be told"))
        }
    }
}

fn compare(live: &CustomResourceDefinition, wanted: &CustomResourceDefinition) -> Finding {
    let conditions = live.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_established = conditions.into_iter().any(|c| c.type_ == "Established" && c.status == "True");
    if !is_established {
        let to_do = "`kubectl describe crd aetherconnects.aetherconnect.io` says why";
        return Finding::error(CHECK, "the definition is there, but the cluster doesn't serve it", to_do);
    }
    let build = env!("CARGO_PKG_VERSION");
    let same =
        wanted.spec.versions.iter().all(|wanted| {
            live.spec.versions.iter().any(|live| live.name == wanted.name && schema(live) == schema(wanted))
        });
    match same {
        true => Finding::ok(CHECK, format!("{} is defined as in this build ({build})", api::KIND)),
        false => Finding::warning(
            CHECK,
            format!("{} is defined otherwise than in this build ({build}): fields may be missing, or new", api::KIND),
            format!("upgrade the operator: {INSTALL}; or use the command of the operator's version"),
        ),
    }
}

/// What resources may hold; the rest is about printing.
fn schema(version: &CustomResourceDefinitionVersion) -> serde_json::Value {
    serde_json::to_value(&version.schema).unwrap_or_default()
}
