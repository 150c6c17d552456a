#![allow(clippy::unwrap_used)]

use k8s_openapi::jiff::Timestamp;

use super::*;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn report(facts: &[(Condition, Fact)]) -> Report {
    Report {
        generation: Some(7),
        version: "1.0.0".into(),
        url: None,
        components: BTreeMap::new(),
        scale: None,
        facts: facts.iter().cloned().collect(),
        plan: None,
        held_up: None,
    }
}

fn get<'a>(status: &'a AetherConnectStatus, kind: &str) -> &'a KubeCondition {
    status.conditions.iter().find(|condition| condition.type_ == kind).unwrap()
}

#[test]
fn the_first_thing_that_is_wrong_stands_in_ready() {
    let facts = [
        (Condition::Postgres, Fact::waiting("RollingOut", "not yet")),
        (Condition::Auth, Fact::bad("ImagePullBackOff", "no image")),
    ];
    let status = build(report(&facts), &AetherConnectStatus::default(), &at(1));
    assert_eq!(
        (get(&status, "Ready").status.as_str(), get(&status, "Ready").reason.as_str()),
        ("False", "ImagePullBackOff")
    );
    assert_eq!(get(&status, "Ready").message, "AuthAvailable: no image");
    assert_eq!(get(&status, "Degraded").status, "True");
    assert_eq!(get(&status, "Progressing").status, "False");
    assert_eq!(get(&status, "PostgresReady").observed_generation, Some(7));
    assert_eq!(status.version, None, "nothing runs yet");
}

#[test]
fn a_paused_instance_is_as_ready_as_what_runs() {
    let facts = [(Condition::Auth, Fact::good("Available", "here"))];
    let status = build(
        Report { held_up: Some(Fact::waiting("Paused", "")), ..report(&facts) },
        &AetherConnectStatus::default(),
        &at(1),
    );
    assert_eq!(get(&status, "Ready").status, "True");
    assert_eq!(get(&status, "Progressing").reason, "Paused");
    assert_eq!(status.version, None, "the version that is wanted may not run yet");
}

#[test]
fn waiting_is_progress() {
    let facts = [(Condition::Postgres, Fact::waiting("RollingOut", "not yet"))];
    let status = build(report(&facts), &AetherConnectStatus::default(), &at(1));
    assert_eq!(get(&status, "Ready").status, "False");
    assert_eq!(get(&status, "Progressing").status, "True");
    assert_eq!(get(&status, "Degraded").status, "False");
}

#[test]
fn redis_halts_nothing() {
    let redis = (Condition::Redis, Fact::bad("ImagePullBackOff", "no image"));
    let auth = (Condition::Auth, Fact::waiting("RollingOut", "not yet"));
    let status = build(report(&[redis, auth]), &AetherConnectStatus::default(), &at(1));
    assert_eq!(get(&status, "Ready").message, "RedisReady: no image");
    assert_eq!(get(&status, "Ready").status, "False");
    assert_eq!(get(&status, "Degraded").status, "True");
    assert_eq!(get(&status, "Progressing").status, "True");
}

#[test]
fn a_suspended_instance_neither_progresses_nor_fails() {
    let facts = [(Condition::Secrets, Fact::good("Complete", "")), (Condition::Auth, Fact::paused("Suspended", "off"))];
    let status = build(report(&facts), &AetherConnectStatus::default(), &at(1));
    assert_eq!(get(&status, "Ready").reason, "Suspended");
    assert_eq!(get(&status, "Progressing").status, "False");
    assert_eq!(get(&status, "Degraded").status, "False");
}

#[test]
fn time_changes_with_the_status_only() {
    let good = [(Condition::Postgres, Fact::good("Available", "here"))];
    let first = build(report(&good), &AetherConnectStatus::default(), &at(1));
    assert_eq!(first.version.as_deref(), Some("1.0.0"));
    let second = build(report(&good), &first, &at(2));
    assert_eq!(first, second, "so nothing is written");
    let bad = [(Condition::Postgres, Fact::bad("CrashLoopBackOff", "gone"))];
    let third = build(report(&bad), &second, &at(3));
    assert_eq!(get(&third, "PostgresReady").last_transition_time, at(3));
    assert_eq!(get(&third, "Ready").last_transition_time, at(3));
    assert_eq!(third.version.as_deref(), Some("1.0.0"), "what ran last");
}

#[test]
fn an_unreadable_resource_says_why_and_stays_quiet() {
    let first = unreadable(Some(3), "unknown field `x`", &AetherConnectStatus::default(), &at(1));
    assert_eq!(get(&first, "Ready").reason, "InvalidSpec");
    assert!(get(&first, "Degraded").message.contains("unknown field `x`"));
    assert_eq!(get(&first, "Degraded").status, "True");
    assert_eq!(unreadable(Some(3), "unknown field `x`", &first, &at(2)), first);
}
