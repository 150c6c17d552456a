//! Session ids with the mark of the replica that the session lives on: `abc` of a replica is `abc.1f2e3d4c` to clients.

use std::net::SocketAddr;

/// Where a request belongs, by the `sid` of its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session<'a> {
    /// It opens a session.
    New,
    /// It goes on with one, on the replica of this mark.
    At(&'a str),
    /// It goes on with one that no gateway can have opened.
    Unknown,
}

impl<'a> Session<'a> {
    pub(crate) fn of(query: &'a str) -> Self {
        match sid(query) {
            None => Self::New,
            Some(sid) => sid.rsplit_once('.').map_or(Self::Unknown, |(_, mark)| Self::At(mark)),
        }
    }
}

/// Whether a query goes on with a session.
pub(crate) fn has_session(query: &str) -> bool {
    sid(query).is_some()
}

fn sid(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("sid="))
}

/// The mark of a replica: the same on every gateway, and it tells no address.
pub(crate) fn mark(replica: SocketAddr) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, replica.to_string().as_bytes());
    digest.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Path and query for the replica: as the client sent them, without the marks.
pub(crate) fn target(query: &str) -> String {
    let unmarked = |pair: &str| match pair.strip_prefix("sid=").and_then(|sid| sid.rsplit_once('.')) {
        Some((sid, _)) => format!("sid={sid}"),
        None => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(unmarked).collect();
    format!("/socket/?{}", pairs.join("&"))
}

/// The handshake's answer with the replica's mark in its session id. `None` if it is no such answer.
pub(crate) fn marked(body: &[u8], replica: SocketAddr) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"\"sid\":\"";
    if !body.starts_with(b"0{") {
        return None;
    }
    let value = body.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let end = value + body[value..].iter().position(|byte| *byte == b'"')?;
    let mark = mark(replica);
    Some([&body[..end], b".", mark.as_bytes(), &body[end..]].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn replica(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_query_without_a_session_id_opens_a_session() {
        assert_eq!(Session::of("EIO=4&transport=polling&t=abc"), Session::New);
        assert_eq!(Session::of(""), Session::New);
        assert!(!has_session("EIO=4&xsid=1"));
    }

    #[test]
    fn a_marked_session_id_leads_to_its_replica() {
        assert_eq!(Session::of("EIO=4&sid=ab-_1.1f2e3d4c&t=x"), Session::At("1f2e3d4c"));
        assert_eq!(Session::of("sid=abc"), Session::Unknown);
        assert_eq!(Session::of("sid="), Session::Unknown);
    }

    #[test]
    fn the_replica_sees_its_own_session_id() {
        assert_eq!(target("EIO=4&sid=abc.1f2e3d4c&t=x.y"), "/socket/?EIO=4&sid=abc&t=x.y");
        assert_eq!(target("EIO=4&transport=polling"), "/socket/?EIO=4&transport=polling");
    }

    #[test]
    fn the_handshake_gets_the_mark_and_keeps_everything_else() {
        let replica = replica("10.0.0.1:3001");
        let body = b"0{\"sid\":\"abc\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000}";
        let marked = String::from_utf8(marked(body, replica).unwrap()).unwrap();
        let expected =
            format!("0{{\"sid\":\"abc.{}\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000}}", mark(replica));
        assert_eq!(marked, expected);
    }

    #[test]
    fn what_is_no_handshake_stays_as_it_is() {
        for body in ["", "40", "0{}", "0{\"sid\":\"abc", "{\"code\":0,\"message\":\"Transport unknown\"}"] {
            assert_eq!(marked(body.as_bytes(), replica("10.0.0.1:3001")), None, "{body}");
        }
    }

    #[test]
    fn marks_are_eight_digits_and_differ_by_address_and_port() {
        let marks = ["10.0.0.1:3001", "10.0.0.2:3001", "10.0.0.1:3002", "[fd00::1]:3001"].map(|a| mark(replica(a)));
        assert!(marks.iter().all(|mark| mark.len() == 8 && mark.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(marks.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
