//! The gateway's process: `aetherconnect-gateway` serves, `aetherconnect-gateway openapi` prints the API description.

use std::process::ExitCode;

use aether_common::{Env, shutdown, telemetry};
use aether_gateway::{Config, openapi_json, start};

/// Requests and messages are made of many small pieces, which it hands out quicker than the C library does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    shutdown::exit_code("aetherconnect-gateway", &run().await)
}

async fn run() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {
            let env = Env::process();
            let telemetry = telemetry::init(&env, "aetherconnect-gateway")?;
            let ended = serve(&env).await;
            telemetry.end().await;
            ended
        }
        Some("openapi") => {
            print!("{}", openapi_json());
            Ok(())
        }
        Some(_) => anyhow::bail!("usage: aetherconnect-gateway [openapi]"),
    }
}

async fn serve(env: &Env) -> anyhow::Result<()> {
    start(Config::from_env(env)?, shutdown::on_signal()).await?.stopped().await
}
