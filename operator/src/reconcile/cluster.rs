//! The requests that reconciliation makes, and what the watches have told already.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, ValidationDirective},
    core::ObjectMeta,
};
use serde_json::{Value, json};

use super::{Error, ownership};
use crate::{
    cache::{self, Cache, Watched},
    resources::{Child, Kind, MANAGER},
};

/// A namespace of the cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    /// What the watches have told; without one, everything is read.
    cache: Option<Arc<Cache>>,
}

impl Cluster {
    /// Access to one namespace.
    pub fn new(client: Client, namespace: &str, cache: Option<Arc<Cache>>) -> Self {
        Self { client, namespace: namespace.to_owned(), cache }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Whether what there is comes from watches, which tell of all changes.
    pub fn is_watching(&self) -> bool {
        self.cache.is_some()
    }

    /// Objects of a kind that may be the instance's: more than those, but none is missing. `None` when the cluster
    /// doesn't know the kind.
    pub async fn list(&self, kind: Kind, instance: &str, labels: &str) -> Result<Option<Vec<Value>>, Error> {
        if let Some(cache) = &self.cache {
            let known = !cache.is_unknown(kind);
            return Ok(known.then(|| cache.children(kind, &self.namespace, instance)));
        }
        match self.api(kind).list(&ListParams::default().labels(labels)).await {
            Ok(list) => list.items.into_iter().map(to_value).collect::<Result<_, _>>().map(Some),
            Err(kube::Error::Api(status)) if status.code == 404 && kind.provider().is_some() => Ok(None),
            Err(error) => Err(Error::during("list", format!("{kind:?}s"))(error)),
        }
    }

    /// Lets the watches look again for kinds that the cluster doesn't know.
    pub fn want_unknown(&self) {
        if let Some(cache) = &self.cache {
            cache.want_unknown();
        }
    }

    /// An object by name, as it is now.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, Error> {
        let object = self.api(kind).get_opt(name).await.map_err(Error::during("get", name))?;
        object.map(|object| self.known(kind, object)).transpose()
    }

    /// Creates an object; none when there is one of its name.
    pub async fn create(&self, child: &Child, body: &Value) -> Result<Option<Value>, Error> {
        let request = self.strictly(child.kind, body)?;
        match self.client.request::<DynamicObject>(request).await {
            Ok(created) => self.known(child.kind, created).map(Some),
            Err(error) if already_exists(&error) => Ok(None),
            Err(error) => Err(Error::during("create", &child.name)(error)),
        }
    }

    /// A request to create an object, and to refuse fields that there aren't.
    fn strictly(&self, kind: Kind, body: &Value) -> Result<http::Request<Vec<u8>>, Error> {
        let url = format!("{}?fieldManager={MANAGER}&fieldValidation=Strict", self.api(kind).resource_url());
        let request = http::Request::post(url).header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(serde_json::to_vec(body)?).map_err(kube::Error::HttpError);
        request.map_err(Error::during("create", format!("{kind:?}")))
    }

    /// Applies an object server-side and returns what became of it.
    pub async fn apply(&self, child: &Child, body: &Value) -> Result<Value, Error> {
        let params =
            PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(MANAGER).force() };
        let applied = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(body)).await;
        self.known(child.kind, applied.map_err(Error::during("apply", &child.name))?)
    }

    /// Makes the fields that the operator owns since it created the object ones that it applied: only then does an
    /// apply take away what is no longer wanted. Creating by apply would cost the API server half as much again.
    pub async fn own_by_apply(&self, kind: Kind, live: &Value) -> Result<(), Error> {
        let name = live["metadata"]["name"].as_str().unwrap_or_default();
        let Some(managers) = ownership::applied(live) else { return Ok(()) };
        // With the version, so that nothing that happened meanwhile is undone.
        let patch = json!({"metadata": {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "managedFields": managers,
        }});
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = self.api(kind).patch(name, &params, &Patch::Merge(patch)).await;
        self.known(kind, patched.map_err(Error::during("take ownership of", name))?).map(drop)
    }

    /// Gives an object its labels and its owner back.
    pub async fn mend_metadata(&self, child: &Child) -> Result<Value, Error> {
        let wanted = &child.body["metadata"];
        let metadata = json!({"labels": wanted["labels"], "ownerReferences": wanted["ownerReferences"]});
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let patched = self.api(child.kind).patch(&child.name, &params, &patch).await;
        self.known(child.kind, patched.map_err(Error::during("patch", &child.name))?)
    }

    /// What an object would become if it were applied.
    pub async fn dry_run(&self, child: &Child, live: Option<&Value>) -> Result<Value, Error> {
        let params = PatchParams {
            dry_run: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(MANAGER).force()
        };
        let applied = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(&child.body)).await;
        let mut after = to_value(applied.map_err(Error::during("dry-run", &child.name))?)?;
        if let Some((ours, others)) = live.and_then(ownership::of_created) {
            // What the operator created and never applied, this alone wouldn't take away.
            let mut body = child.body.clone();
            body["metadata"]["name"] = json!(format!("{}-", child.name.get(..40).unwrap_or(&child.name)));
            body["metadata"]["generateName"] = body["metadata"]["name"].take();
            let object = serde_json::from_value(body)?;
            let params = PostParams { dry_run: true, field_manager: Some(MANAGER.into()) };
            let fresh = self.api(child.kind).create(&params, &object).await;
            let fresh = to_value(fresh.map_err(Error::during("dry-run", &child.name))?)?;
            for part in ["spec", "automountServiceAccountToken"] {
                let key = format!("f:{part}");
                let others: Vec<_> = others.iter().map(|fields| &fields[&key]).collect();
                ownership::take_away(&mut after[part], &fresh[part], &ours[&key], &others);
            }
        }
        Ok(after)
    }

    /// Makes somebody else a second owner of a Deployment's number of pods, so that it stays when the operator lets go.
    pub async fn hand_over_replicas(&self, name: &str, replicas: i64) -> Result<(), Error> {
        let resource = Kind::Deployment.resource();
        let body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name},
            "spec": {"replicas": replicas},
        });
        let params = PatchParams::apply("aetherconnect-autoscaling").force();
        let patched = self.api(Kind::Deployment).patch(name, &params, &Patch::Apply(&body)).await;
        patched.map(drop).map_err(Error::during("hand over the replicas of", name))
    }

    /// Deletes an object and all that it owns; it may be gone already.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<(), Error> {
        let deleted = self.api(kind).delete(name, &DeleteParams::background()).await;
        ignore_missing(deleted.map(drop)).map_err(Error::during("delete", name))?;
        self.gone(Watched::Children(kind), name);
        Ok(())
    }

    /// A Secret by name. The operator's own are read when they have changed, others each time.
    pub async fn secret(&self, name: &str, is_generated: bool) -> Result<Option<Secret>, Error> {
        if let Some(cache) = &self.cache {
            if let Some(text) = cache.get(Watched::Secrets, &self.namespace, name) {
                return Ok(Some(serde_json::from_str(&text)?));
            }
            if is_generated && !cache.has(Watched::Secrets, &self.namespace, name) {
                return Ok(None);
            }
        }
        self.read_secret(name).await
    }

    /// A Secret by name, as it is now.
    pub async fn read_secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        let secret = self.secrets().get_opt(name).await.map_err(Error::during("get Secret", name))?;
        if let Some(secret) = &secret {
            self.known_secret(secret);
        }
        Ok(secret)
    }

    /// Creates a Secret; none when there is one of its name.
    pub async fn create_secret(&self, name: &str, body: Value) -> Result<Option<Secret>, Error> {
        let secret = serde_json::from_value(body)?;
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        match self.secrets().create(&params, &secret).await {
            Ok(created) => {
                self.known_secret(&created);
                Ok(Some(created))
            }
            Err(error) if already_exists(&error) => Ok(None),
            Err(error) => Err(Error::during("create Secret", name)(error)),
        }
    }

    /// Changes parts of a Secret.
    pub async fn patch_secret(&self, name: &str, patch: &Value) -> Result<Secret, Error> {
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        match self.secrets().patch(name, &params, &Patch::Merge(patch)).await {
            Ok(patched) => {
                self.known_secret(&patched);
                Ok(patched)
            }
            Err(error) => {
                // It isn't what it was believed to be: it is read again next time.
                self.gone_text(name);
                Err(Error::during("patch Secret", name)(error))
            }
        }
    }

    /// Deletes a Secret; it may be gone already.
    pub async fn delete_secret(&self, name: &str) -> Result<(), Error> {
        let deleted = self.secrets().delete(name, &DeleteParams::default()).await;
        ignore_missing(deleted.map(drop)).map_err(Error::during("delete Secret", name))?;
        self.gone(Watched::Secrets, name);
        Ok(())
    }

    /// Whether there is a volume claim.
    pub async fn has_claim(&self, name: &str) -> Result<bool, Error> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let claim = claims.get_metadata_opt(name).await.map_err(Error::during("get PersistentVolumeClaim", name))?;
        Ok(claim.is_some())
    }

    /// Pods with the labels.
    pub async fn pods(&self, labels: &str) -> Result<Vec<Pod>, Error> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = pods.list(&ListParams::default().labels(labels)).await;
        Ok(list.map_err(Error::during("list", "pods"))?.items)
    }

    /// Notes what an answer told of a child. What the watches wouldn't show isn't kept: nobody would take it away.
    fn known(&self, kind: Kind, object: DynamicObject) -> Result<Value, Error> {
        let value = to_value(object)?;
        if let Some(cache) = &self.cache {
            cache::keep(cache, Watched::Children(kind), &value)?;
        }
        Ok(value)
    }

    fn known_secret(&self, secret: &Secret) {
        if let (Some(cache), Some(text)) = (&self.cache, cache::secret_text(secret)) {
            cache.note_ours(Watched::Secrets, &secret.metadata, &text);
        }
    }

    fn gone(&self, what: Watched, name: &str) {
        if let Some(cache) = &self.cache {
            let (name, namespace) = (Some(name.to_owned()), Some(self.namespace.clone()));
            cache.forget(what, &ObjectMeta { name, namespace, ..ObjectMeta::default() });
        }
    }

    fn gone_text(&self, name: &str) {
        if let Some(cache) = &self.cache {
            cache.distrust(Watched::Secrets, &self.namespace, name);
        }
    }
}

fn to_value(object: DynamicObject) -> Result<Value, Error> {
    Ok(serde_json::to_value(object)?)
}

fn already_exists(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
}

fn ignore_missing(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result,
    }
}
