//! The auth service as a process of its own: `aetherconnect-auth` serves, `aetherconnect-auth migrate` brings the
//! database's schema up to date, `aetherconnect-auth users` does what one line of JSON on standard input asks for, see
//! [`aether_auth::admin`], and `aetherconnect-auth import` what many lines do, see [`aether_auth::import`].

use std::{
    io::{BufRead as _, Read as _},
    process::ExitCode,
};

use aether_auth::{
    Config,
    admin::{Admin, Answer},
    import::Importer,
    store::Database,
};
use aether_common::{Env, lines, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    shutdown::exit_code("aetherconnect-auth", &run().await)
}

async fn run() -> anyhow::Result<()> {
    let env = Env::process();
    let telemetry = telemetry::init(&env, "aetherconnect-auth")?;
    let ended = execute(&env).await;
    telemetry.end().await;
    ended
}

async fn execute(env: &Env) -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => aether_auth::start(Config::from_env(env)?, shutdown::on_signal()).await?.stopped().await,
        // It needs no keys.
        Some("migrate") => Database::from_env(env)?.migrate().await,
        Some("users") => users(&Database::from_env(env)?).await,
        Some("import") => {
            let importer = Importer::new(&Database::from_env(env)?);
            lines::answer_each(async |request| importer.answer(request).await).await
        }
        Some(_) => anyhow::bail!("usage: aetherconnect-auth [migrate|users|import]"),
    }
}

/// No request is longer.
const LONGEST_REQUEST: u64 = 64 * 1024;

/// Answers one line with one line. It reads no further: whoever sends it through a cluster can't always end it.
async fn users(database: &Database) -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().take(LONGEST_REQUEST).read_line(&mut line)?;
    // What serde says of a wrong request may quote it, password and all.
    let request = serde_json::from_str(&line).map_err(|_| {
        anyhow::anyhow!("standard input must be a line such as {{\"action\":\"disable\",\"user\":\"ada\"}}")
    })?;
    let answer = Admin::new(database).answer(request).await;
    println!("{}", serde_json::to_string(&answer)?);
    match answer {
        Answer::Refused { message, .. } => anyhow::bail!(message),
        _ => Ok(()),
    }
}
