//! Databases and replicas for tests.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aether_auth::{Config, store::Database};
use aether_common::{Env, health::Health};
use aether_proto::auth::auth_service_client::AuthServiceClient;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// The value of a variable that names a server for tests.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run by `make test`"))
}

/// Runs a test on an empty PostgreSQL database of its own, which goes afterwards.
pub async fn on_postgres<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(String) -> F) {
    let admin = server("TEST_POSTGRES_URL");
    let name = format!("auth_{}", uuid::Uuid::new_v4().simple());
    let run = |statement: String| {
        let admin = admin.clone();
        async move {
            let mut connection = PgConnection::connect(&admin).await.unwrap();
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
            connection.close().await.unwrap();
        }
    };
    run(format!("CREATE DATABASE {name}")).await;
    let (base, _) = admin.rsplit_once('/').unwrap();
    let done = tokio::spawn(test(format!("{base}/{name}"))).await;
    run(format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(failed) = done {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// Runs a test on an SQLite file of its own.
pub async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let folder = tempfile::tempdir().unwrap();
    test(format!("sqlite://{}/auth.db", folder.path().display())).await;
}

pub fn env(database: &str) -> Env {
    Env::default()
        .with("LISTEN_ADDRESS", "127.0.0.1")
        .with("AUTH_SERVICE_GRPC_PORT", 0)
        .with("AUTH_SERVICE_HTTP_PORT", 0)
        .with("SHUTDOWN_GRACE_SECONDS", 3)
        .with("DATABASE_URL", database)
        .with("JWT_SECRET", "access".repeat(8))
        .with("JWT_WS_SECRET", "socket".repeat(8))
}

pub fn database(env: &Env) -> Database {
    Database::from_env(env).unwrap()
}

/// A replica of the service in this process.
pub struct Replica {
    pub client: AuthServiceClient<Channel>,
    pub health: Health,
    pub http_port: u16,
    stop: CancellationToken,
    end: JoinHandle<anyhow::Result<()>>,
}

impl Replica {
    pub async fn start(env: &Env) -> Self {
        let stop = CancellationToken::new();
        let running = aether_auth::start(Config::from_env(env).unwrap(), stop.clone()).await.unwrap();
        let url = format!("http://127.0.0.1:{}", running.grpc_port);
        // Without the services' deadline: where these tests run, hashing a password may take long.
        let channel = Endpoint::from_shared(url).unwrap().connect_lazy();
        let (health, http_port) = (running.health.clone(), running.http_port);
        let end = tokio::spawn(running.stopped());
        Self { client: AuthServiceClient::new(channel), health, http_port, stop, end }
    }

    pub async fn start_ready(env: &Env) -> Self {
        database(env).migrate().await.unwrap();
        let replica = Self::start(env).await;
        within(5, replica.health.until_ready()).await;
        replica
    }

    /// Ends it as a signal does.
    pub async fn stop(self) {
        self.stop.cancel();
        within(5, self.end).await.unwrap().unwrap();
    }

    /// The status line and body of a GET request.
    pub async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

pub async fn within<T>(seconds: u64, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), work)
        .await
        .unwrap_or_else(|_| panic!("not done within {seconds} s"))
}

/// A server in front of another one that can be made to hang, as one does whose machine is gone.
pub struct Proxy {
    pub port: u16,
    hangs: Arc<AtomicBool>,
}

impl Proxy {
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hangs = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&hangs);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (gate, far) = (Arc::clone(&gate), TcpStream::connect(&target).await.unwrap());
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(pump(near_in, far_out, Arc::clone(&gate)));
                tokio::spawn(pump(far_in, near_out, gate));
            }
        });
        Self { port, hangs }
    }

    /// From now on nothing passes; connections that are open then never come back to life.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// New connections pass again.
    pub fn recover(&self) {
        self.hangs.store(false, Ordering::SeqCst);
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    hangs: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
