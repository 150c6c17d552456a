//! WebSocket frames (RFC 6455), as a server reads and writes them. Nothing is kept between messages, and what goes to
//! many clients is written once: only the few bytes of the head are made for each.

use std::ops::Range;

/// The most bytes that a client's message may have, fragments together.
pub(crate) const LARGEST: usize = 64 * 1024;
/// Control frames are short.
const LARGEST_CONTROL: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message.
    Text(String),
    /// A whole message that isn't text.
    Binary,
    /// Wants the same bytes back in a pong.
    Ping(Vec<u8>),
    /// Wants to end.
    Close,
}

/// Why a connection must end, as the code of the close frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// 1002: these are no frames of a client.
    Protocol,
    /// 1007: a text that isn't UTF-8.
    NotUtf8,
    /// 1009: more than [`LARGEST`] bytes.
    TooBig,
}

impl Violation {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
        }
    }
}

/// Reads a client's frames out of bytes as they come.
#[derive(Default)]
pub(crate) struct Decoder {
    /// Bytes that aren't a whole frame yet.
    bytes: Vec<u8>,
    /// A message whose last fragment hasn't come yet, with its opcode.
    fragments: Option<(u8, Vec<u8>)>,
}

/// Where a frame is in the bytes that came.
struct Head {
    opcode: u8,
    last: bool,
    mask: [u8; 4],
    payload: Range<usize>,
}

impl Decoder {
    /// Adds bytes as they came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message or control frame; `None` if its end hasn't come yet.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Violation> {
        loop {
            let Some(head) = self.head()? else { return Ok(None) };
            let end = head.payload.end;
            if self.bytes.len() < end {
                return Ok(None);
            }
            let mut payload = self.bytes[head.payload].to_vec();
            if self.bytes.len() == end {
                self.bytes = Vec::new(); // most clients are silent most of the time
            } else {
                self.bytes.drain(..end);
            }
            unmask(&mut payload, head.mask);
            if let Some(frame) = self.frame(head.opcode, head.last, payload)? {
                return Ok(Some(frame));
            }
        }
    }

    fn head(&self) -> Result<Option<Head>, Violation> {
        let [first, second, rest @ ..] = self.bytes.as_slice() else { return Ok(None) };
        let (opcode, last, short) = (first & 0x0F, first & FINAL != 0, second & 0x7F);
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(Violation::Protocol); // an extension that nobody asked for, or no mask
        }
        let control = opcode & 0x8 != 0;
        let (length, at) = match short {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 4),
                _ => return Ok(None),
            },
            127 => match rest {
                [a, b, c, d, e, f, g, h, ..] => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10),
                _ => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let length = usize::try_from(length).map_err(|_| Violation::TooBig)?;
        if control && (!last || length > LARGEST_CONTROL) {
            return Err(Violation::Protocol);
        }
        let before = self.fragments.as_ref().map_or(0, |(_, before)| before.len());
        if !control && length > LARGEST - before {
            return Err(Violation::TooBig);
        }
        let Some([a, b, c, d]) = self.bytes.get(at..at + 4) else { return Ok(None) };
        Ok(Some(Head { opcode, last, mask: [*a, *b, *c, *d], payload: at + 4..at + 4 + length }))
    }

    fn frame(&mut self, opcode: u8, last: bool, payload: Vec<u8>) -> Result<Option<Frame>, Violation> {
        match (opcode, self.fragments.take()) {
            (PING | PONG | CLOSE, fragments) => {
                self.fragments = fragments;
                Ok(match opcode {
                    PING => Some(Frame::Ping(payload)),
                    CLOSE => Some(Frame::Close),
                    _ => None,
                })
            }
            (TEXT | BINARY, None) if last => message(opcode, payload).map(Some),
            (TEXT | BINARY, None) => {
                self.fragments = Some((opcode, payload));
                Ok(None)
            }
            (CONTINUATION, Some((opcode, mut message_so_far))) => {
                message_so_far.extend_from_slice(&payload);
                if last {
                    return message(opcode, message_so_far).map(Some);
                }
                self.fragments = Some((opcode, message_so_far));
                Ok(None)
            }
            _ => Err(Violation::Protocol),
        }
    }
}

fn message(opcode: u8, payload: Vec<u8>) -> Result<Frame, Violation> {
    if opcode == BINARY {
        return Ok(Frame::Binary);
    }
    String::from_utf8(payload).map(Frame::Text).map_err(|_| Violation::NotUtf8)
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for chunk in payload.chunks_mut(4) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// How long the frame is that these bytes of a server begin with.
pub(crate) fn length(bytes: &[u8]) -> usize {
    match *bytes {
        [_, 126, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        [_, 127, a, b, c, d, e, f, g, h, ..] => 10 + u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize,
        [_, short, ..] => 2 + usize::from(short),
        _ => bytes.len(),
    }
}

/// Writes a whole text message.
pub(crate) fn text(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, TEXT, payload);
}

/// Writes the answer to a ping.
pub(crate) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, PONG, payload);
}

/// Writes the end, after which nothing may be written.
pub(crate) fn close(out: &mut Vec<u8>, code: u16) {
    write(out, CLOSE, &code.to_be_bytes());
}

fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FINAL | opcode);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..0x1_0000 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_frame_tells_its_length_whatever_follows() {
        for size in [0, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            text(&mut bytes, &vec![b'x'; size]);
            let whole = bytes.len();
            text(&mut bytes, b"next");
            assert_eq!(length(&bytes), whole, "{size}");
        }
    }

    fn from_client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(&mut frame, first, payload);
        frame[0] = first;
        frame[1] |= 0x80;
        let at = frame.len() - payload.len();
        let mask = [1, 2, 3, 4];
        unmask(&mut frame[at..], mask);
        frame.splice(at..at, mask);
        frame
    }

    fn decoded(bytes: &[u8]) -> (Vec<Frame>, Option<Violation>) {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        decoder.feed(bytes);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(violation) => return (frames, Some(violation)),
            }
        }
    }

    #[test]
    fn frames_are_read_however_their_bytes_are_cut() {
        let long = "ä".repeat(20_000);
        let bytes = [
            from_client(FINAL | TEXT, b"hello"),
            from_client(TEXT, "gr".as_bytes()),
            from_client(FINAL | PING, b"p"),
            from_client(CONTINUATION, &"ü".as_bytes()[..1]),
            from_client(FINAL | CONTINUATION, &"ü".as_bytes()[1..]),
            from_client(FINAL | PONG, b""),
            from_client(FINAL | BINARY, &[255]),
            from_client(FINAL | TEXT, long.as_bytes()),
            from_client(FINAL | CLOSE, &1000u16.to_be_bytes()),
        ]
        .concat();
        let expected = [
            Frame::Text("hello".into()),
            Frame::Ping(b"p".to_vec()),
            Frame::Text("grü".into()),
            Frame::Binary,
            Frame::Text(long),
            Frame::Close,
        ];
        assert_eq!(decoded(&bytes), (expected.into_iter().collect(), None));
        for size in [1, 2, 3, 7, 1000] {
            let (mut decoder, mut count) = (Decoder::default(), 0);
            for chunk in bytes.chunks(size) {
                decoder.feed(chunk);
                while decoder.next().unwrap().is_some() {
                    count += 1;
                }
            }
            assert_eq!((count, decoder.bytes.capacity()), (6, 0), "in pieces of {size}");
        }
    }

    #[test]
    fn what_no_client_may_send_is_told_by_its_code() {
        let huge = |length: u64| [&[FINAL | TEXT, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        let mut unmasked = Vec::new();
        text(&mut unmasked, b"x");
        for (what, bytes, violation) in [
            ("no mask", unmasked, Violation::Protocol),
            ("an extension's bit", from_client(FINAL | TEXT | 0x40, b"x"), Violation::Protocol),
            ("an unknown opcode", from_client(FINAL | 0x3, b"x"), Violation::Protocol),
            ("a continuation of nothing", from_client(FINAL | CONTINUATION, b"x"), Violation::Protocol),
            ("a fragmented ping", from_client(PING, b"x"), Violation::Protocol),
            ("a long ping", from_client(FINAL | PING, &[0; 126]), Violation::Protocol),
            (
                "a message within a message",
                [from_client(TEXT, b"x"), from_client(FINAL | TEXT, b"y")].concat(),
                Violation::Protocol,
            ),
            ("no UTF-8", from_client(FINAL | TEXT, &[0xFF]), Violation::NotUtf8),
            ("too long", huge(LARGEST as u64 + 1), Violation::TooBig),
            ("far too long", huge(u64::MAX), Violation::TooBig),
            (
                "too long in all",
                [from_client(TEXT, &vec![b'x'; LARGEST]), from_client(FINAL | CONTINUATION, b"x")].concat(),
                Violation::TooBig,
            ),
        ] {
            assert_eq!(decoded(&bytes).1, Some(violation), "{what}");
        }
    }

    #[test]
    fn each_length_has_its_form() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut frame = Vec::new();
            text(&mut frame, &vec![b'x'; length]);
            assert_eq!(frame.len(), length + head);
        }
        let mut frame = Vec::new();
        close(&mut frame, 1001);
        assert_eq!(frame, [0x88, 2, 3, 0xE9]);
    }
}
