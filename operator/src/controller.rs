//! Puts instances in line when something of theirs changes, and reconciles several at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all};
use kube::{
    ResourceExt,
    api::DynamicObject,
    runtime::{
        Controller,
        controller::{Action, Config},
    },
};
use rand::RngExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    cache::{Cache, Watched},
    metrics::Metrics,
    reconcile::{self, Error, Reconciler},
    watch::{self, Name, Scope},
};

/// How many resources are reconciled at a time: more than keep the API server busy, as some may wait for long where it
/// doesn't answer. What is under way at once, the client limits.
const CONCURRENCY: u16 = 32;
/// Changes that come together are answered once.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// The pause after a failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// The longest pause after failures in a row.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

struct Context {
    reconciler: Reconciler,
    cache: Arc<Cache>,
    metrics: Metrics,
    /// Failures in a row, by resource.
    failures: Mutex<HashMap<Name, u32>>,
}

/// Runs until `shutdown`: in these namespaces, or in all when there are none.
pub async fn run(reconciler: Reconciler, metrics: Metrics, namespaces: &[String], shutdown: CancellationToken) {
    let scopes: Vec<Option<&String>> = match namespaces {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    let runs = scopes.into_iter().map(|namespace| {
        let cache = Arc::new(Cache::default());
        metrics.count_instances_of(cache.clone());
        reconciler.fleet.watch(cache.clone());
        let scope = Scope { client: reconciler.client.clone(), namespace: namespace.cloned(), cache: cache.clone() };
        let reconciler = reconciler.clone().watching(cache.clone());
        let context = Context { reconciler, cache, metrics: metrics.clone(), failures: Mutex::default() };
        run_scope(scope, Arc::new(context), shutdown.clone())
    });
    join_all(runs).await;
}

async fn run_scope(scope: Scope, context: Arc<Context>, shutdown: CancellationToken) {
    let (changes, store) = scope.resources();
    let controller = Controller::for_stream_with(changes, store, reconcile::resource())
        .with_config(Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .reconcile_on(watch::all(&scope));
    controller
        .run(reconcile_one, after_failure, context)
        .for_each(|result| async {
            // Failures of reconciliation are logged where they happen; these are the watches'.
            if let Err(error @ kube::runtime::controller::Error::QueueError(_)) = result {
                tracing::warn!(%error, "a watch failed; it is tried again");
            }
        })
        .await;
}

async fn reconcile_one(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let span = tracing::info_span!("reconcile", namespace, instance = name);
    let reference = Name::from_obj_with(&object, reconcile::resource());
    async {
        context.cache.ready().await;
        let started = Instant::now();
        let result = context.reconciler.run_by_name(&namespace, &name).await;
        context.metrics.reconciled(started.elapsed(), result.is_ok());
        match &result {
            Ok(_) => lock(&context).remove(&reference),
            Err(error) => {
                tracing::error!(%error, "can't reconcile");
                None
            }
        };
        result.map(|after| after.map_or_else(Action::await_change, Action::requeue))
    }
    .instrument(span)
    .await
}

// The signature is the controller's.
#[allow(clippy::needless_pass_by_value)]
fn after_failure(object: Arc<DynamicObject>, _: &Error, context: Arc<Context>) -> Action {
    let mut failures = lock(&context);
    let reference = Name::from_obj_with(&object, reconcile::resource());
    if !context.cache.has(Watched::Resources, &object.namespace().unwrap_or_default(), &object.name_any()) {
        failures.remove(&reference);
        return Action::await_change();
    }
    let count = failures.entry(reference).or_default();
    *count += 1;
    // Instances that failed together don't come back together.
    Action::requeue(backoff(*count).mul_f64(rand::rng().random_range(0.8..1.0)))
}

/// 250 ms, 500 ms, 1 s, … after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_BACKOFF)
}

fn lock(context: &Context) -> std::sync::MutexGuard<'_, HashMap<Name, u32>> {
    // A count of failures is right whatever a panicking holder left.
    context.failures.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_up_to_a_minute() {
        let millis: Vec<_> = [1, 2, 3, 8, 9, 70, u32::MAX].map(|n| backoff(n).as_millis()).into();
        assert_eq!(millis, [250, 500, 1000, 32_000, 60_000, 60_000, 60_000]);
    }
}
