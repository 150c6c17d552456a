//! The permissions that the README lists are enough, for everything that the operator does.

use aether_operator::{controller, leader::Candidate, metrics::Metrics, patience::Fence, resources::Kind};
use k8s_openapi::api::{
    events::v1::Event,
    rbac::v1::{PolicyRule, Role, RoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{World, client_as, eventually, reconciler};

#[derive(Deserialize)]
struct Rules {
    rules: Vec<PolicyRule>,
}

pub(crate) fn listed() -> Vec<PolicyRule> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.flat_map(|block| serde_yaml::from_str::<Rules>(block).unwrap().rules).collect()
}

#[test]
fn there_are_no_wildcards() {
    for rule in listed() {
        let everything = [rule.api_groups.unwrap(), rule.resources.unwrap(), rule.verbs].concat();
        assert!(!everything.contains(&"*".to_owned()), "{everything:?}");
    }
}

#[tokio::test]
async fn what_the_readme_lists_is_enough() {
    let mut world = World::new().await;
    let (namespace, user) = (world.namespace.clone(), format!("operator-of-{}", world.namespace));
    let (roles, bindings): (Api<Role>, Api<RoleBinding>) =
        (Api::namespaced(world.client.clone(), &namespace), Api::namespaced(world.client.clone(), &namespace));
    let role = json!({"metadata": {"name": "operator"}, "rules": listed()});
    roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
    let binding = json!({
        "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();

    let client = client_as(Some(&user)).await;
    let mut candidate = Candidate::new(client.clone(), &namespace, "one", Fence::default());
    candidate.acquire().await;
    candidate.release().await;

    world.reconciler = reconciler(client);
    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.secrets().delete("chat-postgres", &DeleteParams::default()).await.unwrap();
    world.apply("chat", "{redis: {disabled: true}, deletionPolicy: Delete, version: 2.0.0}").await;
    world.settle("chat").await;
    assert!(world.get(Kind::StatefulSet, "chat-redis").await.is_none());
    let events: Api<Event> = Api::namespaced(world.client.clone(), &namespace);
    assert!(!events.list(&ListParams::default()).await.unwrap().items.is_empty());

    let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
    let (reconciler, namespaces, token) = (world.reconciler.clone(), [namespace], stop.clone());
    let operator = tokio::spawn(async move { controller::run(reconciler, metrics, &namespaces, token).await });
    world.delete(Kind::ServiceAccount, "chat").await;
    eventually("a watch tells of the loss", || async { world.get(Kind::ServiceAccount, "chat").await.is_some() }).await;
    stop.cancel();
    operator.await.unwrap();
}
