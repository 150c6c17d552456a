//! `aetherconnect-message`: serves; `aetherconnect-message migrate`: brings the store's schema up to date.

use aether_common::{Env, logging, shutdown};
use aether_message::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let env = Env::process();
    logging::init(&env)?;
    let config = Config::from_env(&env)?;
    match std::env::args().nth(1).as_deref() {
        None | Some("serve") => aether_message::start(config, shutdown::on_signal()).await?.stopped().await,
        Some("migrate") => aether_message::migrate(&config).await,
        Some(other) => anyhow::bail!("unknown command {other}: use `serve` (the default) or `migrate`"),
    }
}
