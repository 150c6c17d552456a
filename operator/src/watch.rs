//! The watches: they fill the cache, and tell which instances there is news of.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject},
    core::{DynamicResourceScope, ObjectMeta, PartialObjectMeta},
    runtime::{
        Predicate, WatchStreamExt, predicates,
        reflector::{self, ObjectRef, Store},
        utils::{Backoff, PredicateConfig},
        watcher::{self, Event, watcher},
    },
};
use rand::RngExt;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    cache::{Cache, Watched, owner},
    reconcile,
    resources::{Kind, MANAGER},
};

/// Objects in a page of a listing: as many as may be in memory at a time in their long form.
const PAGE: u32 = 250;
/// A kind that the cluster doesn't know is looked for again after this long if an instance wants one, else after so
/// much longer.
const UNKNOWN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// The reference by which an instance is put in line.
pub type Name = ObjectRef<DynamicObject>;

/// An object as a watch reads it: as text, without what only the API server needs. As a tree it would take ten times
/// the memory.
#[derive(Clone, Debug)]
pub struct Slim {
    metadata: ObjectMeta,
    text: Box<str>,
}

impl<'de> Deserialize<'de> for Slim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = ObjectMeta::deserialize(&object["metadata"]).map_err(D::Error::custom)?;
        Ok(Self { metadata, text: object.to_string().into() })
    }
}

impl Resource for Slim {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(kind)
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(kind)
    }

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(kind)
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(kind)
    }

    fn api_version(kind: &ApiResource) -> Cow<'_, str> {
        DynamicObject::api_version(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Where to watch, and what is filled.
#[derive(Clone)]
pub struct Scope {
    /// The API server.
    pub client: Client,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// What is filled.
    pub cache: Arc<Cache>,
}

impl Scope {
    fn api<K>(&self, kind: &ApiResource) -> Api<K>
    where
        K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, kind),
            None => Api::all_with(self.client.clone(), kind),
        }
    }

    /// Resources that were changed by others than the operator, which writes status only; and all there are.
    pub fn resources(&self) -> (impl Stream<Item = watcher::Result<DynamicObject>> + use<>, Store<DynamicObject>) {
        let kind = reconcile::resource();
        let writer = reflector::store::Writer::new(kind.clone());
        let (store, cache) = (writer.as_reader(), self.cache.clone());
        let events = watcher(self.api::<Slim>(&kind), config().page_size(PAGE)).backoff(Pauses::default());
        let events = events.map(move |event| event.map(|event| noted(&cache, event)));
        let changes = events.reflect(writer).applied_objects().predicate_filter(
            Predicate::combine(predicates::generation, predicates::annotations),
            PredicateConfig::default(),
        );
        (changes, store)
    }

    /// The instances of which children were changed.
    pub fn children(&self, kind: Kind) -> impl Stream<Item = Name> + use<> {
        let (cache, what) = (self.cache.clone(), Watched::Children(kind));
        let events = watcher(self.api::<Slim>(&kind.resource()), labelled()).backoff(Pauses::default());
        let events = events.then(move |event| {
            let cache = cache.clone();
            async move {
                match event {
                    Ok(event) => news(&cache, what, event, |object: &Slim| Some(object.text.as_ref())),
                    Err(error) if is_unknown(&error) => {
                        cache.unknown(kind);
                        // The watch is tried again after this.
                        tokio::time::sleep(UNKNOWN.0).await;
                        let _ = tokio::time::timeout(UNKNOWN.1, cache.unknown_is_wanted()).await;
                        Vec::new()
                    }
                    Err(error) => failed(&error),
                }
            }
        });
        events.flat_map(stream::iter)
    }

    /// The instances whose Secrets were changed. Only metadata is asked for.
    pub fn secrets(&self) -> impl Stream<Item = Name> + use<> {
        let api: Api<PartialObjectMeta<Secret>> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let cache = self.cache.clone();
        let events = watcher(api, labelled()).backoff(Pauses::default());
        events.flat_map(move |event| {
            stream::iter(match event {
                Ok(event) => news(&cache, Watched::Secrets, event, |_: &PartialObjectMeta<Secret>| None),
                Err(error) => failed(&error),
            })
        })
    }
}

fn config() -> watcher::Config {
    watcher::Config::default()
}

fn labelled() -> watcher::Config {
    config().page_size(PAGE).labels(&format!("app.kubernetes.io/managed-by={MANAGER}"))
}

fn is_unknown(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

fn failed(error: &watcher::Error) -> Vec<Name> {
    tracing::warn!(%error, "a watch failed; it is tried again");
    Vec::new()
}

/// Notes what a watch tells of children, and gives the instances for which it is news.
fn news<K: Resource>(cache: &Cache, what: Watched, event: Event<K>, text: impl Fn(&K) -> Option<&str>) -> Vec<Name> {
    let name = |namespace: &str, owner: &str| Name::new_with(owner, reconcile::resource()).within(namespace);
    let of = |meta: &ObjectMeta| Some(name(meta.namespace.as_deref()?, &owner(meta)?));
    match event {
        Event::Init => cache.begin(what),
        Event::InitApply(object) | Event::Apply(object) => {
            if cache.note(what, object.meta(), text(&object)) {
                return of(object.meta()).into_iter().collect();
            }
        }
        Event::Delete(object) => {
            cache.bury(what, object.meta());
            return of(object.meta()).into_iter().collect();
        }
        Event::InitDone => {
            let gone = cache.complete(what);
            return gone.iter().map(|(namespace, owner)| name(namespace, owner)).collect();
        }
    }
    Vec::new()
}

/// Notes what a watch tells of resources, and passes on what the queue needs.
fn noted(cache: &Cache, event: Event<Slim>) -> Event<DynamicObject> {
    let what = Watched::Resources;
    let keep = |object: Slim| {
        cache.note(what, &object.metadata, Some(&object.text));
        outline(object)
    };
    match event {
        Event::Init => {
            cache.begin(what);
            Event::Init
        }
        Event::InitApply(object) => Event::InitApply(keep(object)),
        Event::Apply(object) => Event::Apply(keep(object)),
        Event::InitDone => {
            cache.complete(what);
            Event::InitDone
        }
        Event::Delete(object) => {
            cache.bury(what, &object.metadata);
            Event::Delete(outline(object))
        }
    }
}

fn outline(object: Slim) -> DynamicObject {
    DynamicObject { types: None, metadata: object.metadata, data: Value::Null }
}

/// Pauses between attempts to watch: short, as what changes meanwhile is seen that much later.
#[derive(Default)]
struct Pauses {
    failures: u32,
    last: Option<Instant>,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Self::FIRST.saturating_mul(2u32.saturating_pow(self.failures)).min(Self::LONGEST);
        self.failures += 1;
        self.last = Some(Instant::now());
        Some(pause.mul_f64(rand::rng().random_range(0.5..1.0)))
    }
}

impl Backoff for Pauses {
    // That another attempt begins, which is told as an event too, is no success yet.
    fn reset(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() > 2 * Self::LONGEST) {
            self.failures = 0;
        }
    }
}

/// Names from all watches of children and Secrets.
pub fn all(scope: &Scope) -> impl Stream<Item = Name> + use<> {
    let children = Kind::ALL.into_iter().map(|kind| scope.children(kind).boxed());
    stream::select_all(children.chain([scope.secrets().boxed()]))
}
