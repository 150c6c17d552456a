//! Packets of Engine.IO 4 and, within them, of Socket.IO 5.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Between packets that share a request's body.
pub(super) const SEPARATOR: char = '\u{1e}';

/// What a client can send, of both protocols.
#[derive(Debug, PartialEq)]
pub(super) enum Packet {
    /// Ends the connection.
    Close,
    /// Asks for a pong with the same data. Only a client that tries a transport does.
    Ping(String),
    /// The answer to our ping.
    Pong,
    /// From now on the other transport is used.
    Upgrade,
    /// Says nothing.
    Noop,
    /// Wants in, with its `auth` payload.
    Connect(Option<Value>),
    /// Wants into another namespace than `/`.
    ConnectElsewhere(String),
    /// Wants out.
    Disconnect,
    /// An event.
    Event(Call),
}

/// An event that came in.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// Its name.
    pub(super) event: String,
    /// By which its sender knows the answer.
    pub(super) number: Option<u64>,
    /// As it came: a JSON text. `None` if it isn't there.
    pub(super) payload: Option<String>,
}

/// Not a packet; its connection has to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

impl Packet {
    /// Reads an Engine.IO packet.
    pub(super) fn parse(text: &str) -> Result<Self, Nonsense> {
        let Some(kind) = text.as_bytes().first() else { return Err(Nonsense) };
        match kind {
            b'1' => Ok(Self::Close),
            b'2' => Ok(Self::Ping(text[1..].to_owned())),
            b'3' => Ok(Self::Pong),
            b'4' => message(&text[1..]),
            b'5' => Ok(Self::Upgrade),
            b'6' => Ok(Self::Noop),
            b'b' => Ok(Self::Noop), // binary data; an event that wanted it has been refused
            _ => Err(Nonsense),
        }
    }
}

fn message(text: &str) -> Result<Packet, Nonsense> {
    let kind = text.bytes().next().ok_or(Nonsense)?;
    let mut rest = text.get(1..).ok_or(Nonsense)?;
    let binary = matches!(kind, b'5' | b'6');
    if binary {
        // The number of binary attachments, which are of no use here.
        rest = rest.split_once('-').ok_or(Nonsense)?.1;
    }
    let mut elsewhere = None;
    if rest.starts_with('/') {
        let (namespace, after) = rest.split_once(',').unwrap_or((rest, ""));
        if namespace.split('?').next() != Some("/") {
            elsewhere = Some(namespace.to_owned());
        }
        rest = after;
    }
    if let Some(namespace) = elsewhere {
        return Ok(if kind == b'0' { Packet::ConnectElsewhere(namespace) } else { Packet::Noop });
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, data) = rest.split_at(digits);
    let number = if number.is_empty() { None } else { Some(number.parse().map_err(|_| Nonsense)?) };
    match kind {
        b'0' if data.is_empty() => Ok(Packet::Connect(None)),
        b'0' => serde_json::from_str(data).map(|auth| Packet::Connect(Some(auth))).map_err(|_| Nonsense),
        b'1' => Ok(Packet::Disconnect),
        b'2' => event(number, data, false),
        b'5' => event(number, data, true),
        b'3' | b'6' => Ok(Packet::Noop), // nothing that is sent to clients asks for an answer
        _ => Err(Nonsense),
    }
}

fn event(number: Option<u64>, data: &str, binary: bool) -> Result<Packet, Nonsense> {
    let parts: Vec<&RawValue> = serde_json::from_str(data).map_err(|_| Nonsense)?;
    let (name, arguments) = parts.split_first().ok_or(Nonsense)?;
    let event = String::deserialize(*name).map_err(|_| Nonsense)?;
    // No event here takes binary data.
    let payload = if binary { None } else { arguments.first() };
    Ok(Packet::Event(Call { event, number, payload: payload.map(|payload| payload.get().to_owned()) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(event: &str, number: Option<u64>, payload: Option<&str>) -> Result<Packet, Nonsense> {
        Ok(Packet::Event(Call { event: event.into(), number, payload: payload.map(str::to_owned) }))
    }

    #[test]
    fn packets_of_a_client_are_understood() {
        for (text, packet) in [
            ("1", Ok(Packet::Close)),
            ("2probe", Ok(Packet::Ping("probe".into()))),
            ("3", Ok(Packet::Pong)),
            ("5", Ok(Packet::Upgrade)),
            ("6", Ok(Packet::Noop)),
            ("40", Ok(Packet::Connect(None))),
            ("40{\"token\":\"x\"}", Ok(Packet::Connect(Some(json!({"token": "x"}))))),
            ("40/,{\"token\":\"x\"}", Ok(Packet::Connect(Some(json!({"token": "x"}))))),
            ("40/admin,{}", Ok(Packet::ConnectElsewhere("/admin".into()))),
            ("40/admin", Ok(Packet::ConnectElsewhere("/admin".into()))),
            ("41", Ok(Packet::Disconnect)),
            ("41/admin,", Ok(Packet::Noop)),
            ("42[\"a\"]", call("a", None, None)),
            ("42[\"a\",{\"b\":[1]},2]", call("a", None, Some(r#"{"b":[1]}"#))),
            ("4212[\"a\",null]", call("a", Some(12), Some("null"))),
            ("42/,3[\"a\"]", call("a", Some(3), None)),
            // Half a character: what it is in is refused, not the connection.
            ("42[\"a\",\"\\ud800\"]", call("a", None, Some("\"\\ud800\""))),
            ("42/admin,3[\"a\"]", Ok(Packet::Noop)),
            ("431[1]", Ok(Packet::Noop)),
            ("451-7[\"a\",{\"_placeholder\":true,\"num\":0}]", call("a", Some(7), None)),
            ("bAAAA", Ok(Packet::Noop)),
        ] {
            assert_eq!(Packet::parse(text), packet, "{text}");
        }
    }

    #[test]
    fn nonsense_is_told_from_packets() {
        for text in [
            "",
            "0",
            "7",
            "x",
            "4",
            "49",
            "4x",
            "42",
            "42[]",
            "42[1]",
            "42{}",
            "42[\"a\"",
            "42[\"a\"]]",
            "40{",
            "45[\"a\"]",
            "42-1[\"a\"]",
            "4299999999999999999999[\"a\"]",
            "42[\"a\",nul]",
            "é",
            "4é",
        ] {
            assert_eq!(Packet::parse(text), Err(Nonsense), "{text}");
        }
    }
}
