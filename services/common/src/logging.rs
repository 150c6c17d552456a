//! Structured logs on standard error.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, Targets, filter_fn},
    fmt::layer,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{Env, env::ConfigError};

/// Starts logging as `LOG_LEVEL` (`error` … `trace`, or a filter such as `info,aether_auth=debug`; default `info`) and
/// `LOG_FORMAT` (`json` or `text`; default `json`) say. A second call in one process does nothing.
pub fn init(env: &Env) -> Result<(), ConfigError> {
    start(env, None)
}

/// As [`init`], with a tracer that gets this program's own spans, whatever the level of logs.
pub(crate) fn start(env: &Env, tracer: Option<SdkTracer>) -> Result<(), ConfigError> {
    let filter = filter(env)?;
    let log = layer().with_writer(std::io::stderr);
    let log = match env.text("LOG_FORMAT", "json").as_str() {
        "json" => log.json().flatten_event(true).with_current_span(true).boxed(),
        "text" => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            log.compact().with_target(false).with_ansi(colours).boxed()
        }
        other => {
            return Err(ConfigError::Invalid("LOG_FORMAT", other.to_owned(), "use json or text".into()));
        }
    };
    let registry = Registry::default();
    // Only the first call of a process takes hold; tests and the one-process mode call it more than once.
    let _ = match tracer {
        None => registry.with(log).with(filter).try_init(),
        Some(tracer) => {
            let spans = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
            // Lines of the log stay in the log.
            let own = Targets::new().with_target("aether", LevelFilter::INFO);
            let own = filter_fn(|metadata| metadata.is_span()).and(own);
            let own = spans.with_tracked_inactivity(false).with_filter(own);
            registry.with(log.with_filter(filter)).with(own).try_init()
        }
    };
    Ok(())
}

fn filter(env: &Env) -> Result<EnvFilter, ConfigError> {
    let level = env.text("LOG_LEVEL", "info");
    // A lone word that is no level would be taken for the name of a module, and silence all the rest.
    let lone = !level.contains(['=', ',']);
    if lone && level.parse::<LevelFilter>().is_err() {
        let mend = "use error, warn, info, debug, trace or a filter such as info,aether_auth=debug";
        return Err(ConfigError::Invalid("LOG_LEVEL", level, mend.into()));
    }
    EnvFilter::try_new(&level).map_err(|e| ConfigError::Invalid("LOG_LEVEL", level.clone(), e.to_string()))
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
