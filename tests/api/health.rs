//! GET /health, /api/health, /api/health/detailed and /api/docs
use crate::api;

#[tokio::test]
async fn health_answers_without_a_token() {
    let api = api();
    for path in ["/health", "/api/health"] {
        let answer = api.get(path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.is_object());
    }
}

#[tokio::test]
async fn detailed_health_names_each_dependency() {
    let answer = api().get("/api/health/detailed", None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = answer.body.to_string();
    for name in ["auth", "message"] {
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn health_tells_no_addresses_or_secrets() {
    let text = api().get("/api/health/detailed", None).await.body.to_string();
    for word in ["://", "127.0.0.1", "password", "postgres:"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn the_api_description_names_every_endpoint() {
    let api = api();
    assert_eq!(api.get("/api/docs", None).await.status, 200);
    let answer = api.get("/api/docs/openapi.json", None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (path, methods) in [
        ("/api/auth/register", &["post"][..]),
        ("/api/auth/login", &["post"]),
        ("/api/auth/logout", &["post"]),
        ("/api/auth/ws-token", &["get"]),
        ("/api/auth/profile", &["get", "put"]),
        ("/api/rooms", &["get", "post"]),
        ("/api/rooms/{roomId}/messages", &["get"]),
    ] {
        for method in methods {
            assert!(answer.body["paths"][path][method].is_object(), "{method} {path} is missing");
        }
    }
}

#[tokio::test]
async fn metrics_and_probes_are_not_public() {
    let api = api();
    for path in ["/metrics", "/readyz", "/healthz"] {
        assert_eq!(api.get(path, None).await.status, 404, "{path}");
    }
}
