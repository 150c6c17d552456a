//! The servers under test: started on the first core, watched through /proc.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{api, token};

/// That of every user who is registered here.
pub(crate) const PASSWORD: &str = "uncommon horse 81";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A process on the first core. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    pub(crate) fn start(command: &Command) -> Result<Self> {
        let mut pinned = pinned(command);
        Ok(Self { child: pinned.spawn().with_context(|| format!("start {command:?}"))? })
    }

    /// CPU time so far of all threads, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu_of(self.child.id()).context("a server has ended")
    }

    /// Resident memory, in KB.
    pub(crate) fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// What stands before a server's command: it is pinned to the first core, and ends when this process is killed.
fn prefix() -> &'static [&'static str] {
    static PREFIX: OnceLock<Vec<&str>> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let mut prefix = Vec::new();
        if works("setpriv", &["--pdeathsig", "KILL", "true"]) {
            prefix.extend(["setpriv", "--pdeathsig", "KILL"]);
        }
        if std::env::var_os("BENCH_PINNED").is_some() {
            prefix.extend(["taskset", "-c", "0"]);
        }
        prefix
    })
}

/// The same command on the first core.
pub(crate) fn pinned(command: &Command) -> Command {
    let mut words = prefix().iter().map(OsStr::new).chain([command.get_program()]).chain(command.get_args());
    let mut pinned = Command::new(words.next().unwrap_or_default());
    pinned.args(words).envs(variables(command)).stdin(Stdio::null()).stdout(Stdio::piped());
    pinned
}

fn variables(command: &Command) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    command.get_envs().filter_map(|(name, value)| Some((name, value?)))
}

/// User and system time of a process, in seconds: fields 14 and 15, in hundredths on every Linux that there is.
pub(crate) fn cpu_of(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until a URL answers 200.
pub(crate) fn until_ready(port: u16, path: &str, token: &str) -> Result<()> {
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if api::get(port, path, token).is_ok_and(|(status, _)| status == 200) {
            return Ok(());
        }
        sleep(Duration::from_millis(2));
    }
    bail!("http://127.0.0.1:{port}{path} is not ready after {START_LIMIT:?}")
}

/// The three services, with a store of their own.
pub(crate) struct Stack {
    pub(crate) gateway: Server,
    pub(crate) auth: Server,
    pub(crate) message: Server,
    /// Where clients connect.
    pub(crate) port: u16,
    /// Where the gateway connects for them.
    pub(crate) message_port: u16,
    pub(crate) secret: String,
    pub(crate) websocket_secret: String,
    _data: tempfile::TempDir,
}

impl Stack {
    /// Starts the services of a directory with embedded stores and no limits.
    pub(crate) fn start(binaries: &Path) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let ports: Vec<u16> = (0..6).map(|_| free_port()).collect::<Result<_>>()?;
        let (secret, websocket_secret) = ("a".repeat(64), "b".repeat(64));
        let env = environment(&ports, data.path(), &secret, &websocket_secret);
        let command = |name: &str| {
            let mut command = Command::new(program(binaries, name));
            command.envs(&env);
            command
        };
        for name in ["auth", "message"] {
            let status = command(name).arg("migrate").status().context("migrate")?;
            ensure!(status.success(), "aetherconnect-{name} migrate: {status}");
        }
        let start = |name| Server::start(&command(name));
        let (auth, message, gateway) = (start("auth")?, start("message")?, start("gateway")?);
        for port in [ports[3], ports[4], ports[1]] {
            until_ready(port, "/readyz", "")?;
        }
        // Tokens made here belong to no session in the database: they pass as soon as auth has told the others which
        // sessions are revoked, and before that auth itself is asked, who doesn't know them.
        until_ready(ports[0], "/api/rooms", &token::access(&secret, 1)?)?;
        let (port, message_port) = (ports[0], ports[4]);
        Ok(Self { gateway, auth, message, port, message_port, secret, websocket_secret, _data: data })
    }

    /// CPU time so far of the three, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        [&self.gateway, &self.auth, &self.message].into_iter().map(Server::cpu).sum()
    }

    /// A user in auth's database: its id and access token.
    pub(crate) fn register(&self, name: &str) -> Result<(usize, String)> {
        let body = serde_json::json!({
            "email": format!("{name}@example.com"), "password": PASSWORD,
            "firstName": "Ada", "lastName": "L", "username": name,
        });
        let (status, answer) = api::post(self.port, "/api/auth/register", "", &body)?;
        ensure!(status == 201, "POST /api/auth/register: {status} {answer}");
        let token = answer["accessToken"].as_str().context("a token")?.to_owned();
        let (_, profile) = api::get(self.port, "/api/auth/profile", &token)?;
        let id = &profile["user"]["id"];
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        Ok((id.parse().with_context(|| format!("the id of {profile}"))?, token))
    }

    /// A room that everybody may enter; its id.
    pub(crate) fn create_room(&self, name: &str) -> Result<String> {
        let body = serde_json::json!({ "name": name });
        let (status, answer) = api::post(self.port, "/api/rooms", &token::access(&self.secret, 1)?, &body)?;
        ensure!(status == 201, "POST /api/rooms: {status} {answer}");
        Ok(answer["room"]["id"].as_str().context("a room has an id")?.to_owned())
    }
}

fn program(binaries: &Path, name: &str) -> PathBuf {
    binaries.join(format!("aetherconnect-{name}"))
}

fn environment(ports: &[u16], data: &Path, secret: &str, websocket: &str) -> HashMap<&'static str, String> {
    let names = [
        "API_GATEWAY_PORT",
        "METRICS_PORT",
        "AUTH_SERVICE_GRPC_PORT",
        "AUTH_SERVICE_HTTP_PORT",
        "MESSAGE_SERVICE_HTTP_PORT",
        "MESSAGE_SERVICE_GRPC_PORT",
    ];
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut env: HashMap<_, _> = names.into_iter().zip(ports.iter().map(u16::to_string)).collect();
    env.extend([
        ("LISTEN_ADDRESS", "127.0.0.1".to_owned()),
        ("AETHERCONNECT_ENV", "production".to_owned()),
        ("LOG_LEVEL", "error".to_owned()),
        ("RATE_LIMIT_MAX", "0".to_owned()),
        ("LOGIN_RATE_LIMIT_MAX", "0".to_owned()),
        ("MESSAGE_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
        ("REDIS_ENABLED", "false".to_owned()),
        ("JWT_SECRET", secret.to_owned()),
        ("JWT_WS_SECRET", websocket.to_owned()),
        ("DATABASE_URL", format!("sqlite://{}", data.join("auth.db").display())),
        ("MONGODB_URL", format!("sqlite://{}", data.join("message.db").display())),
        ("AUTH_SERVICE_GRPC_URL", url(ports[2])),
        ("MESSAGE_SERVICE_GRPC_URL", url(ports[5])),
        ("MESSAGE_SERVICE_HTTP_URL", url(ports[4])),
    ]);
    env
}

/// The plain Socket.IO server.
pub(crate) struct Plain {
    pub(crate) server: Server,
    pub(crate) port: u16,
    pub(crate) websocket_secret: String,
    _data: tempfile::TempDir,
}

impl Plain {
    /// It stores each message where it is to be `storing`.
    pub(crate) fn start(storing: bool) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let script = std::env::var_os("BENCH_PLAIN_SERVER").map_or("bench/plain-server.mjs".into(), PathBuf::from);
        let websocket_secret = "b".repeat(64);
        let mut command = Command::new("node");
        command.arg(script).env("JWT_WS_SECRET", &websocket_secret).env("NODE_ENV", "production");
        if storing {
            command.env("STORE", data.path().join("messages.db"));
        }
        let mut server = Server::start(&command)?;
        let output = server.child.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("the plain server said {line:?}"))?;
        Ok(Self { server, port, websocket_secret, _data: data })
    }
}

/// A server that answers every GET with one constant body: this program itself.
pub(crate) fn start_constant() -> Result<(Server, u16)> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve-constant", &port.to_string()]);
    let server = Server::start(&command)?;
    until_ready(port, "/", "")?;
    Ok((server, port))
}
