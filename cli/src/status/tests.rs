// Values are written in place by their callers.
#![allow(clippy::needless_pass_by_value, clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{text, view::View};
use crate::output::Paint;

const NOW: i64 = 1_000_000;

fn condition(kind: &str, good: bool, reason: &str, message: &str) -> Value {
    let at = Timestamp::from_second(NOW - 300).unwrap().to_string();
    let status = if good { "True" } else { "False" };
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at})
}

fn object(spec: Value, status: Value) -> DynamicObject {
    let at = Timestamp::from_second(NOW - 7200).unwrap().to_string();
    serde_json::from_value(json!({
        "apiVersion": "aetherconnect.io/v1alpha1", "kind": "AetherConnect",
        "metadata": {"name": "chat", "namespace": "team-a", "generation": 3, "creationTimestamp": at},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

fn view(object: &DynamicObject) -> View {
    View::new(object, &BTreeMap::from([("auth".to_owned(), "reg/auth:9".to_owned())]))
}

fn ready() -> DynamicObject {
    let status = json!({
        "observedGeneration": 3, "url": "http://chat", "version": "9", "targetVersion": "9",
        "components": {"auth": {"ready": 2, "desired": 2}},
        "conditions": [condition("Ready", true, "AllAvailable", "all is well"),
                       condition("AuthAvailable", true, "Available", "auth is available")],
    });
    object(json!({}), status)
}

fn broken() -> DynamicObject {
    let why = "pod chat-auth-1: container auth (image reg/auth:9): CrashLoopBackOff: exit code 1";
    let told = format!("AuthAvailable: {why}");
    let status = json!({
        "observedGeneration": 3, "url": "http://chat", "version": "8", "targetVersion": "9",
        "components": {"auth": {"ready": 0, "desired": 2}},
        "conditions": [condition("Ready", false, "CrashLoopBackOff", &told),
                       condition("Degraded", true, "CrashLoopBackOff", &told),
                       condition("AuthAvailable", false, "CrashLoopBackOff", why)],
    });
    object(json!({}), status)
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

#[test]
fn an_instance_that_is_well_has_nothing_to_mend() {
    let view = view(&ready());
    assert!(view.ready && view.to_mend.is_none() && view.target_version.is_none());
    let text = text::one(&view, now(), Paint::none());
    assert!(text.starts_with("chat in team-a: ready\n  version  9\n  url      http://chat\n  age      2h\n"), "{text}");
    assert!(text.contains("auth       2/2    reg/auth:9"), "{text}");
    assert!(text.contains("AuthAvailable  ok  5m     Available  auth is available"), "{text}");
    assert!(text.ends_with("Nothing to mend.\n"), "{text}");
}

#[test]
fn the_first_thing_to_mend_is_named_with_what_to_do() {
    let view = view(&broken());
    let mend = view.to_mend.clone().unwrap();
    assert_eq!(mend.condition.as_deref(), Some("AuthAvailable"));
    assert!(mend.message.starts_with("pod chat-auth-1"), "{mend:?}");
    assert!(mend.hint.contains("aetherconnect logs chat -n team-a --component auth"), "{mend:?}");
    let text = text::one(&view, now(), Paint::none());
    assert!(text.contains("not ready (CrashLoopBackOff)") && text.contains("8 → 9"), "{text}");
    assert!(text.contains("To mend first: AuthAvailable: pod chat-auth-1"), "{text}");
}

#[test]
fn a_change_that_the_operator_has_not_seen_is_not_ready() {
    let mut stale = ready();
    stale.metadata.generation = Some(4);
    let view = view(&stale);
    assert!(!view.ready);
    assert!(view.to_mend.unwrap().hint.contains("aetherconnect doctor"));
}

#[test]
fn a_suspended_or_paused_instance_says_how_to_go_on() {
    let mut status = broken().data["status"].clone();
    status["conditions"] = json!([condition("Ready", false, "Suspended", "PostgresReady: suspended")]);
    let suspended = view(&object(json!({"suspend": true}), status.clone())).to_mend.unwrap();
    assert_eq!(suspended.hint, "`aetherconnect resume chat -n team-a`");
    let paused = view(&object(json!({"paused": true}), status)).to_mend.unwrap();
    assert!(paused.hint.contains("spec.paused"), "{paused:?}");
}

#[test]
fn changes_that_wait_for_approval_are_told_though_all_is_well() {
    let mut status = ready().data["status"].clone();
    let waits = condition("Progressing", false, "WaitingForApproval", "2 changes wait: `kubectl annotate …`");
    status["conditions"].as_array_mut().unwrap().push(waits);
    let view = view(&object(json!({}), status));
    let mend = view.to_mend.unwrap();
    assert!(view.ready && mend.reason == "WaitingForApproval" && mend.hint.contains("status.plan"), "{mend:?}");
}

#[test]
fn a_list_has_a_line_for_each_with_its_namespace_where_that_differs() {
    let views = [view(&ready()), view(&broken())];
    let text = text::list(&views, true, now(), Paint::none());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("NAMESPACE  NAME  READY"), "{text}");
    assert!(lines[1].starts_with("team-a     chat  yes    9"), "{text}");
    assert!(lines[2].ends_with("AuthAvailable: CrashLoopBackOff"), "{text}");
    assert!(text::list(&views, false, now(), Paint::none()).starts_with("NAME  READY"));
}

#[test]
fn the_fields_for_programs_stay() {
    let value = serde_json::to_value(view(&broken())).unwrap();
    let fields = "components conditions createdAt message name namespace paused ready reason suspended targetVersion toMend url version";
    assert_eq!(keys(&value), fields);
    assert_eq!(value["components"][0], json!({"name": "auth", "ready": 0, "desired": 2, "image": "reg/auth:9"}));
    assert_eq!(keys(&value["toMend"]), "condition hint message reason");
}

fn keys(value: &Value) -> String {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys.join(" ")
}
