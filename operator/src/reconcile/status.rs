//! Last step: the status, from what was found out. Pure; the time is passed in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as KubeCondition, Time};

use super::facts::{Condition, Fact, Facts, State};
use crate::api::{AetherConnectStatus, ComponentStatus, PlanStatus, ScaleStatus};

/// What the status is made from.
#[derive(Clone, Debug)]
pub struct Report {
    /// `metadata.generation` of the resource.
    pub generation: Option<i64>,
    /// The version that is wanted.
    pub version: String,
    /// Where clients reach the gateway.
    pub url: Option<String>,
    /// Pods of each component.
    pub components: BTreeMap<String, ComponentStatus>,
    /// The pods that `kubectl scale` is about.
    pub scale: Option<ScaleStatus>,
    /// The findings.
    pub facts: Facts,
    /// Changes that wait for approval.
    pub plan: Option<PlanStatus>,
    /// Why changes don't go on, although nothing is wrong.
    pub held_up: Option<Fact>,
}

/// Builds the status; conditions that didn't change keep their time.
pub fn build(report: Report, previous: &AetherConnectStatus, now: &Time) -> AetherConnectStatus {
    let (ready, mut progressing, degraded) = summary(&report.facts);
    let holds_back = |fact: &Fact| fact.reason == "Paused" || fact.reason == "WaitingForApproval";
    let is_paused = report.held_up.as_ref().is_some_and(holds_back);
    if let Some(fact) = report.held_up {
        progressing = fact;
    }
    let is_ready = ready.state == State::Good;
    let condition = |kind: &str, fact: &Fact| {
        let status = if fact.state == State::Good { "True" } else { "False" };
        let old = previous.conditions.iter().find(|old| old.type_ == kind && old.status == status);
        KubeCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: fact.reason.clone(),
            message: fact.message.clone(),
            observed_generation: report.generation,
            last_transition_time: old.map_or_else(|| now.clone(), |old| old.last_transition_time.clone()),
        }
    };
    let mut conditions =
        vec![condition("Ready", &ready), condition("Progressing", &progressing), condition("Degraded", &degraded)];
    conditions.extend(report.facts.iter().map(|(kind, fact)| condition(kind.as_str(), fact)));
    AetherConnectStatus {
        observed_generation: report.generation,
        url: report.url,
        version: if is_ready && !is_paused { Some(report.version.clone()) } else { previous.version.clone() },
        target_version: Some(report.version).filter(|version| !version.is_empty()),
        plan: report.plan,
        components: report.components,
        scale: report.scale,
        conditions,
    }
}

/// `Ready`, `Progressing` and `Degraded`. `Good` means that the condition is true.
fn summary(facts: &Facts) -> (Fact, Fact, Fact) {
    let first = |state: State| facts.iter().find(|(_, fact)| fact.state == state);
    let bad = first(State::Bad);
    let waiting = first(State::Waiting);
    let told = |(kind, fact): (&Condition, &Fact)| format!("{}: {}", kind.as_str(), fact.message);
    let ready = match bad.or(waiting).or(first(State::Paused)) {
        Some((kind, fact)) => Fact { message: told((kind, fact)), ..fact.clone() },
        None => Fact::good("AllAvailable", "all services are available and up to date"),
    };
    let halted = facts.iter().any(|(kind, fact)| kind.gates() && fact.state == State::Bad);
    let progressing = match (waiting, halted) {
        (Some(found), false) => Fact::good(&found.1.reason, told(found)),
        (_, true) => Fact::waiting("Halted", "nothing goes on until what Degraded tells is mended"),
        (None, false) => Fact::waiting("Settled", "there is nothing to do"),
    };
    let degraded = match bad {
        Some(found) => Fact::good(&found.1.reason, told(found)),
        None => Fact::waiting("NothingWrong", "nothing is wrong"),
    };
    (ready, progressing, degraded)
}

/// The status of a resource that can't be read: one written before the definition changed, for example.
pub fn unreadable(
    generation: Option<i64>,
    error: &str,
    previous: &AetherConnectStatus,
    now: &Time,
) -> AetherConnectStatus {
    let message = format!("the resource can't be read: {error}. Correct the field, or remove it");
    let report = Report {
        generation,
        version: String::new(),
        url: previous.url.clone(),
        components: previous.components.clone(),
        scale: previous.scale.clone(),
        facts: Facts::new(),
        plan: None,
        held_up: None,
    };
    let mut status = build(report, previous, now);
    status.version.clone_from(&previous.version);
    status.target_version.clone_from(&previous.target_version);
    let wrong = [("Ready", "False"), ("Progressing", "False"), ("Degraded", "True")];
    for (condition, (kind, value)) in status.conditions.iter_mut().zip(wrong) {
        let old = previous.conditions.iter().find(|old| old.type_ == kind && old.status == value);
        condition.status = value.into();
        condition.reason = "InvalidSpec".into();
        condition.message.clone_from(&message);
        condition.last_transition_time = old.map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
    }
    status
}

#[cfg(test)]
mod tests;
