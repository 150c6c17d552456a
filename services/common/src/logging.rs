//! Structured logs on standard error.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, Targets, dynamic_filter_fn},
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
    // Only the first call of a process takes hold; tests and the one-process mode call it more than once.
    let _ = dispatch(log, filter, tracer).try_init();
    Ok(())
}

fn dispatch(log: Box<dyn Layer<Registry> + Send + Sync>, filter: EnvFilter, tracer: Option<SdkTracer>) -> Dispatch {
    let registry = Registry::default();
    let Some(tracer) = tracer else { return registry.with(log).with(filter).into() };
    let spans = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    // Lines of the log stay in the log. It has to be dynamic: where all filters take a span for ever, they aren't asked
    // about it any more, and the answer to whatever they were asked last on this thread is taken for its own, so that
    // it is lost when that was a database library's question whether to log (tokio-rs/tracing#2519).
    let is_span = dynamic_filter_fn(|metadata, _| metadata.is_span()).with_max_level_hint(LevelFilter::INFO);
    let own = Targets::new().with_target("aether", LevelFilter::INFO).and(is_span);
    let own = spans.with_tracked_inactivity(false).with_filter(own);
    registry.with(log.with_filter(filter)).with(own).into()
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use tracing::{
        Level, Metadata,
        callsite::{Callsite, Identifier},
        field::FieldSet,
        metadata::Kind,
        subscriber::Interest,
    };

    use super::*;

    /// The database's library asks by way of `log`, which remembers no answer.
    struct Asked;

    static ASKED: Metadata<'_> = {
        let fields = FieldSet::new(&[], Identifier(&Asked));
        Metadata::new("query", "sqlx::query", Level::DEBUG, None, None, None, fields, Kind::EVENT)
    };

    impl Callsite for Asked {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            &ASKED
        }
    }

    #[test]
    fn a_level_that_is_none_is_refused_rather_than_silencing_the_log() {
        let error = init(&Env::default().with("LOG_LEVEL", "loud")).expect_err("refused").to_string();
        assert!(error.starts_with("LOG_LEVEL=loud is not valid"), "{error}");
    }

    #[test]
    fn a_question_whether_to_log_does_not_take_the_next_lines_span_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = layer().json().with_writer(Arc::new(file.reopen().unwrap())).boxed();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let dispatch = dispatch(log, EnvFilter::new("info,h2=debug"), Some(tracer));
        tracing::dispatcher::with_default(&dispatch, || {
            // Another library's: nobody asked for it, whatever its level.
            tracing::debug_span!(target: "h2", "Connection").in_scope(|| {});
            for id in 0..3 {
                let _: bool = dispatch.enabled(&ASKED);
                let span = tracing::info_span!("call", id);
                span.in_scope(|| tracing::info!("done"));
            }
        });
        let written = std::fs::read_to_string(file.path()).unwrap();
        for id in 0..3 {
            assert!(written.contains(&format!(r#""span":{{"id":{id},"name":"call"}}"#)), "{written}");
        }
    }
}
