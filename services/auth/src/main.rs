//! The auth service as a process of its own: `aetherconnect-auth` serves, `aetherconnect-auth migrate` brings the
//! database's schema up to date.

use std::process::ExitCode;

use aether_auth::{Config, store::Database};
use aether_common::{Env, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    shutdown::exit_code("aetherconnect-auth", &run().await)
}

async fn run() -> anyhow::Result<()> {
    let env = Env::process();
    let telemetry = telemetry::init(&env, "aetherconnect-auth")?;
    let ended = serve_or_migrate(&env).await;
    telemetry.end().await;
    ended
}

async fn serve_or_migrate(env: &Env) -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => aether_auth::start(Config::from_env(env)?, shutdown::on_signal()).await?.stopped().await,
        // It needs no keys.
        Some("migrate") => Database::from_env(env)?.migrate().await,
        Some(_) => anyhow::bail!("usage: aetherconnect-auth [migrate]"),
    }
}
