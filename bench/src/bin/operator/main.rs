//! Measures the operator beside a plain concurrent client on the same API server. There are no nodes: stand-ins report
//! Deployments, StatefulSets and Jobs as through, for both.

mod control_plane;
mod create;
mod disturbed;
mod memory;
mod operator;
mod repair;
mod steady;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::control_plane::ControlPlane;

// The other benchmark needs more of it.
#[allow(dead_code)]
#[path = "../../report.rs"]
mod report;

/// What is measured; all of it when nothing is named.
#[derive(Parser)]
#[command(name = "bench/run operator", about = "Measures the operator, and prints the figures")]
struct Bench {
    /// The parts to measure.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Short runs, to see that it works.
    #[arg(long)]
    quick: bool,
    /// How many instances are many.
    #[arg(long, default_value_t = 500)]
    many: usize,
    /// The operator's program.
    #[arg(long, env = "BENCH_OPERATOR", hide_env_values = true)]
    operator: PathBuf,
    /// A file for all figures as JSON.
    #[arg(long, env = "BENCH_REPORT", hide_env_values = true)]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Fifty instances at once, and a change in each.
    Create,
    /// What instances take in memory, one number of them after the other.
    Memory,
    /// Children that are edited or deleted.
    Repair,
    /// Many instances, a restart, and quiet.
    Steady,
    /// Hopeless instances, and a bad connection.
    Disturbed,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Bench::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(bench: &Bench) -> Result<()> {
    let plane = ControlPlane::connect(&bench.operator).await.context("reach the API server of TEST_KUBECONFIG")?;
    let mut report = report::Report::default();
    let wants = |part: Part| bench.parts.is_empty() || bench.parts.contains(&part);
    let fifty = if bench.quick { 10 } else { 50 };
    let many = if bench.quick { 40 } else { bench.many };
    if wants(Part::Create) {
        create::measure(&plane, &mut report, fifty, if bench.quick { 1 } else { 3 }).await?;
    }
    if wants(Part::Memory) {
        memory::measure(&plane, &mut report, &[fifty, many]).await?;
    }
    if wants(Part::Repair) {
        repair::measure(&plane, &mut report, if bench.quick { 3 } else { 30 }).await?;
    }
    if wants(Part::Steady) {
        steady::measure(&plane, &mut report, many, if bench.quick { 10 } else { 60 }).await?;
    }
    if wants(Part::Disturbed) {
        disturbed::measure(&plane, &mut report, fifty).await?;
    }
    println!("\n{} targets missed", report.missed());
    match &bench.report {
        Some(path) => report.write(path, &serde_json::json!({"quick": bench.quick})),
        None => Ok(()),
    }
}
