//! A websocket, driven by hand: one task reads and writes it, and an idle one holds no buffers.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aether_common::{link::Follower, tls::Stream};
use tokio::{
    io::AsyncWrite as _,
    time::{Duration, Instant},
};

use crate::{
    delivery::queue::Queue,
    frame::{self, Decoder, Frame, Violation},
};

/// How much is read or written in one go.
const CHUNK: usize = 64 * 1024;
/// System calls are most of what a delivery costs, so what is ready so soon after a write goes out with what follows it.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

thread_local! {
    /// Bytes on their way in or out; nothing stays here.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; CHUNK], Vec::with_capacity(CHUNK)));
}

/// Why nothing more is read.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client has closed its side, or the connection broke.
    Gone,
    /// The client sent what it mustn't.
    Violation(Violation),
}

/// The server's end of a websocket.
pub(super) struct WebSocket {
    stream: Stream,
    decoder: Decoder,
    unsent: Vec<u8>,
    sent: usize,
    /// Since when the client takes nothing.
    stuck_since: Option<Instant>,
}

impl WebSocket {
    /// Over a connection whose handshake is done; `read` came after it.
    pub(super) fn new(stream: Stream, read: &[u8]) -> Self {
        let mut decoder = Decoder::default();
        decoder.feed(read);
        Self { stream, decoder, unsent: Vec::new(), sent: 0, stuck_since: None }
    }

    /// The next frame.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Ended>> {
        loop {
            match self.decoder.next() {
                Ok(Some(frame)) => return Poll::Ready(Ok(frame)),
                Ok(None) => {}
                Err(violation) => return Poll::Ready(Err(Ended::Violation(violation))),
            }
            let read = SCRATCH.with_borrow_mut(|(scratch, _)| {
                let read = ready!(self.stream.poll_take(cx, scratch))?;
                self.decoder.feed(&scratch[..read]);
                Poll::Ready(io::Result::Ok(read))
            });
            if matches!(ready!(read), Ok(0) | Err(_)) {
                return Poll::Ready(Err(Ended::Gone));
            }
        }
    }

    /// Sends what `fill` writes, after what is on its way. The rest of what the connection doesn't take at once is sent
    /// by [`WebSocket::poll_flush`].
    pub(super) fn send(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        if self.has_unsent() {
            fill(&mut self.unsent);
            // A client that wants answers and doesn't take them.
            let too_much = self.unsent.len() > 2 * CHUNK;
            return if too_much { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) };
        }
        SCRATCH.with_borrow_mut(|(_, scratch)| {
            scratch.clear();
            fill(scratch);
            let sent = self.stream.try_give(scratch)?;
            if sent < scratch.len() {
                self.unsent.extend_from_slice(&scratch[sent..]);
            }
            Ok(())
        })
    }

    /// Sends the events that wait, as [`WebSocket::send`] does, at most a chunk of them.
    pub(super) fn send_events(&mut self, queue: &Queue) -> io::Result<()> {
        self.send(|out| {
            queue.take(|event| {
                let goes = out.len() < CHUNK - super::LARGEST_EVENT;
                if goes {
                    frame::text(out, event.bytes());
                }
                goes
            });
        })
    }

    /// The channel of a gateway's link that it goes over, if it does.
    pub(super) fn channel(&self) -> Option<Follower> {
        match &self.stream {
            Stream::Channel(channel) => Some(channel.follower()),
            Stream::Plain(_) | Stream::Tls(_) => None,
        }
    }

    /// Whether a part of what was sent isn't on its way yet.
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Sends what is left of a chunk.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_unsent() {
            let unsent = &self.unsent[self.sent..];
            let given = match &mut self.stream {
                // A live feed goes over a channel, too, and mustn't come in the middle of a frame.
                Stream::Channel(channel) => channel.poll_give_together(cx, &unsent[..frame::length(unsent)]),
                stream => stream.poll_give(cx, unsent),
            };
            let Poll::Ready(sent) = given else {
                self.stuck_since.get_or_insert_with(Instant::now);
                return Poll::Pending;
            };
            self.sent += sent?;
            self.stuck_since = None;
        }
        if Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
            self.stuck_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        self.stuck_since = None;
        if self.sent > 0 {
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// When the client will have taken nothing for so long.
    pub(super) fn stuck_at(&self, patience: Duration) -> Option<Instant> {
        self.stuck_since.map(|since| since + patience)
    }

    /// Says goodbye; no more is sent.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, code: u16) {
        // A client that doesn't take it sees the connection's end all the same.
        let _ = self.send(|out| frame::close(out, code));
        let _ = self.poll_flush(cx);
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
    }

    /// Waits until the client has closed its side; what it still sends is thrown away.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let read = SCRATCH.with_borrow_mut(|(scratch, _)| self.stream.poll_take(cx, scratch));
            if matches!(ready!(read), Ok(0) | Err(_)) {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn pair() -> (TcpStream, WebSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, WebSocket::new(Stream::Plain(listener.accept().await.unwrap().0), &[]))
    }

    /// Sends until the connection takes no more, and tells how many frames that were.
    async fn fill_up(websocket: &mut WebSocket) -> usize {
        let mut frames = 0;
        while poll_fn(|cx| Poll::Ready(websocket.poll_flush(cx).is_ready())).await {
            websocket.send(|out| frame::text(out, &[b'x'; 50_000])).unwrap();
            frames += 1;
        }
        frames
    }

    #[tokio::test]
    async fn what_is_sent_while_the_client_is_slow_comes_whole_and_in_order() {
        let (mut client, mut websocket) = pair().await;
        let frames = fill_up(&mut websocket).await;
        websocket.send(|out| frame::pong(out, b"late")).unwrap();
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all
        });
        poll_fn(|cx| websocket.poll_flush(cx)).await.unwrap();
        drop(websocket);
        let mut expected = Vec::new();
        (0..frames).for_each(|_| frame::text(&mut expected, &[b'x'; 50_000]));
        frame::pong(&mut expected, b"late");
        assert!(reading.await.unwrap() == expected, "not what was sent");
    }

    #[tokio::test]
    async fn a_client_that_pings_and_never_reads_is_given_up() {
        let (_client, mut websocket) = pair().await;
        fill_up(&mut websocket).await;
        assert!((0..10_000).any(|_| websocket.send(|out| frame::pong(out, &[0; 125])).is_err()));
        assert!(websocket.stuck_at(Duration::ZERO).is_some());
    }
}
