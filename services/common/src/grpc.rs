//! gRPC between the services: channels, servers, and whose behalf a call is made on.

mod bundle;
mod calls;
mod channel;
mod gather;
mod load;
mod methods;
mod replica;
mod replicas;
mod targets;
mod unbundle;

use std::{convert::Infallible, future::Future, time::Duration};

use anyhow::Context as _;
use http::{Request as HttpRequest, Response as HttpResponse};
use prometheus::Registry;
use tokio::{net::TcpListener, time::Instant};
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    body::Body,
    metadata::{Ascii, MetadataMap, MetadataValue},
    server::NamedService,
    transport::Server,
};
use tonic_health::ServingStatus;
use tower::Service;

use self::{
    calls::{Calls, NoteCalls},
    gather::Gather,
    unbundle::Unbundle,
};
pub use self::{channel::Channel, targets::Targets};
use crate::{health::Health, tls::ServerTls};

/// How long a call may take before it counts as failed.
pub const DEADLINE: Duration = Duration::from_millis(2500);
/// A connection that breaks does so at once.
const AT_ONCE: Duration = Duration::from_millis(400);

/// Messages to a service are at most this large: a body at the gateway may have 64 KiB.
pub const LARGEST_MESSAGE: usize = 128 * 1024;
/// Callers give up earlier, and say so; this is for those who don't.
const LONGEST: Duration = Duration::from_secs(30);
/// Calls on one connection at a time; more wait.
const MOST_CALLS: u32 = 1024;
const LARGEST_HEAD: u32 = 16 * 1024;

/// On whose behalf a call is made.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The user's access token; absent before login.
    pub token: Option<String>,
    /// Ties the log lines of one request together.
    pub request_id: String,
}

impl Caller {
    /// A gRPC request that carries the token and the request id.
    pub fn request<T>(&self, message: T) -> Result<Request<T>, crate::Error> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(token) = &self.token {
            let value = MetadataValue::<Ascii>::try_from(format!("Bearer {token}"))
                .map_err(|_| crate::Error::unauthenticated())?;
            metadata.insert("authorization", value);
        }
        if let Ok(id) = MetadataValue::try_from(&self.request_id) {
            metadata.insert("x-request-id", id);
        }
        Ok(request)
    }

    /// Reads what [`Caller::request`] wrote.
    #[must_use]
    pub fn from_metadata(metadata: &MetadataMap) -> Self {
        let text = |name: &str| metadata.get(name).and_then(|v| v.to_str().ok());
        Self {
            token: text("authorization").and_then(bearer).map(str::to_owned),
            request_id: text("x-request-id").filter(|id| is_request_id(id)).unwrap_or("-").to_owned(),
        }
    }
}

/// Whether a text may stand in logs and headers as the id of a request.
#[must_use]
pub fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The token of an `Authorization` value, `Bearer` in any case.
#[must_use]
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// A call that has passed [`DEADLINE`].
fn late() -> Status {
    Status::deadline_exceeded("no answer in time")
}

/// Makes a call that changes nothing; once more if the connection broke under it, as it does when a replica restarts.
/// A failure that took its time isn't tried again: the caller would have to wait for two deadlines.
pub async fn read<T, F: Future<Output = Result<T, Status>>>(call: impl Fn() -> F) -> Result<T, Status> {
    let since = Instant::now();
    match call().await {
        Err(status) if status.code() == tonic::Code::Unavailable && since.elapsed() < AT_ONCE => call().await,
        answer => answer,
    }
}

/// Serves one gRPC service with the standard health service, and reflection in development, until `stop`.
/// Each call is noted in `registry`. Health is told for the whole (`""`), for the service, and for each dependency by
/// name.
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<&ServerTls>,
    service: S,
    health: Health,
    registry: &Registry,
    reflection: bool,
    stop: CancellationToken,
) -> anyhow::Result<()>
where
    S: Service<HttpRequest<Body>, Response = HttpResponse<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let mirror = tokio::spawn(async move {
        let mut changes = health.subscribe();
        loop {
            let status = |up| if up { ServingStatus::Serving } else { ServingStatus::NotServing };
            let dependencies = changes.borrow_and_update().clone();
            for name in ["", S::NAME] {
                reporter.set_service_status(name, status(health.ready())).await;
            }
            for (name, dependency) in dependencies {
                reporter.set_service_status(name, status(dependency.up)).await;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    });
    let reflection = reflection
        .then(|| {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(aether_proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
        })
        .transpose()?;
    let incoming = TcpListenerStream::new(listener).map(|stream| stream.inspect(crate::net::tune).map(Gather::new));
    let calls = Calls::new(registry, S::NAME)?;
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls.grpc().clone()).context("TLS_CERT_FILE, TLS_KEY_FILE or TLS_CLIENT_CA_FILE")?;
    }
    let served = server
        .layer(Unbundle)
        .layer(NoteCalls(calls))
        .timeout(LONGEST)
        .max_concurrent_streams(MOST_CALLS)
        .http2_max_header_list_size(LARGEST_HEAD)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(health_service)
        .add_service(service)
        .add_optional_service(reflection)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await;
    mirror.abort();
    Ok(served?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn attempts(takes: Duration) -> usize {
        let attempts = AtomicUsize::new(0);
        let answer: Result<(), Status> = read(|| async {
            attempts.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(takes).await;
            Err(Status::unavailable("gone"))
        })
        .await;
        assert_eq!(answer.unwrap_err().code(), tonic::Code::Unavailable);
        attempts.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_tried_again_where_the_connection_broke_and_not_where_the_service_took_its_time() {
        assert_eq!(attempts(Duration::ZERO).await, 2);
        assert_eq!(attempts(Duration::from_secs(2)).await, 1);
    }
}
