//! All builders together: what they give is deterministic, valid, restricted and free of secrets.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{
        LocalObjectReference, PodSecurityContext, ResourceRequirements, Secret, SecretKeySelector, Service,
        ServiceAccount,
    },
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::resources::secrets::Generated;

mod exposure;
mod workloads;

fn spec(yaml: &str) -> AetherConnectSpec {
    serde_yaml::from_str(yaml).unwrap()
}

fn with<T>(yaml: &str, check: impl FnOnce(&Instance<'_>) -> T) -> T {
    let (spec, defaults) = (spec(yaml), Defaults::default());
    check(&Instance {
        name: "chat",
        namespace: "team",
        uid: "u-1",
        spec: &spec,
        version: spec.version.clone().unwrap_or_else(|| defaults.version().to_owned()),
        defaults: &defaults,
        hashes: Hashes::default(),
        store_ports: StorePorts { postgres: vec![5432], mongodb: vec![27017], redis: vec![6379] },
    })
}

fn find(children: &Children, kind: Kind, name: &str) -> Value {
    children
        .all()
        .find(|child| child.kind == kind && child.name == name)
        .unwrap_or_else(|| panic!("{name}"))
        .body
        .clone()
}

/// A field that the type doesn't know is lost on the way through it.
fn survives<T: Serialize + DeserializeOwned>(body: &Value) {
    let typed: T = serde_json::from_value(body.clone()).unwrap();
    let back = serde_json::to_value(typed).unwrap();
    assert!(crate::reconcile::compare::covers(&back, body), "{body:#}\n{back:#}");
}

const EVERYTHING: &str = "
version: 1.2.3
environment: development
image: {registry: reg.example/x, pullSecrets: [{name: pull}], message: other/message:9}
gateway:
  port: 80
  replicas: 2
  service: {type: NodePort, nodePort: 30300}
  resources: {limits: {cpu: 1}}
  env: [{name: LOG_LEVEL, value: trace}]
  rateLimit: {max: 5, windowSeconds: 6, loginMax: 7}
  cors: {origins: ['https://a.example', 'https://b.example']}
  trustedProxies: [10.0.0.0/8]
  autoscaling: {minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 60}
  ingress: {className: nginx, host: chat.example, tls: {issuerRef: {name: le, kind: ClusterIssuer}}}
  gatewayApi: {parentRefs: [{name: public, namespace: infra}], hostnames: [chat.example]}
auth:
  podTemplate:
    metadata: {annotations: {team: a}}
    spec:
      nodeSelector: {disk: fast}
      containers:
        - {name: auth, env: [{name: X, value: y}]}
message: {messageRateLimitPerMinute: 0, replicas: 3}
networkPolicy: {egress: [{ports: [{port: 4317}]}]}
monitoring: {enabled: true, interval: 30s, labels: {release: prom}}
tls: {issuerRef: {name: internal}}
priorityClassName: high
drainSeconds: 60
postgres: {external: {secretRef: {name: pg}}}
mongodb: {managed: {storage: {size: 2Gi, className: fast}, image: 'local/ferretdb:1.24'}}
redis: {disabled: true}
jwt: {secretRef: {name: keys}}
deletionPolicy: Delete
";

#[test]
fn every_field_is_one_that_the_api_server_knows() {
    for yaml in ["{}", EVERYTHING] {
        with(yaml, |instance| {
            for child in Children::of(instance).all() {
                match child.kind {
                    Kind::ServiceAccount => survives::<ServiceAccount>(&child.body),
                    Kind::Service => survives::<Service>(&child.body),
                    Kind::StatefulSet => survives::<StatefulSet>(&child.body),
                    Kind::Job => survives::<Job>(&child.body),
                    Kind::Deployment => survives::<Deployment>(&child.body),
                    Kind::NetworkPolicy => survives::<NetworkPolicy>(&child.body),
                    Kind::PodDisruptionBudget => survives::<PodDisruptionBudget>(&child.body),
                    Kind::HorizontalPodAutoscaler => survives::<HorizontalPodAutoscaler>(&child.body),
                    Kind::Ingress => survives::<Ingress>(&child.body),
                    // Of others' making: their definitions check them in the tests against the API server.
                    _ => assert!(child.kind.provider().is_some(), "{:?}", child.kind),
                }
            }
            for generated in Generated::ALL {
                survives::<Secret>(&generated.secret(instance, &BTreeMap::new()));
            }
        });
    }
}

/// The rest of it is checked against a definition of our own, as its own is in no package registry.
#[test]
fn what_the_redis_operator_hands_on_to_pods_is_what_kubernetes_knows() {
    let redis = "{replication: {resources: {requests: {cpu: 1}, limits: {memory: 1Gi}}}}";
    with(&format!("{{image: {{pullSecrets: [{{name: pull}}]}}, redis: {redis}}}"), |instance| {
        let spec = &find(&Children::of(instance), Kind::RedisReplication, "chat-redis")["spec"];
        survives::<PodSecurityContext>(&spec["podSecurityContext"]);
        survives::<ResourceRequirements>(&spec["kubernetesConfig"]["resources"]);
        survives::<Vec<LocalObjectReference>>(&spec["kubernetesConfig"]["imagePullSecrets"]);
        survives::<SecretKeySelector>(&spec["kubernetesConfig"]["redisSecret"]);
    });
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let build = || with(EVERYTHING, |instance| format!("{:?}", Children::of(instance)));
    assert_eq!(build(), build());
}

#[test]
fn every_pod_is_restricted() {
    for yaml in ["{}", EVERYTHING] {
        with(yaml, |instance| {
            for child in Children::of(instance).all() {
                let Some(pod) = child.body.pointer("/spec/template/spec") else { continue };
                assert_eq!(pod["serviceAccountName"], "chat", "{}", child.name);
                assert_eq!(pod["automountServiceAccountToken"], false, "{}", child.name);
                assert_eq!(pod["enableServiceLinks"], false, "{}", child.name);
                assert_eq!(pod["imagePullSecrets"], json!(instance.spec.image.pull_secrets), "{}", child.name);
                assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{}", child.name);
                assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{}", child.name);
                let containers =
                    ["containers", "initContainers"].iter().filter_map(|key| pod[key].as_array()).flatten();
                for container in containers {
                    let security = &container["securityContext"];
                    assert_eq!(security["readOnlyRootFilesystem"], true, "{}", child.name);
                    assert_eq!(security["allowPrivilegeEscalation"], false, "{}", child.name);
                    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{}", child.name);
                    assert!(container["resources"].is_object(), "{}", child.name);
                }
            }
        });
    }
}

#[test]
fn a_store_that_never_started_can_be_mended() {
    with("{}", |instance| {
        for child in Children::of(instance).base.iter().filter(|child| child.kind == Kind::StatefulSet) {
            assert_eq!(child.body["spec"]["podManagementPolicy"], "Parallel", "{}", child.name);
        }
    });
}

#[test]
fn services_go_on_until_nobody_sends_them_connections() {
    for yaml in ["{}", "{drainSeconds: 90}"] {
        with(yaml, |instance| drains(&Children::of(instance)));
    }
}

fn drains(children: &Children) {
    for service in ["chat-auth", "chat-message", "chat-gateway"] {
        let pod = find(children, Kind::Deployment, service)["spec"]["template"]["spec"].clone();
        let wait = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
        let total = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        let env = pod["containers"][0]["env"].as_array().unwrap();
        let grace = env.iter().find(|var| var["name"] == "SHUTDOWN_GRACE_SECONDS").unwrap()["value"].clone();
        let grace: u64 = grace.as_str().unwrap().parse().unwrap();
        assert!(wait > 0 && wait + grace < total, "{service}: {wait} of {total}");
    }
}

#[test]
fn the_resource_is_followed() {
    with(EVERYTHING, |instance| {
        let children = Children::of(instance);
        let gateway = find(&children, Kind::Deployment, "chat-gateway");
        let container = &gateway["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(gateway["spec"].get("replicas"), None, "the autoscaler's");
        assert_eq!(container["image"], "reg.example/x/gateway:1.2.3");
        let env = container["env"].as_array().unwrap();
        let value = |name: &str| env.iter().find(|var| var["name"] == name).map(|var| var["value"].clone());
        assert_eq!(value("LOG_LEVEL"), Some(json!("trace")), "the user's variable wins");
        assert_eq!(env.iter().filter(|var| var["name"] == "LOG_LEVEL").count(), 1);
        assert_eq!(value("API_GATEWAY_PORT"), Some(json!("80")));
        assert_eq!(value("RATE_LIMIT_MAX"), Some(json!("5")));
        assert_eq!(value("FRONTEND_URL"), Some(json!("https://a.example,https://b.example")));
        assert_eq!(value("MESSAGE_SERVICE_HTTP_URL"), Some(json!("https://chat-message-peers:3001")));
        assert_eq!(value("AUTH_SERVICE_GRPC_URL"), Some(json!("https://chat-auth-peers:50001")));
        let message = find(&children, Kind::Deployment, "chat-message");
        assert_eq!(message["spec"]["template"]["spec"]["containers"][0]["image"], "other/message:9");
        let names: Vec<_> = children.all().map(|child| child.name.as_str()).collect();
        assert!(!names.contains(&"chat-redis") && !names.contains(&"chat-postgres"), "{names:?}");
        let mongodb = find(&children, Kind::StatefulSet, "chat-mongodb");
        assert_eq!(mongodb["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast");
        assert_eq!(mongodb["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Delete");
    });
}

#[test]
fn secrets_reach_pods_by_reference_only() {
    with(EVERYTHING, |instance| {
        let auth = find(&Children::of(instance), Kind::Deployment, "chat-auth");
        let env = auth["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let reference =
            |name: &str| env.iter().find(|var| var["name"] == name).unwrap()["valueFrom"]["secretKeyRef"].clone();
        assert_eq!(reference("DATABASE_URL"), json!({"name": "pg", "key": "uri"}));
        assert_eq!(reference("JWT_SECRET"), json!({"name": "keys", "key": "JWT_SECRET"}));
        assert!(env.contains(&json!({"name": "REDIS_ENABLED", "value": "false"})));
    });
}

#[test]
fn a_migration_follows_the_images_and_the_stores_and_nothing_else() {
    let job = |yaml: &str, stores: &str| {
        with(yaml, |instance| {
            let mut instance = instance.clone();
            instance.hashes.stores = stores.into();
            migration::build(&instance).name
        })
    };
    let name = job("{}", "a");
    assert_eq!(name, job("{gateway: {replicas: 3}, auth: {logLevel: debug}}", "a"));
    assert_ne!(name, job("{version: 9.9.9}", "a"));
    assert_ne!(name, job("{}", "b"));
}

#[test]
fn suspension_scales_to_zero() {
    with("{suspend: true}", |instance| {
        for child in Children::of(instance).all() {
            if matches!(child.kind, Kind::Deployment | Kind::StatefulSet) {
                assert_eq!(child.body["spec"]["replicas"], 0, "{}", child.name);
            }
        }
    });
}

#[test]
fn existing_values_of_secrets_are_kept() {
    with("{}", |instance| {
        let mut random = || "fresh".to_owned();
        let existing = BTreeMap::from([("password".to_owned(), "old".to_owned())]);
        let missing = Generated::Postgres.missing(instance, &existing, &mut random);
        let uri = "postgres://aetherconnect:old@chat-postgres.team.svc:5432/aetherconnect";
        assert_eq!(missing, BTreeMap::from([("uri".to_owned(), uri.to_owned())]));
        let all = Generated::Jwt.missing(instance, &BTreeMap::new(), &mut random);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["JWT_SECRET", "JWT_WS_SECRET"]);
        assert!(Generated::Jwt.missing(instance, &all, &mut random).is_empty());
    });
}

#[test]
fn what_opens_retained_data_outlives_the_resource() {
    let owned = |yaml: &str| with(yaml, |instance| Generated::ALL.map(|generated| generated.owned(instance)));
    assert_eq!(owned("{}"), [false, false, false, true]);
    assert_eq!(owned("{deletionPolicy: Delete}"), [true; 4]);
}

#[test]
fn names_fit_for_the_longest_instance() {
    with("{}", |instance| {
        let mut instance = instance.clone();
        let name = "n".repeat(40);
        instance.name = &name;
        for child in Children::of(&instance).all() {
            // A StatefulSet adds a hash to its pods' label.
            assert!(child.name.len() <= 63, "{}", child.name);
        }
    });
}
