//! Watches resources and what they own, and reconciles each when something changes.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        batch::v1::Job,
        core::v1::{Service, ServiceAccount},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DynamicObject,
    core::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config},
        predicates,
        reflector::{self, ObjectRef},
        utils::{Predicate, PredicateConfig},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    metrics::Metrics,
    reconcile::{self, Error, Reconciler},
    resources::MANAGER,
};

/// How many resources are reconciled at a time.
const CONCURRENCY: u16 = 8;
/// Changes that come together are answered once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// The longest pause after failures in a row.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

type Name = ObjectRef<DynamicObject>;

struct Context {
    reconciler: Reconciler,
    metrics: Metrics,
    /// Failures in a row, by resource.
    failures: Mutex<HashMap<Name, u32>>,
}

/// Runs until `shutdown`: in these namespaces, or in all when there are none.
pub async fn run(reconciler: Reconciler, metrics: Metrics, namespaces: &[String], shutdown: CancellationToken) {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        some => some.iter().map(|name| Some(name.as_str())).collect(),
    };
    let context = Arc::new(Context { reconciler, metrics, failures: Mutex::default() });
    join_all(scopes.into_iter().map(|scope| run_scope(scope, context.clone(), shutdown.clone()))).await;
}

async fn run_scope(namespace: Option<&str>, context: Arc<Context>, shutdown: CancellationToken) {
    let client = context.reconciler.client.clone();
    let kind = reconcile::resource();
    let resources: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    // As dynamic objects: one that can't be read as an `AetherConnect` must not end the watch for the rest.
    let writer = reflector::store::Writer::new(kind.clone());
    let store = writer.as_reader();
    context.metrics.count_instances_of(store.clone());
    context.reconciler.fleet.watch(store.clone());
    let changes = watcher(resources, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        // What the operator itself writes, the status, is no reason to reconcile.
        .predicate_filter(
            predicates::generation.combine(predicates::annotations).combine(predicates::labels),
            PredicateConfig::default(),
        );
    let controller = Controller::for_stream_with(changes, store, kind)
        .with_config(Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .owns(children::<Deployment>(&client, namespace), labelled())
        .owns(children::<StatefulSet>(&client, namespace), labelled())
        .owns(children::<Job>(&client, namespace), labelled())
        .owns(children::<Service>(&client, namespace), labelled())
        .owns(children::<ServiceAccount>(&client, namespace), labelled());
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

/// Owned objects, metadata only: the operator keeps nothing of them in memory.
fn children<K>(client: &Client, namespace: Option<&str>) -> Api<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn labelled() -> watcher::Config {
    watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"))
}

async fn reconcile_one(object: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let span = tracing::info_span!("reconcile", namespace, instance = name);
    let reference = Name::from_obj_with(&object, reconcile::resource());
    async {
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
    let count = failures.entry(Name::from_obj_with(&object, reconcile::resource())).or_default();
    *count += 1;
    Action::requeue(backoff(*count))
}

/// 1, 2, 4, … seconds after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    let seconds = 1u64.checked_shl(failures.saturating_sub(1)).filter(|seconds| *seconds > 0);
    seconds.map_or(LONGEST_BACKOFF, Duration::from_secs).min(LONGEST_BACKOFF)
}

fn lock(context: &Context) -> std::sync::MutexGuard<'_, HashMap<Name, u32>> {
    // A count of failures is right whatever a panicking holder left.
    context.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_up_to_a_minute() {
        let seconds: Vec<_> = [1, 2, 3, 6, 7, 70, u32::MAX].map(|n| backoff(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60, 60]);
    }
}
