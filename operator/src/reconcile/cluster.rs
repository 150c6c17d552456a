//! The requests that reconciliation makes.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, ValidationDirective},
};
use serde_json::{Value, json};

use super::Error;
use crate::resources::{Child, Kind, MANAGER};

/// A namespace of the cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// Access to one namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of a kind with the labels; `None` when the cluster doesn't know the kind.
    pub async fn list(&self, kind: Kind, labels: &str) -> Result<Option<Vec<Value>>, Error> {
        match self.api(kind).list(&ListParams::default().labels(labels)).await {
            Ok(list) => list.items.into_iter().map(to_value).collect::<Result<_, _>>().map(Some),
            Err(kube::Error::Api(status)) if status.code == 404 && kind.provider().is_some() => Ok(None),
            Err(error) => Err(Error::during("list", format!("{kind:?}s"))(error)),
        }
    }

    /// An object by name.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, Error> {
        let object = self.api(kind).get_opt(name).await.map_err(Error::during("get", name))?;
        object.map(to_value).transpose()
    }

    /// Applies an object server-side and returns what became of it.
    pub async fn apply(&self, child: &Child, body: &Value) -> Result<Value, Error> {
        let params =
            PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(MANAGER).force() };
        let applied = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(body)).await;
        to_value(applied.map_err(Error::during("apply", &child.name))?)
    }

    /// What an object would become if it were applied.
    pub async fn dry_run(&self, child: &Child) -> Result<Value, Error> {
        let params = PatchParams {
            dry_run: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(MANAGER).force()
        };
        let applied = self.api(child.kind).patch(&child.name, &params, &Patch::Apply(&child.body)).await;
        to_value(applied.map_err(Error::during("dry-run", &child.name))?)
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
        ignore_missing(deleted.map(drop)).map_err(Error::during("delete", name))
    }

    /// A Secret by name.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.secrets().get_opt(name).await.map_err(Error::during("get Secret", name))
    }

    /// Creates a Secret; fails when there is one.
    pub async fn create_secret(&self, name: &str, body: Value) -> Result<Secret, Error> {
        let secret = serde_json::from_value(body)?;
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        self.secrets().create(&params, &secret).await.map_err(Error::during("create Secret", name))
    }

    /// Changes parts of a Secret.
    pub async fn patch_secret(&self, name: &str, patch: &Value) -> Result<Secret, Error> {
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let patched = self.secrets().patch(name, &params, &Patch::Merge(patch)).await;
        patched.map_err(Error::during("patch Secret", name))
    }

    /// Deletes a Secret; it may be gone already.
    pub async fn delete_secret(&self, name: &str) -> Result<(), Error> {
        let deleted = self.secrets().delete(name, &DeleteParams::default()).await;
        ignore_missing(deleted.map(drop)).map_err(Error::during("delete Secret", name))
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
}

fn to_value(object: DynamicObject) -> Result<Value, Error> {
    Ok(serde_json::to_value(object)?)
}

fn ignore_missing(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result,
    }
}
