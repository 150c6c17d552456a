//! A Redis of a test's own, to be killed, held and started again.

use crate::eventually_sync;
use crate::process::{Process, free_port};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/get-redis");
    let output = Command::new(&script).output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
});

/// A running Redis. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    process: Process,
    dir: TempDir,
}

impl Redis {
    /// Starts one on a free port and waits until it takes connections.
    pub fn start() -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let redis = Self { port, process: launch(port, dir.path()), dir };
        redis.wait();
        redis
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without giving it time.
    pub fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait(LIMIT).expect("a killed process is gone");
    }

    /// Starts it anew on its old port, with nothing of its old data.
    pub fn restart(&mut self) {
        self.process = launch(self.port, self.dir.path());
        self.wait();
    }

    /// Holds it, as a hung one would be.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    fn wait(&self) {
        eventually_sync("Redis to be there", LIMIT, || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

fn launch(port: u16, dir: &Path) -> Process {
    let mut command = Command::new(PROGRAM.as_str());
    let port = port.to_string();
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(dir);
    Process::start("redis", command, &dir.join("redis.log"))
}
