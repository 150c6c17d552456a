//! The operator's real program.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use aether_standins::Proxy;
use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::control_plane::ControlPlane;

/// A program that runs until this is dropped.
pub(crate) struct Operator {
    child: Child,
    _kubeconfig: Option<tempfile::NamedTempFile>,
}

impl Operator {
    /// Starts it; with a proxy, it reaches the API server by that.
    pub(crate) async fn start(plane: &ControlPlane, proxy: Option<&Proxy>) -> Result<Self> {
        let kubeconfig = match proxy {
            Some(proxy) => {
                let file = tempfile::NamedTempFile::new()?;
                fs::write(file.path(), proxy.kubeconfig())?;
                Some(file)
            }
            None => None,
        };
        let path = kubeconfig.as_ref().map_or(plane.kubeconfig.as_path(), |file| file.path());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(&plane.operator);
        command.env("KUBECONFIG", path).env("OPERATOR_HTTP_PORT", port.to_string()).env("LOG_LEVEL", "warn");
        // As the chart does.
        command.env("MIMALLOC_PURGE_DELAY", "0").env("MIMALLOC_ALLOW_THP", "0");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let operator = Self { child: child.context("start the operator")?, _kubeconfig: kubeconfig };
        // Until it holds the lease, which one before may have left behind.
        let end = Instant::now() + Duration::from_secs(60);
        while !leads(port).await {
            anyhow::ensure!(Instant::now() < end, "the operator doesn't get the lease");
            sleep(Duration::from_millis(100)).await;
        }
        // Until its watches have begun.
        sleep(Duration::from_secs(1)).await;
        Ok(operator)
    }

    fn status(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field of the status")?;
        Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    /// Resident memory now, in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.status("VmRSS")
    }

    /// Resident memory but pages of the program's file, in MiB.
    pub(crate) fn private(&self) -> Result<f64> {
        self.status("RssAnon")
    }

    /// The most resident memory so far, in MiB.
    pub(crate) fn peak(&self) -> Result<f64> {
        self.status("VmHWM")
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).context("a short stat");
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// Tells it to end, so that it gives the lease back.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        while self.child.try_wait()?.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn leads(port: u16) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut text = String::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut text).await.is_ok()
        && text.contains("aetherconnect_operator_leader 1")
}
