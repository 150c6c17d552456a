//! The task of a link: it hands what comes to the channels, and writes what they want written.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use tokio::{io::AsyncWrite as _, sync::mpsc};
use tokio_util::bytes::Bytes;

use super::{
    Channel, End, State, WINDOW,
    frame::{self, Frame, Kind, Nonsense},
};
use crate::{lock, tls::Stream};

/// How much is read in one go.
const CHUNK: usize = 64 * 1024;

/// Works until the connection ends, or isn't needed any more.
pub(super) struct Driver {
    stream: Stream,
    state: Arc<Mutex<State>>,
    /// Where the other side's channels go; this side opens them where there is none.
    accepted: Option<mpsc::UnboundedSender<Channel>>,
    /// What came; the first `filled` bytes of it, which aren't a whole frame yet between two polls.
    received: Vec<u8>,
    filled: usize,
    sending: Vec<u8>,
    sent: usize,
    /// Others had their turn since there is something to write.
    gathered: bool,
}

impl Driver {
    pub(super) fn new(
        stream: Stream,
        read: Vec<u8>,
        state: Arc<Mutex<State>>,
        accepted: Option<mpsc::UnboundedSender<Channel>>,
    ) -> Self {
        let (filled, mut received) = (read.len(), read);
        received.resize(filled + CHUNK, 0);
        Self { stream, state, accepted, received, filled, sending: Vec::new(), sent: 0, gathered: false }
    }

    /// Reads until nothing more has come.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.hand_out()?;
            let room = &mut self.received[self.filled..];
            match ready!(self.stream.poll_take(cx, room))? {
                0 => return Poll::Ready(Ok(())),
                read => self.filled += read,
            }
        }
    }

    /// Gives whole frames to their channels.
    fn hand_out(&mut self) -> io::Result<()> {
        let mut bytes = &self.received[..self.filled];
        let (mut wakers, mut opened) = (Vec::new(), Vec::new());
        let nonsense = {
            let mut state = lock(&self.state);
            loop {
                match frame::read(&mut bytes) {
                    Ok(Some(Frame { channel, kind: Kind::Open, .. })) => {
                        if self.accepted.is_none() || channel <= state.newest {
                            break true;
                        }
                        if state.has_place() {
                            state.add(channel);
                            opened.push(channel);
                        } else {
                            state.newest = channel;
                            frame::write(&mut state.out, channel, Kind::Gone, &[]);
                        }
                    }
                    // Only the side that accepts channels has feeds.
                    Ok(Some(frame)) if self.accepted.is_some() && frame.kind.is_of_feeds() => break true,
                    Ok(Some(frame)) => match state.came(&frame, &mut wakers) {
                        Ok(()) => {}
                        Err(Nonsense) => break true,
                    },
                    Ok(None) => break false,
                    Err(Nonsense) => break true,
                }
            }
        };
        let left = bytes.len();
        self.received.copy_within(self.filled - left..self.filled, 0);
        self.filled = left;
        super::wake(wakers);
        for id in opened {
            let channel = Channel { id, state: Arc::clone(&self.state) };
            if let Some(accepted) = &self.accepted {
                // Where nobody accepts any more, the channel ends by its drop.
                let _ = accepted.send(channel);
            }
        }
        if nonsense { Err(io::Error::new(io::ErrorKind::InvalidData, "no frame of a link")) } else { Ok(()) }
    }

    /// Lets those speak first who are about to: whoever wakes a task is followed by it at once, and each of a room's
    /// sockets would have a write of its own.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gathered = !self.gathered && self.sending.is_empty() && !lock(&self.state).out.is_empty();
        if self.gathered { pin!(tokio::task::yield_now()).poll(cx) } else { Poll::Ready(()) }
    }

    /// Writes until nothing is left; ready when the link is not needed any more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.sending.len() {
                self.sent += ready!(self.stream.poll_give(cx, &self.sending[self.sent..]))?;
            }
            (self.sent, self.sending) = (0, emptied(std::mem::take(&mut self.sending)));
            let (over, crowd) = {
                let mut state = lock(&self.state);
                let crowd = std::mem::take(&mut state.crowd);
                std::mem::swap(&mut self.sending, &mut state.out);
                if self.sending.is_empty() {
                    super::remember(&mut state.idle, cx);
                }
                (state.is_over(), crowd)
            };
            super::wake(crowd);
            if self.sending.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                return if over { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
        }
    }

    /// The connection is gone, and with it every channel.
    fn close(&mut self, cx: &mut Context<'_>) {
        let wakers = lock(&self.state).break_off();
        super::wake(wakers);
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        let ended = match driver.poll_read(cx) {
            // By what was too much for it.
            _ if lock(&driver.state).broken => Ok(()),
            Poll::Pending => {
                ready!(driver.poll_gather(cx));
                ready!(driver.poll_write(cx))
            }
            Poll::Ready(ended) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a link broke");
        }
        driver.close(cx);
        Poll::Ready(())
    }
}

impl Drop for Driver {
    /// A runtime that ends drops its tasks.
    fn drop(&mut self) {
        lock(&self.state).broken = true;
    }
}

impl State {
    /// A frame of a channel that is open, or was.
    pub(super) fn came(&mut self, frame: &Frame<'_>, wakers: &mut Vec<Waker>) -> Result<(), Nonsense> {
        if frame.kind == Kind::Feed {
            self.heard.came(frame.channel, frame.body, &mut self.ends, wakers);
            return Ok(());
        }
        if frame.channel > self.newest {
            return Err(Nonsense);
        }
        // This side may have dropped it meanwhile.
        let Some(end) = self.ends.get_mut(&frame.channel) else { return Ok(()) };
        match frame.kind {
            Kind::Open | Kind::Feed => return Err(Nonsense),
            Kind::Data => {
                self.heard.catch_up(end);
                end.receive(Bytes::copy_from_slice(frame.body))?;
                wakers.extend(end.reader.take());
            }
            Kind::Follow => {
                self.heard.follow(frame::number(frame.body)?, end)?;
                // Who waits isn't woken by this feed yet.
                wakers.extend(end.reader.take());
            }
            Kind::Unfollow => {
                self.heard.unfollow(frame::number(frame.body)?, frame.channel, end);
                wakers.extend(end.reader.take());
            }
            Kind::End | Kind::Gone => {
                self.heard.unfollow_all(frame.channel, end);
                end.ended = true;
                wakers.extend(end.reader.take());
                if frame.kind == Kind::Gone {
                    end.gone = true;
                    wakers.extend(end.writer.take());
                }
            }
            Kind::Credit => {
                end.credit += usize::try_from(frame::number(frame.body)?).map_err(|_| Nonsense)?;
                if end.credit > WINDOW {
                    return Err(Nonsense);
                }
                wakers.extend(end.writer.take());
            }
        }
        Ok(())
    }
}

impl End {
    /// Keeps what has come for its reader.
    fn receive(&mut self, bytes: Bytes) -> Result<(), Nonsense> {
        self.waiting += bytes.len();
        if self.ended || self.waiting + self.untold > WINDOW {
            return Err(Nonsense);
        }
        if !self.lost {
            self.inbox.push_back((bytes, true));
        }
        Ok(())
    }
}

/// A buffer to be used again, unless it has become large.
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > 4 * CHUNK {
        return Vec::new();
    }
    buffer.clear();
    buffer
}
