//! `aetherconnect plan` as a person uses it, against a real API server.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output, Stdio};

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

const RESOURCE: &str = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\nspec:\n";

fn kubeconfig() -> String {
    std::env::var("TEST_KUBECONFIG").expect("these tests need a real API server; run them by `make test`")
}

/// A namespace of the test's own, where the resource is defined.
async fn namespace() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = Patch::Apply(aether_operator::api::crd());
    let name = "aetherconnects.aetherconnect.io";
    definitions.patch(name, &PatchParams::apply("test").force(), &definition).await.unwrap();
    let resources: Api<DynamicObject> = Api::all_with(client.clone(), &aether_operator::reconcile::resource());
    while resources.list(&ListParams::default().limit(1)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let namespaces: Api<Namespace> = Api::all(client);
    let namespace = serde_json::from_value(json!({"metadata": {"generateName": "plan-"}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap().metadata.name.unwrap()
}

fn plan(arguments: &[&str], kubeconfig: &str, spec: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aetherconnect"));
    command.args(["plan", "-f", "-"]).args(arguments).env("KUBECONFIG", kubeconfig);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{RESOURCE}{spec}").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_plan_is_a_diff_whose_exit_code_says_whether_anything_would_change() {
    let namespace = namespace().await;
    let output = plan(&["-n", &namespace], &kubeconfig(), "  redis: {disabled: true}\n");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{told}{}", text(&output.stderr));
    assert!(told.contains("# create Deployment/chat-gateway\n"), "{told}");
    assert!(told.contains("+++ Deployment/chat-gateway (planned)\n"), "{told}");
    assert!(told.contains("+  name: chat-gateway\n"), "{told}");
    assert!(told.trim_end().ends_with("to create, 0 to change, 0 to delete."), "{told}");

    let output =
        plan(&["-n", &namespace, "-o", "json"], &kubeconfig(), "  postgres: {external: {secretRef: {name: pg}}}\n");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(told["changes"][0]["kind"], "AetherConnect");
    assert_eq!(told["problems"][0]["condition"], "PostgresReady");
}

#[test]
fn without_a_cluster_everything_is_rendered() {
    let output = plan(&["--offline", "-n", "team"], "/nowhere", "  gateway: {port: 8080}\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let documents: Vec<Value> = serde_yaml::Deserializer::from_slice(&output.stdout)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    let gateway =
        documents.iter().find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "chat-gateway");
    assert_eq!(gateway.unwrap()["metadata"]["namespace"], "team");
    let secret = documents.iter().find(|object| object["kind"] == "Secret").unwrap();
    assert_eq!(secret["stringData"]["JWT_SECRET"], "known-after-apply", "no secret is made up");
}

#[tokio::test]
async fn errors_say_what_to_mend_and_exit_with_one() {
    let namespace = namespace().await;
    let output = plan(&["-n", &namespace], &kubeconfig(), "  gateway: {prot: 1}\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("unknown field `prot`"), "{}", text(&output.stderr));
    let output = plan(&["-n", &namespace], &kubeconfig(), "  gateway: {port: 9090}\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("choose another port"), "{}", text(&output.stderr));
    let output = plan(&[], "/nowhere", "  {}\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--offline"), "{}", text(&output.stderr));
}
