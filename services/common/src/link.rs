//! Many channels over one connection: what a gateway passes on for thousands of clients goes to a replica, and comes
//! from it, by a few long writes instead of a short one for each client.
//!
//! What many of a room's clients get goes over the connection once: channels may follow a feed.
//!
//! A channel is what a connection of its own would be: bytes both ways in order, either side may end its half, and one
//! that isn't read holds up nobody else. The side that connects opens channels, the side that accepts serves them.

mod driver;
mod feed;
mod frame;
mod upgrade;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio_util::bytes::{Buf as _, Bytes};

use self::{
    driver::Driver,
    feed::{Heard, Place},
    frame::Kind,
};
pub use self::{
    feed::{Feed, Follower},
    upgrade::{Acceptor, connect},
};
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
    /// The feed of this side that was begun last.
    newest_feed: u32,
    heard: Heard,
}

/// What this side knows of a channel.
#[derive(Default)]
struct End {
    /// What has come, and whether it is the channel's own; else it is from a feed.
    inbox: VecDeque<(Bytes, bool)>,
    /// How many bytes in it are the channel's own, and how many are not.
    waiting: usize,
    fed: usize,
    /// The feeds that it follows.
    places: Vec<Place>,
    /// It was too slow for a feed.
    lost: bool,
    /// How much was taken that the other side wasn't told of.
    untold: usize,
    /// How much may be sent.
    credit: usize,
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

    /// Puts into a channel what can go now, of what must stay together all or nothing: 0 is nothing.
    fn give(&mut self, id: u32, bytes: &[u8], together: bool) -> io::Result<usize> {
        let Some(end) = self.ends.get_mut(&id).filter(|end| !self.broken && !end.gone) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        if self.out.len() >= MOST_UNSENT || (together && bytes.len() > end.credit) {
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
        if buffer.is_empty() {
            return Some(Ok(0));
        }
        if end.lost {
            return Some(Err(io::ErrorKind::TimedOut.into()));
        }
        let mut taken = 0;
        while let Some((first, own)) = end.inbox.front_mut() {
            let fits = first.len().min(buffer.len() - taken);
            buffer[taken..taken + fits].copy_from_slice(&first[..fits]);
            taken += fits;
            if *own {
                end.waiting -= fits;
                end.untold += fits;
            } else {
                end.fed -= fits;
            }
            if fits < first.len() {
                first.advance(fits);
                break;
            }
            end.inbox.pop_front();
        }
        if end.inbox.is_empty() {
            // One that is idle holds no buffer.
            end.inbox = VecDeque::new();
            taken += self.heard.take(end, &mut buffer[taken..]);
        }
        if end.untold >= WINDOW / 2 && !end.ended {
            let untold = u32::try_from(end.untold).unwrap_or(u32::MAX);
            end.untold = 0;
            frame::write(&mut self.out, id, Kind::Credit, &untold.to_be_bytes());
        }
        match () {
            () if taken > 0 => Some(Ok(taken)),
            () if end.lost => Some(Err(io::ErrorKind::TimedOut.into())),
            () if end.ended => Some(Ok(0)),
            () if self.broken => Some(Err(io::ErrorKind::ConnectionReset.into())),
            () => None,
        }
    }

    /// Whether the other side of a channel takes anything.
    fn takes(&self, id: u32) -> bool {
        !self.broken && self.ends.get(&id).is_some_and(|end| !end.gone)
    }

    /// Every channel ends here, and whom that wakes. The connection's task closes it when it can.
    fn break_off(&mut self) -> Vec<Waker> {
        self.broken = true;
        // Whoever keeps the link may keep it for long.
        (self.out, self.heard) = Default::default();
        let mut wakers = std::mem::take(&mut self.crowd);
        wakers.extend(self.idle.take());
        for end in self.ends.values_mut() {
            end.places = Vec::new();
            wakers.extend(end.reader.take());
            wakers.extend(end.writer.take());
        }
        wakers
    }
}

impl Channel {
    /// Reads what is there; 0 is the end.
    pub(crate) fn poll_take(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let (taken, driver) = {
            let mut state = lock(&self.state);
            let Some(taken) = state.take(self.id, buffer) else {
                let state = &mut *state;
                if let Some(end) = state.ends.get_mut(&self.id) {
                    remember(&mut end.reader, cx);
                    state.heard.sleep(self.id, end);
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
        self.poll(cx, bytes, false)
    }

    /// Writes all of a few KiB, between which nothing of a feed may come.
    pub fn poll_give_together(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, bytes, true)
    }

    fn poll(&mut self, cx: &mut Context<'_>, bytes: &[u8], together: bool) -> Poll<io::Result<usize>> {
        let (given, driver) = {
            let mut state = lock(&self.state);
            let given = state.give(self.id, bytes, together)?;
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

    /// Writes all if that can be done without waiting, else nothing, and without being woken later.
    pub fn try_give_together(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (given, driver) = {
            let mut state = lock(&self.state);
            (state.give(self.id, bytes, true)?, state.driver())
        };
        wake(driver);
        Ok(given)
    }

    /// This channel as one that may follow feeds.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower { id: self.id, link: Arc::clone(&self.state) }
    }

    /// Says that no more will be written.
    pub(crate) fn end(&mut self) {
        self.say(Kind::End);
    }

    fn say(&mut self, kind: Kind) {
        let driver = {
            let mut state = lock(&self.state);
            let told = state.takes(self.id);
            if kind == Kind::Gone {
                let state = &mut *state;
                if let Some(mut end) = state.ends.remove(&self.id) {
                    state.heard.unfollow_all(self.id, &mut end);
                }
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
