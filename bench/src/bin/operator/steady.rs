//! Many instances: what they cost to make, in memory, at a restart, and when nothing happens.

use std::{collections::BTreeSet, time::Duration};

use aether_standins::{Call, Proxy};
use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    control_plane::ControlPlane,
    create,
    operator::Operator,
    report::{Report, Target},
};

/// A restart is over when nothing was asked for so long.
const CALM: Duration = Duration::from_secs(5);

pub(crate) async fn measure(plane: &ControlPlane, report: &mut Report, many: usize, quiet: u64) -> Result<()> {
    let part = "steady";
    report.heading(&format!("{many} instances"));
    let places = plane.places("many", many).await?;
    let operator = Operator::start(plane, None).await?;
    let run = create::run(plane, &places, &json!({})).await?;
    report.note(&format!("{} children after {:.1} s", run.children.len(), run.all()));
    report.line(part, "writes a child, status and events included", run.writes_a_child(), "", Target::AtMost(1.2));
    sleep(CALM).await;
    let (memory, peak) = (operator.memory()?, operator.peak()?);
    report.line(part, "memory", memory, " MiB", Target::AtMost(60.0));
    report.line(part, "memory at its peak", peak, " MiB", Target::None);
    operator.stop().await?;

    let proxy = Proxy::start(plane.client.clone()).await;
    let operator = Operator::start(plane, Some(&proxy)).await?;
    loop {
        let before = work(&proxy.calls()).len();
        sleep(CALM).await;
        if work(&proxy.calls()).len() == before {
            break;
        }
    }
    let calls = proxy.take_calls();
    let calls = work(&calls);
    let writes = calls.iter().filter(|call| call.is_write()).count();
    let is_list = |call: &&&Call| call.query.contains("limit=") && !call.query.contains("continue=");
    let lists: Vec<_> = calls.iter().filter(is_list).map(|call| call.path.as_str()).collect();
    let kinds = lists.iter().collect::<BTreeSet<_>>().len();
    report.line(part, "writes at a restart", writes as f64, "", Target::AtMost(0.0));
    report.line(part, "lists at a restart, a kind", lists.len() as f64 / kinds as f64, "", Target::AtMost(1.0));
    report.line(part, "memory after a restart", operator.memory()?, " MiB", Target::AtMost(60.0));
    report.line(part, "memory at its peak in a restart", operator.peak()?, " MiB", Target::None);
    let cpu = operator.cpu()?;
    sleep(Duration::from_secs(quiet)).await;
    let calls = proxy.take_calls();
    let asked: Vec<_> =
        work(&calls).iter().map(|call| format!("{} {}?{}", call.method, call.path, call.query)).collect();
    if let Some(first) = asked.first() {
        report.note(&format!("for example {first}"));
    }
    let what = format!("requests in {quiet} s of quiet but watches and the lease");
    report.line(part, &what, asked.len() as f64, "", Target::AtMost(0.0));
    let share = (operator.cpu()? - cpu) / quiet as f64 * 100.0;
    report.line(part, "CPU time meanwhile", share, "%", Target::AtMost(1.0));
    operator.stop().await?;
    plane.clear(&places).await
}

/// Requests but watches and those of the lease.
fn work(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| !call.is_watch() && !call.path.contains("/leases")).collect()
}
