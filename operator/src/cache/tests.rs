#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const DEPLOYMENTS: Watched = Watched::Children(Kind::Deployment);

fn note(cache: &Cache, name: &str, uid: &str, version: u64) -> bool {
    let object = json!({
        "metadata": {"name": name, "namespace": "team", "uid": uid, "resourceVersion": version.to_string()},
    });
    cache.note(DEPLOYMENTS, &meta(name, uid, version), Some(&object.to_string()))
}

fn meta(name: &str, uid: &str, version: u64) -> ObjectMeta {
    let meta = json!({"name": name, "namespace": "team", "uid": uid, "resourceVersion": version.to_string()});
    serde_json::from_value(meta).unwrap()
}

fn versions(cache: &Cache, instance: &str) -> Vec<String> {
    let text = |value: &Value| value["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    cache.children(Kind::Deployment, "team", instance).iter().map(text).collect()
}

#[test]
fn a_watch_that_is_behind_changes_nothing() {
    let cache = Cache::default();
    assert!(note(&cache, "chat-auth", "1", 7));
    assert!(!note(&cache, "chat-auth", "1", 7), "the watch's echo of a write");
    assert!(!note(&cache, "chat-auth", "1", 6));
    assert_eq!(versions(&cache, "chat"), ["7"]);
    assert!(note(&cache, "chat-auth", "2", 9), "made anew");
    cache.bury(DEPLOYMENTS, &meta("chat-auth", "1", 8));
    assert_eq!(versions(&cache, "chat"), ["9"], "the one that is gone is another");
    cache.bury(DEPLOYMENTS, &meta("chat-auth", "2", 10));
    assert!(versions(&cache, "chat").is_empty());
}

#[test]
fn an_answer_that_was_under_way_does_not_bring_back_what_is_gone() {
    let cache = Cache::default();
    note(&cache, "chat-auth", "1", 1);
    cache.bury(DEPLOYMENTS, &meta("chat-auth", "1", 3));
    assert!(!note(&cache, "chat-auth", "1", 2));
    assert!(versions(&cache, "chat").is_empty());
    assert!(note(&cache, "chat-auth", "2", 4), "another of its name");
}

#[test]
fn what_a_new_listing_does_not_see_is_gone() {
    let cache = Cache::default();
    note(&cache, "chat-auth", "1", 1);
    note(&cache, "chat-gateway", "2", 2);
    cache.begin(DEPLOYMENTS);
    note(&cache, "chat-gateway", "2", 2);
    cache.complete(DEPLOYMENTS);
    assert_eq!(versions(&cache, "chat"), ["2"]);
}

#[test]
fn an_instance_does_not_see_another_whose_name_begins_alike() {
    let cache = Cache::default();
    note(&cache, "chat", "1", 1);
    note(&cache, "chat-auth", "2", 2);
    note(&cache, "chatter-auth", "3", 3);
    assert_eq!(versions(&cache, "chat"), ["1", "2"]);
    assert_eq!(versions(&cache, "chatter"), ["3"]);
}

#[test]
fn contents_of_a_secret_are_known_until_it_changes() {
    let cache = Cache::default();
    cache.note(Watched::Secrets, &meta("chat-jwt", "1", 1), None);
    assert!(cache.has(Watched::Secrets, "team", "chat-jwt"));
    assert_eq!(cache.get(Watched::Secrets, "team", "chat-jwt"), None);
    cache.note(Watched::Secrets, &meta("chat-jwt", "1", 1), Some("{}"));
    assert_eq!(cache.get(Watched::Secrets, "team", "chat-jwt").as_deref(), Some("{}"));
    cache.note(Watched::Secrets, &meta("chat-jwt", "1", 2), None);
    assert_eq!(cache.get(Watched::Secrets, "team", "chat-jwt"), None);
}
