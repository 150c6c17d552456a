//! As much of RFC 6455 as a client needs that trusts its server and has one core for a thousand sockets.

use std::ops::Range;

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;

/// A frame that is wholly there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Range<usize>,
}

/// The frame at the beginning of the bytes, once all of it is there. A server's frames aren't masked.
pub(crate) fn frame(bytes: &[u8]) -> Option<Frame> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, length): (usize, usize) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let end = start.checked_add(length)?;
    (bytes.len() >= end).then_some(Frame { opcode: first & 0x0f, payload: start..end })
}

/// Appends a text frame. A mask of zeros leaves the text as it is, and a server can't tell.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x80 | TEXT);
    match text.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

/// The request that opens a Socket.IO connection.
pub(crate) fn upgrade(host: &str) -> Vec<u8> {
    format!(
        "GET /socket/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_only_when_all_of_it_is_there() {
        for length in [0_usize, 5, 125, 126, 300, 70_000] {
            let mut bytes = Vec::new();
            write_text(&mut bytes, &vec![b'x'; length]);
            // As the server would write it: no mask.
            bytes[1] &= 0x7f;
            let start = bytes.len() - length;
            bytes.drain(start - 4..start);
            for cut in [0, 1, 2, 3, bytes.len() - 1] {
                assert_eq!(frame(&bytes[..cut.min(bytes.len() - 1)]), None, "{length}, {cut}");
            }
            let whole = frame(&bytes);
            assert_eq!(whole, Some(Frame { opcode: TEXT, payload: bytes.len() - length..bytes.len() }), "{length}");
        }
    }
}
