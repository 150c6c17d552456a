//! The commands for a cluster, against a real API server: what the operator does is done by hand, step by step.
#![allow(clippy::unwrap_used)]

#[path = "cluster/doctor.rs"]
mod doctor;
#[path = "cluster/rotate.rs"]
mod rotate;
#[path = "cluster/status.rs"]
mod status;
#[path = "cluster/suspend.rs"]
mod suspend;
#[allow(dead_code)]
#[path = "../../operator/tests/apiserver/world.rs"]
mod world;

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use world::World;

/// The built program with the test's API server.
fn command(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aetherconnect"));
    command.args(args).args(["-n", &world.namespace]).env("KUBECONFIG", std::env::var("TEST_KUBECONFIG").unwrap());
    command
}

/// How a command ended.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn run(world: &World, args: &[&str]) -> Ended {
    command(world, args).output().unwrap().into()
}

/// A command that goes on while the test does.
fn start(world: &World, args: &[&str]) -> Child {
    command(world, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A kubeconfig by which one is somebody who may do nothing.
fn as_stranger() -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(std::env::var("TEST_KUBECONFIG").unwrap()).unwrap();
    let mut config: Value = serde_yaml::from_str(&text).unwrap();
    config["users"][0]["user"]["as"] = "stranger".into();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    file
}

/// A kubeconfig of a cluster that nobody runs, and its port.
fn unreachable() -> (tempfile::NamedTempFile, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}], users: [{{name: u, user: {{}}}}]}}"
    );
    std::fs::write(file.path(), text).unwrap();
    (file, port)
}
