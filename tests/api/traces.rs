//! Traces by OpenTelemetry: one request is one trace through all services, and a collector that is away harms nobody.
use aether_tests::{Collector, Options, PASSWORD, Span, Stack, User, eventually, failed_start};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn start(endpoint: &str) -> Stack {
    Stack::start(&Options::default().env(ENDPOINT, endpoint).env("OTEL_BSP_SCHEDULE_DELAY", 100))
}

fn find<'a>(spans: &'a [Span], service: &str, name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.service == format!("aetherconnect-{service}") && span.name == name)
}

#[tokio::test]
async fn one_login_is_one_trace_from_the_caller_through_the_gateway_to_auth_and_its_store() {
    let collector = Collector::start().await;
    let stack = start(&collector.url);
    let api = stack.api();
    let user = User::register(&api, "traced").await;
    let request = api.request(Method::POST, "/api/auth/login");
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let answer = api.send(request.json(&json!({"email": user.email, "password": PASSWORD}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let (login, rpc) = ("POST /api/auth/login", "aetherconnect.auth.v1.AuthService/Login");
    let all = |spans: &[Span]| find(spans, "gateway", login).is_some() && find(spans, "auth", rpc).is_some();
    let spans = collector.trace(TRACE, "spans of gateway and auth", all).await;
    let (gateway, auth) = (find(&spans, "gateway", login).unwrap(), find(&spans, "auth", rpc).unwrap());
    assert_eq!(gateway.parent, CALLER);
    assert_eq!(auth.parent, gateway.id);
    assert_eq!(gateway.attributes["http.response.status_code"], "200");
    assert_eq!(auth.attributes["rpc.grpc.status_code"], "0");
    let store = find(&spans, "auth", "store credentials").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(store.parent, auth.id);
    for span in collector.spans() {
        let text = format!("{span:?}");
        assert!(!text.contains(PASSWORD) && !text.contains(&user.email) && !text.contains("Health"), "{text}");
    }
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one_that_message_takes_part_in() {
    let collector = Collector::start().await;
    let stack = start(&collector.url);
    let user = User::register(&stack.api(), "traced").await;
    assert_eq!(stack.api().get("/api/rooms", Some(&user.token)).await.status, 200);
    let rpc = "aetherconnect.message.v1.MessageService/ListRooms";
    let came = async || find(&collector.spans(), "message", rpc).cloned();
    let message = eventually("message's span", Duration::from_secs(10), came, Option::is_some).await.unwrap();
    let all = |spans: &[Span]| find(spans, "gateway", "GET /api/rooms").is_some();
    let spans = collector.trace(&message.trace, "the gateway's span", all).await;
    let gateway = find(&spans, "gateway", "GET /api/rooms").unwrap();
    assert_eq!((message.parent.as_str(), gateway.parent.as_str()), (gateway.id.as_str(), ""));
}

/// A backend that sends traces there works, says once that it can't, and ends when it is told to.
async fn assert_undisturbed(endpoint: &str) {
    let mut stack = start(endpoint);
    let api = stack.api();
    let user = User::register(&api, "undisturbed").await;
    let asked = Instant::now();
    for _ in 0..200 {
        assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
    }
    assert!(asked.elapsed() < Duration::from_secs(10), "200 requests took {:?}", asked.elapsed());
    stack.gateways[0].terminate();
    let ended = Instant::now();
    assert_eq!(stack.gateways[0].wait_for_exit(Duration::from_secs(10)), Some(0));
    assert!(ended.elapsed() < Duration::from_secs(8), "the end took {:?}", ended.elapsed());
    assert!(stack.gateways[0].log().matches("traces can't be sent").count() <= 1);
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_nobody_and_is_told_of_once() {
    let stack = start("http://127.0.0.1:1");
    User::register(&stack.api(), "away").await;
    let told = async || stack.gateways[0].log().matches("traces can't be sent").count();
    eventually("the log to tell of it", Duration::from_secs(15), told, |told| *told == 1).await;
    drop(stack);
    assert_undisturbed("http://127.0.0.1:1").await;
}

#[tokio::test]
async fn a_collector_that_hangs_disturbs_nobody() {
    // It accepts connections, and that is all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_undisturbed(&format!("http://{}", listener.local_addr().unwrap())).await;
}

#[test]
fn a_collectors_address_that_is_none_is_named_with_its_mend() {
    for program in ["aetherconnect-gateway", "aetherconnect-auth", "aetherconnect-message"] {
        let said = failed_start(program, &[(ENDPOINT, "collector:4317")], None);
        assert!(said.contains(&format!("{ENDPOINT}=collector:4317 is not valid: use a URL")), "{said}");
    }
}
