//! The parsers against what official encoders write, against another implementation, and against rubbish.
#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    self, Message,
    protocol::{Role, WebSocketConfig},
};

use super::{
    LARGEST_PACKET,
    packet::{Call, Packet, SEPARATOR},
};
use crate::frame::{self, Decoder, Frame, Violation};

/// What `socket.io-parser` 4 writes: type, attachments, namespace, acknowledgement, JSON.
fn written(kind: u8, attachments: Option<u8>, namespace: &str, number: Option<u64>, data: Option<&Value>) -> String {
    let mut text = format!("4{kind}");
    text.extend(attachments.map(|attachments| format!("{attachments}-")));
    if namespace != "/" {
        text += &format!("{namespace},");
    }
    text.extend(number.map(|number| number.to_string()));
    text.extend(data.map(Value::to_string));
    text
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A frame as a client writes it, masked; lengths in whatever form.
fn sent(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![any::<String>().prop_map(String::into_bytes), (0..70_usize).prop_map(|n| vec![b'x'; n * 1000])]
}

/// Frames, most of them such as a client may send.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => Just(0x81_u8), 2 => Just(0x01), 4 => Just(0x80), 2 => Just(0x00), 2 => Just(0x82), 2 => Just(0x89),
        1 => Just(0x8A), 1 => any::<u8>(),
    ];
    let payload = prop_oneof![3 => any_text(), 1 => vec(any::<u8>(), 0..200)];
    (first, payload, any::<[u8; 4]>()).prop_map(|(first, payload, mask)| sent(first, &payload, mask))
}

/// What came of some bytes: messages and pings, and whether the connection goes on.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    frames: Vec<Frame>,
    over: bool,
}

fn ours(pieces: &[&[u8]]) -> (Outcome, Option<Violation>) {
    let (mut decoder, mut read) = (Decoder::default(), Outcome::default());
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(Frame::Close)) => return (Outcome { over: true, ..read }, None),
                Ok(Some(frame)) => read.frames.push(frame),
                Ok(None) => break,
                Err(violation) => return (Outcome { over: true, ..read }, Some(violation)),
            }
        }
    }
    (read, None)
}

/// Bytes that came, and then silence; what is written is lost.
struct Wire(VecDeque<u8>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Outcome {
    let limits = WebSocketConfig::default().max_message_size(Some(LARGEST_PACKET)).max_frame_size(Some(LARGEST_PACKET));
    let wire = Wire(bytes.iter().copied().collect());
    let (mut socket, mut read) =
        (tungstenite::WebSocket::from_raw_socket(wire, Role::Server, Some(limits)), Outcome::default());
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => read.frames.push(Frame::Text(text.to_string())),
            Ok(Message::Binary(_)) => read.frames.push(Frame::Binary),
            Ok(Message::Ping(data)) => read.frames.push(Frame::Ping(data.to_vec())),
            Ok(Message::Pong(_) | Message::Frame(_)) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return read,
            Ok(Message::Close(_)) | Err(_) => return Outcome { over: true, ..read },
        }
    }
}

/// Each may see a fault before a frame is whole, and the other one after; both have read the same until then.
fn agree(bytes: &[u8], whole_frames: bool) {
    let ((ours, violation), theirs) = (ours(&[bytes]), theirs(bytes));
    if theirs.over {
        assert!(ours.frames.starts_with(&theirs.frames), "{ours:?} {theirs:?}");
    } else if violation.is_some_and(|violation| violation != Violation::NotUtf8) && !whole_frames {
        assert_eq!(ours.frames, theirs.frames);
    } else {
        assert_eq!(ours, theirs);
    }
}

proptest! {
    #[test]
    fn an_event_that_the_official_client_writes_is_understood(
        event: String, payload in proptest::option::of(any_json()), number in proptest::option::of(0..1_u64 << 53),
    ) {
        let data: Vec<Value> = std::iter::once(json!(event)).chain(payload.clone()).collect();
        let text = written(2, None, "/", number, Some(&Value::from(data)));
        let payload = payload.map(|payload| payload.to_string());
        prop_assert_eq!(Packet::parse(&text), Ok(Packet::Event(Call { event, number, payload })));
    }

    #[test]
    fn a_connect_that_the_official_client_writes_is_understood(auth in any_json()) {
        let auth = json!({ "token": auth });
        prop_assert_eq!(
            Packet::parse(&written(0, None, "/", None, Some(&auth))), Ok(Packet::Connect(Some(auth.clone())))
        );
        let elsewhere = written(0, None, "/admin", None, Some(&auth));
        prop_assert_eq!(Packet::parse(&elsewhere), Ok(Packet::ConnectElsewhere("/admin".into())));
    }

    #[test]
    fn a_binary_event_keeps_its_name_and_number_but_has_no_payload(
        event: String, number in proptest::option::of(0..1_u64 << 53), attachments in 1..9_u8,
    ) {
        let data = json!([event, {"_placeholder": true, "num": 0}]);
        let text = written(5, Some(attachments), "/", number, Some(&data));
        prop_assert_eq!(Packet::parse(&text), Ok(Packet::Event(Call { event, number, payload: None })));
    }

    #[test]
    fn any_text_is_a_packet_or_is_refused(text in "[0-6b]?[0-9]{0,2}[-/,\\[\\]{}\"a0]{0,8}.{0,20}") {
        let _ = Packet::parse(&text);
    }

    #[test]
    fn frames_are_read_alike_however_they_are_cut(frames in vec(any_frame(), 1..6), cuts in vec(any::<usize>(), 0..9)) {
        let bytes = frames.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(ours(&pieces), ours(&[&bytes]));
    }

    #[test]
    fn text_in_any_fragments_comes_out_as_it_went_in(text: String, cuts in vec(any::<usize>(), 0..5), mask: [u8; 4]) {
        let text_bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (text_bytes.len() + 1)).collect();
        cuts.extend([0, text_bytes.len()]);
        cuts.sort_unstable();
        let last = cuts.len() - 2;
        let pieces = cuts.windows(2).enumerate().map(|(n, cut)| {
            let first = u8::from(n == 0) | if n == last { 0x80 } else { 0 };
            sent(first, &text_bytes[cut[0]..cut[1]], mask)
        });
        let bytes: Vec<u8> = pieces.flatten().collect();
        prop_assert_eq!(ours(&[&bytes]).0, Outcome { frames: vec![Frame::Text(text)], over: false });
    }

    #[test]
    fn another_implementation_reads_frames_alike(frames in vec(any_frame(), 1..8)) {
        agree(&frames.concat(), true);
    }

    #[test]
    fn what_is_written_is_what_another_implementation_reads(text: String, long in 0..70_000_usize) {
        let text = text + &"x".repeat(long);
        let mut bytes = Vec::new();
        frame::text(&mut bytes, text.as_bytes());
        let wire = Wire(bytes.into_iter().collect());
        let mut client = tungstenite::WebSocket::from_raw_socket(wire, Role::Client, None);
        prop_assert_eq!(client.read().unwrap(), Message::text(text));
    }
}

#[test]
fn fuzz_frames_are_read_as_another_implementation_reads_them() {
    let corpus = [
        sent(0x81, b"42[\"a\"]", [1, 2, 3, 4]),
        [sent(0x01, b"gr", [0; 4]), sent(0x89, b"p", [9; 4]), sent(0x80, "ü".as_bytes(), [0; 4])].concat(),
        [sent(0x82, &[255; 200], [7; 4]), sent(0x8A, b"", [0; 4])].concat(),
        sent(0x88, &[3, 0xE8, b'b', b'y', b'e'], [0; 4]),
        [&[0x81, 0xFF][..], &70_000_u64.to_be_bytes(), &[0; 8]].concat(),
    ];
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    aether_fuzz::fuzz("frames", &corpus, &["\u{1}\0\0\0\0\0"], |bytes| {
        agree(bytes, false);
        let whole = ours(&[bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
        assert_eq!(ours(&pieces), whole);
        aether_fuzz::kind(&whole)
    });
}

#[test]
fn fuzz_packets_of_strangers_are_understood_or_refused() {
    let corpus: [&[u8]; 12] = [
        b"1",
        b"2probe",
        b"40",
        b"40{\"token\":\"x\"}",
        b"40/admin,{}",
        b"41",
        b"42[\"a\",{\"b\":[1]},2]",
        b"4212[\"send_message\",{\"roomId\":\"general\",\"content\":\"x\",\"tempId\":\"t\"}]",
        b"431[1]",
        b"451-7[\"a\",{\"_placeholder\":true,\"num\":0}]",
        b"bAAAA",
        "2\u{1e}3\u{1e}42[\"a\"]".as_bytes(),
    ];
    aether_fuzz::fuzz("packets", &corpus, &["42", "[\"", "\"]", "/,", "_placeholder", "\\u"], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let packets: Vec<_> = text.split(SEPARATOR).map(Packet::parse).collect();
        for packet in packets.iter().flatten() {
            // What was understood can be said again, and is the same.
            if let Packet::Event(call) = packet {
                let number = call.number.map(|number| number.to_string()).unwrap_or_default();
                let payload = call.payload.as_ref().map(|payload| format!(",{payload}")).unwrap_or_default();
                let again = format!("42{number}[{}{payload}]", json!(call.event));
                assert_eq!(Packet::parse(&again).as_ref(), Ok(packet));
            }
        }
        packets.iter().take(3).map(aether_fuzz::kind).collect::<Vec<_>>()
    });
}
