//! Traces by OpenTelemetry, sent by gRPC to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. Without it none of this is at
//! work. The SDK reads the usual variables (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`,
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_…`).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::{
    Value,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{Status, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, SpanData, SpanExporter as Export},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{Env, env::ConfigError, logging};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
/// What waits to be sent when the process ends may hold it up for so long.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether spans are sent anywhere: where they aren't, not even headers are looked at.
static ON: AtomicBool = AtomicBool::new(false);

/// Logs, and traces where they are wanted.
#[must_use]
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logging, and tracing where [`ENDPOINT`] is set, as `service`. Needs a Tokio runtime.
pub fn init(env: &Env, service: &'static str) -> anyhow::Result<Telemetry> {
    if !is_wanted(env)? {
        logging::init(env)?;
        return Ok(Telemetry(None));
    }
    let exporter = SpanExporter::builder().with_tonic().build();
    let exporter = Told { exporter: exporter.context(ENDPOINT)?, failing: AtomicBool::new(false) };
    let mut resource = Resource::builder();
    if env.get("OTEL_SERVICE_NAME").is_none() && !env.text("OTEL_RESOURCE_ATTRIBUTES", "").contains("service.name=") {
        resource = resource.with_service_name(service);
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    logging::start(env, Some(provider.tracer("aetherconnect")))?;
    ON.store(true, Ordering::Relaxed);
    Ok(Telemetry(Some(provider)))
}

fn is_wanted(env: &Env) -> Result<bool, ConfigError> {
    let Some(endpoint) = env.get(ENDPOINT) else { return Ok(false) };
    let url = endpoint.parse::<Uri>().ok();
    if !url.is_some_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()) {
        return Err(ConfigError::Invalid(ENDPOINT, endpoint.into(), "use a URL such as http://collector:4317".into()));
    }
    match env.text(PROTOCOL, "grpc").as_str() {
        "grpc" => Ok(!env.flag("OTEL_SDK_DISABLED", false)?),
        other => {
            Err(ConfigError::Invalid(PROTOCOL, other.into(), "only grpc is spoken, on port 4317 as a rule".into()))
        }
    }
}

impl Telemetry {
    /// Sends what waits, but not for long.
    pub async fn end(self) {
        if let Some(provider) = self.0 {
            // A collector that is out of reach has been told of; what was for it is lost.
            let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FAREWELL)).await;
        }
    }
}

/// Whether spans are sent anywhere.
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Makes a span that of a request: a child of the caller's, if the headers tell of one. The span must have the fields
/// `otel.name` and `otel.kind`.
pub fn serves(span: &Span, headers: &HeaderMap, name: impl FnOnce() -> String) {
    if !is_on() {
        return;
    }
    let caller = TraceContextPropagator::new().extract(&From(headers));
    if caller.span().span_context().is_valid() {
        // It fails only for a span that is left out, which needs none.
        let _ = span.set_parent(caller);
    }
    span.record("otel.name", name()).record("otel.kind", "server");
}

/// Tells whom a request goes to of the span that it belongs to.
pub fn pass_on(headers: &mut HeaderMap) {
    if is_on() {
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut To(headers));
    }
}

/// Notes how a request ended.
pub fn ended(span: &Span, attribute: &'static str, value: impl Into<Value>, is_fault: bool) {
    if !is_on() {
        return;
    }
    span.set_attribute(attribute, value);
    if is_fault {
        span.set_status(Status::error(""));
    }
}

struct From<'a>(&'a HeaderMap);

impl Extractor for From<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct To<'a>(&'a mut HeaderMap);

impl Injector for To<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Logs when spans can't be sent, and when they can again, rather than each time.
#[derive(Debug)]
struct Told<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E: Export> Export for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        match (&sent, self.failing.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => tracing::warn!(%error, "traces can't be sent to {ENDPOINT}, and are lost meanwhile"),
            (Ok(()), true) => tracing::info!("traces can be sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> String {
        let env = Env::default().with(ENDPOINT, "http://collector:4317").with(name, value);
        is_wanted(&env).expect_err("refused").to_string()
    }

    #[test]
    fn a_wrong_endpoint_or_protocol_is_named_with_its_mend() {
        for endpoint in ["collector:4317", "collector", "udp://collector"] {
            assert!(refusal(ENDPOINT, endpoint).starts_with(&format!("{ENDPOINT}={endpoint} is not valid")));
        }
        assert!(refusal(PROTOCOL, "http/protobuf").contains("4317"));
    }

    #[test]
    fn traces_are_sent_only_where_it_is_said_where_to_and_not_where_they_are_off() {
        let env = Env::default().with(ENDPOINT, "http://collector:4317");
        assert_eq!(is_wanted(&env), Ok(true));
        assert_eq!(is_wanted(&env.with("OTEL_SDK_DISABLED", true)), Ok(false));
        assert_eq!(is_wanted(&Env::default()), Ok(false));
    }
}
