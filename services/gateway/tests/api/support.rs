//! A gateway before made-up services, and a client for it.

use std::{convert::Infallible, net::Ipv4Addr, time::Duration};

use aether_common::{Env, grpc, health::Health};
use aether_gateway::{Config, Running, start};
use aether_proto::{
    auth::auth_service_server::AuthServiceServer, message::message_service_server::MessageServiceServer,
};
use axum::http::{self, Request};
use prometheus::Registry;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, server::NamedService};

pub(crate) use self::fake_auth::FakeAuth;
pub(crate) use self::fake_message::FakeMessage;
pub(crate) use self::fake_socket::FakeSocket;

mod fake_auth;
mod fake_message;
mod fake_socket;

pub(crate) const SECRET: &str = "a secret of thirty-two bytes, yes";
pub(crate) const FRONTEND: &str = "http://localhost:3004";

/// Both made-up services and a gateway before them; all end with it.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) port: u16,
    pub(crate) metrics_port: u16,
    pub(crate) auth: Service,
    pub(crate) message: Service,
    pub(crate) stop: CancellationToken,
    running: Option<Running>,
}

/// A gRPC service that can be stopped.
pub(crate) struct Service {
    pub(crate) health: Health,
    port: u16,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn kill(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), &mut self.served).await.unwrap().unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for stop in [&self.stop, &self.auth.stop, &self.message.stop] {
            stop.cancel();
        }
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn serve<S>(listener: TcpListener, port: u16, service: S, health: Health, stop: CancellationToken) -> Service
where
    S: tower::Service<Request<Body>, Response = http::Response<Body>, Error = Infallible> + NamedService,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let (to_tell, end) = (health.clone(), stop.clone());
    let served = tokio::spawn(async move {
        grpc::serve(listener, None, service, to_tell, &Registry::new(), false, end).await.unwrap();
    });
    Service { health, port, stop, served }
}

async fn auth_service() -> Service {
    let (health, stop) = (Health::new("auth", &["postgres"], &["redis"]), CancellationToken::new());
    health.set("postgres", true);
    let (listener, port) = listen().await;
    let service = AuthServiceServer::new(FakeAuth::new(SECRET, stop.clone()));
    serve(listener, port, service, health, stop)
}

async fn message_service() -> Service {
    let (health, stop) = (Health::new("message", &["mongodb"], &["redis"]), CancellationToken::new());
    health.set("mongodb", true);
    health.set("redis", true);
    let (listener, port) = listen().await;
    let service = MessageServiceServer::new(FakeMessage::default());
    serve(listener, port, service, health, stop)
}

impl World {
    /// A gateway without limits.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A gateway with more variables set.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let (auth, message, stop) = (auth_service().await, message_service().await, CancellationToken::new());
        let mut env = Env::default()
            .with("LISTEN_ADDRESS", "127.0.0.1")
            .with("API_GATEWAY_PORT", 0)
            .with("METRICS_PORT", 0)
            .with("AUTH_SERVICE_GRPC_URL", format!("http://127.0.0.1:{}", auth.port))
            .with("MESSAGE_SERVICE_GRPC_URL", format!("http://127.0.0.1:{}", message.port))
            .with("JWT_SECRET", SECRET)
            .with("RATE_LIMIT_MAX", 0)
            .with("LOGIN_RATE_LIMIT_MAX", 0)
            .with("SHUTDOWN_GRACE_SECONDS", 4);
        for (name, value) in variables {
            env = env.with(name, value);
        }
        let running = start(Config::from_env(&env).unwrap(), stop.clone()).await.unwrap();
        let (port, metrics_port) = (running.port, running.metrics_port);
        tokio::time::timeout(Duration::from_secs(5), running.health.until_ready()).await.unwrap();
        Self { client: Client::new(), port, metrics_port, auth, message, stop, running: Some(running) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.request(Method::GET, path).bearer_auth(token)
    }

    pub(crate) fn post(&self, path: &str, token: &str) -> RequestBuilder {
        self.request(Method::POST, path).bearer_auth(token)
    }

    /// The access token of a new user.
    pub(crate) async fn register(&self, username: &str) -> String {
        let body = serde_json::json!({"email": format!("{username}@example.com"), "password": "correct horse",
            "firstName": "John", "lastName": "Doe", "username": username});
        let answer = self.request(Method::POST, "/api/auth/register").json(&body).send().await.unwrap();
        let (status, body) = read(answer).await;
        assert_eq!(status, 201, "{body}");
        body["accessToken"].as_str().unwrap().to_owned()
    }

    /// Stops the gateway and waits until it has drained.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().stopped().await.unwrap();
    }

    pub(crate) async fn metrics(&self, path: &str) -> (StatusCode, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.metrics_port);
        let answer = self.client.get(url).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

/// Status and JSON body.
pub(crate) async fn read(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// Status and JSON body of an answer to a request.
pub(crate) async fn send(request: RequestBuilder) -> (u16, Value) {
    read(request.send().await.unwrap()).await
}

/// Tries again for some seconds until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..100 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass within 5 seconds");
}
