//! What all instances have in common: defaults that the operator's configuration gives, and upgrades in waves of those
//! that follow the default version.

use std::sync::{Arc, Mutex, PoisonError};

use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use crate::{cache::Cache, config::Defaults};

/// The label of instances that are upgraded before the others.
pub const CANARY: &str = "aetherconnect.io/canary";

/// The instances that the operator knows of, and their defaults. Clones share them.
#[derive(Clone, Default)]
pub struct Fleet {
    /// What a resource leaves open.
    pub defaults: Arc<Defaults>,
    caches: Arc<Mutex<Vec<Arc<Cache>>>>,
}

/// An instance that follows the default version.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// Whether it is upgraded first.
    pub canary: bool,
    /// The version that it is being brought to, once it has been reconciled.
    pub target: Option<String>,
    /// The version that it last ran in full.
    pub version: Option<String>,
    /// Whether all is well with it.
    pub ready: bool,
    /// Whether something is wrong with it.
    pub degraded: bool,
}

impl Fleet {
    /// A fleet with these defaults, of which no instance is known yet.
    pub fn new(defaults: Defaults) -> Self {
        Self { defaults: Arc::new(defaults), caches: Arc::default() }
    }

    /// Counts the instances of a watch in from now on.
    pub fn watch(&self, cache: Arc<Cache>) {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }

    /// The version for an instance that names none, and why it isn't the default yet, if it isn't.
    pub fn version_for(&self, name: &str, current: Option<&str>) -> (String, Option<String>) {
        let default = self.defaults.version();
        match current {
            Some(current) if current != default => {
                match turn(name, &self.members(), default, self.defaults.upgrade_batch) {
                    Ok(()) => (default.to_owned(), None),
                    Err(why) => (current.to_owned(), Some(why)),
                }
            }
            _ => (default.to_owned(), None),
        }
    }

    fn members(&self) -> Vec<Member> {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.iter().flat_map(|cache| cache.members()).collect()
    }
}

/// An instance as a member of the fleet; none that has a version of its own, or that doesn't run now.
pub fn member(object: &DynamicObject) -> Option<Member> {
    let (spec, status) = (&object.data["spec"], &object.data["status"]);
    let is_on = |field: &str| spec[field] == Value::Bool(true);
    if spec["version"].is_string() || is_on("suspend") || is_on("paused") {
        return None;
    }
    let condition = |kind: &str| {
        let conditions = status["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|c| c["type"] == kind && c["status"] == "True"))
    };
    let text = |field: &str| status[field].as_str().map(str::to_owned);
    Some(Member {
        name: format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
        canary: object.labels().get(CANARY).is_some_and(|value| value == "true"),
        target: text("targetVersion"),
        version: text("version"),
        ready: condition("Ready"),
        degraded: condition("Degraded"),
    })
}

/// Whether an instance may move to the default version now, or what it waits for. All come to the same answer on the
/// same facts: the first of those that wait, canaries before others, fill the batch; and nobody goes on while one of
/// those that have moved is in trouble.
fn turn(name: &str, members: &[Member], default: &str, batch: usize) -> Result<(), String> {
    let moved = |member: &&Member| member.target.as_deref() == Some(default) && member.version.is_some();
    let under_way: Vec<_> = members
        .iter()
        .filter(moved)
        .filter(|member| member.version.as_deref() != Some(default) || !member.ready)
        .collect();
    if let Some(stuck) = under_way.iter().find(|member| member.degraded) {
        return Err(format!("the upgrade to {default} has halted: {} is degraded with it", stuck.name));
    }
    let mut waiting: Vec<_> =
        members.iter().filter(|member| member.target.as_deref().is_some_and(|target| target != default)).collect();
    waiting.sort_by_key(|member| (!member.canary, &member.name));
    let canaries_first = waiting.iter().chain(&under_way).any(|member| member.canary);
    let me = members.iter().find(|member| member.name == name);
    if canaries_first && !me.is_some_and(|me| me.canary) {
        return Err(format!("the upgrade to {default} begins with the canaries"));
    }
    let free = batch.saturating_sub(under_way.len());
    if waiting.iter().take(free).any(|member| member.name == name) {
        return Ok(());
    }
    let others: Vec<_> = under_way.iter().map(|member| member.name.as_str()).collect();
    Err(format!("the upgrade to {default} goes on when those before it are ready: {}", others.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(name: &str, version: &str, target: &str) -> Member {
        Member {
            name: name.into(),
            canary: name.starts_with("canary"),
            target: Some(target.into()),
            version: Some(version.into()),
            ready: version == target,
            degraded: false,
        }
    }

    fn may(members: &[Member], batch: usize) -> Vec<&str> {
        let names = members.iter().filter(|member| member.target.as_deref() == Some("1")).map(|m| m.name.as_str());
        names.filter(|name| turn(name, members, "2", batch).is_ok()).collect()
    }

    #[test]
    fn canaries_go_first_and_the_others_wait_until_they_are_ready() {
        let mut members = vec![at("a", "1", "1"), at("canary", "1", "1"), at("b", "1", "1")];
        assert_eq!(may(&members, 2), ["canary"]);
        members[1] = at("canary", "1", "2");
        assert_eq!(may(&members, 2), Vec::<&str>::new());
        members[1] = at("canary", "2", "2");
        assert_eq!(may(&members, 2), ["a", "b"]);
    }

    #[test]
    fn no_more_than_a_batch_is_under_way_at_a_time() {
        let mut members: Vec<_> = ["a", "b", "c", "d"].map(|name| at(name, "1", "1")).into();
        assert_eq!(may(&members, 2), ["a", "b"]);
        members[0] = at("a", "1", "2");
        assert_eq!(may(&members, 2), ["b"], "the same answer while the others' moves become known");
        members[1] = at("b", "1", "2");
        assert_eq!(may(&members, 2), Vec::<&str>::new());
        members[0] = at("a", "2", "2");
        assert_eq!(may(&members, 2), ["c"]);
    }

    #[test]
    fn the_first_that_degrades_halts_all_and_is_named() {
        let mut members = vec![at("a", "1", "2"), at("b", "1", "1")];
        members[0].degraded = true;
        assert!(turn("b", &members, "2", 5).unwrap_err().contains("a is degraded"));
    }

    #[test]
    fn an_instance_that_never_ran_holds_nobody_up() {
        let fresh = Member { version: None, ready: false, degraded: true, ..at("new", "2", "2") };
        assert_eq!(may(&[fresh, at("b", "1", "1")], 1), ["b"]);
    }
}
