//! Child processes that never outlive the test run.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

// Statics aren't dropped when a test process ends, and a killed one drops nothing: so a shell reads the process ids of
// all children from a pipe, and ends those that are left when the pipe closes, whichever way that came about.
const UNDERTAKER: &str = r#"
trap '' INT TERM
left=" "
while read -r pid; do
  case $pid in
    -*) left=$(printf '%s' "$left" | sed "s/ ${pid#-} / /") ;;
    *) left="$left$pid " ;;
  esac
done
[ "$left" = " " ] || kill -KILL $left 2>/dev/null
"#;

static UNDERTAKER_SHELL: LazyLock<Mutex<Child>> =
    LazyLock::new(|| Mutex::new(Command::new("sh").args(["-c", UNDERTAKER]).stdin(Stdio::piped()).spawn().unwrap()));

fn tell_undertaker(line: &str) {
    let mut shell = UNDERTAKER_SHELL.lock().unwrap();
    writeln!(shell.stdin.as_mut().unwrap(), "{line}").unwrap();
}

/// A port of 127.0.0.1 that is free and that this process hasn't given out before, below the range from which
/// outgoing connections take theirs.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let port = 10_000 + (uuid::Uuid::new_v4().as_u128() % 22_000) as u16;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// The path of one of the workspace's built programs, which cargo puts beside the folder of the test executable.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} isn't built: `make test` builds the programs before it runs these tests (cargo build --workspace --bins)",
        path.display()
    );
    path
}

/// A running program, its log in a file. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        tell_undertaker(&child.id().to_string());
        Self { child, name: name.to_owned(), log: log.to_owned() }
    }

    /// Panics with the log if the process has ended.
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended with {status}; its log:\n{}", self.name, self.log_text());
        }
    }

    /// Resident memory in KiB, as Linux tells it.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(status.success(), "could not send {signal} to {}", self.name);
    }

    /// Waits for the end; `None` when it takes longer than `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        tell_undertaker(&format!("-{}", self.child.id()));
        if std::thread::panicking() {
            let text = self.log_text();
            let tail: Vec<_> = text.lines().rev().take(8).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("-- the end of {}'s log --\n{}", self.name, tail.join("\n"));
        }
    }
}

/// The status of a GET; one without a runtime, enough for a probe.
pub(crate) fn http_status(port: u16, path: &str) -> Option<u16> {
    http_text(port, path)?.split(' ').nth(1)?.parse().ok()
}

/// The whole answer to a GET, as text.
pub fn http_text(port: u16, path: &str) -> Option<String> {
    let limit = Some(Duration::from_secs(2));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(limit).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}
