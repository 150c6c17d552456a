//! Every field of the resource, found in its definition: the least, the greatest and an invalid value of it, and what
//! happens when it is set, removed and set again. Each is refused with the field's name, or converges.

use std::time::Duration;

use aether_operator::api;
use futures::{StreamExt, stream};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::stage::{Stage, is_long};

/// How many fields are tried at a time.
const AT_ONCE: usize = 8;
/// How many are tried in the short form; `FAULTS=long` tries all.
const SHORT: usize = 60;
/// No value in a list or map is deeper than this.
const DEEPEST: usize = 6;
const LONGEST: Duration = Duration::from_secs(90);

/// A field: its path, and what the definition says of it.
#[derive(Clone, Debug)]
struct Field {
    path: Vec<String>,
    schema: Value,
}

fn fields() -> Vec<Field> {
    let definition = serde_json::to_value(api::crd()).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut found = Vec::new();
    collect(spec, &mut Vec::new(), &mut found);
    found
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Field>) {
    if !path.is_empty() {
        found.push(Field { path: path.clone(), schema: schema.clone() });
    }
    let Some(properties) = schema["properties"].as_object().filter(|_| path.len() < DEEPEST) else { return };
    for (name, schema) in properties {
        path.push(name.clone());
        collect(schema, path, found);
        path.pop();
    }
}

impl Field {
    fn name(&self) -> String {
        self.path.join(".")
    }

    /// Values to try, by what they are.
    fn values(&self) -> Vec<(&'static str, Value)> {
        let schema = &self.schema;
        if let Some(all) = schema["enum"].as_array() {
            let ends = [all.first(), all.last()].into_iter().flatten().filter(|value| !value.is_null());
            return ends
                .map(|value| ("one of the choices", value.clone()))
                .chain([("invalid", json!("no-choice"))])
                .collect();
        }
        let bound = |key: &str, default: i64| schema[key].as_f64().map_or(default, |bound| bound as i64);
        match schema["type"].as_str() {
            Some("integer") => vec![
                ("the least", json!(bound("minimum", 0))),
                ("the greatest", json!(bound("maximum", i64::from(i32::MAX)).min(i64::from(i32::MAX)))),
                ("invalid", json!("many")),
                ("too little", json!(bound("minimum", i64::from(i32::MIN)) - 1)),
            ],
            Some("boolean") => vec![("on", json!(true)), ("off", json!(false)), ("invalid", json!("perhaps"))],
            Some("string") => {
                let longest = usize::try_from(bound("maxLength", 60)).unwrap().min(300);
                vec![
                    ("the least", json!("")),
                    ("a letter", json!("a")),
                    ("the greatest", json!("a".repeat(longest))),
                    ("invalid", json!({"an": "object"})),
                ]
            }
            Some("array") => vec![("empty", json!([])), ("invalid", json!("text"))],
            _ => vec![("empty", json!({})), ("invalid", json!("text"))],
        }
    }

    /// The smallest spec that has the value.
    fn spec(&self, value: &Value) -> Value {
        self.path.iter().rev().fold(value.clone(), |inner, name| json!({name.as_str(): inner}))
    }
}

/// Applies the spec and waits until it is taken up: everything Ready, or a condition that says what is wrong.
/// Gives the refusal, if it is refused.
async fn take_up(stage: &Stage, name: &str, spec: &Value) -> Result<(), String> {
    stage.world.try_apply(name, &spec.to_string()).await?;
    let end = Instant::now() + LONGEST;
    loop {
        let resource = stage.world.resource(name).await;
        let status = resource.status.unwrap_or_default();
        let is_seen = status.observed_generation == resource.metadata.generation;
        let find = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
        let is = |kind: &str| find(kind).is_some_and(|condition| condition.status == "True");
        let is_held_up = find("Progressing").is_some_and(|c| c.reason == "Paused" || c.reason == "Suspended");
        let is_off = find("Ready").is_some_and(|c| matches!(c.reason.as_str(), "Suspended" | "Paused"));
        if is_seen && (is("Ready") || is("Degraded") || is_held_up || is_off) {
            let message = find("Degraded").map(|condition| condition.message.clone()).unwrap_or_default();
            assert!(!is("Degraded") || message.len() > 20, "{spec} degrades without a word: {message}");
            return Ok(());
        }
        if is_seen && find("Progressing").is_some_and(|c| c.status == "True" && c.message.len() > 20) && !is("Ready") {
            // What others have to bring, a certificate for example, is waited for with a word on it.
            let waits = end.saturating_duration_since(Instant::now()) < LONGEST - Duration::from_secs(20);
            if waits {
                return Ok(());
            }
        }
        assert!(Instant::now() < end, "{spec} is neither taken up nor refused: {status:#?}");
        sleep(Duration::from_millis(150)).await;
    }
}

async fn try_field(stage: &Stage, number: usize, field: &Field) {
    let name = format!("f{number}");
    stage.world.apply(&name, "{}").await;
    stage.ready_within(&name, LONGEST).await;
    let before = own(stage, &name).await;
    for (what, value) in field.values() {
        let spec = field.spec(&value);
        let taken = take_up(stage, &name, &spec).await;
        match &taken {
            Err(refusal) => {
                // The innermost field that is wrong, or one above that the rule is written for.
                let is_named = field.path.iter().any(|part| refusal.contains(part.as_str()));
                assert!(is_named, "{} = {value}: the refusal doesn't say where: {refusal}", field.name());
                assert!(!refusal.contains("panic"), "{refusal}");
            }
            Ok(()) => assert!(what != "invalid", "{} takes {value}", field.name()),
        }
        if taken.is_ok() {
            // Removed, set again, and removed: what it brought is gone.
            take_up(stage, &name, &json!({})).await.unwrap_or_else(|refusal| immutable(field, &refusal));
        }
    }
    if stage.world.try_apply(&name, "{}").await.is_ok() && is_reversible(field) {
        let end = Instant::now() + LONGEST;
        loop {
            let now = own(stage, &name).await;
            if now == before {
                break;
            }
            assert!(Instant::now() < end, "{} left traces:\n{before:#?}\n{now:#?}", field.name());
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A field that can't be changed back has to say so.
fn immutable(field: &Field, refusal: &str) {
    assert!(field.path.iter().any(|part| refusal.contains(part.as_str())), "{}: {refusal}", field.name());
}

/// What retains data on purpose, or is of another operator, leaves traces.
fn is_reversible(field: &Field) -> bool {
    !matches!(field.path[0].as_str(), "postgres" | "mongodb" | "redis" | "jwt" | "deletionPolicy")
}

/// What the operator wants of an instance's Deployments and Services.
async fn own(stage: &Stage, name: &str) -> Vec<(String, Value)> {
    use aether_operator::resources::Kind;
    let mut all = Vec::new();
    for kind in [Kind::Deployment, Kind::Service] {
        for child in stage.world.names(kind).await.iter().filter(|child| child.starts_with(&format!("{name}-"))) {
            let live = stage.world.get(kind, child).await.unwrap_or_default();
            let mut spec = live["spec"].clone();
            for key in ["clusterIP", "clusterIPs"] {
                spec.as_object_mut().map(|spec| spec.remove(key));
            }
            all.push((child.clone(), spec));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_is_refused_with_its_name_or_taken_up_and_can_be_taken_back() {
    let seed: u64 = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let mut fields = fields();
    let all = fields.len();
    assert!(all > 60, "{all} fields");
    fields.shuffle(&mut StdRng::seed_from_u64(seed));
    fields.truncate(if is_long() { all } else { SHORT });
    println!("{} of {all} fields, FAULTS_SEED={seed}", fields.len());
    let stage = Stage::new().await;
    let _operator = stage.operator();
    stream::iter(fields.iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(number, field)| try_field(&stage, number, field))
        .await;
}
