//! Measures the services beside a plain Socket.IO server: servers on the first core, this program on the second.

mod api;
mod deliveries;
mod fleet;
mod load;
mod report;
mod search;
mod servers;
mod token;
mod websocket;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use serde_json::json;

use crate::{deliveries::Subject, report::Report};

/// What is measured; all of it when nothing is named.
#[derive(Parser)]
#[command(name = "bench/run", about = "Measures, and prints the figures")]
pub(crate) struct Bench {
    /// The parts to measure, in this order.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Short runs, to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Sizes of rooms.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    pub(crate) rooms: Vec<usize>,
    /// Whose deliveries to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Subject::ALL)]
    pub(crate) only: Vec<Subject>,
    /// Deliveries a second, instead of searching for the highest rate that holds.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Where the services' programs are.
    #[arg(long, env = "BENCH_BINARIES", hide_env_values = true)]
    pub(crate) binaries: PathBuf,
    /// A file for all figures as JSON.
    #[arg(long, env = "BENCH_REPORT", hide_env_values = true)]
    report: Option<PathBuf>,
    /// Print every run of a search.
    #[arg(long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Deliveries a CPU-second, rates, latencies.
    Deliveries,
}

impl Part {
    const ALL: [Self; 1] = [Self::Deliveries];

    fn measure(self, bench: &Bench, report: &mut Report) -> Result<()> {
        match self {
            Self::Deliveries => deliveries::measure(bench, report),
        }
    }
}

fn main() -> ExitCode {
    match run(&Bench::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: &Bench) -> Result<()> {
    let mut report = Report::default();
    let about = about(bench);
    println!("{}", about["machine"].as_str().unwrap_or_default());
    let parts = if bench.parts.is_empty() { &Part::ALL[..] } else { &bench.parts };
    for part in parts {
        part.measure(bench, &mut report)?;
    }
    println!("\n{} targets missed", report.missed());
    match &bench.report {
        Some(path) => report.write(path, &about),
        None => Ok(()),
    }
}

fn about(bench: &Bench) -> serde_json::Value {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> =
        cpus.lines().filter(|line| line.starts_with("model name")).filter_map(|line| line.split(": ").nth(1)).collect();
    let machine = format!("{}, {} cores", models.first().unwrap_or(&"unknown processor"), models.len());
    let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    json!({ "machine": machine, "quick": bench.quick, "time": time })
}
