//! An instance at a glance, from its resource and its workloads. Pure.

use std::collections::BTreeMap;

use aether_operator::api::AetherConnectStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DynamicObject;
use serde::Serialize;

/// The conditions that sum up the others.
const SUMMARY: [&str; 3] = ["Ready", "Progressing", "Degraded"];

/// An instance, as `--output json` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) ready: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// The version that runs.
    pub(crate) version: Option<String>,
    /// The version that it is being brought to, where it isn't the one that runs.
    pub(crate) target_version: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) suspended: bool,
    pub(crate) paused: bool,
    pub(crate) created_at: Option<String>,
    pub(crate) components: Vec<Component>,
    pub(crate) conditions: Vec<Condition>,
    /// The first thing to mend; none when there is nothing.
    pub(crate) to_mend: Option<Mend>,
}

/// Pods of one kind.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) ready: i32,
    pub(crate) desired: i32,
    pub(crate) image: Option<String>,
}

/// What to mend, and how.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Mend {
    /// The condition that tells of it.
    pub(crate) condition: Option<String>,
    pub(crate) reason: String,
    /// What is wrong, by the operator.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: String,
}

impl View {
    /// `images` are those of the instance's workloads, by component.
    pub(crate) fn new(object: &DynamicObject, images: &BTreeMap<String, String>) -> Self {
        let status: AetherConnectStatus = serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
        let meta = &object.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let flag = |field: &str| object.data["spec"][field] == true;
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
        let observed = status.observed_generation >= meta.generation;
        let ready = condition("Ready");
        let is_ready = observed && ready.is_some_and(|ready| ready.status == "True");
        let (reason, message) = match ready {
            Some(ready) if observed => (ready.reason.clone(), ready.message.clone()),
            _ => ("NotObserved".to_owned(), "the operator hasn't looked at the last change yet".to_owned()),
        };
        let components = status.components.iter().map(|(name, pods)| Component {
            name: name.clone(),
            ready: pods.ready,
            desired: pods.desired,
            image: images.get(name).cloned(),
        });
        let mut view = Self {
            components: components.collect(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            ready: is_ready,
            reason,
            message,
            target_version: status.target_version.clone().filter(|target| status.version.as_ref() != Some(target)),
            version: status.version.clone(),
            url: status.url.clone(),
            suspended: flag("suspend"),
            paused: flag("paused"),
            created_at: meta.creation_timestamp.as_ref().map(|time| time.0.to_string()),
            conditions: status.conditions.clone(),
            to_mend: None,
            name,
        };
        view.to_mend = view.mend(observed);
        view
    }

    /// A condition by its type.
    pub(crate) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == kind)
    }

    /// All conditions but those that sum up.
    pub(crate) fn details(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| !SUMMARY.contains(&condition.type_.as_str()))
    }

    /// Ready and desired pods, all together.
    pub(crate) fn pods(&self) -> (i32, i32) {
        self.components.iter().fold((0, 0), |(ready, desired), c| (ready + c.ready, desired + c.desired))
    }

    /// The first thing to mend, and otherwise what to wait for.
    fn mend(&self, observed: bool) -> Option<Mend> {
        let named = |name: &str| format!("{name} {}{}", self.name, namespace_option(&self.namespace));
        let mend = |condition: Option<&str>, reason: &str, message: &str, hint: String| {
            let (reason, message) = (reason.to_owned(), message.to_owned());
            Some(Mend { condition: condition.map(Into::into), reason, message, hint })
        };
        if !observed {
            let hint = "wait a moment; if it stays so, `aetherconnect doctor` says whether the operator runs";
            return mend(None, &self.reason, &self.message, hint.into());
        }
        if let Some(degraded) = self.condition("Degraded").filter(|condition| condition.status == "True") {
            let (condition, message) = split(&degraded.message);
            return mend(condition, &degraded.reason, message, hint(condition, &degraded.reason, named));
        }
        if self.paused {
            let hint = "set spec.paused to false".to_owned();
            return mend(None, "Paused", "changes wait while spec.paused is true", hint);
        }
        if let Some(waits) = self.condition("Progressing").filter(|c| c.reason == "WaitingForApproval") {
            let hint = "look at status.plan of the resource, and approve it if that is what you want".to_owned();
            return mend(Some("Progressing"), &waits.reason, &waits.message, hint);
        }
        if self.ready {
            return None;
        }
        if self.suspended {
            let hint = format!("`aetherconnect {}`", named("resume"));
            return mend(None, "Suspended", "it is suspended; the data is kept", hint);
        }
        let (condition, message) = split(&self.message);
        let hint = format!("wait; `aetherconnect {}` shows what the pods say", named("logs"));
        mend(condition, &self.reason, message, hint)
    }
}

/// `-n` for a command's text, where it matters.
pub(crate) fn namespace_option(namespace: &str) -> String {
    if namespace.is_empty() || namespace == "default" { String::new() } else { format!(" -n {namespace}") }
}

/// `PostgresReady: why` as the condition and the why.
fn split(message: &str) -> (Option<&str>, &str) {
    match message.split_once(": ") {
        Some((condition, why)) if condition.chars().all(char::is_alphanumeric) => (Some(condition), why),
        _ => (None, message),
    }
}

/// What to do about what is wrong; the operator's message says it where it is about the resource itself.
fn hint(condition: Option<&str>, reason: &str, named: impl Fn(&str) -> String) -> String {
    let component = match condition {
        Some("PostgresReady") => Some("postgres"),
        Some("MongodbReady") => Some("mongodb"),
        Some("RedisReady") => Some("redis"),
        Some("MigrationsComplete") => Some("migration"),
        Some("AuthAvailable") => Some("auth"),
        Some("MessageAvailable") => Some("message"),
        Some("GatewayAvailable") => Some("gateway"),
        _ => None,
    };
    match (reason, component) {
        ("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull", _) => {
            "check the image's name, spec.version, spec.image and its pullSecrets; the nodes must reach the registry"
                .into()
        }
        ("Unschedulable", _) => "give the cluster more room, or the component smaller resources".into(),
        ("PodsCannotBeCreated", _) => "look at the namespace's quota and pod security, which the message names".into(),
        ("CreateContainerConfigError", _) => "a Secret or ConfigMap that the pod reads is missing: make it".into(),
        (_, Some(component)) => {
            format!("`aetherconnect {} --component {component}` shows what it says", named("logs"))
        }
        _ => "change what the message names, and apply the resource again".into(),
    }
}
