//! Health, probes and metrics.

use reqwest::Method;
use serde_json::json;

use crate::support::{World, eventually, send};

#[tokio::test]
async fn health_tells_that_the_gateway_answers() {
    let world = World::new().await;
    for path in ["/health", "/api/health"] {
        let (status, body) = send(world.request(Method::GET, path)).await;
        assert_eq!((status, &body["status"], &body["service"]), (200, &json!("ok"), &json!("api-gateway")));
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z') && body["uptime"].is_u64());
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn detailed_health_names_each_dependency_and_which_one_is_down() {
    let mut world = World::new().await;
    let detailed = || async { send(world.request(Method::GET, "/api/health/detailed")).await };
    let dependencies = json!({"auth": {"status": "up"}, "message": {"status": "up"}, "mongodb": {"status": "up"},
        "postgres": {"status": "up"}, "redis": {"status": "down"}});
    let (status, body) = detailed().await;
    assert_eq!((status, &body["status"], &body["dependencies"]), (200, &json!("degraded"), &dependencies));

    world.auth.health.set("redis", true);
    eventually(|| async { detailed().await.1["status"] == "ok" }).await;

    world.message.health.set("mongodb", false);
    eventually(|| async { detailed().await.0 == 503 }).await;
    assert_eq!(detailed().await.1["dependencies"]["mongodb"]["status"], "down");

    world.auth.kill().await;
    let detailed = || async { send(world.request(Method::GET, "/api/health/detailed")).await };
    eventually(|| async { detailed().await.1["dependencies"]["auth"]["status"] == "down" }).await;
    assert_eq!(detailed().await.1["status"], "error");
    // It goes on to answer, so it stays in its Service.
    assert_eq!(world.metrics("/readyz").await.0, 200);
    assert_eq!(send(world.request(Method::GET, "/health")).await.0, 200);
}

#[tokio::test]
async fn metrics_count_requests_by_route() {
    let world = World::new().await;
    send(world.request(Method::GET, "/api/rooms/secret-room/messages")).await;
    send(world.request(Method::GET, "/no/such/url")).await;
    let (_, text) = world.metrics("/metrics").await;
    let routed =
        "aetherconnect_gateway_requests_total{method=\"GET\",route=\"/api/rooms/{roomId}/messages\",status=\"401\"} 1";
    assert!(text.contains(routed), "{text}");
    assert!(text.contains("route=\"unmatched\",status=\"404\"} 1"), "{text}");
    assert!(text.contains("aetherconnect_gateway_request_duration_seconds_bucket"));
    assert!(text.contains("aetherconnect_gateway_websocket_tunnels 0"));
    assert_eq!(world.metrics("/healthz").await.0, 200);
}
