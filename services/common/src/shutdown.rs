//! The end of a process: a signal, a time to drain, then the end.

use std::{process::ExitCode, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{Env, env::ConfigError};

/// `SHUTDOWN_GRACE_SECONDS`: how long open work may go on after the signal (default 20).
pub fn grace(env: &Env) -> Result<Duration, ConfigError> {
    env.parse("SHUTDOWN_GRACE_SECONDS", 20).map(Duration::from_secs)
}

/// A token that is cancelled by SIGTERM or SIGINT; a second one ends the process at once. Needs a Tokio runtime.
#[must_use]
pub fn on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        tracing::info!("signal received, finishing what is open; a second one ends at once");
        cancel.cancel();
        wait_for_signal().await;
        std::process::exit(130);
    });
    token
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be watched, only SIGINT is");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// The end of a program: a failure is one line on standard error, and exit code 1.
#[must_use]
pub fn exit_code(program: &str, result: &anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{program}: {error:#}");
    ExitCode::FAILURE
}
