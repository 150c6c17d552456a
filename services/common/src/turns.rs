//! Turns at writing to clients: a few at a time, so that whatever else there is to do comes in between.
//!
//! One message may make a thousand connections ready to be written to, at several microseconds of the kernel's each.
//! Woken all at once they stand in the runtime's queue before the next message at each step of its way through reading,
//! checking and storing. Here they are woken a few at a time, and what else is ready comes in between. So writes take what
//! the rest leaves: the busier a process is, the longer one of its connections waits for its next turn, and the more
//! goes out with it. One whose turn needs nothing but a write is visited instead of woken, which costs less.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::lock;

/// So many have their turn before everything else does: some 0.2 ms of writes.
const AT_ONCE: usize = 16;

/// The turns of one process's connections.
pub struct Turns {
    state: Mutex<State>,
    /// Somebody's turn comes earlier than all that were known.
    earlier: Notify,
    at_once: usize,
    begin: Instant,
    runtime: Handle,
}

/// Times are whole milliseconds since the beginning, as the runtime's clock counts them.
#[derive(Default)]
struct State {
    due: VecDeque<Arc<Turn>>,
    later: BTreeMap<u64, Vec<Arc<Turn>>>,
    giver: Giver,
}

/// The task that gives turns.
#[derive(Clone, Copy, Default)]
enum Giver {
    /// There is none, and nobody waits.
    #[default]
    None,
    Awake,
    AsleepUntil(u64),
}

/// One connection's place in the order. As a waker it asks for a turn, at which the connection is visited or its task is
/// woken.
pub struct Turn {
    turns: Arc<Turns>,
    task: AtomicWaker,
    not_before: AtomicU64,
    /// It stands in the order.
    waits: AtomicBool,
    host: OnceLock<Weak<dyn Visit>>,
}

/// A connection that can do without its task what its turn is for.
pub trait Visit: Send + Sync {
    /// Does it; `false` if the task must be woken. It mustn't wait, nor take long: others wait for it.
    fn visit(&self, now: Instant) -> bool;
}

impl Turns {
    /// Nobody waits yet. Needs a Tokio runtime.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            earlier: Notify::new(),
            at_once: AT_ONCE,
            begin: Instant::now(),
            runtime: Handle::current(),
        })
    }

    /// A place for one connection.
    #[must_use]
    pub fn turn(self: &Arc<Self>) -> Arc<Turn> {
        Arc::new(Turn {
            turns: Arc::clone(self),
            task: AtomicWaker::new(),
            not_before: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            host: OnceLock::new(),
        })
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begin).as_millis()).unwrap_or(u64::MAX)
    }

    fn add(self: &Arc<Self>, turn: Arc<Turn>) {
        let at = turn.not_before.load(Ordering::Relaxed);
        let now = self.millis(Instant::now());
        let giver = {
            let mut state = lock(&self.state);
            if at <= now {
                state.due.push_back(turn);
            } else {
                state.later.entry(at).or_default().push(turn);
            }
            let giver = state.giver;
            if matches!(giver, Giver::None) {
                state.giver = Giver::Awake;
            }
            giver
        };
        match giver {
            Giver::None => drop(self.runtime.spawn(Arc::clone(self).give())),
            Giver::AsleepUntil(until) if at < until => self.earlier.notify_one(),
            Giver::Awake | Giver::AsleepUntil(_) => {}
        }
    }

    /// Gives turns until nobody waits for one.
    async fn give(self: Arc<Self>) {
        loop {
            // What is ready, and what the network has for us, comes first.
            tokio::task::yield_now().await;
            let (turns, giver) = {
                let mut state = lock(&self.state);
                state.next(self.millis(Instant::now()), self.at_once)
            };
            if !turns.is_empty() {
                // By a task of its own, which an idle thread may take over.
                tokio::spawn(async move { turns.iter().for_each(Turn::come) });
            }
            match giver {
                Giver::Awake => {}
                Giver::AsleepUntil(millis) => tokio::select! {
                    () = sleep_until(self.begin + Duration::from_millis(millis)) => {}
                    () = self.earlier.notified() => {}
                },
                Giver::None => return,
            }
        }
    }
}

impl State {
    /// Whose turn it is, and what is to be done then.
    fn next(&mut self, now: u64, at_once: usize) -> (Vec<Arc<Turn>>, Giver) {
        while let Some(entry) = self.later.first_entry().filter(|entry| *entry.key() <= now) {
            self.due.extend(entry.remove());
        }
        let turns = self.due.drain(..self.due.len().min(at_once)).collect();
        self.giver = if !self.due.is_empty() {
            Giver::Awake
        } else if let Some((&at, _)) = self.later.first_key_value() {
            Giver::AsleepUntil(at)
        } else {
            // What a burst needed isn't kept.
            self.due = VecDeque::new();
            Giver::None
        };
        (turns, self.giver)
    }
}

impl Turn {
    /// From now on `host` is visited when the turn comes. A turn has one host for good.
    pub fn visits(&self, host: Weak<dyn Visit>) {
        let _ = self.host.set(host);
    }

    fn come(self: &Arc<Self>) {
        self.waits.store(false, Ordering::Release);
        let now = Instant::now();
        // Its task may have written while it waited.
        if !self.comes(now) {
            return;
        }
        let visited = self.host.get().and_then(Weak::upgrade).is_some_and(|host| {
            // A panic is for the connection's task, not for all that wait.
            catch_unwind(AssertUnwindSafe(|| host.visit(now))).unwrap_or(false)
        });
        if !visited {
            self.task.wake();
        }
    }

    /// From now on `cx`'s task is woken when the turn comes, if a visit isn't enough.
    pub fn is_of(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// Whether the connection may write now. If not, its turn comes when it may.
    #[must_use]
    pub fn comes(self: &Arc<Self>, now: Instant) -> bool {
        // One that waits has a turn once more in any case.
        let waits = self.waits.load(Ordering::Acquire);
        let come = !waits && self.turns.millis(now) >= self.not_before.load(Ordering::Relaxed);
        if !come {
            self.ask();
        }
        come
    }

    /// The connection has a turn as soon as it may.
    fn ask(self: &Arc<Self>) {
        if !self.waits.swap(true, Ordering::AcqRel) {
            self.turns.add(Arc::clone(self));
        }
    }

    /// The connection has written: its next turn comes after a pause.
    pub fn pause(&self, now: Instant, pause: Duration) {
        self.not_before.store(self.turns.millis(now + pause), Ordering::Relaxed);
    }
}

impl Wake for Turn {
    /// The connection has something to write.
    fn wake(self: Arc<Self>) {
        self.ask();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ask();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::AtomicUsize,
        task::{Poll, Waker},
    };

    use tokio::task::JoinHandle;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn turns(at_once: usize) -> Arc<Turns> {
        Arc::new(Turns { at_once, ..Arc::into_inner(Turns::new()).unwrap() })
    }

    /// A task that waits for one turn, and tells when it came.
    fn waits(turn: &Arc<Turn>) -> JoinHandle<Instant> {
        let turn = Arc::clone(turn);
        let mut asked = false;
        tokio::spawn(poll_fn(move |cx| {
            turn.is_of(cx);
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(Instant::now());
            }
            Waker::from(Arc::clone(&turn)).wake();
            Poll::Pending
        }))
    }

    #[tokio::test]
    async fn whatever_else_is_ready_comes_between_a_few_turns_and_the_next_few() {
        let (turns, had) = (turns(4), Arc::new(AtomicUsize::new(0)));
        let all: Vec<_> = (0..100).map(|_| turns.turn()).collect();
        let tasks: Vec<_> = all.iter().map(waits).collect();
        let counted = tasks.into_iter().map(|task| {
            let had = Arc::clone(&had);
            tokio::spawn(async move {
                task.await.unwrap();
                had.fetch_add(1, Ordering::Relaxed);
            })
        });
        let counted: Vec<_> = counted.collect();
        let mut most = 0;
        while had.load(Ordering::Relaxed) < 100 {
            let before = had.load(Ordering::Relaxed);
            tokio::task::yield_now().await;
            most = most.max(had.load(Ordering::Relaxed) - before);
        }
        assert!(most <= 8, "{most} without a break");
        for task in counted {
            task.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_written_waits_for_its_pause_and_another_goes_at_once() {
        let (turns, begin) = (turns(4), Instant::now());
        let (pausing, fresh) = (turns.turn(), turns.turn());
        pausing.pause(begin, 5 * MS);
        assert!(!pausing.comes(begin) && fresh.comes(begin));
        let late = waits(&pausing);
        assert_eq!(waits(&fresh).await.unwrap() - begin, Duration::ZERO);
        let late = late.await.unwrap();
        assert_eq!(late - begin, 5 * MS);
        assert!(pausing.comes(late));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_looks_too_early_is_woken_when_its_turn_has_come() {
        let (turn, begin) = (turns(4).turn(), Instant::now());
        turn.pause(begin, 5 * MS);
        poll_fn(|cx| {
            turn.is_of(cx);
            if turn.comes(Instant::now()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(begin.elapsed(), 5 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_earlier_than_the_next_one_is_not_kept_waiting() {
        let (turns, begin) = (turns(4), Instant::now());
        let (far, near) = (turns.turn(), turns.turn());
        far.pause(begin, 50 * MS);
        let far = waits(&far);
        tokio::time::sleep(2 * MS).await;
        near.pause(begin, 5 * MS);
        assert_eq!(waits(&near).await.unwrap() - begin, 5 * MS);
        assert_eq!(far.await.unwrap() - begin, 50 * MS);
    }

    /// A task that only counts how often it is polled.
    fn counts(turn: &Arc<Turn>) -> (JoinHandle<()>, Arc<AtomicUsize>) {
        let (turn, polled) = (Arc::clone(turn), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&polled);
        let task = tokio::spawn(poll_fn(move |cx| {
            turn.is_of(cx);
            count.fetch_add(1, Ordering::Relaxed);
            Poll::Pending
        }));
        (task, polled)
    }

    /// Counts visits, and does what it is told to at each.
    struct Host {
        turn: Arc<Turn>,
        visits: AtomicUsize,
        then: fn() -> bool,
    }

    impl Visit for Host {
        fn visit(&self, now: Instant) -> bool {
            self.visits.fetch_add(1, Ordering::Relaxed);
            self.turn.pause(now, 5 * MS);
            (self.then)()
        }
    }

    impl Host {
        fn of(turn: &Arc<Turn>, then: fn() -> bool) -> Arc<Self> {
            let host = Arc::new(Self { turn: Arc::clone(turn), visits: AtomicUsize::new(0), then });
            turn.visits(Arc::downgrade(&host) as Weak<dyn Visit>);
            host
        }

        async fn was_visited(&self, times: usize) {
            while self.visits.load(Ordering::Relaxed) < times {
                tokio::time::sleep(MS).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_visited_is_not_woken_unless_that_is_not_enough() {
        let turns = turns(4);
        let enough = [|| true, || false, || panic!("a visit that fails")] as [fn() -> bool; 3];
        for (enough, woken) in enough.into_iter().zip([0, 2, 2]) {
            let turn = turns.turn();
            let host = Host::of(&turn, enough);
            let (task, polls) = counts(&turn);
            tokio::time::sleep(MS).await;
            let begin = Instant::now();
            for visits in 1..=2 {
                (0..3).for_each(|_| Arc::clone(&turn).wake());
                host.was_visited(visits).await;
            }
            assert!(begin.elapsed() >= 5 * MS, "the second visit comes after the pause");
            tokio::time::sleep(20 * MS).await;
            assert_eq!(host.visits.load(Ordering::Relaxed), 2);
            assert_eq!(polls.load(Ordering::Relaxed), 1 + woken);
            task.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_task_writes_while_it_waits_is_visited_after_the_pause() {
        let (turn, begin) = (turns(4).turn(), Instant::now());
        let host = Host::of(&turn, || true);
        Arc::clone(&turn).wake();
        turn.pause(begin, 5 * MS);
        host.was_visited(1).await;
        assert!(begin.elapsed() >= 5 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_a_connection_is_woken_it_has_one_turn() {
        let turns = turns(4);
        let turn = turns.turn();
        let (task, polled) = counts(&turn);
        tokio::time::sleep(MS).await;
        turn.pause(Instant::now(), 5 * MS);
        (0..10).for_each(|_| Arc::clone(&turn).wake());
        tokio::time::sleep(20 * MS).await;
        assert_eq!(polled.load(Ordering::Relaxed), 2);
        assert!(matches!(lock(&turns.state).giver, Giver::None), "nobody is waited for");
        task.abort();
    }
}
