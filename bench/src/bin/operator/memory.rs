//! What instances take in memory: none of them, some, many, and as many after a restart.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    control_plane::ControlPlane,
    create,
    operator::Operator,
    report::{Report, Target},
};

/// A burst of work is over, and what it needed is given back.
const CALM: Duration = Duration::from_secs(10);

pub(crate) async fn measure(plane: &ControlPlane, report: &mut Report, counts: &[usize]) -> Result<()> {
    report.heading("Memory");
    let operator = Operator::start(plane, None).await?;
    sleep(CALM).await;
    tell(report, &operator, "without instances", Target::None)?;
    let mut places = Vec::new();
    for &count in counts {
        let more = plane.places("memory", count - places.len()).await?;
        create::come_up(plane, &more, &json!({})).await?;
        plane.ready(&more).await?;
        places.extend(more);
        sleep(CALM).await;
        let target = Target::AtMost(if count <= 50 { 30.0 } else { 60.0 });
        tell(report, &operator, &format!("with {count} instances"), target)?;
    }
    report.line("memory", "memory at its peak", operator.peak()?, " MiB", Target::None);
    operator.stop().await?;
    let operator = Operator::start(plane, None).await?;
    sleep(CALM).await;
    tell(report, &operator, "after a restart", Target::AtMost(60.0))?;
    operator.stop().await?;
    plane.clear(&places).await
}

fn tell(report: &mut Report, operator: &Operator, when: &str, target: Target) -> Result<()> {
    report.line("memory", &format!("memory {when}"), operator.memory()?, " MiB", target);
    report.line("memory", &format!("of it private, {when}"), operator.private()?, " MiB", Target::None);
    Ok(())
}
