//! What the watches have told, so that reconciling reads nothing: resources and what they own, each as packed text
//! without what only the API server needs, and of Secrets what changed when.
//!
//! A watch may be behind what the operator has written itself, so each answer to a write is noted here too, and what
//! is older than what is known is no news.

mod packed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{api::DynamicObject, core::ObjectMeta};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use self::packed::{Examples, Packed};
use crate::{
    api::KIND,
    fleet::{Member, member},
    resources::{Kind, MANAGER},
};

/// No answer takes longer to come, its retries included.
const LONGEST_ANSWER: Duration = Duration::from_secs(180);
/// When more than so many are remembered that are gone, those of long ago are forgotten.
const GRAVES: usize = 512;

/// Namespace and name.
pub type Place = (String, String);

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// The resources themselves.
    Resources,
    /// Children of a kind.
    Children(Kind),
    /// The operator's Secrets, of which only metadata is told.
    Secrets,
}

/// An object as it is kept.
#[derive(Clone, Debug)]
struct Kept {
    uid: Box<str>,
    version: u64,
    /// Which listing has seen it last.
    round: u32,
    /// The instance that it belongs to.
    owner: Option<Box<str>>,
    /// Of a resource: what others want to know of it.
    summary: Option<Box<Summary>>,
    /// The object; none for a Secret whose contents aren't known, or not any more.
    text: Option<Packed>,
}

/// What is asked of all resources at once.
#[derive(Clone, Debug)]
struct Summary {
    is_ready: bool,
    /// If it follows the default version.
    member: Option<Member>,
}

impl Summary {
    fn of(text: &str) -> Option<Box<Self>> {
        let object: DynamicObject = serde_json::from_str(text).ok()?;
        let conditions = object.data["status"]["conditions"].as_array();
        let is_ready = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
        Some(Box::new(Self { is_ready, member: member(&object) }))
    }
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Watched, BTreeMap<Place, Kept>>,
    examples: Examples,
    rounds: BTreeMap<Watched, u32>,
    /// Kinds that the cluster doesn't know.
    unknown: BTreeSet<Kind>,
    /// Identities of what is gone, in which version, and when that was told: an answer that was under way may still
    /// speak of it. A later version is that of an object that had lost its label only.
    gone: HashMap<Box<str>, (u64, Instant)>,
}

impl Inner {
    fn summaries(&self, tell: impl FnMut(&Summary)) {
        let resources = self.objects.get(&Watched::Resources).into_iter().flat_map(BTreeMap::values);
        resources.filter_map(|kept| kept.summary.as_deref()).for_each(tell);
    }

    fn bury(&mut self, uid: Box<str>, version: u64) {
        if self.gone.len() >= GRAVES {
            self.gone.retain(|_, (_, at)| at.elapsed() < LONGEST_ANSWER);
        }
        self.gone.insert(uid, (version, Instant::now()));
    }
}

/// Everything that is known of the watched namespaces.
pub struct Cache {
    inner: Mutex<Inner>,
    /// What hasn't been listed yet.
    missing: watch::Sender<BTreeSet<Watched>>,
    /// Told when an instance wants a kind that the cluster doesn't know.
    wanted: Notify,
}

impl Default for Cache {
    fn default() -> Self {
        let all = Kind::ALL.into_iter().map(Watched::Children).chain([Watched::Resources, Watched::Secrets]);
        Self { inner: Mutex::default(), missing: watch::Sender::new(all.collect()), wanted: Notify::new() }
    }
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete in itself.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything has been listed once.
    pub async fn ready(&self) {
        let mut missing = self.missing.subscribe();
        // The sender is `self`.
        let _ = missing.wait_for(BTreeSet::is_empty).await;
    }

    /// A listing begins.
    pub fn begin(&self, what: Watched) {
        *self.lock().rounds.entry(what).or_default() += 1;
    }

    /// A listing is complete: what it didn't see is gone. Gives whose it was.
    pub fn complete(&self, what: Watched) -> Vec<Place> {
        let mut inner = self.lock();
        let round = inner.rounds.get(&what).copied().unwrap_or_default();
        let objects = inner.objects.entry(what).or_default();
        let gone: Vec<_> = objects.extract_if(.., |_, kept| kept.round != round).collect();
        let mut owners = Vec::new();
        for (place, kept) in gone {
            inner.bury(kept.uid, kept.version);
            owners.extend(kept.owner.map(|owner| (place.0, owner.into())));
        }
        if let Watched::Children(kind) = what {
            inner.unknown.remove(&kind);
        }
        drop(inner);
        self.listed(what);
        owners
    }

    /// The cluster doesn't know the kind.
    pub fn unknown(&self, kind: Kind) {
        let mut inner = self.lock();
        inner.unknown.insert(kind);
        inner.objects.remove(&Watched::Children(kind));
        drop(inner);
        self.listed(Watched::Children(kind));
    }

    /// Whether the cluster is known not to know the kind.
    pub fn is_unknown(&self, kind: Kind) -> bool {
        self.lock().unknown.contains(&kind)
    }

    /// An instance can't go on without a kind that the cluster doesn't know: somebody may just be installing it.
    pub fn want_unknown(&self) {
        self.wanted.notify_waiters();
    }

    /// Waits for that.
    pub async fn unknown_is_wanted(&self) {
        self.wanted.notified().await;
    }

    fn listed(&self, what: Watched) {
        self.missing.send_if_modified(|missing| missing.remove(&what));
    }

    /// Notes an object that a watch or an answer told of; says whether that was news.
    pub fn note(&self, what: Watched, meta: &ObjectMeta, text: Option<&str>) -> bool {
        let (Some(name), Some(uid)) = (&meta.name, &meta.uid) else { return false };
        let place = (meta.namespace.clone().unwrap_or_default(), name.clone());
        let version = version(meta);
        let mut inner = self.lock();
        let Inner { objects, rounds, examples, gone, .. } = &mut *inner;
        if gone.get(uid.as_str()).is_some_and(|(last, _)| version <= *last) {
            return false;
        }
        let round = rounds.get(&what).copied().unwrap_or_default();
        let mut pack = |text: &str| examples.pack(what, sort(what, meta), text);
        let objects = objects.entry(what).or_default();
        match objects.get_mut(&place) {
            Some(kept) if kept.version > version || (kept.version == version && *kept.uid == **uid) => {
                kept.round = round;
                // The contents that belong to what a watch has told of.
                if kept.version == version && kept.text.is_none() {
                    kept.text = text.map(pack);
                }
                false
            }
            _ => {
                let owner = owner(meta).map(Into::into);
                let summary = text.filter(|_| what == Watched::Resources).and_then(Summary::of);
                let text = text.map(&mut pack);
                let kept = Kept { uid: uid.as_str().into(), version, round, owner, summary, text };
                objects.insert(place, kept);
                true
            }
        }
    }

    /// Notes what an answer told, if the watch would tell of it too: of what has lost its label it wouldn't.
    pub fn note_ours(&self, what: Watched, meta: &ObjectMeta, text: &str) {
        let labels = meta.labels.as_ref();
        if labels.and_then(|labels| labels.get("app.kubernetes.io/managed-by")).map(String::as_str) == Some(MANAGER) {
            self.note(what, meta, Some(text));
        }
    }

    /// The contents that are known may be wrong: they are read again.
    pub fn distrust(&self, what: Watched, namespace: &str, name: &str) {
        let mut inner = self.lock();
        let objects = inner.objects.entry(what).or_default();
        if let Some(kept) = objects.get_mut(&(namespace.to_owned(), name.to_owned())) {
            kept.text = None;
        }
    }

    /// Notes that a watch told that an object is gone.
    pub fn bury(&self, what: Watched, meta: &ObjectMeta) {
        self.forget(what, meta);
        if let Some(uid) = &meta.uid {
            self.lock().bury(uid.as_str().into(), version(meta));
        }
    }

    /// Notes that an object is gone, unless it is known that there is another of its name.
    pub fn forget(&self, what: Watched, meta: &ObjectMeta) {
        let place = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        let mut inner = self.lock();
        let objects = inner.objects.entry(what).or_default();
        let is_it = |kept: &Kept| meta.uid.as_deref().is_none_or(|uid| *kept.uid == *uid);
        if objects.get(&place).is_some_and(is_it) {
            objects.remove(&place);
        }
    }

    /// An object's text.
    pub fn get(&self, what: Watched, namespace: &str, name: &str) -> Option<String> {
        let inner = self.lock();
        let kept = inner.objects.get(&what)?.get(&(namespace.to_owned(), name.to_owned()))?;
        kept.text.as_ref()?.text()
    }

    /// Whether there is an object, though its contents may not be known.
    pub fn has(&self, what: Watched, namespace: &str, name: &str) -> bool {
        let inner = self.lock();
        let objects = inner.objects.get(&what);
        objects.is_some_and(|objects| objects.contains_key(&(namespace.to_owned(), name.to_owned())))
    }

    /// The children of a kind whose names begin as an instance's do: NAME or NAME-…
    pub fn children(&self, kind: Kind, namespace: &str, instance: &str) -> Vec<Value> {
        let inner = self.lock();
        let Some(objects) = inner.objects.get(&Watched::Children(kind)) else { return Vec::new() };
        let from = (namespace.to_owned(), instance.to_owned());
        let near = objects.range(from..).take_while(|((its, name), _)| its == namespace && name.starts_with(instance));
        let near =
            near.filter(|((_, name), _)| name.len() == instance.len() || name[instance.len()..].starts_with('-'));
        let texts: Vec<_> = near.filter_map(|(_, kept)| kept.text.clone()).collect();
        // Others needn't wait while these are unpacked and parsed.
        drop(inner);
        texts.iter().filter_map(|text| serde_json::from_str(&text.text()?).ok()).collect()
    }

    /// How many resources there are that are not ready, and that are.
    pub fn readiness(&self) -> [i64; 2] {
        let mut counts = [0, 0];
        self.lock().summaries(|summary| counts[usize::from(summary.is_ready)] += 1);
        counts
    }

    /// The instances that follow the default version.
    pub fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        self.lock().summaries(|summary| members.extend(summary.member.clone()));
        members
    }
}

/// Objects of one sort are much alike. Those of Secrets have none: no example of them is to outlive them.
fn sort(what: Watched, meta: &ObjectMeta) -> Option<&str> {
    let component = || meta.labels.as_ref()?.get("app.kubernetes.io/component").map(String::as_str);
    (what != Watched::Secrets).then(|| component().unwrap_or_default())
}

/// The API server's versions are numbers that grow.
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// The instance that an object belongs to: by its owner, or by its labels.
pub fn owner(meta: &ObjectMeta) -> Option<String> {
    let owners = meta.owner_references.iter().flatten();
    if let Some(owner) = owners.into_iter().find(|owner| owner.kind == KIND && owner.controller == Some(true)) {
        return Some(owner.name.clone());
    }
    let labels = meta.labels.as_ref()?;
    let is_ours = labels.get("app.kubernetes.io/managed-by").map(String::as_str) == Some(MANAGER);
    labels.get("app.kubernetes.io/instance").filter(|_| is_ours).cloned()
}

/// Notes a child or resource that an answer told of.
pub fn keep(cache: &Cache, what: Watched, object: &Value) -> Result<(), serde_json::Error> {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let meta = ObjectMeta::deserialize(&object["metadata"])?;
    match what {
        Watched::Resources => {
            cache.note(what, &meta, Some(&object.to_string()));
        }
        _ => cache.note_ours(what, &meta, &object.to_string()),
    }
    Ok(())
}

/// A Secret's text, to be kept: in the form in which the API server sends it.
pub fn secret_text(secret: &Secret) -> Option<String> {
    let mut secret = secret.clone();
    secret.metadata.managed_fields = None;
    serde_json::to_string(&secret).ok()
}

#[cfg(test)]
mod tests;
