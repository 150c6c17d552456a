//! Structured logs on standard error.

use tracing_subscriber::EnvFilter;

use crate::{Env, env::ConfigError};

/// Starts logging as `LOG_LEVEL` (`error` … `trace`, or a filter such as `info,aether_auth=debug`; default `info`) and
/// `LOG_FORMAT` (`json` or `text`; default `json`) say. A second call in one process does nothing.
pub fn init(env: &Env) -> Result<(), ConfigError> {
    let level = env.text("LOG_LEVEL", "info");
    // A lone word that is no level would be taken for the name of a module, and silence all the rest.
    let lone = !level.contains(['=', ',']);
    if lone && level.parse::<tracing_subscriber::filter::LevelFilter>().is_err() {
        let mend = "use error, warn, info, debug, trace or a filter such as info,aether_auth=debug";
        return Err(ConfigError::Invalid("LOG_LEVEL", level, mend.into()));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_rather_than_silencing_the_log() {
        let error = init(&Env::default().with("LOG_LEVEL", "loud")).expect_err("refused").to_string();
        assert!(error.starts_with("LOG_LEVEL=loud is not valid"), "{error}");
    }
}
