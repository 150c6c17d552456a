//! What the API server accepts and refuses, and what it says then.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn an_empty_spec_is_accepted_and_filled_with_defaults() {
    let world = World::new().await;
    world.apply("chat", "{}").await;
    let live = serde_json::to_value(world.resources().get("chat").await.unwrap()).unwrap();
    assert_eq!(live["spec"]["gateway"]["port"], 3000);
    assert_eq!(live["spec"]["environment"], "production");
    assert_eq!(live["spec"]["deletionPolicy"], "Retain");
    assert_eq!(live["spec"].get("postgres"), None, "absent means managed");
}

#[tokio::test]
async fn every_example_is_accepted() {
    let world = World::new().await;
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples")).unwrap();
    let files: Vec<_> = folder
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let file = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for (n, resource) in aether_operator::api::parse_all(&text).unwrap().iter().enumerate() {
            let spec = serde_json::to_string(&resource.spec).unwrap();
            world.apply(&format!("{file}-{n}"), &spec).await;
        }
    }
}

#[tokio::test]
async fn what_a_person_may_get_wrong_is_refused_with_the_mend() {
    let world = World::new().await;
    for (spec, words) in [
        (
            "{postgres: {managed: {}, external: {secretRef: {name: x}}}}",
            "set exactly one of managed, external and cloudNativePG",
        ),
        ("{mongodb: {}}", "set exactly one of managed, external and community"),
        (
            "{redis: {managed: {}, disabled: true}}",
            "set exactly one of managed, external, replication and disabled: true",
        ),
        ("{redis: {disabled: false}}", "set exactly one of managed, external, replication and disabled: true"),
        ("{gatway: {}}", "gatway"),
        ("{gateway: {prot: 1}}", "prot"),
        ("{gateway: {port: 0}}", "greater than or equal to 1"),
        ("{gateway: {port: 65536}}", "less than or equal to 65535"),
        ("{gateway: {port: 9090}}", "choose another port"),
        ("{auth: {grpcPort: -1}}", "greater than or equal to 1"),
        ("{auth: {grpcPort: 3002}}", "auth.grpcPort and auth.httpPort must differ"),
        ("{message: {httpPort: 50002}}", "message.grpcPort and message.httpPort must differ"),
        ("{gateway: {replicas: 0}}", "greater than or equal to 1"),
        ("{auth: {replicas: 0}}", "greater than or equal to 1"),
        ("{message: {replicas: 0}}", "greater than or equal to 1"),
        ("{gateway: {service: {nodePort: 30000}}}", "set the type or remove nodePort"),
        ("{gateway: {service: {type: Nodeport}}}", "NodePort"),
        ("{gateway: {trustedProxies: [10.0.0.1]}}", "for example 10.0.0.0/8"),
        ("{gateway: {cors: {origins: ['https://a.example/']}}}", "without a path"),
        ("{mongodb: {managed: {storage: {size: 1 GB}}}}", "for example 1Gi"),
        ("{postgres: {external: {secretRef: {}}}}", "name"),
        ("{environment: test}", "development"),
        ("{deletionPolicy: Keep}", "Retain"),
        ("{version: 'a b'}", "spec.version"),
        ("{suspend: maybe}", "boolean"),
    ] {
        let refusal = world.try_apply("bad", spec).await.expect_err(spec);
        assert!(refusal.contains(words), "{spec}: {refusal}");
    }
    let long = "n".repeat(41);
    assert!(world.try_apply(&long, "{}").await.unwrap_err().contains("at most 40 characters"));
    assert!(world.try_apply("a.b", "{}").await.unwrap_err().contains("lower-case letters, digits"));
    assert!(world.try_apply("1a", "{}").await.unwrap_err().contains("starting with a letter"));
}

#[tokio::test]
async fn the_storage_of_a_managed_store_stays() {
    let world = World::new().await;
    world.apply("chat", "{postgres: {managed: {}}}").await;
    let refusal = world.try_apply("chat", "{postgres: {managed: {storage: {size: 5Gi}}}}").await.unwrap_err();
    assert!(refusal.contains("Resize the PersistentVolumeClaim"), "{refusal}");
    world.apply("chat", "{postgres: {managed: {image: 'postgres:16'}}}").await;
}

#[tokio::test]
async fn the_columns_tell_a_stranger_what_works() {
    let crd = serde_json::to_value(aether_operator::api::crd()).unwrap();
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ready", "Reason", "Version", "URL", "Age"]);
    assert_eq!(crd["spec"]["names"]["shortNames"], json!(["ac"]));
}
