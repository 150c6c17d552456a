//! Rotation of the keys that sign tokens, in three steps, each when all pods have taken up the one before: the coming key is
//! accepted everywhere, then it signs everywhere, and when no token of the old key can be left, that one is withdrawn.
//! So no token is refused on the way. How far it is stands in the Secret itself.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use serde_json::{Value, json};

use super::{
    Error,
    cluster::Cluster,
    credentials::random,
    facts::{Condition, Facts, State},
    read::Observed,
};
use crate::{
    api::AetherConnect,
    resources::{Instance, secrets::Generated},
};

/// On the resource: another value than before asks for a rotation.
pub const REQUEST: &str = "aetherconnect.io/rotate-keys";
/// On the Secret: the request that was answered last.
const ANSWERED: &str = "aetherconnect.io/rotation-answered";
/// On the Secret: `distributing` or `overlapping`, while a rotation is under way.
const PHASE: &str = "aetherconnect.io/rotation-phase";
/// On the Secret: when the present key began to sign.
const SINCE: &str = "aetherconnect.io/keys-since";
const KEYS: [&str; 2] = ["JWT_SECRET", "JWT_WS_SECRET"];
/// How long a token of the old key may still be around: access tokens live for 30 days, and clocks differ a little.
const OVERLAP_SECONDS: i64 = 30 * 24 * 3600 + 300;

/// How far the keys are.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys<'a> {
    phase: Option<&'a str>,
    since: i64,
    answered: &'a str,
}

impl<'a> Keys<'a> {
    /// Reads the Secret's annotations.
    pub fn of(secret: &'a Secret) -> Self {
        let note = |key: &str| secret.metadata.annotations.as_ref()?.get(key).map(String::as_str);
        let made = secret.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        let since = note(SINCE).and_then(|since| since.parse::<Timestamp>().ok()).map_or(made, Timestamp::as_second);
        Self { phase: note(PHASE), since, answered: note(ANSWERED).unwrap_or_default() }
    }

    /// The request that was answered last.
    pub fn answered(&self) -> &'a str {
        self.answered
    }

    /// Whether the coming key is accepted by now, but doesn't sign yet.
    pub fn is_distributing(&self) -> bool {
        self.phase == Some("distributing")
    }

    /// Whether the former key is still accepted.
    pub fn is_overlapping(&self) -> bool {
        self.phase.is_some() && !self.is_distributing()
    }

    /// A word on it for the condition.
    pub fn tell(&self) -> Option<&'static str> {
        match self.phase? {
            "distributing" => Some("the keys are being rotated: the new key is on its way to all pods"),
            _ => Some("the keys were rotated: the old one is accepted until its tokens have expired"),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a new key, and let it be accepted.
    Distribute,
    /// Let it sign.
    Sign,
    /// Accept the old one no longer.
    Withdraw,
    /// Look again in so many seconds.
    Wait(i64),
}

/// What is to be done now, if anything ever; times are in seconds.
pub fn next(keys: &Keys<'_>, request: &str, interval: Option<i64>, overlap: Option<i64>, now: i64) -> Option<Step> {
    let age = now - keys.since;
    match keys.phase {
        Some("distributing") => Some(Step::Sign),
        Some(_) => match overlap.unwrap_or(OVERLAP_SECONDS) - age {
            rest if rest > 0 => Some(Step::Wait(rest)),
            _ => Some(Step::Withdraw),
        },
        None if !request.is_empty() && request != keys.answered => Some(Step::Distribute),
        None => match interval? - age {
            rest if rest > 0 => Some(Step::Wait(rest)),
            _ => Some(Step::Distribute),
        },
    }
}

/// Takes the next step, when every pod has taken up the one before. Gives the seconds after which to look again.
pub async fn advance(
    cluster: &Cluster,
    resource: &AetherConnect,
    instance: &Instance<'_>,
    observed: &Observed,
    facts: &Facts,
) -> Result<Option<i64>, Error> {
    let settled = Condition::SERVICES.iter().all(|kind| facts.get(kind).is_some_and(|fact| fact.state == State::Good));
    let name = instance.jwt_secret();
    let (true, Some(secret)) = (settled && Generated::Jwt.wanted(instance), observed.secrets.get(&name)) else {
        return Ok(None);
    };
    let request =
        resource.metadata.annotations.as_ref().and_then(|notes| notes.get(REQUEST)).map_or("", String::as_str);
    let rotation = instance.spec.jwt.as_ref().and_then(|jwt| jwt.rotation.as_ref());
    let (interval, overlap) = rotation.map_or((None, None), |spec| (spec.interval_seconds(), spec.overlap_seconds()));
    let now = Timestamp::now();
    let keys = Keys::of(secret);
    let step = match next(&keys, request, interval, overlap, now.as_second()) {
        None => return Ok(None),
        Some(Step::Wait(seconds)) => return Ok(Some(seconds)),
        Some(step) => step,
    };
    let mut patch = patch(step, &values(secret), now, random);
    if step == Step::Distribute && !request.is_empty() {
        patch["metadata"]["annotations"][ANSWERED] = json!(request);
    }
    // Refused if somebody else has changed the keys meanwhile.
    patch["metadata"]["resourceVersion"] = json!(secret.metadata.resource_version);
    cluster.patch_secret(&name, &patch).await?;
    tracing::info!(secret = name, step = ?step, "rotating the keys that sign tokens");
    Ok(Some(0))
}

fn values(secret: &Secret) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(&value.0))).collect()
}

/// The change of the Secret that a step is.
fn patch(step: Step, values: &BTreeMap<String, String>, now: Timestamp, mut random: impl FnMut() -> String) -> Value {
    let mut patch = json!({"metadata": {"annotations": {}}});
    for key in KEYS {
        let (other, value) = (format!("{key}_PREVIOUS"), |key: &str| values.get(key).cloned().unwrap_or_default());
        match step {
            Step::Distribute => patch["stringData"][&other] = json!(random()),
            Step::Sign => {
                patch["stringData"][key] = json!(value(&other));
                patch["stringData"][&other] = json!(value(key));
            }
            Step::Withdraw => patch["data"][&other] = Value::Null,
            Step::Wait(_) => {}
        }
    }
    let notes = &mut patch["metadata"]["annotations"];
    match step {
        Step::Distribute => notes[PHASE] = json!("distributing"),
        Step::Sign => {
            notes[PHASE] = json!("overlapping");
            notes[SINCE] = json!(now.to_string());
        }
        Step::Withdraw => notes[PHASE] = Value::Null,
        Step::Wait(_) => {}
    }
    patch
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keys(phase: Option<&'static str>, answered: &'static str) -> Keys<'static> {
        Keys { phase, since: 1000, answered }
    }

    #[test]
    fn keys_rotate_when_they_are_old_or_when_asked_to_and_not_twice_for_one_request() {
        assert_eq!(next(&keys(None, ""), "", None, None, 99_999), None);
        assert_eq!(next(&keys(None, ""), "", Some(100), None, 1040), Some(Step::Wait(60)));
        assert_eq!(next(&keys(None, ""), "", Some(100), None, 1100), Some(Step::Distribute));
        assert_eq!(next(&keys(None, ""), "now", None, None, 1001), Some(Step::Distribute));
        assert_eq!(next(&keys(None, "now"), "now", None, None, 1001), None);
    }

    #[test]
    fn the_old_key_is_withdrawn_only_when_its_tokens_have_expired() {
        let under_way = keys(Some("overlapping"), "");
        assert_eq!(next(&keys(Some("distributing"), ""), "", None, None, 1000), Some(Step::Sign));
        assert_eq!(next(&under_way, "", None, None, 1000), Some(Step::Wait(OVERLAP_SECONDS)));
        assert_eq!(next(&under_way, "another", None, Some(60), 1030), Some(Step::Wait(30)));
        assert_eq!(next(&under_way, "", None, Some(60), 1060), Some(Step::Withdraw));
    }

    #[test]
    fn the_steps_bring_a_new_key_into_place_and_forget_the_old_one() {
        let mut values =
            BTreeMap::from([("JWT_SECRET", "a"), ("JWT_WS_SECRET", "b")].map(|(k, v)| (k.into(), v.into())));
        let apply = |values: &mut BTreeMap<String, String>, step: Step| {
            let patch = patch(step, values, Timestamp::UNIX_EPOCH, || "new".to_owned());
            for (key, value) in patch["stringData"].as_object().into_iter().flatten() {
                values.insert(key.clone(), value.as_str().unwrap().to_owned());
            }
            for (key, _) in patch["data"].as_object().into_iter().flatten() {
                values.remove(key);
            }
            values.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        let told = apply(&mut values, Step::Distribute);
        assert_eq!(told, "JWT_SECRET=a JWT_SECRET_PREVIOUS=new JWT_WS_SECRET=b JWT_WS_SECRET_PREVIOUS=new");
        let told = apply(&mut values, Step::Sign);
        assert_eq!(told, "JWT_SECRET=new JWT_SECRET_PREVIOUS=a JWT_WS_SECRET=new JWT_WS_SECRET_PREVIOUS=b");
        assert_eq!(apply(&mut values, Step::Withdraw), "JWT_SECRET=new JWT_WS_SECRET=new");
    }
}
