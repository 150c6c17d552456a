//! Programs in pods that are asked by lines of JSON, and answer each by a line.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{AttachParams, AttachedProcess},
    client::UpgradeConnectionError,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, Lines},
    time::timeout,
};

use crate::cluster::Cluster;

/// What goes in one frame.
const FRAME: usize = 64 * 1024;
/// How much of a program's last words is kept.
const LAST_WORDS: usize = 16 * 1024;

/// A program at work.
pub(crate) struct Program {
    pod: String,
    what: String,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    stderr: Arc<Mutex<String>>,
    _process: AttachedProcess,
}

impl Program {
    /// Starts `/aetherconnect-COMPONENT WHAT` in a pod of the component.
    pub(crate) async fn start(cluster: &Cluster, pod: &str, component: &str, what: &str) -> anyhow::Result<Self> {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let params = AttachParams::default().container(component).stdin(true).stdout(true).stderr(true);
        let params = params.max_stdin_buf_size(FRAME);
        let program = format!("/aetherconnect-{component}");
        let started = pods.exec(pod, [program.as_str(), what], &params).await;
        let mut process = started.map_err(|error| match error {
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status))
                if status.as_u16() == 403 =>
            {
                anyhow!(
                    "you may not run programs in the pods of namespace {}: ask for `create` and `get` on pods/exec",
                    cluster.namespace
                )
            }
            error => cluster.explain(error, &format!("run a program in pod {pod}")),
        })?;
        let parts = (process.stdin(), process.stdout(), process.stderr());
        let (Some(stdin), Some(stdout), Some(stderr)) = parts else { bail!("pod {pod} gives no streams") };
        let stdout: Box<dyn AsyncRead + Send + Unpin> = Box::new(stdout);
        let words = Arc::new(Mutex::new(String::new()));
        tokio::spawn(keep(stderr, Arc::clone(&words)));
        Ok(Self {
            pod: pod.to_owned(),
            what: what.to_owned(),
            stdin: Box::new(stdin),
            stdout: BufReader::new(stdout).lines(),
            stderr: words,
            _process: process,
        })
    }

    /// Asks for something, and waits for the answer.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
        limit: Duration,
    ) -> anyhow::Result<A> {
        let line = format!("{}\n", serde_json::to_string(request)?);
        let answer = timeout(limit, self.talk(&line)).await;
        let told = answer.map_err(|_| anyhow!("pod {} didn't answer within {} s", self.pod, limit.as_secs()))??;
        match told {
            Some(answer) => Ok(answer),
            None => Err(why(&self.stderr.lock().unwrap_or_else(PoisonError::into_inner), &self.pod, &self.what)),
        }
    }

    async fn talk<A: DeserializeOwned>(&mut self, line: &str) -> anyhow::Result<Option<A>> {
        let broke_off = || format!("pod {} broke off", self.pod);
        // One that has ended says why on its standard error, which is worth more than that it doesn't listen.
        let wrote = async { self.stdin.write_all(line.as_bytes()).await.and(self.stdin.flush().await) }.await;
        while let Some(line) = self.stdout.next_line().await.with_context(broke_off)? {
            // Other lines are its log.
            if let Ok(answer) = serde_json::from_str(&line) {
                return Ok(Some(answer));
            }
        }
        let _ = wrote;
        Ok(None)
    }
}

async fn keep(stderr: impl AsyncRead + Unpin, words: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() > LAST_WORDS {
            words.clear();
        }
        words.push_str(&line);
        words.push('\n');
    }
}

/// Why there is no answer.
fn why(log: &str, pod: &str, what: &str) -> anyhow::Error {
    if log.contains("usage: aetherconnect-") || log.contains("unknown command") {
        return anyhow!("pod {pod} runs a version that doesn't know `{what}`: upgrade the instance");
    }
    let why = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    anyhow!("pod {pod} gave no answer: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_version_is_told_from_one_that_fails() {
        let old = why("aetherconnect-auth: usage: aetherconnect-auth [migrate]\n", "p", "users").to_string();
        assert!(old.contains("doesn't know `users`: upgrade the instance"), "{old}");
        let broken = why("aetherconnect-auth: DATABASE_URL is not set\n\n", "p", "users").to_string();
        assert!(broken.ends_with("DATABASE_URL is not set"), "{broken}");
    }
}
