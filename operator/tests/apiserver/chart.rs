//! The chart, rendered by helm: what it asks for is valid, restricted, and no more than is needed. The API server
//! validates strictly, and its Pod Security admission is the policy; kube-score looks over it in `linter.rs`.

use std::{collections::BTreeSet, path::Path, process::Command};

use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    rbac::v1::PolicyRule,
};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams, ValidationDirective},
    discovery,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{permissions::listed, world::World};

/// What a check finds and is meant so, with the reason.
const WAIVERS: [(&str, &str); 3] = [
    ("no CPU limit", "throttling would only make a busy operator slower; memory is limited"),
    ("reads Secrets", "it makes the instances' Secrets; lists are metadata only, see operator/README.md"),
    ("one replica", "it is needed for changes only, and starts within seconds; replicaCount makes it more"),
];

/// Values to render with, by what they are.
pub(crate) const VALUES: [(&str, &[&str]); 3] = [
    ("defaults", &[]),
    ("a list of namespaces", &["--set", "watchNamespaces={team-a,team-b}"]),
    (
        "all there is",
        &["--set", "replicaCount=2,metrics.serviceMonitor=true,priorityClassName=system-cluster-critical"],
    ),
];

pub(crate) fn render(values: &[&str]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let helm = Command::new(root.join("tests/tools/get-helm")).output().unwrap();
    assert!(helm.status.success(), "{}", String::from_utf8_lossy(&helm.stderr));
    let chart = root.join("charts/aetherconnect-operator");
    let chart = chart.to_str().unwrap();
    let arguments = ["template", "operator", chart, "--namespace", "operators", "--kube-version", "1.34.4"];
    let rendered = Command::new(String::from_utf8(helm.stdout).unwrap().trim()).args(arguments).args(values).output();
    let rendered = rendered.unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let text = String::from_utf8(rendered.stdout).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn rules(role: &Value) -> BTreeSet<String> {
    let rules: Vec<PolicyRule> = serde_json::from_value(role["rules"].clone()).unwrap();
    rules.iter().map(|rule| serde_json::to_string(rule).unwrap()).collect()
}

#[test]
fn with_a_list_of_namespaces_there_are_roles_in_these_only() {
    let objects = render(VALUES[1].1);
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert_eq!(of_kind(&objects, kind).count(), 0, "{kind}");
    }
    let mut namespaces: Vec<_> =
        of_kind(&objects, "Role").map(|role| role["metadata"]["namespace"].as_str().unwrap()).collect();
    namespaces.sort_unstable();
    assert_eq!(namespaces, ["operators", "team-a", "team-b"]);
}

#[test]
fn what_is_permitted_is_what_the_readme_lists() {
    let listed: BTreeSet<_> = listed().iter().map(|rule| serde_json::to_string(rule).unwrap()).collect();
    for (what, values) in VALUES {
        let objects = render(values);
        let roles = of_kind(&objects, "ClusterRole").chain(of_kind(&objects, "Role"));
        let permitted: BTreeSet<_> = roles.flat_map(rules).collect();
        assert_eq!(permitted, listed, "{what}");
        assert!(permitted.iter().all(|rule| !rule.contains("\"*\"")), "{what}");
    }
}

#[tokio::test]
async fn all_that_is_rendered_is_valid() {
    let world = World::new().await;
    for (what, values) in VALUES {
        for mut object in render(values) {
            let kind = object["kind"].as_str().unwrap().to_owned();
            let gvk = kube::core::GroupVersionKind::try_from(&kube::core::TypeMeta {
                api_version: object["apiVersion"].as_str().unwrap().into(),
                kind: kind.clone(),
            })
            .unwrap();
            // Those of the Prometheus operator aren't here.
            let Ok((resource, capabilities)) = discovery::pinned_kind(&world.client, &gvk).await else { continue };
            let api: Api<DynamicObject> = match capabilities.scope {
                discovery::Scope::Cluster => Api::all_with(world.client.clone(), &resource),
                discovery::Scope::Namespaced => {
                    object["metadata"]["namespace"] = json!(world.namespace);
                    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
                }
            };
            let params = PatchParams {
                dry_run: true,
                field_validation: Some(ValidationDirective::Strict),
                ..PatchParams::apply("chart").force()
            };
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let applied = api.patch(&name, &params, &Patch::Apply(&object)).await;
            applied.unwrap_or_else(|error| panic!("{what}: {kind} {name}: {error}"));
        }
    }
}

#[tokio::test]
async fn the_operators_pod_is_restricted_and_every_finding_is_explained() {
    let world = World::new().await;
    restrict(&world).await;
    let mut findings = BTreeSet::new();
    for (what, values) in VALUES {
        let objects = render(values);
        for deployment in of_kind(&objects, "Deployment") {
            allowed(&world, what, deployment).await;
            findings.extend(lint(deployment));
        }
        let text = objects.iter().filter(|object| object["rules"].is_array()).map(Value::to_string).collect::<String>();
        findings.extend(text.contains("\"secrets\"").then_some("reads Secrets"));
    }
    let explained: BTreeSet<_> = WAIVERS.iter().map(|(finding, _)| *finding).collect();
    assert_eq!(findings, explained, "each finding has a reason, and there is no reason without a finding");
}

#[tokio::test]
async fn every_pod_of_an_instance_is_allowed_under_the_restricted_standard() {
    use aether_operator::resources::Kind;
    let world = World::new().await;
    world.apply("chat", "{message: {replicas: 2}, gateway: {port: 80}}").await;
    world.settle("chat").await;
    restrict(&world).await;
    for kind in [Kind::Deployment, Kind::StatefulSet, Kind::Job] {
        for name in world.names(kind).await {
            let live = world.get(kind, &name).await.unwrap();
            allowed(&world, &name, &live).await;
            assert_eq!(live["spec"]["template"]["spec"]["automountServiceAccountToken"], false, "{name}");
        }
    }
}

async fn restrict(world: &World) {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces.patch(&world.namespace, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
}

/// Whether the API server would let a pod of the workload in.
async fn allowed(world: &World, what: &str, workload: &Value) {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    let mut pod = json!({"metadata": {"name": "tried"}, "spec": workload["spec"]["template"]["spec"]});
    for claim in workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let volume = json!({"name": claim["metadata"]["name"], "emptyDir": {}});
        let volumes = pod["spec"]["volumes"].as_array_mut();
        volumes.unwrap().push(volume);
    }
    // The tests' API server has no controller that makes priority classes known.
    pod["spec"].as_object_mut().unwrap().remove("priorityClassName");
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let created = pods.create(&params, &serde_json::from_value(pod).unwrap()).await;
    created.unwrap_or_else(|error| panic!("{what}: {error}"));
}

/// What a linter of manifests looks for, as far as the API server doesn't see to it.
fn lint(deployment: &Value) -> Vec<&'static str> {
    let mut findings = Vec::new();
    let pod = &deployment["spec"]["template"]["spec"];
    let mut find = |is_bad: bool, finding| findings.extend(is_bad.then_some(finding));
    find(deployment["spec"]["replicas"].as_i64().unwrap_or(1) < 2, "one replica");
    find(["hostNetwork", "hostPID", "hostIPC"].iter().any(|key| pod[key] == true), "shares the host's namespaces");
    find(pod["serviceAccountName"].as_str().is_none_or(|name| name == "default"), "the default account");
    for container in pod["containers"].as_array().into_iter().flatten() {
        let (resources, security) = (&container["resources"], &container["securityContext"]);
        find(
            container["image"].as_str().is_none_or(|image| !image.contains(':') || image.ends_with(":latest")),
            "a tag that moves",
        );
        find(container["livenessProbe"].is_null(), "no liveness probe");
        find(container["readinessProbe"].is_null(), "no readiness probe");
        find(resources["requests"]["cpu"].is_null() || resources["requests"]["memory"].is_null(), "no requests");
        find(resources["limits"]["memory"].is_null(), "no memory limit");
        find(resources["limits"]["cpu"].is_null(), "no CPU limit");
        find(security["readOnlyRootFilesystem"] != true, "a root file system that can be written");
        find(
            container["env"].as_array().into_iter().flatten().any(|env| env["valueFrom"]["secretKeyRef"].is_object()),
            "a Secret in a variable",
        );
    }
    findings
}
