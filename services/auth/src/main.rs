//! The auth service as a process of its own: `aetherconnect-auth` serves, `aetherconnect-auth migrate` brings the
//! database's schema up to date.

use std::process::ExitCode;

use aether_auth::{Config, store::Database};
use aether_common::{Env, logging, shutdown};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aetherconnect-auth: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let env = Env::process();
    logging::init(&env)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => aether_auth::start(Config::from_env(&env)?, shutdown::on_signal()).await?.stopped().await,
        // It needs no keys.
        ["migrate"] => Database::from_env(&env)?.migrate().await,
        _ => anyhow::bail!("usage: aetherconnect-auth [migrate]"),
    }
}
