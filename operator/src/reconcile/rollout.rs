//! How far a child has come: pure judgements of what the API server says.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use serde_json::Value;

use crate::resources::Kind;

/// The state of a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Rollout {
    /// As it should be.
    Complete,
    /// On its way.
    Underway(String),
    /// Won't come by itself; the reason is CamelCase.
    Failed {
        /// For machines.
        reason: String,
        /// For people.
        message: String,
    },
}

impl Rollout {
    /// Whether the child is as it should be.
    pub fn complete(&self) -> bool {
        *self == Self::Complete
    }
}

/// Judges a live object.
pub fn of(kind: Kind, object: &Value) -> Rollout {
    match kind {
        Kind::Deployment => deployment(object),
        Kind::StatefulSet => stateful_set(object),
        Kind::Job => job(object),
        Kind::PostgresCluster => postgres_cluster(object),
        Kind::MongoDBCommunity => mongodb_community(object),
        Kind::RedisReplication => redis_replication(object),
        _ => Rollout::Complete,
    }
}

/// CloudNativePG's `Cluster`.
fn postgres_cluster(object: &Value) -> Rollout {
    let ready = number(&object["status"]["readyInstances"]);
    if condition(object, "Ready").is_some() && ready > 0 {
        return Rollout::Complete;
    }
    let phase = object["status"]["phase"].as_str().unwrap_or("CloudNativePG hasn't taken it up yet");
    let why = object["status"]["phaseReason"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
    Rollout::Underway(format!("Cluster {}: {ready} instances are ready; {phase}{why}", name(object)))
}

/// MongoDB's community operator's resource.
fn mongodb_community(object: &Value) -> Rollout {
    let (phase, message) = (object["status"]["phase"].as_str(), object["status"]["message"].as_str());
    let said = message.map(|message| format!(": {message}")).unwrap_or_default();
    match phase {
        Some("Running") => Rollout::Complete,
        Some("Failed") => Rollout::Failed {
            reason: "StoreFailed".into(),
            message: format!("MongoDBCommunity {} has failed{said}", name(object)),
        },
        phase => {
            let phase = phase.unwrap_or("not taken up yet");
            Rollout::Underway(format!("MongoDBCommunity {} is {phase}{said}", name(object)))
        }
    }
}

/// The Redis operator's resource, which tells no more than which pod is the master.
fn redis_replication(object: &Value) -> Rollout {
    match object["status"]["masterNode"].as_str() {
        Some(master) if !master.is_empty() => Rollout::Complete,
        _ => Rollout::Underway(format!("RedisReplication {} has no master yet", name(object))),
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Ready and desired pods of a Deployment or StatefulSet.
pub fn counts(object: &Value) -> (i32, i32) {
    let ready = number(&object["status"]["readyReplicas"]);
    let desired = object["spec"]["replicas"].as_i64().unwrap_or(1);
    (i32::try_from(ready).unwrap_or(i32::MAX), i32::try_from(desired).unwrap_or(i32::MAX))
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn is_observed(object: &Value) -> bool {
    number(&object["status"]["observedGeneration"]) >= number(&object["metadata"]["generation"])
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn deployment(object: &Value) -> Rollout {
    let status = &object["status"];
    let (_, desired) = counts(object);
    let desired = i64::from(desired);
    if !is_observed(object) {
        return Rollout::Underway("the change is not taken up yet".into());
    }
    let (updated, available) = (number(&status["updatedReplicas"]), number(&status["availableReplicas"]));
    if updated >= desired && available >= desired && number(&status["replicas"]) <= updated {
        return Rollout::Complete;
    }
    let progress = format!("{updated} of {desired} pods are up to date, {available} available");
    let deadline = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Progressing" && condition["reason"] == "ProgressDeadlineExceeded");
    if deadline {
        return Rollout::Failed {
            reason: "ProgressDeadlineExceeded".into(),
            message: format!("{progress}, and nothing has moved for minutes"),
        };
    }
    if let Some(failure) = condition(object, "ReplicaFailure") {
        return Rollout::Failed {
            reason: "PodsCannotBeCreated".into(),
            message: failure["message"].as_str().unwrap_or(&progress).to_owned(),
        };
    }
    Rollout::Underway(progress)
}

fn stateful_set(object: &Value) -> Rollout {
    let (ready, desired) = counts(object);
    let updated = number(&object["status"]["updatedReplicas"]);
    let same_revision = object["status"]["currentRevision"] == object["status"]["updateRevision"];
    if !is_observed(object) {
        return Rollout::Underway("the change is not taken up yet".into());
    }
    // Once an update is through, only currentRevision tells; updatedReplicas is reset by some versions.
    if ready >= desired && (same_revision || updated >= i64::from(desired)) {
        return Rollout::Complete;
    }
    Rollout::Underway(format!("{ready} of {desired} pods are ready"))
}

fn job(object: &Value) -> Rollout {
    // By its conditions: a failed Job has no completion time.
    if condition(object, "Complete").is_some() {
        return Rollout::Complete;
    }
    if let Some(failed) = condition(object, "Failed") {
        let text = |field: &str, default: &str| failed[field].as_str().unwrap_or(default).to_owned();
        return Rollout::Failed {
            reason: "MigrationFailed".into(),
            message: format!("{}: {}", text("reason", "Failed"), text("message", "the Job failed")),
        };
    }
    Rollout::Underway("the Job is running".into())
}

/// What keeps a component's pods from running, if they tell: the reason and a sentence.
pub fn diagnose(pods: &[Pod], component: &str) -> Option<(String, String)> {
    let of_component = pods.iter().filter(|pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get("app.kubernetes.io/component")).is_some_and(|label| label == component)
    });
    of_component.filter(|pod| pod.metadata.deletion_timestamp.is_none()).find_map(|pod| {
        let name = pod.metadata.name.as_deref().unwrap_or("?");
        let status = pod.status.as_ref()?;
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
        if let Some((reason, message)) = containers.into_iter().find_map(container_problem) {
            return Some((reason, format!("pod {name}: {message}")));
        }
        let conditions = status.conditions.iter().flatten();
        conditions.into_iter().find(|c| c.type_ == "PodScheduled" && c.status == "False").map(|condition| {
            let message = condition.message.as_deref().unwrap_or("no node takes it");
            (Rollout::UNSCHEDULABLE.to_owned(), format!("pod {name}: {message}"))
        })
    })
}

impl Rollout {
    /// The reason of a pod that waits for a node: one may come, so this is not a failure.
    pub const UNSCHEDULABLE: &'static str = "Unschedulable";
}

fn container_problem(status: &ContainerStatus) -> Option<(String, String)> {
    let said = |state: Option<&ContainerState>| {
        let terminated = state?.terminated.as_ref().filter(|terminated| terminated.exit_code != 0)?;
        let message = terminated.message.as_deref().map(last_line).filter(|line| !line.is_empty());
        Some(message.map_or_else(
            || format!("exit code {}", terminated.exit_code),
            |message| format!("exit code {}: {message}", terminated.exit_code),
        ))
    };
    let (name, image) = (&status.name, &status.image);
    if let Some(waiting) = status.state.as_ref().and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.clone().unwrap_or_default();
        if matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let detail = said(status.last_state.as_ref()).or_else(|| waiting.message.clone()).unwrap_or_default();
        return Some((reason.clone(), format!("container {name} (image {image}): {reason}: {detail}")));
    }
    let exit = said(status.state.as_ref())?;
    Some(("ContainerFailed".into(), format!("container {name} (image {image}) ended with {exit}")))
}

/// The last line of a log, cut to what fits a condition.
fn last_line(log: &str) -> String {
    log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().chars().take(300).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_complete_when_every_pod_is_new_and_available() {
        let mut object = json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 2},
            "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        });
        assert!(deployment(&object).complete());
        object["status"]["replicas"] = json!(3);
        assert!(!deployment(&object).complete(), "an old pod is still there");
        object["status"]["replicas"] = json!(2);
        object["metadata"]["generation"] = json!(3);
        assert!(!deployment(&object).complete(), "the change is not observed");
    }

    #[test]
    fn a_job_is_judged_by_its_conditions() {
        let job = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "no"}]}});
        assert!(super::job(&job("Complete")).complete());
        assert!(matches!(super::job(&job("Failed")), Rollout::Failed { .. }));
        assert!(matches!(super::job(&json!({})), Rollout::Underway(_)));
        // What a Job says before its pods are gone is not its end.
        assert!(matches!(super::job(&job("FailureTarget")), Rollout::Underway(_)));
    }

    #[test]
    fn a_pod_tells_which_image_cannot_be_pulled() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "chat-auth-1", "labels": {"app.kubernetes.io/component": "auth"}},
            "status": {"containerStatuses": [{
                "name": "auth", "image": "reg/auth:9", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
            }]},
        }))
        .unwrap();
        let (reason, message) = diagnose(std::slice::from_ref(&pod), "auth").unwrap();
        assert_eq!(reason, "ImagePullBackOff");
        assert!(message.contains("chat-auth-1") && message.contains("reg/auth:9"), "{message}");
        assert_eq!(diagnose(&[pod], "gateway"), None);
    }
}
