//! The gateway's process: `aetherconnect-gateway` serves, `aetherconnect-gateway openapi` prints the API description.

use aether_common::{Env, logging, shutdown};
use aether_gateway::{Config, openapi_json, start};
use anyhow::bail;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => serve().await,
        Some("openapi") => {
            print!("{}", openapi_json());
            Ok(())
        }
        Some(other) => bail!("unknown command {other}: use none, or openapi"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let env = Env::process();
    logging::init(&env)?;
    let running = start(Config::from_env(&env)?, shutdown::on_signal()).await?;
    running.stopped().await;
    Ok(())
}
