//! When to tell of progress, and when to look again: while an instance comes up, much happens in a second, and not
//! every step of it is worth a write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::RngExt;

use crate::{api::AetherConnectStatus, cache::Place};

/// Progress is told after this long; then after four times as long, and so on, until the instance is settled.
const FIRST_PROGRESS: Duration = Duration::from_secs(2);
/// Pods are looked at when something isn't complete for this long.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// A pod that doesn't start says so in the pod only, and pods are not watched: look again, less and less often.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Secrets of others are not watched, see the README: they are read this often.
const EXTERNAL_SECRETS: Duration = Duration::from_secs(30);
/// Whose turn it is in an upgrade of all depends on other instances: look again after this long.
pub const TURN: Duration = Duration::from_secs(10);
/// Mends what a watch may have missed. It writes nothing, and mostly reads nothing.
const RESYNC: Duration = Duration::from_secs(900);

#[derive(Default)]
struct Progress {
    /// Since when the instance isn't settled.
    since: Option<Instant>,
    /// Since when there is something to tell.
    untold: Option<Instant>,
    /// How often progress was told since the instance was settled last.
    told: u32,
}

/// The instances that aren't settled.
#[derive(Clone, Default)]
pub struct Pace(Arc<Mutex<HashMap<Place, Progress>>>);

impl Pace {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the instance hasn't been settled by now.
    pub fn unsettled_for(&self, place: &Place) -> Duration {
        self.lock().get(place).and_then(|progress| progress.since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long a status may wait, if it may: none when it is to be written now.
    pub fn may_wait(
        &self,
        place: &Place,
        previous: &AetherConnectStatus,
        status: &AetherConnectStatus,
    ) -> Option<Duration> {
        let mut all = self.lock();
        let progress = all.entry(place.clone()).or_default();
        if is_urgent(previous, status) {
            (progress.untold, progress.told) = (None, 0);
            return None;
        }
        let due = FIRST_PROGRESS * 4u32.pow(progress.told.min(4));
        let waited = progress.untold.get_or_insert_with(Instant::now).elapsed();
        if waited < due {
            return Some(due - waited);
        }
        progress.untold = None;
        progress.told += 1;
        None
    }

    /// Notes how the instance stands, and gives when to look again.
    pub fn look_again(&self, place: &Place, is_settled: bool, has_external_secrets: bool) -> Duration {
        if is_settled {
            self.forget(place);
            let jitter = RESYNC.mul_f64(rand::rng().random_range(0.0..0.3));
            return if has_external_secrets { EXTERNAL_SECRETS } else { RESYNC + jitter };
        }
        let waited = self.lock().entry(place.clone()).or_default().since.get_or_insert_with(Instant::now).elapsed();
        let pause = match PATIENCE.checked_sub(waited) {
            Some(rest) => rest + Duration::from_millis(10),
            None => (waited / 2).clamp(LOOK_AGAIN.0, LOOK_AGAIN.1),
        };
        if has_external_secrets { pause.min(EXTERNAL_SECRETS) } else { pause }
    }

    /// The instance is settled, or gone.
    pub fn forget(&self, place: &Place) {
        self.lock().remove(place);
    }
}

/// Whether somebody waits for the news: the instance has become ready, or something is wrong that wasn't, or is right
/// that was wrong.
fn is_urgent(previous: &AetherConnectStatus, status: &AetherConnectStatus) -> bool {
    let of = |status: &AetherConnectStatus, kind: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|condition| (condition.status.clone(), condition.reason.clone()))
    };
    let is_true = |state: &Option<(String, String)>| state.as_ref().is_some_and(|(status, _)| status == "True");
    let (ready, degraded) = (of(status, "Ready"), of(status, "Degraded"));
    let (was_ready, was_degraded) = (of(previous, "Ready"), of(previous, "Degraded"));
    let is_settled =
        is_true(&ready) && (!is_true(&was_ready) || previous.observed_generation != status.observed_generation);
    let is_paused = ready != was_ready && ready.as_ref().is_some_and(|(_, reason)| reason == "Suspended");
    // Others go by it.
    let is_moved = previous.target_version.is_some() && previous.target_version != status.target_version;
    is_settled || is_paused || is_moved || (is_true(&degraded) || is_true(&was_degraded)) && degraded != was_degraded
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(generation: i64, ready: &str, degraded: &str, reason: &str) -> AetherConnectStatus {
        let at = "2026-01-01T00:00:00Z";
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": at});
        let conditions = json!([condition("Ready", ready), condition("Degraded", degraded)]);
        serde_json::from_value(json!({"observedGeneration": generation, "conditions": conditions})).unwrap()
    }

    #[test]
    fn what_somebody_waits_for_is_told_at_once() {
        let (none, up) = (AetherConnectStatus::default(), status(1, "True", "False", "AllAvailable"));
        let (coming, bad) = (status(1, "False", "False", "RollingOut"), status(1, "False", "True", "ImagePullBackOff"));
        for (previous, status) in [(&none, &bad), (&coming, &up), (&up, &bad), (&bad, &up), (&bad, &coming)] {
            assert!(is_urgent(previous, status), "{previous:?} {status:?}");
        }
        assert!(is_urgent(&up, &status(2, "True", "False", "AllAvailable")), "what was changed is done");
        for (previous, status) in
            [(&none, &coming), (&up, &coming), (&coming, &status(1, "False", "False", "Migrating"))]
        {
            assert!(!is_urgent(previous, status), "{previous:?} {status:?}");
        }
    }

    #[test]
    fn progress_waits_a_moment() {
        let (pace, place) = (Pace::default(), ("team".to_owned(), "chat".to_owned()));
        let coming = status(1, "False", "False", "RollingOut");
        assert!(pace.may_wait(&place, &AetherConnectStatus::default(), &coming).is_some());
        let ready = status(1, "True", "False", "AllAvailable");
        assert!(pace.may_wait(&place, &coming, &ready).is_none());
    }

    #[test]
    fn a_broken_instance_is_looked_at_less_and_less_often() {
        let (pace, place) = (Pace::default(), ("team".to_owned(), "chat".to_owned()));
        assert!(pace.look_again(&place, false, false) <= PATIENCE + Duration::from_millis(10));
        pace.lock().get_mut(&place).unwrap().since = Instant::now().checked_sub(Duration::from_secs(50));
        let pause = pace.look_again(&place, false, false);
        assert!(pause >= Duration::from_secs(25) && pause < Duration::from_secs(30), "{pause:?}");
        pace.lock().get_mut(&place).unwrap().since = Instant::now().checked_sub(Duration::from_secs(500));
        assert_eq!(pace.look_again(&place, false, false), LOOK_AGAIN.1);
        assert_eq!(pace.look_again(&place, false, true), EXTERNAL_SECRETS);
        assert!(pace.look_again(&place, true, false) >= RESYNC);
    }
}
