//! Questions to a store that come while others are on their way, asked together: under load many share one round trip,
//! and alone none waits.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    future::Future,
    hash::Hash,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt as _;
use tokio::sync::oneshot;

use crate::{Error, lock};

/// The most questions that are asked together.
const MOST: usize = 64;
/// So many batches may be under way at once, so that one slow question doesn't hold up all others.
const AT_ONCE: usize = 2;
/// Whoever waits longer for an answer, the time behind others included, gets an error. No store's own limit is longer.
const PATIENCE: Duration = Duration::from_millis(2500);

type Answer<A> = Pin<Box<dyn Future<Output = Result<A, Error>> + Send>>;
type Asker<A> = oneshot::Sender<Result<A, Error>>;

/// Different questions of one kind, each asked together with those that wait at the same time. Cheap to clone.
pub struct Batch<Q, A>(Arc<Batches<Q, A>>);

struct Batches<Q, A> {
    answer: Box<dyn Fn(Vec<Q>) -> Answer<Vec<A>> + Send + Sync>,
    at_once: usize,
    state: Mutex<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    questions: VecDeque<(Q, Asker<A>)>,
    running: usize,
}

impl<Q: Send + 'static, A: Send + 'static> Batch<Q, A> {
    /// `answer` gives an answer for each question, in their order. An error of it is everybody's.
    pub fn new<F>(answer: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        Self::with(AT_ONCE, answer)
    }

    /// The same for a store that does one thing at a time: a batch that waited for another one's end would only keep
    /// what comes meanwhile out of it.
    pub fn one_by_one<F>(answer: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        Self::with(1, answer)
    }

    fn with<F>(at_once: usize, answer: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        let state = Mutex::new(Waiting { questions: VecDeque::new(), running: 0 });
        Self(Arc::new(Batches { answer: Box::new(move |questions| Box::pin(answer(questions))), at_once, state }))
    }

    /// The answer to one question. It is asked no earlier than now, so the answer holds for now.
    pub async fn ask(&self, question: Q) -> Result<A, Error> {
        let (asker, answered) = oneshot::channel();
        let start = {
            let mut state = lock(&self.0.state);
            state.questions.push_back((question, asker));
            let start = state.running < self.0.at_once;
            state.running += usize::from(start);
            start
        };
        if start {
            // A task of its own: the caller may give up, and others wait for it, too.
            tokio::spawn(Arc::clone(&self.0).run());
        }
        in_time(answered).await
    }
}

impl<Q, A> Batches<Q, A> {
    async fn run(self: Arc<Self>) {
        // What others are about to ask in the same turn comes along.
        tokio::task::yield_now().await;
        while let Some((questions, askers)) = self.next() {
            match unharmed((self.answer)(questions)).await {
                Ok(answers) => askers.into_iter().zip(answers).for_each(|(asker, answer)| tell(asker, Ok(answer))),
                Err(error) => fail(askers, error),
            }
        }
    }

    fn next(&self) -> Option<(Vec<Q>, Vec<Asker<A>>)> {
        let mut state = lock(&self.state);
        // After an outage most of those who wait have given up.
        state.questions.retain(|(_, asker)| !asker.is_closed());
        if state.questions.is_empty() {
            state.running -= 1;
            return None;
        }
        let count = state.questions.len().min(MOST);
        Some(state.questions.drain(..count).unzip())
    }
}

/// One and the same question of many at once, asked once for all of them. Cheap to clone.
pub struct Shared<Q, A>(Arc<Sharing<Q, A>>);

struct Sharing<Q, A> {
    answer: Box<dyn Fn(Q) -> Answer<A> + Send + Sync>,
    /// Who waits for the next answer to a question that is being asked.
    asked: Mutex<HashMap<Q, Vec<Asker<A>>>>,
}

impl<Q, A> Shared<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + 'static,
{
    /// `answer` answers one question.
    pub fn new<F>(answer: impl Fn(Q) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let answer = Box::new(move |question| Box::pin(answer(question)) as Answer<A>);
        Self(Arc::new(Sharing { answer, asked: Mutex::default() }))
    }

    /// The answer. Of a question that is being asked already it is the next answer: the one under way may be of before.
    pub async fn ask(&self, question: Q) -> Result<A, Error> {
        let (asker, answered) = oneshot::channel();
        let start = match lock(&self.0.asked).entry(question.clone()) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().push(asker);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(vec![asker]);
                true
            }
        };
        if start {
            tokio::spawn(Arc::clone(&self.0).run(question));
        }
        in_time(answered).await
    }
}

impl<Q: Clone + Eq + Hash, A: Clone> Sharing<Q, A> {
    async fn run(self: Arc<Self>, question: Q) {
        while let Some(askers) = self.next(&question) {
            match unharmed((self.answer)(question.clone())).await {
                Ok(answer) => {
                    askers.into_iter().for_each(|asker| tell(asker, Ok(answer.clone())));
                }
                Err(error) => fail(askers, error),
            }
        }
    }

    fn next(&self, question: &Q) -> Option<Vec<Asker<A>>> {
        let mut asked = lock(&self.asked);
        let askers = asked.get_mut(question).map(std::mem::take).unwrap_or_default();
        if askers.is_empty() {
            asked.remove(question);
            return None;
        }
        Some(askers)
    }
}

impl<Q, A> Clone for Batch<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q, A> Clone for Shared<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Waits for an answer, but not for those before it that a store takes long for.
async fn in_time<A>(answered: oneshot::Receiver<Result<A, Error>>) -> Result<A, Error> {
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(answer) => answer.map_err(Error::unavailable)?,
        Err(_) => Err(Error::unavailable(anyhow::anyhow!("the store didn't answer in {PATIENCE:?}"))),
    }
}

/// A panic is one batch's failure, not the end of all that wait.
async fn unharmed<A>(answer: Answer<A>) -> Result<A, Error> {
    let broken = |_| Err(Error::internal(anyhow::anyhow!("a question to the store panicked")));
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(broken)
}

fn tell<A>(asker: Asker<A>, answer: Result<A, Error>) {
    // Who has gone needs no answer.
    let _ = asker.send(answer);
}

/// Everybody is told of a failure; its cause, which is for the log, is told once.
fn fail<A>(askers: Vec<Asker<A>>, error: Error) {
    let again = error.again();
    let errors = std::iter::once(error).chain(std::iter::repeat_with(|| again.again()));
    askers.into_iter().zip(errors).for_each(|(asker, error)| tell(asker, Err(error)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        ops::RangeInclusive,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures::future::join_all;
    use tokio::{sync::Semaphore, task::JoinHandle};

    use super::*;
    use crate::Code;

    /// Answers when it is let, and remembers what it was asked.
    #[derive(Default)]
    struct Store {
        asked: Mutex<Vec<Vec<u32>>>,
        may: Option<Semaphore>,
    }

    impl Store {
        fn gated() -> Arc<Self> {
            Arc::new(Self { may: Some(Semaphore::new(0)), ..Self::default() })
        }

        async fn squares(self: Arc<Self>, numbers: Vec<u32>) -> Result<Vec<u32>, Error> {
            lock(&self.asked).push(numbers.clone());
            if let Some(may) = &self.may {
                may.acquire().await.unwrap().forget();
            }
            Ok(numbers.into_iter().map(|n| n * n).collect())
        }

        fn let_pass(&self, batches: usize) {
            self.may.as_ref().unwrap().add_permits(batches);
        }

        fn batches(&self) -> Vec<Vec<u32>> {
            lock(&self.asked).clone()
        }
    }

    fn batch(store: &Arc<Store>) -> Batch<u32, u32> {
        let store = Arc::clone(store);
        Batch::new(move |numbers| Arc::clone(&store).squares(numbers))
    }

    fn asking(batch: &Batch<u32, u32>, numbers: RangeInclusive<u32>) -> Vec<JoinHandle<u32>> {
        let ask = |n| {
            let batch = batch.clone();
            tokio::spawn(async move { batch.ask(n).await.unwrap() })
        };
        numbers.map(ask).collect()
    }

    async fn settled() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_question_alone_is_asked_at_once() {
        let store = Arc::new(Store::default());
        assert_eq!(batch(&store).ask(3).await.unwrap(), 9);
        assert_eq!(store.batches(), [[3]]);
    }

    #[tokio::test]
    async fn questions_that_wait_are_asked_together_and_each_gets_its_own_answer() {
        let store = Store::gated();
        let batch = batch(&store);
        let asking = asking(&batch, 1..=6);
        settled().await;
        store.let_pass(3);
        let answers: Vec<u32> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [1, 4, 9, 16, 25, 36]);
        let sizes: Vec<usize> = store.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 6);
        assert!(sizes.len() <= 3, "{sizes:?}");
    }

    #[tokio::test]
    async fn one_by_one_all_that_waits_is_in_the_next_batch() {
        let store = Store::gated();
        let asked = Arc::clone(&store);
        let batch = Batch::one_by_one(move |numbers| Arc::clone(&asked).squares(numbers));
        let mut all = asking(&batch, 1..=1);
        settled().await;
        all.extend(asking(&batch, 2..=5));
        settled().await;
        store.let_pass(2);
        let answers: Vec<u32> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [1, 4, 9, 16, 25]);
        assert_eq!(store.batches(), [vec![1], vec![2, 3, 4, 5]]);
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_and_its_cause_one_persons() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let failing: Batch<u32, u32> = Batch::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err(Error::unavailable(anyhow::anyhow!("down"))) }
        });
        let errors = join_all((0..10).map(|n| failing.ask(n))).await.into_iter().map(Result::unwrap_err);
        let causes: Vec<bool> =
            errors.inspect(|e| assert_eq!(e.code, Code::Unavailable)).map(|e| e.cause.is_some()).collect();
        assert_eq!(causes.iter().filter(|there| **there).count(), calls.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_batch_alone() {
        let odd: Batch<u32, u32> = Batch::new(|numbers: Vec<u32>| async move {
            assert!(numbers != [13], "unlucky");
            Ok(numbers)
        });
        assert_eq!(odd.ask(13).await.unwrap_err().code, Code::Internal);
        assert_eq!(odd.ask(14).await.unwrap(), 14);
    }

    #[tokio::test]
    async fn who_gives_up_holds_up_nobody() {
        let store = Store::gated();
        let batch = batch(&store);
        for n in 0..4 {
            let batch = batch.clone();
            let asking = tokio::spawn(async move { batch.ask(n).await });
            settled().await;
            asking.abort();
        }
        store.let_pass(10);
        assert_eq!(batch.ask(5).await.unwrap(), 25);
        let asked = store.batches().concat();
        assert_eq!(asked, [0, 1, 5], "what was not on its way yet is nobody's question any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_behind_others_that_hang_is_told_as_early_as_they_are() {
        let store = Store::gated();
        let (batch, began) = (batch(&store), tokio::time::Instant::now());
        let ask = |n| {
            let batch = batch.clone();
            tokio::spawn(async move { batch.ask(n).await.unwrap_err().code })
        };
        let mut all = Vec::new();
        for n in 0..4 {
            all.push(ask(n));
            settled().await;
        }
        for code in join_all(all).await {
            assert_eq!(code.unwrap(), Code::Unavailable);
        }
        assert_eq!(store.batches(), [[0], [1]], "the others waited behind these");
        assert!(began.elapsed() < PATIENCE * 3 / 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn who_asks_the_same_while_it_is_asked_shares_the_next_answer() {
        let store = Store::gated();
        let counter = Arc::new(AtomicUsize::new(0));
        let (inner, count) = (Arc::clone(&store), Arc::clone(&counter));
        let shared: Shared<&str, usize> = Shared::new(move |_| {
            let (store, at) = (Arc::clone(&inner), count.fetch_add(1, Ordering::Relaxed));
            async move { store.squares(vec![]).await.map(|_| at) }
        });
        let ask = |question| {
            let shared = shared.clone();
            tokio::spawn(async move { shared.ask(question).await.unwrap() })
        };
        let first = ask("room");
        settled().await;
        let later: Vec<_> = (0..5).map(|_| ask("room")).collect();
        let other = ask("another");
        settled().await;
        store.let_pass(3);
        assert_eq!(first.await.unwrap(), 0);
        assert_eq!(other.await.unwrap(), 1);
        let answers: Vec<usize> = join_all(later).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [2; 5], "a reading that began after they asked");
        assert!(lock(&shared.0.asked).is_empty());
    }
}
