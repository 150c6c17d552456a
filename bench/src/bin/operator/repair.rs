//! How soon a child is right again that somebody edited or deleted.

use std::time::Duration;

use aether_operator::resources::{Kind, MANAGER};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    control_plane::{ControlPlane, Instance},
    operator::Operator,
    report::{Report, Target},
};

const INSTANCES: usize = 10;
const OTHER: &str = "another";
const LABEL: &str = "app.kubernetes.io/component";

pub(crate) async fn measure(plane: &ControlPlane, report: &mut Report, rounds: usize) -> Result<()> {
    report.heading(&format!("Repair, {rounds} times each, among {INSTANCES} instances"));
    let places = plane.places("repair", INSTANCES).await?;
    let operator = Operator::start(plane, None).await?;
    plane.ask(&places, &json!({"message": {"replicas": 2}})).await?;
    plane.ready(&places).await?;
    let kinds = Kind::ALL.into_iter().map(Kind::resource).chain([ApiResource::erase::<Secret>(&())]);
    for kind in kinds {
        let (mut edited, mut deleted) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let Some((api, name)) = child(plane, &kind, &places, round).await? else { break };
            edited.push(edit(&api, &name).await?);
            deleted.push(delete(&api, &name).await?);
        }
        for (what, mut times) in [("edited", edited), ("deleted", deleted)] {
            if times.is_empty() {
                continue;
            }
            times.sort_by(f64::total_cmp);
            let p99 = times[(times.len() * 99).div_ceil(100) - 1];
            report.line("repair", &format!("{} {what}, p99", kind.kind), p99 * 1000.0, " ms", Target::AtMost(2000.0));
        }
    }
    operator.stop().await?;
    plane.clear(&places).await
}

/// One of a kind's children, another each time; none if there is none.
async fn child(
    plane: &ControlPlane,
    kind: &ApiResource,
    places: &[Instance],
    round: usize,
) -> Result<Option<(Api<DynamicObject>, String)>> {
    let api = plane.api(&places[round % places.len()].namespace, kind);
    let labels = format!("app.kubernetes.io/managed-by={MANAGER}");
    let Ok(list) = api.list(&ListParams::default().labels(&labels)).await else { return Ok(None) };
    let names: Vec<_> = list.items.into_iter().filter_map(|object| object.metadata.name).collect();
    Ok(names.get((round / places.len()) % names.len().max(1)).map(|name| (api, name.clone())))
}

async fn edit(api: &Api<DynamicObject>, name: &str) -> Result<f64> {
    let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: OTHER}}}));
    let began = Instant::now();
    api.patch(name, &PatchParams::default(), &patch).await?;
    wait(began, async || {
        let labels = api.get(name).await?.metadata.labels.unwrap_or_default();
        Ok(labels.get(LABEL).is_some_and(|label| label != OTHER))
    })
    .await
}

async fn delete(api: &Api<DynamicObject>, name: &str) -> Result<f64> {
    let uid = api.get(name).await?.metadata.uid;
    let began = Instant::now();
    api.delete(name, &DeleteParams::background()).await?;
    wait(began, async || Ok(api.get_opt(name).await?.is_some_and(|object| object.metadata.uid != uid))).await
}

async fn wait(began: Instant, mut is_right: impl AsyncFnMut() -> Result<bool>) -> Result<f64> {
    while !is_right().await? {
        ensure!(began.elapsed() < Duration::from_secs(60), "a child isn't repaired");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(began.elapsed().as_secs_f64())
}
