//! Events: that an instance has become ready, or what is wrong with it. Progress is told by the conditions alone.

use std::time::Duration;

use kube::{
    Resource,
    api::DynamicObject,
    runtime::events::{Event, EventType, Recorder},
};

use super::resource;
use crate::api::AetherConnectStatus;

/// No more than this is waited for an Event to be written.
const LONGEST: Duration = Duration::from_secs(5);

/// Tells of a change. An Event that can't be written is logged and no more.
pub async fn tell(
    recorder: &Recorder,
    object: &DynamicObject,
    previous: &AetherConnectStatus,
    status: &AetherConnectStatus,
) {
    let Some(event) = transition(previous, status) else {
        return;
    };
    match tokio::time::timeout(LONGEST, recorder.publish(&event, &object.object_ref(&resource()))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "can't write an Event"),
        Err(_) => tracing::warn!("can't write an Event in time"),
    }
}

fn transition(previous: &AetherConnectStatus, status: &AetherConnectStatus) -> Option<Event> {
    let find = |status: &AetherConnectStatus, kind: &str| status.conditions.iter().find(|c| c.type_ == kind).cloned();
    let ready = find(status, "Ready")?;
    let before = find(previous, "Ready");
    if before.is_some_and(|before| before.status == ready.status && before.reason == ready.reason) {
        return None;
    }
    let degraded = find(status, "Degraded").is_some_and(|degraded| degraded.status == "True");
    tracing::info!(ready = ready.status, reason = ready.reason, message = ready.message, "state changed");
    if !degraded && ready.status != "True" {
        return None;
    }
    Some(Event {
        type_: if degraded { EventType::Warning } else { EventType::Normal },
        reason: ready.reason,
        // The API server takes 1 KiB.
        note: Some(ready.message.chars().take(900).collect()),
        action: "Reconcile".into(),
        secondary: None,
    })
}
