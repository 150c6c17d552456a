//! `aetherconnect run` as a child process, for several tests.
#![allow(dead_code, unreachable_pub)]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const PORTS: [&str; 6] = [
    "API_GATEWAY_PORT",
    "METRICS_PORT",
    "AUTH_SERVICE_GRPC_PORT",
    "AUTH_SERVICE_HTTP_PORT",
    "MESSAGE_SERVICE_HTTP_PORT",
    "MESSAGE_SERVICE_GRPC_PORT",
];

/// The command with its data there, on free ports.
pub fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aetherconnect"));
    command.args(["run", "--data-dir"]).arg(data).env("LOG_LEVEL", "error");
    for port in PORTS {
        command.env(port, "0");
    }
    command
}

/// One that is ready.
pub struct Backend {
    pub child: Child,
    pub url: String,
}

impl Backend {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let ready = lines.find(|line| line.as_ref().unwrap().contains("is ready at ")).expect("it ended").unwrap();
        let url = ready.split("is ready at ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { child, url }
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = reqwest::Client::new().post(format!("{}{path}", self.url)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Ends it as Ctrl-C does, and gives the rest of what it printed.
    pub fn interrupt(mut self) -> (bool, String) {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        let mut rest = String::new();
        self.child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().success(), rest)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Already ended where a test interrupted it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
