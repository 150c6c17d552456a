//! What hopeless instances and a bad connection cost the others.

use std::time::Duration;

use aether_standins::{Fault, Proxy};
use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    control_plane::ControlPlane,
    create::{come_up, median},
    operator::Operator,
    report::{Report, Target},
};

const ROUNDS: usize = 3;
const FAULTS: [Fault; 6] = Fault::ALL;

pub(crate) async fn measure(plane: &ControlPlane, report: &mut Report, count: usize) -> Result<()> {
    report.heading("Disturbed");
    let hopeless = count * 2 / 5;
    let (mut alone, mut among) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(others(plane, count - hopeless, 0).await?);
        among.push(others(plane, count - hopeless, hopeless).await?);
    }
    report.note(&format!("seconds (alone, among hopeless ones): {alone:.2?} {among:.2?}"));
    let what = format!("time of {} instances beside {hopeless} hopeless ones, times that without", count - hopeless);
    report.line("disturbed", &what, median(&mut among) / median(&mut alone), "", Target::AtMost(1.1));

    let undisturbed = by_proxy(plane, count, None).await?;
    let disturbed = by_proxy(plane, count, Some(1)).await?;
    report.note(&format!("seconds until all are Ready (undisturbed, disturbed): {undisturbed:.2} {disturbed:.2}"));
    let what = "with 20% of requests failing or unanswered, times the undisturbed time";
    report.line("disturbed", what, disturbed / undisturbed, "", Target::AtMost(5.0));
    Ok(())
}

/// The seconds that instances take beside hopeless ones, which were there before and tried everything by now.
async fn others(plane: &ControlPlane, count: usize, hopeless: usize) -> Result<f64> {
    let (good, bad) = (plane.places("good", count).await?, plane.places("bad", hopeless).await?);
    let operator = Operator::start(plane, None).await?;
    let image = json!({"image": {"auth": "registry.example/hopeless:1"}});
    plane.ask(&bad, &image).await?;
    sleep(Duration::from_secs(3)).await;
    let each = come_up(plane, &good, &json!({})).await?;
    operator.stop().await?;
    plane.clear(&good).await?;
    plane.clear(&bad).await?;
    sleep(Duration::from_secs(1)).await;
    Ok(each.last().copied().unwrap_or_default())
}

async fn by_proxy(plane: &ControlPlane, count: usize, seed: Option<u64>) -> Result<f64> {
    let places = plane.places("proxy", count).await?;
    let proxy = Proxy::start(plane.client.clone()).await;
    let operator = Operator::start(plane, Some(&proxy)).await?;
    if let Some(seed) = seed {
        proxy.fail(0.2, &FAULTS, seed);
    }
    let began = Instant::now();
    plane.ask(&places, &json!({})).await?;
    plane.ready(&places).await?;
    let seconds = began.elapsed().as_secs_f64();
    proxy.heal();
    operator.stop().await?;
    plane.clear(&places).await?;
    sleep(Duration::from_secs(1)).await;
    Ok(seconds)
}
