#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::*;
use crate::{api::AetherConnectSpec, config::Defaults};

fn secret(values: &[(&str, &str)]) -> Secret {
    Secret {
        data: Some(
            values.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect(),
        ),
        ..Secret::default()
    }
}

fn check(secrets_there: &[(&str, Secret)]) -> Result<Hashes, Vec<Problem>> {
    let spec: AetherConnectSpec = serde_yaml::from_str(
        "{postgres: {external: {secretRef: {name: pg}}}, mongodb: {external: {secretRef: {name: mongo}}},
          redis: {disabled: true}, jwt: {secretRef: {name: keys}}}",
    )
    .unwrap();
    let defaults = Defaults::default();
    let instance = Instance {
        name: "chat",
        namespace: "team",
        uid: "u-1",
        spec: &spec,
        version: "1.0.0".into(),
        defaults: &defaults,
        hashes: Hashes::default(),
        store_ports: StorePorts::default(),
    };
    let all: BTreeMap<_, _> = secrets_there.iter().map(|(name, secret)| ((*name).to_owned(), secret.clone())).collect();
    let observed = Observed { secrets: all, ..Observed::default() };
    secrets(&instance, &observed).map(|checked| checked.hashes)
}

const KEY: &str = "0123456789012345678901234567890a";
const KEY2: &str = "0123456789012345678901234567890b";

fn good() -> Vec<(&'static str, Secret)> {
    vec![
        ("pg", secret(&[("uri", "postgres://u:p%40@db.example:5432/chat?sslmode=require")])),
        ("mongo", secret(&[("uri", "mongodb://u:p@a:27017,b:27017/chat?replicaSet=rs")])),
        ("keys", secret(&[("JWT_SECRET", KEY), ("JWT_WS_SECRET", KEY2)])),
    ]
}

fn with(name: &str, other: Option<Secret>) -> Vec<Problem> {
    let mut all = good();
    all.retain(|(other, _)| *other != name);
    let name = ["pg", "mongo", "keys"].into_iter().find(|known| *known == name).unwrap();
    all.extend(other.map(|secret| (name, secret)));
    check(&all).unwrap_err()
}

#[test]
fn good_secrets_are_hashed() {
    let hashes = check(&good()).unwrap();
    assert_eq!(hashes, check(&good()).unwrap());
    let mut other = good();
    other[0].1 = secret(&[("uri", "postgres://u:rotated@db.example:5432/chat?sslmode=require")]);
    let changed = check(&other).unwrap();
    assert_ne!(hashes.auth, changed.auth, "auth rolls");
    assert_eq!(hashes.message, changed.message, "message doesn't");
    assert_eq!(hashes.stores, changed.stores, "a new password needs no migration");
}

#[test]
fn each_mistake_names_the_secret_and_the_mend() {
    let uri = |uri: &str| Some(secret(&[("uri", uri)]));
    for (name, value, reason, word) in [
        ("pg", None, "SecretNotFound", "create it"),
        ("pg", Some(secret(&[("url", "x")])), "SecretKeyMissing", "no key uri"),
        ("pg", uri("mysql://u:p@h/db"), "MalformedUri", "wrong scheme"),
        ("pg", uri("postgres://u:p@h/db\n"), "MalformedUri", "line break"),
        ("pg", uri("postgres://u:pa/ss@h:5432/db"), "MalformedUri", "%2F"),
        ("mongo", uri("not a uri"), "MalformedUri", "spaces"),
        ("mongo", uri("mongodb://"), "MalformedUri", "host"),
        ("mongo", uri("mongodb://h:port/db"), "MalformedUri", "port"),
        ("keys", Some(secret(&[("JWT_SECRET", "short"), ("JWT_WS_SECRET", KEY)])), "KeyTooShort", "openssl"),
        ("keys", Some(secret(&[("JWT_SECRET", KEY), ("JWT_WS_SECRET", KEY)])), "KeysNotDifferent", "different"),
    ] {
        let problems = with(name, value);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let fact = &problems[0].fact;
        assert_eq!(fact.reason, reason);
        assert!(fact.message.contains(name) && fact.message.contains(word), "{}", fact.message);
        assert!(!fact.message.contains("u:p"), "it tells the password: {}", fact.message);
    }
}

#[test]
fn hosts_are_told_from_nonsense() {
    for host in ["h", "h:1", "10.0.0.1:5432", "[::1]", "[::1]:5432", "a.b.svc"] {
        assert!(is_host(host), "{host}");
    }
    for host in ["", ":1", "h:", "h:0", "h:70000", "[::1]x", "h:a"] {
        assert!(!is_host(host), "{host}");
    }
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let spec = AetherConnectSpec::default();
    let defaults = Defaults::default();
    let instance = Instance {
        name: "chat",
        namespace: "team",
        uid: "u-1",
        spec: &spec,
        version: "1.0.0".into(),
        defaults: &defaults,
        hashes: Hashes::default(),
        store_ports: StorePorts::default(),
    };
    let foreign = Secret { metadata: ObjectMeta::default(), ..secret(&[]) };
    let mut observed = Observed { secrets: BTreeMap::from([("chat-jwt".to_owned(), foreign)]), ..Observed::default() };
    observed.orphaned_claims.insert("data-chat-postgres-0".into());
    let reasons: Vec<_> = before_secrets(&instance, &observed).into_iter().map(|problem| problem.fact.reason).collect();
    assert_eq!(reasons, ["NameTaken", "CredentialsLost"]);
}
