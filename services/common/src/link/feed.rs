//! Feeds: what many channels of a link get alike goes over the connection once. The side that serves channels has feeds,
//! and says which channels follow which; the other side keeps what is new of a feed until all who follow have read it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    task::Waker,
};

use tokio_util::bytes::Bytes;

use super::{
    End, State,
    frame::{self, Kind, Nonsense},
};
use crate::{lock, recent::Recent};

/// More bytes than this aren't kept: a channel that is further behind has lost something, and breaks.
const MOST_KEPT: usize = 1024 * 1024;
/// A connection that takes nothing breaks when so much waits for it.
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// A feed of this side, over one link.
pub struct Feed {
    number: u32,
    link: Arc<Mutex<State>>,
}

/// A channel as a reader of feeds. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    pub(super) id: u32,
    pub(super) link: Arc<Mutex<State>>,
}

impl Feed {
    /// A new feed over a follower's link.
    #[must_use]
    pub fn over(follower: &Follower) -> Self {
        let number = {
            let mut state = lock(&follower.link);
            state.newest_feed = state.newest_feed.wrapping_add(1);
            state.newest_feed
        };
        Self { number, link: Arc::clone(&follower.link) }
    }

    /// Whether a follower's link is this feed's.
    #[must_use]
    pub fn is_over(&self, follower: &Follower) -> bool {
        Arc::ptr_eq(&self.link, &follower.link)
    }

    /// Gives all who follow what `write` writes, at most 16 KiB. `false` if the link is gone.
    pub fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let (goes, wakers) = {
            let mut state = lock(&self.link);
            let fits =
                !state.broken && frame::fill(&mut state.out, self.number, Kind::Feed, usize::MAX, write).is_some();
            if fits && state.out.len() <= MOST_WAITING {
                (true, state.driver().into_iter().collect())
            } else {
                (false, state.break_off())
            }
        };
        super::wake(wakers);
        goes
    }

    /// From now on a channel of this link follows; it mustn't already.
    pub fn add(&self, follower: &Follower) {
        self.say(follower, Kind::Follow);
    }

    /// A channel follows no more.
    pub fn remove(&self, follower: &Follower) {
        self.say(follower, Kind::Unfollow);
    }

    fn say(&self, follower: &Follower, kind: Kind) {
        let driver = {
            let mut state = lock(&self.link);
            if state.takes(follower.id) {
                frame::write(&mut state.out, follower.id, kind, &self.number.to_be_bytes());
            }
            state.driver()
        };
        super::wake(driver);
    }
}

impl Follower {
    /// Gives the channel alone what `write` writes; `false` if it can't go as a whole now.
    #[must_use]
    pub fn give(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let (given, driver) = {
            let mut state = lock(&self.link);
            let state = &mut *state;
            let crowded = state.broken || state.out.len() >= super::MOST_UNSENT;
            let Some(end) = state.ends.get_mut(&self.id).filter(|end| !crowded && !end.gone) else { return false };
            let given = frame::fill(&mut state.out, self.id, Kind::Data, end.credit, write);
            end.credit -= given.unwrap_or(0);
            (given.is_some(), state.driver())
        };
        super::wake(driver);
        given
    }
}

/// Feeds of the other side that channels follow.
#[derive(Default)]
pub(super) struct Heard(HashMap<u32, Kept>);

/// What is new of a feed.
#[derive(Default)]
struct Kept {
    pieces: Recent<Bytes>,
    /// How many bytes that is.
    bytes: usize,
    followers: usize,
    /// Channels that have everything, and whose readers are to be woken.
    asleep: Vec<u32>,
}

/// A channel's place in a feed.
pub(super) struct Place {
    feed: u32,
    /// The first piece that wasn't taken yet.
    next: u64,
    asleep: bool,
}

impl Kept {
    /// What everybody has taken isn't kept.
    fn tidy_up(&mut self) {
        if self.asleep.len() == self.followers {
            self.pieces.clear();
            self.bytes = 0;
        }
    }
}

impl Heard {
    /// Something new of a feed. One that nobody follows any more may still come.
    pub(super) fn came(&mut self, feed: u32, piece: &[u8], ends: &mut HashMap<u32, End>, wakers: &mut Vec<Waker>) {
        let Some(kept) = self.0.get_mut(&feed) else { return };
        kept.pieces.push(Bytes::copy_from_slice(piece));
        kept.bytes += piece.len();
        while kept.bytes > MOST_KEPT {
            let Some(oldest) = kept.pieces.pop() else { break };
            kept.bytes -= oldest.len();
        }
        for id in kept.asleep.drain(..) {
            let Some(end) = ends.get_mut(&id) else { continue };
            end.places.iter_mut().filter(|place| place.feed == feed).for_each(|place| place.asleep = false);
            wakers.extend(end.reader.take());
        }
    }

    /// A channel follows a feed from here on.
    pub(super) fn follow(&mut self, feed: u32, end: &mut End) -> Result<(), Nonsense> {
        if end.ended || end.places.iter().any(|place| place.feed == feed) {
            return Err(Nonsense);
        }
        let kept = self.0.entry(feed).or_default();
        kept.followers += 1;
        end.places.push(Place { feed, next: kept.pieces.end(), asleep: false });
        Ok(())
    }

    /// A channel gets nothing more of a feed.
    pub(super) fn unfollow(&mut self, feed: u32, id: u32, end: &mut End) {
        self.catch_up(end);
        if let Some(at) = end.places.iter().position(|place| place.feed == feed) {
            let place = end.places.swap_remove(at);
            self.part(id, &place);
        }
    }

    /// A channel gets nothing more of any feed.
    pub(super) fn unfollow_all(&mut self, id: u32, end: &mut End) {
        self.catch_up(end);
        for place in std::mem::take(&mut end.places) {
            self.part(id, &place);
        }
    }

    fn part(&mut self, id: u32, place: &Place) {
        let Some(kept) = self.0.get_mut(&place.feed) else { return };
        kept.followers -= 1;
        if kept.followers == 0 {
            self.0.remove(&place.feed);
            return;
        }
        if place.asleep {
            kept.asleep.retain(|other| *other != id);
        }
        kept.tidy_up();
    }

    /// Puts into the inbox what came before something of the channel's own.
    pub(super) fn catch_up(&self, end: &mut End) {
        for place in &mut end.places {
            let Some(kept) = self.0.get(&place.feed) else { continue };
            let Some(pieces) = kept.pieces.from(place.next).filter(|_| !end.lost) else {
                end.lost = true;
                break;
            };
            for piece in pieces {
                end.fed += piece.len();
                end.inbox.push_back((piece.clone(), false));
            }
            place.next = kept.pieces.end();
        }
        end.lost |= end.fed > MOST_KEPT;
        if end.lost {
            // Nothing comes after a gap.
            (end.inbox, end.fed) = (VecDeque::new(), 0);
        }
    }

    /// Reads what fits into the buffer, and tells how much that was.
    pub(super) fn take(&self, end: &mut End, buffer: &mut [u8]) -> usize {
        let mut taken = 0;
        for place in &mut end.places {
            let Some(kept) = self.0.get(&place.feed) else { continue };
            let Some(pieces) = kept.pieces.from(place.next) else {
                end.lost = true;
                return taken;
            };
            for piece in pieces {
                if taken == buffer.len() {
                    return taken;
                }
                let fits = piece.len().min(buffer.len() - taken);
                buffer[taken..taken + fits].copy_from_slice(&piece[..fits]);
                taken += fits;
                place.next += 1;
                if fits < piece.len() {
                    end.fed += piece.len() - fits;
                    end.inbox.push_back((piece.slice(fits..), false));
                    return taken;
                }
            }
        }
        taken
    }

    /// How many feeds there are, and how many bytes of them are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(|kept| kept.bytes).sum())
    }

    /// The channel's reader is to be woken by what comes next.
    pub(super) fn sleep(&mut self, id: u32, end: &mut End) {
        for place in end.places.iter_mut().filter(|place| !place.asleep) {
            let Some(kept) = self.0.get_mut(&place.feed) else { continue };
            place.asleep = true;
            kept.asleep.push(id);
            kept.tidy_up();
        }
    }
}
