//! How soon it is there.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result};

use crate::{
    Bench,
    report::{Report, Target, millis},
    search,
    servers::{Server, free_port, until_ready},
};

const RESOURCE: &str = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: bench}\nspec: {deletionPolicy: Delete}\n";

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("Start");
    let repeats = if bench.quick { 1 } else { 3 };
    let times: Vec<f64> = (0..repeats).map(|_| first_answer(bench)).collect::<Result<_>>()?;
    let what = "`aetherconnect run` to its first answer, new data directory";
    report.line("start", what, search::median(times), " ms", Target::None);
    match apply()? {
        Some(seconds) => report.line("start", "`kubectl apply` to Ready, images present", seconds, " s", Target::None),
        None => report.note("`kubectl apply` to Ready: no kind cluster with the operator; `make up` makes one"),
    }
    Ok(())
}

fn first_answer(bench: &Bench) -> Result<f64> {
    let (data, port) = (tempfile::tempdir()?, free_port()?);
    let mut command = Command::new(bench.binaries.join("aetherconnect"));
    command.arg("run").arg("--data-dir").arg(data.path()).env("LOG_LEVEL", "error");
    command.env("API_GATEWAY_PORT", port.to_string());
    for name in ["AUTH_SERVICE_GRPC", "AUTH_SERVICE_HTTP", "MESSAGE_SERVICE_GRPC", "MESSAGE_SERVICE_HTTP"] {
        command.env(format!("{name}_PORT"), "0");
    }
    let began = Instant::now();
    let _server = Server::start(&command)?;
    until_ready(port, "/api/health", "")?;
    Ok(millis(began.elapsed()))
}

fn kubectl(args: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(["--context", "kind-aetherconnect"]).args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn works(args: &[&str]) -> bool {
    kubectl(args).status().is_ok_and(|status| status.success())
}

/// `None` without a cluster that knows the resource.
fn apply() -> Result<Option<f64>> {
    if !works(&["get", "crd", "aetherconnects.aetherconnect.io"]) {
        return Ok(None);
    }
    works(&["create", "namespace", "aether-bench"]);
    let began = Instant::now();
    let mut child = kubectl(&["-n", "aether-bench", "apply", "-f", "-"]).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("its input")?.write_all(RESOURCE.as_bytes())?;
    child.wait()?;
    let ready = works(&["-n", "aether-bench", "wait", "--for=condition=Ready", "ac/bench", "--timeout=300s"]);
    let took = began.elapsed().as_secs_f64();
    works(&["delete", "namespace", "aether-bench", "--wait=false"]);
    anyhow::ensure!(ready, "not Ready after {took:.0} s");
    Ok(Some(took))
}
