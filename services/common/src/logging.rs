//! Structured logs on standard error.

use tracing_subscriber::EnvFilter;

use crate::{Env, env::ConfigError};

/// Starts logging as `LOG_LEVEL` (`error` … `trace`, or a filter such as `info,aether_auth=debug`; default `info`) and
/// `LOG_FORMAT` (`json` or `text`; default `json`) say. A second call in one process does nothing.
pub fn init(env: &Env) -> Result<(), ConfigError> {
    let level = env.text("LOG_LEVEL", "info");
    let filter =
        EnvFilter::try_new(&level).map_err(|e| ConfigError::Invalid("LOG_LEVEL", level.clone(), e.to_string()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first call of a process takes hold; tests and the one-process mode call it more than once.
    let _ = match env.text("LOG_FORMAT", "json").as_str() {
        "json" => builder.json().flatten_event(true).with_current_span(true).try_init(),
        "text" => builder
            .compact()
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        other => {
            return Err(ConfigError::Invalid("LOG_FORMAT", other.to_owned(), "use json or text".into()));
        }
    };
    Ok(())
}
