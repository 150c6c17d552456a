//! `aetherconnect run`: the whole backend in one process.

use crate::process::{Process, free_port, http_status, program};
use crate::{Api, eventually_sync};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A running `aetherconnect run`. Dropping it kills it.
#[derive(Debug)]
pub struct Laptop {
    /// The gateway's base URL.
    pub url: String,
    process: Process,
}

impl Laptop {
    /// Starts it with its data in `data`, on free ports, with these further arguments, and waits until it is ready.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        let (gateway, metrics) = (free_port(), free_port());
        let mut command = Self::command(data, arguments);
        command.env("API_GATEWAY_PORT", gateway.to_string()).env("METRICS_PORT", metrics.to_string());
        command.env("RATE_LIMIT_MAX", "0").env("MESSAGE_RATE_LIMIT_PER_MINUTE", "0").env("LOGIN_RATE_LIMIT_MAX", "0");
        command.env("LOGIN_FAILURES_PER_ADDRESS", "0").env("LOGIN_FAILURES_PER_ACCOUNT", "0");
        let mut process = Process::start("aetherconnect run", command, &data.with_extension("log"));
        eventually_sync("aetherconnect run to be ready", Duration::from_secs(60), || {
            process.assert_alive();
            // It says so a moment after it is.
            http_status(metrics, "/readyz") == Some(200) && process.log_text().contains("Ctrl-C")
        });
        Self { url: format!("http://127.0.0.1:{gateway}"), process }
    }

    /// The command, on free ports and with nothing of the caller's environment.
    pub fn command(data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("aetherconnect"));
        command.env_clear().env("HOME", data).arg("run").arg("--data-dir").arg(data).args(arguments);
        for name in [
            "API_GATEWAY_PORT",
            "METRICS_PORT",
            "AUTH_SERVICE_GRPC_PORT",
            "AUTH_SERVICE_HTTP_PORT",
            "MESSAGE_SERVICE_GRPC_PORT",
            "MESSAGE_SERVICE_HTTP_PORT",
        ] {
            command.env(name, free_port().to_string());
        }
        command
    }

    /// A client of its gateway.
    pub fn api(&self) -> Api {
        Api::new(&self.url)
    }

    /// All that it has printed.
    pub fn output(&self) -> String {
        self.process.log_text()
    }

    /// Sends a signal, say `INT`, and returns the exit code; `None` when it is still there after `limit`.
    pub fn stop(mut self, signal: &str, limit: Duration) -> Option<i32> {
        self.process.signal(signal);
        self.process.wait(limit).map(|status| status.code().unwrap_or(-1))
    }
}
