//! Measures the services beside a plain Socket.IO server: servers on the first core, this program on the second.

mod api;
mod client;
mod deliveries;
mod disk;
mod fleet;
mod growth;
mod http;
mod load;
mod logins;
mod report;
mod search;
mod servers;
mod sockets;
mod start;
mod token;
mod websocket;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, ValueEnum as _};
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
    /// Sizes of rooms: 10,100,1000 unless it is to be quick.
    #[arg(long, value_delimiter = ',')]
    rooms: Vec<usize>,
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
    /// Only serve a constant body at this port.
    #[arg(long, hide = true)]
    serve_constant: Option<u16>,
    /// Only hash for so many seconds.
    #[arg(long, hide = true)]
    hash_for: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// `kubectl apply` to Ready, `aetherconnect run` to its first answer.
    Start,
    /// Deliveries a CPU-second, rates, latencies.
    Deliveries,
    /// Memory of idle connections.
    Memory,
    /// Connections a CPU-second.
    Connects,
    /// HTTP requests a CPU-second.
    Http,
    /// Logins, and how long others wait meanwhile.
    Logins,
    /// What a message costs when ten times as much is stored.
    Growth,
}

impl Bench {
    pub(crate) fn room_sizes(&self) -> &[usize] {
        match (&self.rooms[..], self.quick) {
            ([], true) => &[100],
            ([], false) => &[10, 100, 1000],
            (sizes, _) => sizes,
        }
    }
}

impl Part {
    fn measure(self, bench: &Bench, report: &mut Report) -> Result<()> {
        match self {
            Self::Start => start::measure(bench, report),
            Self::Deliveries => deliveries::measure(bench, report),
            Self::Memory => sockets::memory(bench, report),
            Self::Connects => sockets::connects(bench, report),
            Self::Http => http::measure(bench, report),
            Self::Logins => logins::measure(bench, report),
            Self::Growth => growth::measure(bench, report),
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
    if let Some(port) = bench.serve_constant {
        return http::serve_constant(port);
    }
    if let Some(seconds) = bench.hash_for {
        return logins::hash_for(seconds);
    }
    let mut report = Report::default();
    let about = about(bench);
    println!("{}", about["machine"].as_str().unwrap_or_default());
    let parts = if bench.parts.is_empty() { Part::value_variants() } else { &bench.parts };
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
