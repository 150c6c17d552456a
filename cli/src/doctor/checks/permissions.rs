//! What whoever asks may do.

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::{Api, api::PostParams};
use serde_json::json;

use super::super::findings::Finding;
use crate::cluster::Cluster;

const CHECK: &str = "permissions";

/// Group, resource, subresource, verb, and what doesn't work without.
const NEEDED: [(&str, &str, &str, &str, &str); 9] = [
    ("aetherconnect.io", "aetherconnects", "", "get", "every command"),
    ("aetherconnect.io", "aetherconnects", "", "list", "status without a name"),
    ("aetherconnect.io", "aetherconnects", "", "create", "applying a new instance"),
    ("aetherconnect.io", "aetherconnects", "", "patch", "suspend, resume, rotate-keys and changes"),
    ("apps", "deployments", "", "list", "the images in status"),
    ("", "pods", "", "list", "logs and users"),
    ("", "pods", "log", "get", "logs"),
    ("", "pods", "exec", "create", "users"),
    ("", "secrets", "", "get", "rotate-keys --wait"),
];

/// Asks the cluster about each.
pub(super) async fn check(cluster: &Cluster) -> Finding {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let asked = NEEDED.map(|(group, resource, subresource, verb, _)| {
        let (reviews, namespace) = (reviews.clone(), cluster.namespace.clone());
        async move {
            let attributes = json!({
                "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            });
            let review = serde_json::from_value(json!({"metadata": {}, "spec": {"resourceAttributes": attributes}}));
            let review: SelfSubjectAccessReview = review.map_err(kube::Error::SerdeError)?;
            let told = reviews.create(&PostParams::default(), &review).await?;
            Ok::<_, kube::Error>(told.status.is_some_and(|status| status.allowed))
        }
    });
    match join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(allowed) => judge(&allowed, &cluster.namespace),
        Err(error) => {
            let why = cluster.explain(error, "ask what you may do").to_string();
            Finding::warning(CHECK, why, "try the command that you need")
        }
    }
}

fn judge(allowed: &[bool], namespace: &str) -> Finding {
    let denied: Vec<_> =
        NEEDED.iter().zip(allowed).filter(|(_, allowed)| !**allowed).map(|(needed, _)| needed).collect();
    let place = format!("in namespace {namespace}");
    if denied.is_empty() {
        return Finding::ok(CHECK, format!("you may do all that the commands need {place}"));
    }
    let list = denied.iter().map(|(group, resource, subresource, verb, what)| {
        let resource = if group.is_empty() { (*resource).to_owned() } else { format!("{resource}.{group}") };
        let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
        format!("{verb} {resource} (for {what})")
    });
    let meaning = format!("you may not {} {place}", list.collect::<Vec<_>>().join(", "));
    let to_do = "ask whoever runs the cluster for a role with these";
    // Without the first two nothing can be looked at.
    match allowed[..2].iter().all(|allowed| *allowed) {
        true => Finding::warning(CHECK, meaning, to_do),
        false => Finding::error(CHECK, meaning, to_do),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn what_one_may_not_do_is_named_with_what_needs_it() {
        let mut allowed = [true; NEEDED.len()];
        assert_eq!(judge(&allowed, "team-a").level, Level::Ok);
        allowed[7] = false;
        let found = judge(&allowed, "team-a");
        assert_eq!(found.level, Level::Warning);
        assert_eq!(found.meaning, "you may not create pods/exec (for users) in namespace team-a");
        allowed[0] = false;
        let found = judge(&allowed, "team-a");
        assert!(found.level == Level::Error && found.meaning.contains("get aetherconnects.aetherconnect.io"));
    }
}
