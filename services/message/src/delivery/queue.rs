//! What waits to be written to one client.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
};

use aether_common::{link::Follower, lock};

use super::live::{Got, Live};
use crate::{events::Event, frame};

/// How many events may wait for a client. One that is slower is cut off and catches up when it comes back: nothing
/// is left out in silence.
pub(crate) const WAITING: usize = 1024;

/// Events in the order in which they were pushed, be it here or into a live feed that is followed. One task takes them:
/// the one that registered last.
#[derive(Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    /// What comes before anything newer of the live feeds.
    events: VecDeque<Event>,
    follows: Vec<Follow>,
    /// The channel to the client, if it comes by a gateway's link.
    channel: Option<Follower>,
    /// Nothing waits, here or on the way to that channel: events are given to it as they come.
    straight: bool,
    /// Who waits for the next event, or for the end.
    taker: Option<Waker>,
    overflowed: bool,
    closed: bool,
}

/// A live feed.
struct Follow {
    live: Arc<Live>,
    way: Way,
}

/// How a live feed's events come to the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By this queue: `next` is the place of what wasn't taken yet, and it is woken by the next event if it is `asleep`.
    Queue { next: u64, asleep: bool },
    /// From the feed to the client's gateway, without this queue.
    Link,
    /// Not any more.
    Over,
}

impl State {
    fn is_over(&self) -> bool {
        self.closed || self.overflowed
    }

    /// Takes over what live feeds have, lest it be overtaken.
    fn catch_up(&mut self) {
        for follow in &mut self.follows {
            let Way::Queue { next, .. } = &mut follow.way else { continue };
            let got = follow.live.take(next, |event| {
                self.events.push_back(event.clone());
                true
            });
            self.overflowed |= got == Got::Lost;
        }
        self.overflowed |= self.events.len() > WAITING;
        if self.overflowed {
            self.end_feeds();
        }
    }

    /// Gives an event to the client's channel, if nothing is before it and it can go at once.
    fn give(&mut self, event: &Event) -> bool {
        let channel = self.channel.as_ref().filter(|_| self.straight);
        self.straight = channel.is_some_and(|channel| channel.give(|out| frame::text(out, event.bytes())));
        self.straight
    }

    /// Nothing more comes over the client's link: there would be a gap, or it would come after the end.
    fn end_feeds(&mut self) {
        self.straight = false;
        let Some(channel) = &self.channel else { return };
        for follow in self.follows.iter_mut().filter(|follow| follow.way == Way::Link) {
            follow.live.part_from(channel);
            follow.way = Way::Over;
        }
    }

    /// How many events each live feed has for this queue; `None` for one that has moved on without it.
    fn waiting(&self) -> impl Iterator<Item = Option<usize>> {
        self.follows.iter().map(|follow| match follow.way {
            Way::Queue { next, .. } => follow.live.waiting(next),
            Way::Link | Way::Over => Some(0),
        })
    }

    fn is_left_behind(&self) -> bool {
        self.waiting().any(|waiting| waiting.is_none())
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Queues an event. After one that found no place, nothing more: the client has to catch up from the store.
    pub(crate) fn push(&self, event: Event) {
        let taker = {
            let mut state = self.state();
            if state.is_over() || state.give(&event) {
                return;
            }
            state.catch_up();
            if state.events.len() < WAITING {
                state.events.push_back(event);
            } else {
                state.overflowed = true;
                state.end_feeds();
            }
            state.taker.take()
        };
        taker.inspect(Waker::wake_by_ref);
    }

    /// From now on what is pushed into a live feed is queued, too.
    pub(super) fn follow(&self, live: &Arc<Live>) {
        let taker = {
            let mut state = self.state();
            let State { follows, channel, straight, .. } = &mut *state;
            let known = follows.iter_mut().find(|follow| Arc::ptr_eq(&follow.live, live));
            let new = |live: &Live| Way::Queue { next: live.join(), asleep: false };
            match (known, channel) {
                // What waits here comes first.
                (Some(follow), Some(channel)) if follow.way == Way::Link && !*straight => {
                    live.part_from(channel);
                    follow.way = new(live);
                }
                (Some(_), _) => return,
                (None, _) => follows.push(Follow { live: Arc::clone(live), way: new(live) }),
            }
            // What comes from the feed first goes by this queue.
            state.straight = false;
            state.taker.take()
        };
        // Who waits isn't woken by this feed yet.
        taker.inspect(Waker::wake_by_ref);
    }

    /// What is pushed into a live feed from now on isn't queued any more.
    pub(super) fn unfollow(self: &Arc<Self>, live: &Arc<Live>) {
        let taker = {
            let mut state = self.state();
            let Some(place) = state.follows.iter().position(|follow| Arc::ptr_eq(&follow.live, live)) else { return };
            if !state.is_over() {
                state.catch_up();
            }
            match (state.follows.swap_remove(place).way, &state.channel) {
                (Way::Queue { .. }, _) => live.part(self),
                (Way::Link, Some(channel)) => live.part_from(channel),
                (Way::Link, None) | (Way::Over, _) => {}
            }
            state.taker.take()
        };
        // It may have overflowed by what it took over.
        taker.inspect(Waker::wake_by_ref);
    }

    /// A live feed has an event after which this queue asked.
    pub(super) fn woken(&self, live: &Live) {
        let taker = {
            let mut state = self.state();
            let follow = state.follows.iter_mut().find(|follow| std::ptr::eq(&*follow.live, live));
            if let Some(Follow { way: Way::Queue { asleep, .. }, .. }) = follow {
                *asleep = false;
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
        let state = &mut *state;
        if state.is_over() {
            return false;
        }
        for follow in &mut state.follows {
            let Way::Queue { next, .. } = &mut follow.way else { continue };
            match follow.live.take(next, &mut take) {
                Got::All => {}
                Got::Enough => return true,
                Got::Lost => {
                    state.overflowed = true;
                    state.end_feeds();
                    return false;
                }
            }
        }
        false
    }

    /// Wakes `taker` by the next event or at the end; `false` if there is something to take now.
    pub(crate) fn wait(self: &Arc<Self>, taker: &Waker) -> bool {
        let mut state = self.state();
        if !state.events.is_empty() || state.is_over() {
            return false;
        }
        for follow in &mut state.follows {
            let Way::Queue { next, asleep } = &mut follow.way else { continue };
            *asleep = *asleep || follow.live.sleep(self, *next);
            if !*asleep {
                return false;
            }
        }
        match &mut state.taker {
            Some(waiting) => waiting.clone_from(taker),
            none => *none = Some(taker.clone()),
        }
        true
    }

    /// To be called when [`Queue::wait`] was `true` and nothing is on its way to the client: what comes for it goes
    /// straight to its channel from now on, and what comes for all over the channel's link.
    pub(crate) fn go_straight(self: &Arc<Self>, channel: Follower) {
        let mut state = self.state();
        let state = &mut *state;
        if state.straight || state.is_over() || !state.events.is_empty() {
            return;
        }
        let channel = &*state.channel.get_or_insert(channel);
        for follow in &mut state.follows {
            let Way::Queue { next, .. } = follow.way else { continue };
            if !follow.live.hand_over(self, next, channel) {
                return; // and is woken by what has come
            }
            follow.way = Way::Link;
        }
        state.straight = true;
    }

    /// Something else is on its way to the client, and goes first.
    pub(crate) fn hold(&self) {
        self.state().straight = false;
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
            if !state.is_over() {
                state.catch_up();
            }
            state.end_feeds();
            state.closed = true;
            state.taker.take()
        };
        taker.inspect(Waker::wake_by_ref);
    }

    /// Whether an event found no place.
    #[must_use]
    pub(crate) fn overflowed(&self) -> bool {
        let state = self.state();
        state.overflowed || (!state.closed && state.is_left_behind())
    }

    /// Whether nobody takes events any more.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.state();
        state.is_over() || state.is_left_behind()
    }

    /// How many events wait.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        let state = self.state();
        let live = || state.waiting().map(|waiting| waiting.unwrap_or(WAITING)).sum();
        state.events.len() + if state.is_over() { 0 } else { live() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;

    fn event(n: usize) -> Event {
        Event::named("n", &json!(n))
    }

    fn taken(queue: &Queue) -> usize {
        texts(queue, usize::MAX).len()
    }

    /// Takes so many events.
    fn texts(queue: &Queue, most: usize) -> Vec<String> {
        let mut texts = Vec::new();
        queue.take(|event| {
            let wanted = texts.len() < most;
            if wanted {
                texts.push(event.packet().to_owned());
            }
            wanted
        });
        texts
    }

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl std::task::Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        fn waits(self: &Arc<Self>, queue: &Arc<Queue>) -> bool {
            queue.wait(&Waker::from(Arc::clone(self)))
        }

        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn what_is_pushed_is_taken_in_order() {
        let queue = Queue::default();
        (0..3).for_each(|n| queue.push(event(n)));
        assert_eq!(texts(&queue, 2), ["42[\"n\",0]", "42[\"n\",1]"]);
        assert_eq!(taken(&queue), 1, "one that wasn't wanted stays");
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
        let (queue, task) = (Arc::<Queue>::default(), Arc::new(Task::default()));
        assert!(task.waits(&queue));
        queue.push(event(0));
        queue.push(event(1));
        assert_eq!(task.woken(), 1);
        assert!(!task.waits(&queue), "there is something to take");
        taken(&queue);
        assert!(task.waits(&queue));
        queue.close();
        assert_eq!(task.woken(), 2);
    }

    #[test]
    fn the_taker_is_woken_once_by_the_next_event_of_any_feed() {
        let (queue, task) = (Arc::<Queue>::default(), Arc::new(Task::default()));
        let feeds: [Arc<Live>; 2] = Default::default();
        feeds.iter().for_each(|feed| queue.follow(feed));
        for feed in &feeds {
            assert!(task.waits(&queue));
            let before = task.woken();
            (0..3).for_each(|n| feed.push(event(n)));
            assert_eq!(task.woken(), before + 1);
            assert!(!task.waits(&queue), "there is something to take");
            assert_eq!(taken(&queue), 3);
        }
    }

    #[test]
    fn one_that_waits_for_nothing_yet_is_woken_by_a_feed_that_it_follows_later() {
        let (queue, task, feed) = (Arc::<Queue>::default(), Arc::new(Task::default()), Arc::<Live>::default());
        assert!(task.waits(&queue));
        queue.follow(&feed);
        assert_eq!(task.woken(), 1);
        assert!(task.waits(&queue));
        feed.push(event(0));
        assert_eq!(task.woken(), 2);
    }

    #[test]
    fn one_that_is_left_behind_by_a_feed_is_cut_off_and_holds_up_nobody() {
        let (slow, quick, feed) = (Arc::<Queue>::default(), Arc::<Queue>::default(), Arc::<Live>::default());
        [&slow, &quick].into_iter().for_each(|queue| queue.follow(&feed));
        for n in 0..=WAITING {
            feed.push(event(n));
            assert_eq!(taken(&quick), 1);
            assert_eq!(slow.overflowed(), n == WAITING, "{n}");
        }
        assert_eq!((slow.len(), taken(&slow)), (WAITING, 0), "nothing comes after a gap");
        assert!(slow.overflowed() && slow.is_closed() && !quick.is_closed());
    }

    #[test]
    fn who_follows_no_more_has_what_came_before_and_nothing_of_what_comes_later() {
        let (queue, other, feed) = (Arc::<Queue>::default(), Arc::<Queue>::default(), Arc::<Live>::default());
        [&queue, &other].into_iter().for_each(|queue| queue.follow(&feed));
        feed.push(event(0));
        queue.unfollow(&feed);
        feed.push(event(1));
        assert_eq!((taken(&queue), taken(&other)), (1, 2));
    }

    #[test]
    fn what_everybody_has_taken_is_not_kept() {
        let (queue, other, feed) = (Arc::<Queue>::default(), Arc::<Queue>::default(), Arc::<Live>::default());
        let task = Arc::new(Task::default());
        [&queue, &other].into_iter().for_each(|queue| queue.follow(&feed));
        feed.push(event(0));
        assert_eq!((taken(&queue), taken(&other)), (1, 1));
        assert!(task.waits(&queue));
        assert_eq!(feed.waiting(0), Some(1), "the other may not have taken it");
        assert!(task.waits(&other));
        assert_eq!(feed.waiting(0), None);
        feed.push(event(1));
        taken(&queue);
        assert!(task.waits(&queue));
        other.unfollow(&feed);
        assert_eq!(feed.waiting(1), None, "one who is gone isn't waited for");
        assert_eq!(taken(&other), 1);
    }

    /// What may happen to two queues and the feed that they follow, or don't.
    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Live,
        Push(usize),
        Take(usize, usize),
        Wait(usize),
        Follow(usize),
        Unfollow(usize),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let queue = || 0..2usize;
        prop_oneof![
            4 => Just(Happening::Live),
            2 => queue().prop_map(Happening::Push),
            3 => (queue(), 0..4usize).prop_map(|(queue, most)| Happening::Take(queue, most)),
            4 => queue().prop_map(Happening::Wait),
            1 => queue().prop_map(Happening::Follow),
            1 => queue().prop_map(Happening::Unfollow),
        ]
    }

    proptest! {
        /// As if each event were pushed into each queue at once.
        #[test]
        fn queues_that_follow_a_feed_behave_as_if_they_had_all_of_it(happenings in vec(happening(), 0..200)) {
            let feed = Arc::<Live>::default();
            let mut queues: Vec<(Arc<Queue>, Arc<Task>)> = Vec::new();
            queues.resize_with(2, Default::default);
            let mut expected = [VecDeque::new(), VecDeque::new()];
            let (mut follows, mut waits) = ([false; 2], [None; 2]);
            for (number, happening) in happenings.into_iter().enumerate() {
                let text = event(number).packet().to_owned();
                match happening {
                    Happening::Live => {
                        feed.push(event(number));
                        (0..2).filter(|n| follows[*n]).for_each(|n| expected[n].push_back(text.clone()));
                    }
                    Happening::Push(n) => {
                        queues[n].0.push(event(number));
                        expected[n].push_back(text);
                    }
                    Happening::Take(n, most) => {
                        let most = most.min(expected[n].len());
                        prop_assert_eq!(texts(&queues[n].0, most), expected[n].drain(..most).collect::<Vec<_>>());
                    }
                    Happening::Wait(n) => {
                        let (queue, task) = &queues[n];
                        let before = task.woken();
                        let sleeps = task.waits(queue);
                        prop_assert_eq!(sleeps, expected[n].is_empty());
                        waits[n] = sleeps.then_some(before);
                    }
                    Happening::Follow(n) => {
                        queues[n].0.follow(&feed);
                        follows[n] = true;
                    }
                    Happening::Unfollow(n) => {
                        queues[n].0.unfollow(&feed);
                        follows[n] = false;
                    }
                }
                for (n, (queue, task)) in queues.iter().enumerate() {
                    prop_assert_eq!(queue.len(), expected[n].len());
                    prop_assert!(!queue.is_closed());
                    if let (Some(before), false) = (waits[n], expected[n].is_empty()) {
                        prop_assert!(task.woken() > before, "nobody told it");
                    }
                }
            }
        }
    }
}
