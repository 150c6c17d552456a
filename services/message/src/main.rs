//! The message service's process: `aetherconnect-message` serves, `aetherconnect-message migrate` brings the store's
//! schema up to date, `aetherconnect-message import` does what lines of JSON on standard input ask for, see
//! [`aether_message::import`], and `aetherconnect-message asyncapi` prints the description of the socket.

use std::process::ExitCode;

use aether_common::{Env, lines, net, shutdown, telemetry};
use aether_message::{Config, import::Importer};

/// Requests and messages are made of many small pieces, which it hands out quicker than the C library does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let telemetry = telemetry::init(&env, "aetherconnect-message")?;
    let ended = serve_or_migrate(&env, argument).await;
    telemetry.end().await;
    ended
}

async fn serve_or_migrate(env: &Env, argument: Option<String>) -> anyhow::Result<()> {
    if argument.as_deref() == Some("import") {
        let importer = Importer::from_env(env).await?;
        return lines::answer_each(async |request| importer.answer(request).await).await;
    }
    let config = Config::from_env(env)?;
    net::raise_file_limit();
    match argument.as_deref() {
        None => aether_message::start(config, shutdown::on_signal()).await?.stopped().await,
        Some("migrate") => aether_message::migrate(&config).await,
        Some(_) => anyhow::bail!("usage: aetherconnect-message [migrate | import | asyncapi]"),
    }
}
