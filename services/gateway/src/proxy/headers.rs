//! Headers on their way through.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{access::Context, observe::REQUEST_ID};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// These speak of one connection, not of the request.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A client's headers as the replica gets them.
pub(super) fn request(original: &HeaderMap, context: &Context) -> HeaderMap {
    let mut headers = without_hop_by_hop(original);
    headers.remove(header::EXPECT);
    let peer = context.peer.to_string();
    // What a stranger says of its way here is worth nothing.
    let way: Vec<&str> = original.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let way = if context.trusted_peer { way } else { Vec::new() };
    let way = way.into_iter().chain([peer.as_str()]).collect::<Vec<_>>().join(", ");
    for (name, value) in [(FORWARDED_FOR, &way), (REQUEST_ID, &context.request_id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A replica's headers as the client gets them. Which pages may read the answer is the gateway's to say.
pub(super) fn response(original: &HeaderMap) -> HeaderMap {
    let mut headers = without_hop_by_hop(original);
    let cors: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in cors.into_iter().chain([header::VARY]) {
        headers.remove(name);
    }
    headers
}

fn without_hop_by_hop(original: &HeaderMap) -> HeaderMap {
    let mut headers = original.clone();
    for named in original.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok()) {
        for name in named.split(',') {
            headers.remove(name.trim());
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    fn context(trusted_peer: bool) -> Context {
        let peer = "10.0.0.1".parse().unwrap();
        Context { request_id: "r1".into(), address: peer, peer, trusted_peer, user: Arc::default() }
    }

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn headers_of_one_connection_end_here() {
        let original =
            map(&[("connection", "keep-alive, X-Secret"), ("x-secret", "1"), ("te", "trailers"), ("a", "b")]);
        let headers = request(&original, &context(false));
        assert_eq!(headers.keys().map(HeaderName::as_str).filter(|n| !n.starts_with("x-")).collect::<Vec<_>>(), ["a"]);
        assert!(!headers.contains_key("x-secret"));
    }

    #[test]
    fn the_way_is_told_on_and_a_strangers_word_is_not() {
        let original = map(&[("x-forwarded-for", "198.51.100.1")]);
        assert_eq!(request(&original, &context(true))[FORWARDED_FOR], "198.51.100.1, 10.0.0.1");
        assert_eq!(request(&original, &context(false))[FORWARDED_FOR], "10.0.0.1");
        assert_eq!(request(&original, &context(false))[REQUEST_ID], "r1");
    }

    #[test]
    fn only_the_gateway_says_who_may_read_an_answer() {
        let original = map(&[("access-control-allow-origin", "*"), ("vary", "origin"), ("content-type", "text/plain")]);
        assert_eq!(response(&original).len(), 1);
    }
}
