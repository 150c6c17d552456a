//! What would be created, changed and deleted for a resource, without doing it: for `aetherconnect plan`, and for
//! resources whose changes wait for somebody's approval.

use std::{collections::BTreeMap, time::Duration};

use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
};
use serde_json::{Value, json};

use super::{
    Error, apply, cluster::Cluster, facts::Problem, prune, read, read::Observed, resource, rollout, validate, yaml,
};
use crate::{
    api::{AetherConnect, PlanStatus},
    config::Defaults,
    resources::{CONFIG_HASH, Child, Children, Hashes, Instance, Kind, StorePorts, hash, secrets::Generated},
};

/// On a resource, with the value `true`: changes wait until they are approved.
pub const PLAN: &str = "aetherconnect.io/plan";
/// On a resource: the id of the plan that is approved.
pub const APPROVE: &str = "aetherconnect.io/approve";
/// In place of what is generated when the plan is carried out.
const LATER: &str = "known-after-apply";

/// One object that would change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `Deployment`, `Secret`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How it is now; `None` when it would be created.
    pub before: Option<Value>,
    /// How it would be; `None` when it would be deleted.
    pub after: Option<Value>,
}

impl Change {
    /// `create`, `update` or `delete`.
    pub fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "update",
        }
    }
}

/// What a resource would do to the cluster.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order in which they would happen.
    pub changes: Vec<Change>,
    /// What has to be mended first; until then nothing would happen.
    pub problems: Vec<Problem>,
    /// Kinds that the cluster doesn't know, and who has to be installed for them.
    pub unknown: Vec<(Kind, &'static str)>,
}

/// Plans a resource that may be there already or not, by dry runs on the API server, with the rights of `client`.
pub async fn plan(client: &Client, wanted: &AetherConnect, defaults: &Defaults) -> Result<Plan, Error> {
    let meta = &wanted.metadata;
    let (name, namespace) = (meta.name.as_deref().unwrap_or(""), meta.namespace.as_deref().unwrap_or("default"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource());
    let live = api.get_opt(name).await.map_err(Error::during("get AetherConnect", name))?;
    // The API server's answer has its defaults, and its word on what isn't valid.
    let merged = dry_run_resource(&api, wanted, live.as_ref()).await?;
    let mut plan = Plan::default();
    let before = live.as_ref().map(|live| serde_json::to_value(live).map(clean)).transpose()?;
    let after = clean(serde_json::to_value(&merged)?);
    if before.as_ref() != Some(&after) {
        plan.changes.push(Change { kind: "AetherConnect".into(), name: name.into(), before, after: Some(after) });
    }
    let uid = live.as_ref().and_then(|live| live.metadata.uid.clone()).unwrap_or_else(|| LATER.into());
    let merged = merged.try_parse::<AetherConnect>().map_err(|error| Error::Unreadable(error.to_string()))?;
    let mut instance = Instance {
        name,
        namespace,
        uid: &uid,
        spec: &merged.spec,
        defaults,
        version: merged.spec.version.clone().unwrap_or_else(|| defaults.version().to_owned()),
        hashes: Hashes::default(),
        store_ports: StorePorts::default(),
    };
    let cluster = Cluster::new(client.clone(), namespace, None);
    let mut observed = read::read(&cluster, &instance, Duration::ZERO).await?;
    plan.problems = validate::before_secrets(&instance, &observed);
    plan.changes.extend(generate(&instance, &mut observed));
    match validate::secrets(&instance, &observed) {
        Ok(checked) => (instance.hashes, instance.store_ports) = (checked.hashes, checked.ports),
        Err(problems) => plan.problems.extend(problems),
    }
    let children = Children::of(&instance);
    for child in children.all() {
        if observed.unknown_kinds.contains(&child.kind) {
            plan.unknown.extend(child.kind.provider().map(|who| (child.kind, who)));
        } else if let Some(change) = change(&cluster, &instance, &observed, child).await? {
            plan.changes.push(change);
        }
    }
    plan.changes.extend(deletions(&instance, &observed, &children));
    plan.unknown.dedup();
    Ok(plan)
}

/// The resource as the API server would have it: whole, so that what the file no longer says is gone.
async fn dry_run_resource(
    api: &Api<DynamicObject>,
    wanted: &AetherConnect,
    live: Option<&DynamicObject>,
) -> Result<DynamicObject, Error> {
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    let mut object = DynamicObject::new(name, &resource());
    object.data = json!({"spec": wanted.spec});
    object.metadata.namespace.clone_from(&wanted.metadata.namespace);
    object.metadata.labels.clone_from(&wanted.metadata.labels);
    object.metadata.annotations.clone_from(&wanted.metadata.annotations);
    let params = PostParams { dry_run: true, field_manager: Some("aetherconnect-plan".into()) };
    let merged = match live {
        None => api.create(&params, &object).await,
        Some(live) => {
            let ours = object.metadata.annotations.take().into_iter().flatten();
            let labels = object.metadata.labels.take().into_iter().flatten();
            object.metadata = live.metadata.clone();
            object.metadata.annotations.get_or_insert_default().extend(ours);
            object.metadata.labels.get_or_insert_default().extend(labels);
            api.replace(name, &params, &object).await
        }
    };
    merged.map_err(Error::during("dry-run AetherConnect", name))
}

/// What the Secrets that would be generated look like, put among those that are there.
fn generate(instance: &Instance<'_>, observed: &mut Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut number = 0;
    for generated in Generated::ALL.into_iter().filter(|generated| generated.wanted(instance)) {
        let name = instance.child(generated.part());
        if observed.secrets.contains_key(&name) {
            continue;
        }
        // Long enough and different, as the real ones will be.
        let mut later = || {
            number += 1;
            format!("{LATER}-{number:032}")
        };
        let mut body = generated.secret(instance, &generated.missing(instance, &BTreeMap::new(), &mut later));
        let values = body["stringData"].as_object().cloned().unwrap_or_default();
        let data: BTreeMap<_, _> = values
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), k8s_openapi::ByteString(value.as_str()?.into()))))
            .collect();
        let mut secret = k8s_openapi::api::core::v1::Secret { data: Some(data), ..Default::default() };
        secret.metadata.labels = serde_json::from_value(body["metadata"]["labels"].clone()).ok();
        observed.secrets.insert(name.clone(), secret);
        body["stringData"] = values.keys().map(|key| (key.clone(), json!(LATER))).collect();
        changes.push(Change { kind: "Secret".into(), name, before: None, after: Some(clean(body)) });
    }
    changes
}

/// What would become of a child, if anything.
async fn change(
    cluster: &Cluster,
    instance: &Instance<'_>,
    observed: &Observed,
    child: &Child,
) -> Result<Option<Change>, Error> {
    let kind = format!("{:?}", child.kind);
    let live = observed.children.get(&(child.kind, child.name.clone()));
    let after = match live {
        Some(live) if is_done(live, child) => return Ok(None),
        // The API server refuses an owner that isn't there yet.
        None if instance.uid == LATER => child.body.clone(),
        // A Job can't be changed: it would be made anew.
        Some(_) if child.kind == Kind::Job => child.body.clone(),
        None => {
            apply::refuse_foreign(cluster, instance, child).await?;
            cluster.dry_run(child, None).await?
        }
        Some(live) => {
            let mut after = cluster.dry_run(child, Some(live)).await?;
            // They are handed over to the autoscaler as they are.
            if let Some(replicas) = apply::let_go_of_replicas(live, child) {
                after["spec"]["replicas"] = json!(replicas);
            }
            after
        }
    };
    let (before, after) = (live.cloned().map(clean), clean(after));
    let is_same = before.as_ref() == Some(&after);
    Ok((!is_same).then(|| Change { kind, name: child.name.clone(), before, after: Some(after) }))
}

/// Whether nothing would be done about a live object: it is as it should be, or a Job that has done what it was for.
fn is_done(live: &Value, child: &Child) -> bool {
    apply::is_current(live, child) || (child.kind == Kind::Job && rollout::of(Kind::Job, live).complete())
}

/// What nothing would need any more.
fn deletions(instance: &Instance<'_>, observed: &Observed, children: &Children) -> Vec<Change> {
    let unwanted = prune::unwanted(instance, observed, children);
    let children = unwanted.children.into_iter().map(|key| {
        let before = observed.children.get(&key).cloned().map(clean);
        Change { kind: format!("{:?}", key.0), name: key.1, before, after: None }
    });
    let secrets = unwanted.secrets.into_iter().map(|name| {
        let meta = json!({"name": name, "namespace": instance.namespace});
        let before = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta});
        Change { kind: "Secret".into(), name, before: Some(before), after: None }
    });
    children.chain(secrets).collect()
}

/// An object without what the API server or other controllers add to it, and without a Secret's values.
fn clean(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        for field in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"] {
            meta.remove(field);
        }
    }
    if let Some(notes) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        notes.remove(apply::APPLIED_HASH);
        notes.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    object
}

/// What an instance consists of when there is no cluster to ask: as YAML documents.
pub fn render(wanted: &AetherConnect, defaults: &Defaults) -> Result<String, serde_yaml::Error> {
    let meta = &wanted.metadata;
    let mut instance = Instance {
        name: meta.name.as_deref().unwrap_or(""),
        namespace: meta.namespace.as_deref().unwrap_or("default"),
        uid: LATER,
        spec: &wanted.spec,
        defaults,
        version: wanted.spec.version.clone().unwrap_or_else(|| defaults.version().to_owned()),
        hashes: Hashes::default(),
        store_ports: StorePorts::default(),
    };
    let mut observed = Observed::default();
    let secrets = generate(&instance, &mut observed);
    if let Ok(checked) = validate::secrets(&instance, &observed) {
        (instance.hashes, instance.store_ports) = (checked.hashes, checked.ports);
    }
    let children = Children::of(&instance);
    let objects = secrets.into_iter().filter_map(|change| change.after).chain(children.all().map(|c| c.body.clone()));
    objects.map(|object| yaml::document(&object)).collect()
}

/// The plan that waits for approval, if there is one that isn't approved and would change something.
pub fn pending(instance: &Instance<'_>, observed: &Observed, approved: Option<&str>) -> Option<PlanStatus> {
    let (mut instance, mut observed) = (instance.clone(), observed.clone());
    let secrets = generate(&instance, &mut observed);
    if let Ok(checked) = validate::secrets(&instance, &observed) {
        (instance.hashes, instance.store_ports) = (checked.hashes, checked.ports);
    }
    let children = Children::of(&instance);
    let id = id(&children);
    if approved == Some(id.as_str()) {
        return None;
    }
    let mut changes: Vec<_> = secrets.iter().map(|change| format!("create Secret {}", change.name)).collect();
    changes.extend(differences(&instance, &observed, &children));
    (!changes.is_empty()).then_some(PlanStatus { id, changes })
}

/// Stays the same until the resource or the operator wants something else; what Secrets hold doesn't count.
fn id(children: &Children) -> String {
    let bodies: Vec<_> = children.all().map(|child| without_secrets(child).to_string()).collect();
    hash(bodies.iter().map(String::as_str))
}

/// A child without what it has from the Secrets' contents.
fn without_secrets(child: &Child) -> Value {
    let mut body = child.body.clone();
    match child.kind {
        // Named from the stores' addresses, and from images that it names itself.
        Kind::Job => body["metadata"]["name"] = Value::Null,
        Kind::NetworkPolicy => {
            // Whither these lead is unknown: the ports are those of the stores' URIs.
            let anywhere = body["spec"]["egress"].as_array_mut().into_iter().flatten();
            for rule in anywhere.filter(|rule| rule["to"].is_null()) {
                rule["ports"] = Value::Null;
            }
        }
        _ => {
            if let Some(Value::Object(notes)) = body.pointer_mut("/spec/template/metadata/annotations") {
                notes.remove(CONFIG_HASH);
            }
        }
    }
    body
}

/// A line for each object that isn't as it should be.
fn differences(instance: &Instance<'_>, observed: &Observed, children: &Children) -> Vec<String> {
    let changed = children.all().filter(|child| !observed.unknown_kinds.contains(&child.kind)).filter_map(|child| {
        let verb = match observed.children.get(&(child.kind, child.name.clone())) {
            None => "create",
            Some(live) if is_done(live, child) => return None,
            Some(_) => "update",
        };
        Some(format!("{verb} {:?} {}", child.kind, child.name))
    });
    let mut lines: Vec<_> = changed.collect();
    let gone = deletions(instance, observed, children);
    lines.extend(gone.iter().map(|change| format!("delete {} {}", change.kind, change.name)));
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn id_of(yaml: &str, secrets: &str, port: u16) -> String {
        let (spec, text) = (serde_yaml::from_str(yaml).unwrap(), || secrets.to_owned());
        id(&Children::of(&Instance {
            name: "chat",
            namespace: "team",
            uid: "u-1",
            spec: &spec,
            defaults: &Defaults::default(),
            version: "1.0.0".into(),
            hashes: Hashes { auth: text(), message: text(), gateway: text(), redis: text(), stores: text() },
            store_ports: StorePorts { postgres: vec![port], mongodb: vec![port], redis: vec![port] },
        }))
    }

    #[test]
    fn an_approval_holds_for_other_secrets_and_not_for_another_resource() {
        let external = "{external: {secretRef: {name: db, key: uri}}}";
        let everywhere = format!("{{postgres: {external}, mongodb: {external}, redis: {external}}}");
        for yaml in ["{}", &everywhere] {
            let before = id_of(yaml, "a", 1);
            assert_eq!(before, id_of(yaml, "b", 2), "{yaml}");
            assert_ne!(before, id_of(&yaml.replacen('{', "{gateway: {replicas: 4}, ", 1), "a", 1), "{yaml}");
        }
    }
}
