//! `aetherconnect run`: gateway, auth and message in one process on embedded stores.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aether_common::{Env, logging, shutdown};
use aether_operator::api::{AetherConnect, AetherConnectSpec, Environment, parse};
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::{data::DataDir, output::print};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Runs until Ctrl-C or SIGTERM, then drains.
pub(crate) fn run(file: Option<&Path>, data_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let started = Instant::now();
    let resource = read(file)?;
    let name = resource.metadata.name.clone().unwrap_or_else(|| "chat".to_owned());
    let data = DataDir::open(match data_dir {
        Some(path) => path,
        None => DataDir::default_path(&name)?,
    })?;
    let env = environment(&resource.spec, &data)?.overridden_by(&Env::process());
    logging::init(&env)?;
    note_what_differs(&resource.spec);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(&name, &env, &data, started))
}

fn read(file: Option<&Path>) -> anyhow::Result<AetherConnect> {
    let Some(path) = file else {
        let spec = AetherConnectSpec { environment: Environment::Development, ..AetherConnectSpec::default() };
        return Ok(AetherConnect::new("chat", spec));
    };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not a valid AetherConnect resource", path.display()))
}

/// The variables of all three services: what the operator would set on a cluster, with embedded stores.
fn environment(spec: &AetherConnectSpec, data: &DataDir) -> anyhow::Result<Env> {
    let levels = format!(
        "warn,aether_common=info,aether_gateway={},aether_auth={},aether_message={}",
        spec.gateway.log_level.as_str(),
        spec.auth.log_level.as_str(),
        spec.message.log_level.as_str()
    );
    let mut env = Env::default();
    for (name, value) in aether_operator::resources::settings::all(spec) {
        env = env.with(name, value);
    }
    for variable in [&spec.gateway.env, &spec.auth.env, &spec.message.env].into_iter().flatten() {
        // One that reads a Secret or a ConfigMap has no value outside a cluster.
        if let Some(value) = &variable.value {
            env = env.with(&variable.name, value);
        }
    }
    Ok(env
        .with("LISTEN_ADDRESS", Ipv4Addr::LOCALHOST)
        .with("LOG_LEVEL", levels)
        .with("LOG_FORMAT", "text")
        // The metrics' port of a cluster is often taken on a laptop.
        .with("METRICS_PORT", 0)
        .with("DATABASE_URL", data.database("auth.db")?)
        .with("MONGODB_URL", data.database("message.db")?)
        .with("REDIS_ENABLED", false)
        .with("PLAYGROUND_ENABLED", true)
        // Nothing leaves this machine between the services.
        .with("TLS_CERT_FILE", "")
        .with("TLS_KEY_FILE", "")
        .with("TLS_CLIENT_CA_FILE", "")
        .with("JWT_SECRET", data.secret("jwt-secret")?)
        .with("JWT_WS_SECRET", data.secret("jwt-ws-secret")?))
}

fn note_what_differs(spec: &AetherConnectSpec) {
    let replicas = [spec.gateway.replicas, spec.auth.replicas, spec.message.replicas];
    if replicas.iter().any(|n| *n > 1) {
        tracing::warn!("one process serves alone: `replicas` only counts on a cluster");
    }
    if spec.postgres.is_some() || spec.mongodb.is_some() || spec.redis.is_some() {
        tracing::warn!("stores are embedded here: `postgres`, `mongodb` and `redis` only count on a cluster");
    }
}

async fn serve(name: &str, env: &Env, data: &DataDir, started: Instant) -> anyhow::Result<()> {
    // Told to stop in this order, each when the one before has finished what was open: it needs those behind it.
    let (stop, stop_message, stop_auth) = (shutdown::on_signal(), CancellationToken::new(), CancellationToken::new());

    let auth_config = aether_auth::Config::from_env(env)?;
    aether_auth::migrate(&auth_config).await?;
    let auth = aether_auth::start(auth_config, stop_auth.clone()).await?;
    let env = env.clone().with("AUTH_SERVICE_GRPC_URL", local(auth.grpc_port));

    let message_config = aether_message::Config::from_env(&env)?;
    aether_message::migrate(&message_config).await?;
    let message = aether_message::start(message_config, stop_message.clone()).await?;
    let env = env
        .with("MESSAGE_SERVICE_GRPC_URL", local(message.grpc_port))
        .with("MESSAGE_SERVICE_HTTP_URL", local(message.http_port));

    let gateway = aether_gateway::start(aether_gateway::Config::from_env(&env)?, stop.clone()).await?;
    let ready = async {
        auth.health.until_ready().await;
        message.health.until_ready().await;
        gateway.health.until_ready().await;
    };
    tokio::time::timeout(START_LIMIT, ready).await.context("not ready after 30 seconds; the log above says why")?;
    let playground = env.flag("PLAYGROUND_ENABLED", false)?;
    announce(name, gateway.port, playground, data, started.elapsed())?;

    let (auth, message, gateway) = tokio::join!(
        ended("auth", auth.stopped(), [&stop]),
        ended("message", message.stopped(), [&stop, &stop_auth]),
        ended("gateway", gateway.stopped(), [&stop, &stop_message]),
    );
    auth.and(message).and(gateway)?;
    print(&format!("Stopped. Data is kept in {}\n", data.path().display()))
}

fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Waits for a service's end, and then stops others.
async fn ended<const N: usize>(
    service: &str,
    end: impl Future<Output = anyhow::Result<()>>,
    then: [&CancellationToken; N],
) -> anyhow::Result<()> {
    let result = end.await.with_context(|| format!("{service} failed"));
    then.iter().for_each(|stop| stop.cancel());
    result
}

fn announce(name: &str, port: u16, playground: bool, data: &DataDir, took: Duration) -> anyhow::Result<()> {
    let url = format!("http://localhost:{port}");
    let first = if playground { "playground" } else { "api/docs" };
    print(&format!(
        r#"
AetherConnect "{name}" is ready at {url} after {:.1} s.

  Open      {url}/{first}
  API       {url}/api/docs
  Sign up   curl {url}/api/auth/register -H 'content-type: application/json' \
              -d '{{"email":"ada@example.com","password":"correct horse","firstName":"Ada","lastName":"Lovelace","username":"ada"}}'
  Chat      docs/quickstart.md does the rest
  Data      {}
  Stop      Ctrl-C
"#,
        took.as_secs_f32(),
        data.path().display()
    ))
}
