//! A room's live feed: what all its sockets get, kept once. Each takes it from here when it can be written to, so that
//! a message costs a busy room's sockets next to nothing until then.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use aether_common::{
    link::{Feed, Follower},
    lock,
    recent::Recent,
};

use super::queue::{Queue, WAITING};
use crate::{events::Event, frame};

/// See the module. Only the room's task pushes, and lets queues follow or not: a queue that is about to be woken mustn't
/// begin anew meanwhile.
#[derive(Default)]
pub(crate) struct Live {
    /// At most as many as may wait for a socket. Whoever adds or drops events holds `followers`, too.
    events: RwLock<Recent<Event>>,
    followers: Mutex<Followers>,
}

#[derive(Default)]
struct Followers {
    /// Those who take from here.
    count: usize,
    /// Those who have taken everything and wait for more.
    asleep: Vec<Weak<Queue>>,
    /// For each gateway's link by which some get everything: a gateway gets each event once.
    relays: Vec<Relay>,
}

struct Relay {
    feed: Feed,
    followers: usize,
}

/// How much a follower has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    All,
    /// It didn't want more for now.
    Enough,
    /// What comes next isn't kept any more.
    Lost,
}

impl Followers {
    fn relay(&self, to: &Follower) -> Option<usize> {
        self.relays.iter().position(|relay| relay.feed.is_over(to))
    }
}

impl Live {
    /// Gives an event to all who follow.
    pub(super) fn push(&self, event: Event) {
        let woken = {
            let mut followers = lock(&self.followers);
            followers.relays.retain(|relay| relay.feed.push(|out| frame::text(out, event.bytes())));
            if followers.count > 0 {
                let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
                events.push(event);
                if events.count() > WAITING {
                    events.pop();
                }
            }
            std::mem::take(&mut followers.asleep)
        };
        // Not under the lock: who is woken may want it at once.
        woken.iter().filter_map(Weak::upgrade).for_each(|queue| queue.woken(self));
    }

    /// The place of the next event, from which on one more follows.
    pub(super) fn join(&self) -> u64 {
        let mut followers = lock(&self.followers);
        followers.count += 1;
        self.read(Recent::end)
    }

    /// One follows no more.
    pub(super) fn part(&self, queue: &Arc<Queue>) {
        self.forget(&mut lock(&self.followers), queue);
    }

    fn forget(&self, followers: &mut Followers, queue: &Arc<Queue>) {
        followers.count -= 1;
        followers.asleep.retain(|other| other.as_ptr() != Arc::as_ptr(queue));
        self.tidy_up(followers);
    }

    /// A queue that has taken everything up to `next` gets what comes by its channel's link from now on; `false` if
    /// there is something to take.
    pub(super) fn hand_over(&self, queue: &Arc<Queue>, next: u64, to: &Follower) -> bool {
        let mut followers = lock(&self.followers);
        if next < self.read(Recent::end) {
            return false;
        }
        let at = followers.relay(to).unwrap_or_else(|| {
            followers.relays.push(Relay { feed: Feed::over(to), followers: 0 });
            followers.relays.len() - 1
        });
        let relay = &mut followers.relays[at];
        relay.feed.add(to);
        relay.followers += 1;
        self.forget(&mut followers, queue);
        true
    }

    /// One gets nothing more by its channel's link.
    pub(super) fn part_from(&self, to: &Follower) {
        let mut followers = lock(&self.followers);
        // That of a link that broke is forgotten already.
        let Some(at) = followers.relay(to) else { return };
        let relay = &mut followers.relays[at];
        relay.feed.remove(to);
        relay.followers -= 1;
        if relay.followers == 0 {
            followers.relays.swap_remove(at);
        }
    }

    /// Gives events from `next` on, the oldest first, for as long as `take` wants another.
    pub(super) fn take(&self, next: &mut u64, mut take: impl FnMut(&Event) -> bool) -> Got {
        self.read(|events| {
            let Some(events) = events.from(*next) else { return Got::Lost };
            for event in events {
                if !take(event) {
                    return Got::Enough;
                }
                *next += 1;
            }
            Got::All
        })
    }

    /// How many events there are from `next` on; `None` if some of them aren't kept any more.
    pub(super) fn waiting(&self, next: u64) -> Option<usize> {
        self.read(|events| events.from(next).map(|events| events.len()))
    }

    /// Wakes a follower by the next event; `false` if there is one from `next` on.
    pub(super) fn sleep(&self, queue: &Arc<Queue>, next: u64) -> bool {
        let mut followers = lock(&self.followers);
        if next < self.read(Recent::end) {
            return false;
        }
        followers.asleep.push(Arc::downgrade(queue));
        self.tidy_up(&followers);
        true
    }

    /// What everybody has taken isn't kept.
    fn tidy_up(&self, followers: &Followers) {
        if followers.asleep.len() == followers.count {
            self.events.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Recent<Event>) -> T) -> T {
        read(&self.events.read().unwrap_or_else(PoisonError::into_inner))
    }
}
