//! Stores that others run: other operators, by a resource that we make, and other people, by a Secret of theirs.

use aether_operator::resources::Kind;
use serde_json::{Value, json};

use crate::world::World;

const OPERATED: &str = "
postgres: {cloudNativePG: {instances: 2, storage: {size: 5Gi, className: fast}, backup: {retentionPolicy: 30d}, spec: {logLevel: debug}}}
mongodb: {community: {members: 3, version: 7.0.12, storage: {size: 5Gi}, spec: {additionalMongodConfig: {'storage.wiredTiger.engineConfig.journalCompressor': zlib}}}}
redis: {replication: {clusterSize: 3, image: 'redis:7'}}
";

/// What the three operators do once their stores run.
async fn others_do_their_part(world: &World) {
    let ready = json!([{"type": "Ready", "status": "True", "reason": "ClusterIsReady", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let status = json!({"readyInstances": 2, "phase": "Cluster in healthy state", "conditions": ready});
    world.set_status(Kind::PostgresCluster, "chat-postgres", status).await;
    world
        .put_secret(
            "chat-postgres-app",
            json!({"uri": "postgresql://aetherconnect:x@chat-postgres-rw:5432/aetherconnect"}),
        )
        .await;
    world
        .set_status(
            Kind::MongoDBCommunity,
            "chat-mongodb",
            json!({"phase": "Running", "mongoUri": "", "currentMongoDBMembers": 3, "currentStatefulSetReplicas": 3}),
        )
        .await;
    let uri = "mongodb://aetherconnect:x@chat-mongodb-0.chat-mongodb-svc.t.svc.cluster.local:27017/aetherconnect?replicaSet=chat-mongodb";
    world.put_secret("chat-mongodb-connection", json!({"connectionString.standard": uri})).await;
    world.set_status(Kind::RedisReplication, "chat-redis", json!({"masterNode": "chat-redis-0"})).await;
}

/// A variable of a service, where it comes from.
async fn variable(world: &World, service: &str, name: &str) -> Value {
    let live = world.get(Kind::Deployment, service).await.unwrap();
    let env = live["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    let variable = env.iter().find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("{name}"));
    variable.pointer("/valueFrom/secretKeyRef").unwrap_or(&variable["value"]).clone()
}

#[tokio::test]
async fn stores_of_other_operators_are_made_and_their_secrets_are_taken_up() {
    let world = World::new().await;
    world.install_definitions().await;
    world.apply("chat", OPERATED).await;
    world.reconcile("chat").await;
    // Until the other operators have made their Secrets, the conditions name them.
    let condition = world.condition("chat", "PostgresReady").await;
    assert!(condition.message.contains("chat-postgres"), "{}", condition.message);
    let cluster = world.get(Kind::PostgresCluster, "chat-postgres").await.unwrap();
    assert_eq!(cluster["spec"]["storage"], json!({"size": "5Gi", "storageClass": "fast", "resizeInUseVolumes": true}));
    assert_eq!(cluster["spec"]["backup"]["retentionPolicy"], "30d");
    assert_eq!(cluster["spec"]["logLevel"], "debug");
    assert_eq!(cluster["metadata"].get("ownerReferences"), None, "under Retain it outlives the resource");
    let community = world.get(Kind::MongoDBCommunity, "chat-mongodb").await.unwrap();
    assert_eq!(community["spec"]["users"][0]["connectionStringSecretName"], "chat-mongodb-connection");

    others_do_their_part(&world).await;
    world.settle("chat").await;
    assert_eq!(world.names(Kind::StatefulSet).await, Vec::<String>::new());
    let place = variable(&world, "chat-auth", "DATABASE_URL").await;
    assert_eq!(place, json!({"name": "chat-postgres-app", "key": "uri"}));
    let place = variable(&world, "chat-message", "MONGODB_URL").await;
    assert_eq!(place, json!({"name": "chat-mongodb-connection", "key": "connectionString.standard"}));
    let redis = world.secret("chat-redis").await.unwrap();
    assert!(redis["uri"].ends_with(&format!("@chat-redis-master.{}.svc:6379", world.namespace)), "{}", redis["uri"]);
    let before = world.versions().await;
    world.reconcile("chat").await;
    assert_eq!(world.versions().await, before, "a second reconcile writes nothing");

    world.apply("chat", &format!("suspend: true\n{OPERATED}")).await;
    world.reconcile("chat").await;
    let cluster = world.get(Kind::PostgresCluster, "chat-postgres").await.unwrap();
    assert_eq!(cluster["metadata"]["annotations"]["cnpg.io/hibernation"], "on");
    assert_eq!(world.condition("chat", "Ready").await.reason, "Suspended");
    for kind in ["MongodbReady", "RedisReady"] {
        let condition = world.condition("chat", kind).await;
        assert_eq!(condition.reason, "RunsOn", "{kind}");
        assert!(condition.message.contains("operator can't stop"), "{}", condition.message);
    }
}

#[tokio::test]
async fn a_store_of_another_operator_goes_only_when_the_policy_says_so() {
    let world = World::new().await;
    world.install_definitions().await;
    for (policy, left) in [("Retain", 1), ("Delete", 0)] {
        world.apply("chat", &format!("deletionPolicy: {policy}\n{OPERATED}")).await;
        world.reconcile("chat").await;
        others_do_their_part(&world).await;
        world.settle("chat").await;
        world.put_secret("pg", json!({"uri": "postgres://u:p@db/chat"})).await;
        let external = "{postgres: {external: {secretRef: {name: pg}}}, redis: {disabled: true}}";
        world.apply("chat", &external.replacen('{', &format!("{{deletionPolicy: {policy}, "), 1)).await;
        world.settle("chat").await;
        world.reconcile("chat").await;
        assert_eq!(world.names(Kind::PostgresCluster).await.len(), left, "{policy}");
        assert_eq!(world.names(Kind::MongoDBCommunity).await.len(), left, "{policy}");
    }
}

const BY_KEYS: &str = "
postgres:
  external:
    secretRef: {name: theirs}
    keys: {host: DB_HOST, username: DB_USER, password: DB_PASSWORD}
    tls: {caSecretRef: {name: their-ca}}
";

#[tokio::test]
async fn separate_keys_and_a_ca_of_another_teams_secret_are_followed_whenever_they_change() {
    let world = World::new().await;
    world.apply("chat", BY_KEYS).await;
    world.reconcile("chat").await;
    let condition = world.condition("chat", "PostgresReady").await;
    assert_eq!(condition.reason, "SecretNotFound");
    world.put_secret("theirs", json!({"DB_USER": "u", "DB_PASSWORD": "p/w"})).await;
    world.reconcile("chat").await;
    let condition = world.condition("chat", "PostgresReady").await;
    assert_eq!(condition.reason, "SecretKeyMissing");
    assert!(condition.message.contains("DB_HOST"), "{}", condition.message);
    world.put_secret("theirs", json!({"DB_HOST": "db.example", "DB_USER": "u", "DB_PASSWORD": "p/w"})).await;
    world.reconcile("chat").await;
    let condition = world.condition("chat", "PostgresReady").await;
    assert!(condition.message.contains("their-ca"), "{}", condition.message);

    world.put_secret("their-ca", json!({"ca.crt": "one"})).await;
    world.settle("chat").await;
    let uri = async || world.secret("chat-postgres-uri").await.unwrap().remove("uri").unwrap();
    let tls = "sslmode=verify-full&sslrootcert=/etc/aetherconnect/postgres-ca/ca.crt";
    assert_eq!(uri().await, format!("postgres://u:p%2Fw@db.example:5432/aetherconnect?{tls}"));
    assert_eq!(variable(&world, "chat-auth", "DATABASE_URL").await, json!({"name": "chat-postgres-uri", "key": "uri"}));
    let hash = async || {
        let live = world.get(Kind::Deployment, "chat-auth").await.unwrap();
        live["spec"]["template"]["metadata"]["annotations"]["aetherconnect.io/config-hash"].clone()
    };
    let first = hash().await;
    world.put_secret("their-ca", json!({"ca.crt": "two"})).await;
    world.settle("chat").await;
    let second = hash().await;
    assert_ne!(second, first, "the pods read another CA");
    world.put_secret("theirs", json!({"DB_HOST": "db2.example", "DB_USER": "u", "DB_PASSWORD": "p/w"})).await;
    world.settle("chat").await;
    assert!(uri().await.contains("@db2.example:5432/"), "{}", uri().await);
    assert_ne!(hash().await, second);
    let before = world.versions().await;
    world.reconcile("chat").await;
    assert_eq!(world.versions().await, before, "a second reconcile writes nothing");

    world.apply("chat", "{}").await;
    world.settle("chat").await;
    world.reconcile("chat").await;
    assert!(world.secret("chat-postgres-uri").await.is_none(), "nothing needs it any more");
}
