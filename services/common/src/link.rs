//! Many channels over one connection: what a gateway passes on for thousands of clients goes to a replica, and comes
//! from it, by a few long writes instead of a short one for each client.
//!
//! What many of a room's clients get goes over the connection once: a channel may be given pieces by their number.
//!
//! A channel is what a connection of its own would be: bytes both ways in order, either side may end its half, and one
//! that isn't read holds up nobody else. The side that connects opens channels, the side that accepts serves them.

mod driver;
mod frame;
mod shelf;
mod upgrade;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio_util::bytes::{Buf as _, Bytes};

pub use self::upgrade::{Acceptor, connect};
use self::{driver::Driver, frame::Kind, shelf::Shelf};
use crate::{lock, tls::Stream};

/// So many bytes of a channel may be on their way before the other side has taken any. Both sides know it.
const WINDOW: usize = 128 * 1024;
/// What waits to be written: more than that is taken only when some of it is gone.
const MOST_UNSENT: usize = 1024 * 1024;
/// What one connection may carry; each end refuses more.
const MOST_CHANNELS: usize = 65_536;

/// The side that opens channels. Its connection is closed when it is dropped and the last channel has ended.
pub struct Link(Arc<Mutex<State>>);

/// One end of a channel. The other end sees its drop as a connection's end.
pub struct Channel {
    id: u32,
    state: Arc<Mutex<State>>,
}

/// What a connection's task and its channels share.
#[derive(Default)]
struct State {
    /// Frames that are to be written next.
    out: Vec<u8>,
    ends: HashMap<u32, End>,
    /// The channel that was opened last. Numbers aren't used again.
    newest: u32,
    /// No more channels are opened.
    retired: bool,
    /// The connection is gone.
    broken: bool,
    /// The connection's task, when it has nothing to do.
    idle: Option<Waker>,
    /// Who waits for place in `out`.
    crowd: Vec<Waker>,
    /// Pieces that the other side knows, and those that it has told.
    said: Shelf,
    heard: Shelf,
    /// Numbers on their way into a frame.
    numbers: Vec<u8>,
}

/// What this side knows of a channel.
#[derive(Default)]
struct End {
    inbox: VecDeque<Bytes>,
    /// How many bytes that is.
    waiting: usize,
    /// How much was taken that the other side wasn't told of.
    untold: usize,
    /// How much may be sent.
    credit: usize,
    /// The number of the piece that it was given last.
    last: u32,
    /// The other side sends no more.
    ended: bool,
    /// The other side takes no more.
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Link {
    /// Over a connection on which the other side accepts channels; `read` came after that was agreed.
    fn over(stream: Stream, read: Vec<u8>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        tokio::spawn(Driver::new(stream, read, Arc::clone(&state), None));
        Self(state)
    }

    /// A new channel; `None` where the connection can't have more: then another one is needed.
    #[must_use]
    pub fn open(&self) -> Option<Channel> {
        let (id, driver) = {
            let mut state = lock(&self.0);
            if !state.has_place() {
                return None;
            }
            let id = state.newest + 1;
            state.add(id);
            frame::write(&mut state.out, id, Kind::Open, &[]);
            (id, state.driver())
        };
        wake(driver);
        Some(Channel { id, state: Arc::clone(&self.0) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let driver = {
            let mut state = lock(&self.0);
            state.retired = true;
            state.driver()
        };
        wake(driver);
    }
}

impl State {
    fn has_place(&self) -> bool {
        !self.broken && !self.retired && self.newest < u32::MAX && self.ends.len() < MOST_CHANNELS
    }

    /// No channel is left, and none is opened any more.
    fn is_over(&self) -> bool {
        self.retired && self.ends.is_empty()
    }

    /// The connection's task, if it sleeps and has something to do now.
    fn driver(&mut self) -> Option<Waker> {
        if self.out.is_empty() && !self.is_over() { None } else { self.idle.take() }
    }

    fn add(&mut self, id: u32) {
        self.newest = id;
        self.ends.insert(id, End { credit: WINDOW, ..End::default() });
    }

    /// Puts into a channel what can go now: 0 is nothing.
    fn give(&mut self, id: u32, bytes: &[u8]) -> io::Result<usize> {
        let Some(end) = self.ends.get_mut(&id).filter(|end| !self.broken && !end.gone) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        if self.out.len() >= MOST_UNSENT {
            return Ok(0);
        }
        let taken = bytes.len().min(end.credit);
        end.credit -= taken;
        bytes[..taken].chunks(frame::LARGEST).for_each(|chunk| frame::write(&mut self.out, id, Kind::Data, chunk));
        Ok(taken)
    }

    /// Takes what has come; `None` where nothing has, and more may.
    fn take(&mut self, id: u32, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let end = self.ends.get_mut(&id)?;
        if end.waiting == 0 || buffer.is_empty() {
            return match () {
                () if end.ended || buffer.is_empty() => Some(Ok(0)),
                () if self.broken => Some(Err(io::ErrorKind::ConnectionReset.into())),
                () => None,
            };
        }
        let mut taken = 0;
        while let Some(first) = end.inbox.front_mut() {
            let fits = first.len().min(buffer.len() - taken);
            buffer[taken..taken + fits].copy_from_slice(&first[..fits]);
            taken += fits;
            if fits < first.len() {
                first.advance(fits);
                break;
            }
            end.inbox.pop_front();
        }
        end.waiting -= taken;
        end.untold += taken;
        if end.inbox.is_empty() {
            // One that is idle holds no buffer.
            end.inbox = VecDeque::new();
        }
        if end.untold >= WINDOW / 2 && !end.ended {
            let untold = u32::try_from(end.untold).unwrap_or(u32::MAX);
            end.untold = 0;
            frame::write(&mut self.out, id, Kind::Credit, &untold.to_be_bytes());
        }
        Some(Ok(taken))
    }
}

impl Channel {
    /// Reads what is there; 0 is the end.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let (taken, driver) = {
            let mut state = lock(&self.state);
            let Some(taken) = state.take(self.id, buffer) else {
                if let Some(end) = state.ends.get_mut(&self.id) {
                    remember(&mut end.reader, cx);
                }
                return Poll::Pending;
            };
            (taken, state.driver())
        };
        wake(driver);
        Poll::Ready(taken)
    }

    /// Writes what the other side has place for.
    pub(crate) fn poll_give(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (given, driver) = {
            let mut state = lock(&self.state);
            let given = state.give(self.id, bytes)?;
            if given == 0 && !bytes.is_empty() {
                let crowded = state.out.len() >= MOST_UNSENT;
                match state.ends.get_mut(&self.id) {
                    Some(end) if !crowded => remember(&mut end.writer, cx),
                    _ => state.crowd.push(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            (given, state.driver())
        };
        wake(driver);
        Poll::Ready(Ok(given))
    }

    /// Writes what can be written without waiting, and without being woken later.
    pub(crate) fn try_give(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (given, driver) = {
            let mut state = lock(&self.state);
            (state.give(self.id, bytes)?, state.driver())
        };
        wake(driver);
        Ok(given)
    }

    /// Writes what others are given, too, for as long as it goes without waiting. An error is the channel's end.
    pub fn try_give_pieces(&mut self, give: impl FnOnce(&mut Pieces<'_>)) -> io::Result<()> {
        let driver = {
            let mut state = lock(&self.state);
            let state = &mut *state;
            let Some(end) = state.ends.get_mut(&self.id).filter(|end| !state.broken && !end.gone) else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            let (out, said, numbers) = (&mut state.out, &mut state.said, &mut state.numbers);
            let mut pieces = Pieces { id: self.id, end, out, said, numbers };
            give(&mut pieces);
            pieces.write_numbers();
            state.driver()
        };
        wake(driver);
        Ok(())
    }

    /// Says that no more will be written.
    pub(crate) fn end(&mut self) {
        self.say(Kind::End);
    }

    fn say(&mut self, kind: Kind) {
        let driver = {
            let mut state = lock(&self.state);
            let told = match state.ends.get(&self.id) {
                Some(end) => !state.broken && !end.gone,
                None => false,
            };
            if kind == Kind::Gone {
                state.ends.remove(&self.id);
            }
            if told {
                frame::write(&mut state.out, self.id, kind, &[]);
            }
            state.driver()
        };
        wake(driver);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.say(Kind::Gone);
    }
}

/// A way to give a channel pieces.
pub struct Pieces<'a> {
    id: u32,
    end: &'a mut End,
    out: &'a mut Vec<u8>,
    said: &'a mut Shelf,
    numbers: &'a mut Vec<u8>,
}

impl Pieces<'_> {
    /// Gives a piece, of which `write` writes all that a reader is to get, always the same. `false` if it can't go now:
    /// the other side has no place for it, or it is too long.
    pub fn put(&mut self, piece: &Bytes, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.out.len() >= MOST_UNSENT {
            return false;
        }
        if piece.is_unique() {
            // Nobody else gets it.
            self.write_numbers();
            let written = frame::fill(self.out, self.id, Kind::Data, self.end.credit, write);
            self.end.credit -= written.unwrap_or(0);
            return written.is_some();
        }
        let (number, length) = match self.said.find(piece, self.end.last) {
            Some((_, length)) if length > self.end.credit => return false,
            Some(found) => found,
            None => {
                // The other side may drop older pieces for this one: what it was given of them comes first.
                self.write_numbers();
                match frame::fill(self.out, 0, Kind::Piece, self.end.credit, write) {
                    Some(length) => (self.said.put(piece.clone(), length), length),
                    None => return false,
                }
            }
        };
        self.end.last = number;
        self.end.credit -= length;
        self.numbers.extend_from_slice(&number.to_be_bytes());
        if self.numbers.len() == frame::LARGEST {
            self.write_numbers();
        }
        true
    }

    fn write_numbers(&mut self) {
        if !self.numbers.is_empty() {
            frame::write(self.out, self.id, Kind::Pieces, self.numbers);
            self.numbers.clear();
        }
    }
}

/// Keeps whom to wake.
fn remember(waiting: &mut Option<Waker>, cx: &Context<'_>) {
    match waiting {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waiting = Some(cx.waker().clone()),
    }
}

/// Never under the lock: who is woken may want it at once.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
