//! What waits to be written to one client.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use crate::events::Event;

/// How many events may wait for a client. One that is slower is cut off and catches up when it comes back: nothing
/// is left out in silence.
pub(crate) const WAITING: usize = 1024;

/// Events in the order in which they were pushed. One task takes them: the one that registered last.
#[derive(Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Who waits for the next event, or for the end.
    taker: Option<Waker>,
    overflowed: bool,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event. After one that found no place, nothing more: the client has to catch up from the store.
    pub(crate) fn push(&self, event: Event) {
        let taker = {
            let mut state = self.state();
            if state.closed || state.overflowed {
                return;
            }
            if state.events.len() < WAITING {
                state.events.push_back(event);
            } else {
                state.overflowed = true;
            }
            state.taker.take()
        };
        taker.inspect(Waker::wake_by_ref);
    }

    /// Takes events, the oldest first, for as long as `take` wants another. `false` if none is left.
    pub(crate) fn take(&self, mut take: impl FnMut(&Event) -> bool) -> bool {
        let mut state = self.state();
        while let Some(event) = state.events.front() {
            if !take(event) {
                return true;
            }
            state.events.pop_front();
        }
        // Most clients get little most of the time, and there are many of them.
        state.events = VecDeque::new();
        false
    }

    /// Wakes `taker` by the next event or at the end; `false` if there is something to take now.
    pub(crate) fn wait(&self, taker: &Waker) -> bool {
        let mut state = self.state();
        if !state.events.is_empty() || state.closed || state.overflowed {
            return false;
        }
        match &mut state.taker {
            Some(waiting) => waiting.clone_from(taker),
            none => *none = Some(taker.clone()),
        }
        true
    }

    /// Wakes whoever waits, though there is nothing to take.
    pub(crate) fn nudge(&self) {
        let taker = self.state().taker.take();
        taker.inspect(Waker::wake_by_ref);
    }

    /// Nothing is pushed any more; what waits can still be taken.
    pub(crate) fn close(&self) {
        let taker = {
            let mut state = self.state();
            state.closed = true;
            state.taker.take()
        };
        taker.inspect(Waker::wake_by_ref);
    }

    /// Whether an event found no place.
    #[must_use]
    pub(crate) fn overflowed(&self) -> bool {
        self.state().overflowed
    }

    /// Whether nobody takes events any more.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.state();
        state.closed || state.overflowed
    }

    /// How many events wait.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.state().events.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn event(n: usize) -> Event {
        Event::named("n", &json!(n))
    }

    fn taken(queue: &Queue) -> usize {
        let mut taken = 0;
        queue.take(|_| {
            taken += 1;
            true
        });
        taken
    }

    #[test]
    fn what_is_pushed_is_taken_in_order() {
        let queue = Queue::default();
        (0..3).for_each(|n| queue.push(event(n)));
        let mut texts = Vec::new();
        assert!(queue.take(|event| {
            texts.push(event.packet().to_owned());
            texts.len() < 2
        }));
        assert_eq!(texts, ["42[\"n\",0]", "42[\"n\",1]"]);
        assert_eq!(taken(&queue), 2, "one that wasn't wanted stays");
    }

    #[test]
    fn one_event_too_many_ends_the_queue_and_leaves_no_gap_behind() {
        let queue = Queue::default();
        (0..=WAITING).for_each(|n| queue.push(event(n)));
        assert!(queue.overflowed() && queue.is_closed());
        assert_eq!(taken(&queue), WAITING);
        queue.push(event(0));
        assert_eq!(taken(&queue), 0);
    }

    #[test]
    fn the_taker_is_woken_by_an_event_and_by_the_end() {
        struct Flag(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let (queue, flag) = (Queue::default(), Arc::new(Flag(0.into())));
        let waker = Waker::from(Arc::clone(&flag));
        let woken = || flag.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!(queue.wait(&waker));
        queue.push(event(0));
        queue.push(event(1));
        assert_eq!(woken(), 1);
        assert!(!queue.wait(&waker), "there is something to take");
        taken(&queue);
        assert!(queue.wait(&waker));
        queue.close();
        assert_eq!(woken(), 2);
    }
}
