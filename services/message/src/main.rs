//! The message service's process: `aetherconnect-message` serves, `aetherconnect-message migrate` brings the store's
//! schema up to date, `aetherconnect-message asyncapi` prints the description of the socket.

use std::process::ExitCode;

use aether_common::{Env, logging, net, shutdown};
use aether_message::Config;

#[tokio::main]
async fn main() -> ExitCode {
    shutdown::exit_code("aetherconnect-message", &run().await)
}

async fn run() -> anyhow::Result<()> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("asyncapi") {
        print!("{}", aether_message::asyncapi_json());
        return Ok(());
    }
    let env = Env::process();
    logging::init(&env)?;
    let config = Config::from_env(&env)?;
    net::raise_file_limit();
    match argument.as_deref() {
        None => aether_message::start(config, shutdown::on_signal()).await?.stopped().await,
        Some("migrate") => aether_message::migrate(&config).await,
        Some(_) => anyhow::bail!("usage: aetherconnect-message [migrate | asyncapi]"),
    }
}
