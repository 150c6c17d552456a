//! Fifty instances at once, beside a plain client that creates the same objects; then a change in each.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    control_plane::{CONCURRENCY, ControlPlane, Instance},
    operator::Operator,
    report::{Report, Target},
};

/// What a run of the operator took.
pub(crate) struct Run {
    /// Until the last child of each instance existed, in seconds, sorted.
    pub(crate) each: Vec<f64>,
    pub(crate) writes: f64,
    pub(crate) children: Vec<(kube::api::ApiResource, Value)>,
}

impl Run {
    pub(crate) fn all(&self) -> f64 {
        self.each.last().copied().unwrap_or_default()
    }

    pub(crate) fn writes_a_child(&self) -> f64 {
        self.writes / self.children.len() as f64
    }
}

/// Asks for instances, and waits until all that they consist of exists: the gateway's Deployment is the last of it.
pub(crate) async fn come_up(plane: &ControlPlane, places: &[Instance], spec: &Value) -> Result<Vec<f64>> {
    let all: Api<PartialObjectMeta<Deployment>> = Api::all(plane.client.clone());
    let config = watcher::Config::default().labels("app.kubernetes.io/component=gateway");
    let mut seen = watcher(all, config).applied_objects().boxed();
    let mut times = BTreeMap::new();
    let began = Instant::now();
    let asked = plane.ask(places, spec);
    let watched = async {
        while times.len() < places.len() {
            let next = timeout(Duration::from_secs(240), seen.next()).await.context("instances don't come up")?;
            let object = next.context("the watch ended")??;
            let namespace = object.metadata.namespace.unwrap_or_default();
            if places.iter().any(|place| place.namespace == namespace) {
                times.entry(namespace).or_insert_with(|| began.elapsed().as_secs_f64());
            }
        }
        anyhow::Ok(())
    };
    tokio::try_join!(asked, watched)?;
    let mut each: Vec<f64> = times.into_values().collect();
    each.sort_by(f64::total_cmp);
    Ok(each)
}

/// A run of the operator in fresh namespaces.
pub(crate) async fn run(plane: &ControlPlane, places: &[Instance], spec: &Value) -> Result<Run> {
    let before = plane.operators_writes().await?;
    let each = come_up(plane, places, spec).await?;
    plane.ready(places).await?;
    // Events and what else comes late.
    sleep(Duration::from_secs(3)).await;
    let writes = plane.operators_writes().await? - before;
    Ok(Run { each, writes, children: plane.children(places).await? })
}

/// Creates the same objects, as fast as it can; gives the seconds.
pub(crate) async fn plain(plane: &ControlPlane, run: &Run, from: &[Instance], to: &[Instance]) -> Result<f64> {
    let places: BTreeMap<_, _> = from.iter().map(|place| place.namespace.as_str()).zip(to).collect();
    let began = Instant::now();
    let created = stream::iter(&run.children).map(|(kind, object)| {
        let place = object["metadata"]["namespace"].as_str().and_then(|namespace| places.get(namespace));
        async move {
            let place = place.context("a child of another instance")?;
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!(place.namespace);
            let object: DynamicObject = serde_json::from_value(object)?;
            plane.api(&place.namespace, kind).create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        }
    });
    created.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    Ok(began.elapsed().as_secs_f64())
}

pub(crate) async fn measure(plane: &ControlPlane, report: &mut Report, count: usize, rounds: usize) -> Result<()> {
    report.heading(&format!("{count} instances at once"));
    let (mut ratios, mut spreads, mut writes, mut seconds, mut changes) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut memory, mut children) = (0.0f64, 0);
    for _ in 0..rounds {
        let (ours, theirs) = (plane.places("ours", count).await?, plane.places("plain", count).await?);
        let operator = Operator::start(plane, None).await?;
        let run = run(plane, &ours, &json!({})).await?;
        memory = memory.max(operator.memory()?);
        changes.push(change(plane, &ours).await?);
        operator.stop().await?;
        let plain = plain(plane, &run, &ours, &theirs).await?;
        ratios.push(run.all() / plain);
        spreads.push(run.all() / run.each[run.each.len() / 2]);
        writes.push(run.writes_a_child());
        seconds.push((run.all(), plain));
        children = run.children.len();
        plane.clear(&ours).await?;
        plane.clear(&theirs).await?;
        sleep(Duration::from_secs(2)).await;
    }
    report.note(&format!("{children} children; seconds (ours, plain client): {seconds:.2?}"));
    let part = "create";
    let all_exist = "until all children exist, times a plain client's time";
    report.line(part, all_exist, median(&mut ratios), "", Target::AtMost(1.5));
    report.line(part, "slowest instance, times the median", median(&mut spreads), "", Target::AtMost(2.0));
    report.line(part, "writes a child, status and events included", median(&mut writes), "", Target::AtMost(1.2));
    report.line(part, "writes an instance when one field is changed", median(&mut changes), "", Target::AtMost(3.0));
    report.line(part, &format!("memory with {count} instances"), memory, " MiB", Target::AtMost(30.0));
    Ok(())
}

/// Changes a field of each instance; gives the writes an instance.
async fn change(plane: &ControlPlane, places: &[Instance]) -> Result<f64> {
    let before = plane.operators_writes().await?;
    plane.ask(places, &json!({"gateway": {"logLevel": "debug"}})).await?;
    plane.ready(places).await?;
    sleep(Duration::from_secs(3)).await;
    Ok((plane.operators_writes().await? - before) / places.len() as f64)
}

pub(crate) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
