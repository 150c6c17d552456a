//! Takes traces, as an OpenTelemetry collector does.

use crate::eventually;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::{Request, Response, Status, transport::Server, transport::server::TcpIncoming};

const LIMIT: Duration = Duration::from_secs(10);

/// A collector on a free port; it ends with the runtime of its test.
#[derive(Debug, Clone)]
pub struct Collector {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span as it came.
#[derive(Debug, Clone)]
pub struct Span {
    /// The service whose it is.
    pub service: String,
    /// What it is of.
    pub name: String,
    /// Hexadecimal digits.
    pub trace: String,
    /// Hexadecimal digits.
    pub id: String,
    /// The span that it belongs to; empty where there is none.
    pub parent: String,
    /// Names and values, as text.
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", incoming.local_addr().unwrap());
        let collector = Self { url, spans: Arc::default() };
        let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        collector
    }

    /// All spans of a trace, once those that `holds` wants are among them.
    pub async fn trace(&self, trace: &str, what: &str, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let of_trace = async || {
            let spans = self.spans.lock().unwrap();
            spans.iter().filter(|span| span.trace == trace).cloned().collect::<Vec<_>>()
        };
        eventually(what, LIMIT, of_trace, |spans| holds(spans)).await
    }

    /// All spans that have come so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_service in request.into_inner().resource_spans {
            let resource = texts(of_service.resource.unwrap_or_default().attributes);
            let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans.map(|span| Span {
                service: resource.get("service.name").cloned().unwrap_or_default(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: texts(span.attributes),
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: KeyValue| Some((attribute.key, text(attribute.value?.value?)));
    attributes.into_iter().filter_map(value).collect()
}
