//! A whole backend of child processes on free ports, with stores and secrets of its own.

use crate::process::{Process, free_port, http_status, http_text, program};
use crate::stores::{Cables, encrypt, stores, through};
use crate::{Api, Authority, Mongo, Token, User, database, eventually_sync};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(60);

/// Where data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// SQLite files.
    Embedded,
    /// PostgreSQL and a server that speaks MongoDB's protocol.
    Real,
    /// PostgreSQL, and for the many messages of a long run [`Mongo`].
    Indexed,
}

impl Store {
    /// Real servers where `tests/tools/with-servers` started them, else the embedded stores.
    pub fn available() -> Self {
        let there = |name| std::env::var_os(name).is_some();
        if there("TEST_POSTGRES_URL") && there("TEST_MONGODB_URL") { Self::Real } else { Self::Embedded }
    }
}

/// What a backend is to be made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data is kept.
    pub store: Store,
    /// Whether the services share a Redis.
    pub redis: bool,
    /// The number of gateways.
    pub gateways: usize,
    /// The number of auth replicas.
    pub auth: usize,
    /// The number of message replicas.
    pub message: usize,
    /// Whether each service reaches all replicas of another, as on a cluster. Else gateway `i` talks to auth and
    /// message replica `i`, modulo their number.
    pub spread: bool,
    /// A password in the URL of PostgreSQL, whose server must ask for none.
    pub postgres_password: Option<String>,
    /// Whose certificates the services show each other, and demand, where they speak TLS.
    pub tls: Option<Arc<Authority>>,
    /// Whose certificates the stores show, where they speak TLS.
    pub store_tls: Option<Arc<Authority>>,
    /// Environment variables for every service; they win over the defaults, in which all limits are off.
    pub env: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        let (store, env, postgres_password) = (Store::available(), Vec::new(), None);
        let (redis, spread, gateways, auth, message) = (false, false, 1, 1, 1);
        let (tls, store_tls) = (None, None);
        Self { store, redis, gateways, auth, message, spread, postgres_password, tls, store_tls, env }
    }
}

impl Options {
    /// The same with one more environment variable.
    pub fn env(mut self, name: &'static str, value: impl ToString) -> Self {
        self.env.push((name, value.to_string()));
        self
    }

    /// The same with so many gateways, auth and message replicas.
    pub fn replicas(self, number: usize) -> Self {
        Self { gateways: number, auth: number, message: number, ..self }
    }
}

/// One process of a backend.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    env: Vec<(&'static str, String)>,
    ready_port: u16,
    /// Whether `/readyz` can be read without TLS.
    probed: bool,
    process: Process,
    log: std::path::PathBuf,
}

/// A running backend. Dropping it ends every process of it.
#[derive(Debug)]
pub struct Stack {
    /// The secret of access tokens.
    pub jwt_secret: String,
    /// The secret of WebSocket tokens.
    pub ws_secret: String,
    /// The gateways' base URLs.
    pub urls: Vec<String>,
    /// The gateways.
    pub gateways: Vec<Service>,
    /// The auth replicas.
    pub auth: Vec<Service>,
    /// The message replicas.
    pub message: Vec<Service>,
    /// The ways to the stores, to be cut.
    pub cables: Cables,
    /// Where auth keeps users.
    database: String,
    /// Where message keeps rooms.
    messages: String,
    _mongo: Option<Mongo>,
    dir: TempDir,
}

impl Stack {
    /// Brings the stores' schemas up to date, starts every service and waits until all are ready.
    pub fn start(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = || format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (jwt_secret, ws_secret) = (secret(), secret());
        let mut cables = Cables::default();
        let mut shared = vec![
            ("JWT_SECRET", jwt_secret.clone()),
            ("JWT_WS_SECRET", ws_secret.clone()),
            ("LOG_LEVEL", std::env::var("TEST_LOG_LEVEL").unwrap_or_else(|_| "info".to_owned())),
            ("LISTEN_ADDRESS", "127.0.0.1".to_owned()),
            ("AETHERCONNECT_ENV", "production".to_owned()),
            ("RATE_LIMIT_MAX", "0".to_owned()),
            ("LOGIN_RATE_LIMIT_MAX", "0".to_owned()),
            ("LOGIN_FAILURES_PER_ADDRESS", "0".to_owned()),
            ("LOGIN_FAILURES_PER_ACCOUNT", "0".to_owned()),
            ("MESSAGE_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("REDIS_ENABLED", options.redis.to_string()),
        ];
        if options.redis {
            shared.push(("REDIS_URL", through(&mut cables.redis, &database::server("TEST_REDIS_URL"))));
        }
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        if let Some(tls) = &options.tls {
            let files = [("TLS_CERT_FILE", tls.certificate()), ("TLS_KEY_FILE", tls.key()), ("TLS_CA_FILE", tls.ca())];
            shared.extend(files.into_iter().chain([("TLS_CLIENT_CA_FILE", tls.ca())]));
        }
        let mongo = (options.store == Store::Indexed).then(Mongo::start);
        let (mut auth_store, mut message_store) = stores(options, mongo.as_ref(), dir.path(), &mut cables);
        if let Some(tls) = &options.store_tls {
            encrypt(tls, &mut auth_store, &mut message_store, &mut shared);
        }
        shared.extend(options.env.clone());

        let auth_env = with(&shared, vec![("DATABASE_URL", auth_store.clone())]);
        let message_env = with(&shared, vec![("MONGODB_URL", message_store.clone())]);
        migrate("aetherconnect-auth", &auth_env, dir.path());
        migrate("aetherconnect-message", &message_env, dir.path());
        let (auth, auth_urls) = start_auth(options.auth, scheme, &auth_env, dir.path());
        let auth_urls = if options.spread { vec![auth_urls.join(",")] } else { auth_urls };
        let (message, message_urls) = start_message(options.message, scheme, &message_env, &auth_urls, dir.path());
        let message_urls = if options.spread { vec![joined(message_urls)] } else { message_urls };
        let (gateways, urls) = start_gateways(options.gateways, &shared, &auth_urls, &message_urls, dir.path());

        let mut stack = Self {
            jwt_secret,
            ws_secret,
            urls,
            gateways,
            auth,
            message,
            cables,
            database: auth_store,
            messages: message_store,
            _mongo: mongo,
            dir,
        };
        let services = stack.auth.iter_mut().chain(&mut stack.message).chain(&mut stack.gateways);
        services.for_each(Service::wait_until_ready);
        stack
    }

    /// A client of the first gateway.
    pub fn api(&self) -> Api {
        self.api_of(0)
    }

    /// A client of gateway `index`.
    pub fn api_of(&self, index: usize) -> Api {
        Api::new(&self.urls[index])
    }

    /// Gives `aetherconnect-auth users` a line; whether it succeeded, and all that it printed.
    pub fn administer(&self, line: &str) -> (bool, String) {
        ask("aetherconnect-auth", &self.auth[0].env, "users", line)
    }

    /// Gives `aetherconnect-auth import` or `aetherconnect-message import` lines, and takes as many answers.
    pub fn import(&self, service: &str, lines: &[Value]) -> Vec<Value> {
        let replica = if service == "auth" { &self.auth[0] } else { &self.message[0] };
        let program = if service == "auth" { "aetherconnect-auth" } else { "aetherconnect-message" };
        let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
        let (success, told) = ask(program, &replica.env, "import", &lines.join("\n"));
        assert!(success, "{told}");
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What each process has logged so far, those that brought schemas up to date included.
    pub fn logs(&self) -> Vec<(String, String)> {
        files(self.dir.path(), ".log")
    }

    /// Everything that is stored, by store.
    pub async fn dump(&self) -> Vec<(String, String)> {
        let mut dump = files(self.dir.path(), ".db");
        if self.database.starts_with("postgres") {
            dump.push(("PostgreSQL".to_owned(), database::dump_postgres(&self.database).await));
        }
        if self.messages.starts_with("mongodb") {
            dump.push(("MongoDB".to_owned(), database::dump_mongodb(&self.messages).await));
        }
        dump
    }

    /// So many users with a session each, of whom only one has gone through registration. Needs PostgreSQL.
    pub async fn crowd(&self, number: usize) -> Vec<User> {
        let first = User::register(&self.api(), "crowd").await;
        let token = Token::parse(&first.token);
        let copies = database::copy_user(&self.database, &first.id, number - 1).await;
        let copies = copies.into_iter().map(|[id, username, email, session]| {
            let token = token.clone().with("sub", id.as_str()).with("username", username.as_str());
            let token = token.with("sid", session).sign(&self.jwt_secret);
            User { id, username, email, token }
        });
        [first].into_iter().chain(copies).collect()
    }
}

impl Service {
    fn start(name: &'static str, index: usize, ready_port: u16, env: Vec<(&'static str, String)>, dir: &Path) -> Self {
        let log = dir.join(format!("{name}-{index}.log"));
        let process = Process::start(name, command(name, &env), &log);
        let probed = name == "aetherconnect-gateway" || !env.iter().any(|(name, _)| *name == "TLS_CERT_FILE");
        Self { name, env, ready_port, probed, process, log }
    }

    /// Waits until the service says that it is ready; one that says so by TLS alone is left to its callers.
    pub fn wait_until_ready(&mut self) {
        if !self.probed {
            return;
        }
        let (name, port) = (self.name, self.ready_port);
        eventually_sync(&format!("{name} to be ready"), START_LIMIT, || {
            self.process.assert_alive();
            http_status(port, "/readyz") == Some(200)
        });
    }

    /// Whether `/readyz` answers 200 now.
    pub fn is_ready(&self) -> bool {
        http_status(self.ready_port, "/readyz") == Some(200)
    }

    /// Ends the process without giving it time.
    pub fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait(Duration::from_secs(5)).expect("a killed process is gone");
    }

    /// Starts the process anew on its old ports and waits until it is ready.
    pub fn restart(&mut self) {
        self.start_again();
        self.wait_until_ready();
    }

    /// Starts the process anew on its old ports, and waits for nothing.
    pub fn start_again(&mut self) {
        self.process = Process::start(self.name, command(self.name, &self.env), &self.log);
    }

    /// Holds the process, as a hung one would be.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets a held process go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// The value of a variable that it was started with.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable for the next start; an empty value is none.
    pub fn set_env(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(other, _)| *other != name);
        self.env.push((name, value.to_owned()));
    }

    /// Asks the process to end, as Kubernetes does.
    pub fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Waits for the end of the process and returns its exit code; `None` when it takes longer than `limit`.
    pub fn wait_for_exit(&mut self, limit: Duration) -> Option<i32> {
        self.process.wait(limit).map(|status| status.code().unwrap_or(-1))
    }

    /// What `/readyz` says now, as text.
    pub fn readiness(&self) -> String {
        http_text(self.ready_port, "/readyz").unwrap_or_default()
    }

    /// The value of a metric without labels, now.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = http_text(self.ready_port, "/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// The process's resident memory in KiB.
    pub fn memory(&self) -> u64 {
        self.process.memory()
    }

    /// The whole answer to a GET of a path beside the metrics.
    pub fn http(&self, path: &str) -> String {
        http_text(self.ready_port, path).unwrap_or_default()
    }

    /// All that the process has logged.
    pub fn log(&self) -> String {
        self.process.log_text()
    }
}

/// Runs a program with these variables alone, and returns all that it printed; it has to fail.
pub fn failed_start(name: &'static str, env: &[(&'static str, &str)], argument: Option<&str>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let env: Vec<_> = env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let mut command = command(name, &env);
    command.args(argument).current_dir(dir.path());
    let mut process = Process::start(name, command, &dir.path().join("log"));
    let status = process.wait(START_LIMIT).unwrap_or_else(|| panic!("{name} goes on:\n{}", process.log_text()));
    assert!(!status.success(), "{name} {argument:?} did not fail");
    process.log_text()
}

/// Files whose names hold `part`, whatever bytes they consist of.
fn files(dir: &Path, part: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    // SQLite's own small files come and go.
    let read = |path: std::path::PathBuf| {
        Some((name(&path), String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned()))
    };
    files.filter(|path| name(path).contains(part)).filter_map(read).filter(|(_, text)| !text.is_empty()).collect()
}

fn with(shared: &[(&'static str, String)], own: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    own.into_iter().chain(shared.iter().cloned()).collect()
}

// Only what a process needs from outside: a JWT_SECRET of the developer's shell must not decide a test.
fn command(name: &str, env: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program(name));
    command.env_clear().envs(env.iter().cloned());
    command.envs(["PATH", "HOME", "RUST_BACKTRACE"].iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
    command
}

/// Gives a program lines; whether it succeeded, and all that it printed.
fn ask(name: &str, env: &[(&'static str, String)], what: &str, lines: &str) -> (bool, String) {
    let mut command = command(name, env);
    command.arg(what).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{lines}").unwrap();
    let output = child.wait_with_output().unwrap();
    let told = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    (output.status.success(), String::from_utf8(told).unwrap())
}

fn migrate(name: &'static str, env: &[(&'static str, String)], dir: &Path) {
    let mut command = command(name, env);
    command.arg("migrate");
    let mut process = Process::start(&format!("{name} migrate"), command, &dir.join(format!("{name}-migrate.log")));
    let status = process.wait(START_LIMIT).expect("migrations end");
    assert!(status.success(), "{name} migrate ended with {status}:\n{}", process.log_text());
}

fn start_auth(number: usize, scheme: &str, env: &[(&'static str, String)], dir: &Path) -> (Vec<Service>, Vec<String>) {
    let each = (0..number).map(|index| {
        let (grpc, http) = (free_port(), free_port());
        let own = vec![("AUTH_SERVICE_GRPC_PORT", grpc.to_string()), ("AUTH_SERVICE_HTTP_PORT", http.to_string())];
        let service = Service::start("aetherconnect-auth", index, http, with(env, own), dir);
        (service, format!("{scheme}://127.0.0.1:{grpc}"))
    });
    each.unzip()
}

type Addresses = (String, String);

fn joined(addresses: Vec<Addresses>) -> Addresses {
    let (grpc, http): (Vec<String>, Vec<String>) = addresses.into_iter().unzip();
    (grpc.join(","), http.join(","))
}

fn start_message(
    number: usize,
    scheme: &str,
    env: &[(&'static str, String)],
    auth: &[String],
    dir: &Path,
) -> (Vec<Service>, Vec<Addresses>) {
    let each = (0..number).map(|index| {
        let (grpc, http) = (free_port(), free_port());
        let own = vec![
            ("MESSAGE_SERVICE_GRPC_PORT", grpc.to_string()),
            ("MESSAGE_SERVICE_HTTP_PORT", http.to_string()),
            ("AUTH_SERVICE_GRPC_URL", auth[index % auth.len()].clone()),
        ];
        let service = Service::start("aetherconnect-message", index, http, with(env, own), dir);
        (service, (format!("{scheme}://127.0.0.1:{grpc}"), format!("{scheme}://127.0.0.1:{http}")))
    });
    each.unzip()
}

fn start_gateways(
    number: usize,
    env: &[(&'static str, String)],
    auth: &[String],
    message: &[Addresses],
    dir: &Path,
) -> (Vec<Service>, Vec<String>) {
    let each = (0..number).map(|index| {
        let (port, metrics) = (free_port(), free_port());
        let (grpc, http) = &message[index % message.len()];
        let own = vec![
            ("API_GATEWAY_PORT", port.to_string()),
            ("METRICS_PORT", metrics.to_string()),
            ("AUTH_SERVICE_GRPC_URL", auth[index % auth.len()].clone()),
            ("MESSAGE_SERVICE_GRPC_URL", grpc.clone()),
            ("MESSAGE_SERVICE_HTTP_URL", http.clone()),
        ];
        let service = Service::start("aetherconnect-gateway", index, metrics, with(env, own), dir);
        (service, format!("http://127.0.0.1:{port}"))
    });
    each.unzip()
}
