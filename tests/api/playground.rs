//! GET /playground: the page itself is tried in a real browser by `tests/browser/run`.
use crate::{api, client::node, failure};
use aether_tests::{Laptop, program};

#[test]
fn the_playground_works_in_a_real_browser() {
    node("browser/run", &[], "AETHERCONNECT_PROGRAM", program("aetherconnect"));
}

#[tokio::test]
async fn a_gateway_that_was_not_told_to_has_no_playground() {
    for path in ["/", "/playground", "/playground/app.js", "/playground/socket.io.js"] {
        let answer = api().get(path, None).await;
        assert_eq!((answer.status, answer.body), (404, failure("No such URL; see /api/docs")), "{path}");
    }
}

#[tokio::test]
async fn the_laptop_has_one_that_may_load_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let laptop = Laptop::start(&dir.path().join("data"), &[]);
    assert!(laptop.output().contains("/playground"), "{}", laptop.output());
    let page = reqwest::get(&laptop.url).await.unwrap();
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/playground"));
    let headers = page.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    let policy = headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!([&headers["x-content-type-options"], &headers["referrer-policy"]], ["nosniff", "no-referrer"]);
    let html = page.text().await.unwrap();
    let elsewhere = |part: &&str| part.starts_with("http") || part.starts_with("//");
    assert_eq!(html.split(['"', '\'']).find(elsewhere), None, "the page names another host");
}
