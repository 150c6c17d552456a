//! Passwords: Argon2id in PHC strings (and bcrypt's, of imported users, until their first login), off the async threads and no more at once than there are cores.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, available_parallelism},
    time::Duration,
};

use aether_common::{Error, Secret};
use anyhow::anyhow;
use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHasher as _, Version,
    password_hash::phc::{Output, PasswordHash},
};
use prometheus::{Histogram, IntGauge};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

type Job = Box<dyn FnOnce() + Send>;

/// Whoever has waited so long for a turn is sent away: soon nobody would wait for the answer any more, and work for
/// those who have left must not hold up those who still wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// 19 MiB, two passes, one lane: OWASP's first choice.
fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?))
}

fn hash(password: &Secret) -> anyhow::Result<Secret> {
    let hash = argon2()?.hash_password(password.expose().as_bytes()).map_err(|e| anyhow!("password hash: {e}"))?;
    Ok(Secret::new(hash.to_string()))
}

/// What bcrypt's hashes begin with.
const BCRYPT: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// Each step doubles bcrypt's time. A hash of more would keep a thread from other logins for seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Whether a password is to be hashed anew once it is known.
pub(crate) fn is_outdated(hash: &Secret) -> bool {
    BCRYPT.iter().any(|form| hash.expose().starts_with(form))
}

/// Whether a hash of an earlier backend can be compared with, in reasonable time.
pub(crate) fn is_importable(hash: &Secret) -> bool {
    let text = hash.expose();
    let parts = text.parse::<bcrypt::HashParts>();
    is_outdated(hash) && text.len() == 60 && parts.is_ok_and(|parts| BCRYPT_COSTS.contains(&parts.get_cost()))
}

/// What Argon2 works in.
type Memory = Vec<Block>;

fn verify(password: &Secret, hash: &Secret, memory: &mut Memory) -> anyhow::Result<bool> {
    if is_outdated(hash) {
        return bcrypt::verify(password.expose(), hash.expose()).map_err(|e| anyhow!("kept password hash: {e}"));
    }
    compare(password, hash, memory).map_err(|e| anyhow!("kept password hash: {e}"))
}

fn compare(password: &Secret, hash: &Secret, memory: &mut Memory) -> anyhow::Result<bool> {
    let kept = PasswordHash::new(hash.expose())?;
    let (Some(salt), Some(expected)) = (&kept.salt, &kept.hash) else { anyhow::bail!("no salt or no hash") };
    let version = kept.version.map_or(Ok(Version::default()), Version::try_from)?;
    let params = Params::try_from(&kept)?;
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let mut found = vec![0; expected.len()];
    let argon2 = Argon2::new(Algorithm::try_from(kept.algorithm.as_str())?, version, params);
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut found, memory)?;
    // Compared in constant time.
    Ok(Output::new(&found)? == *expected)
}

/// Each hash takes 19 MiB: as many as this fit into the memory that a pod has by default, however many cores its node has.
const MOST_AT_ONCE: usize = 16;

/// The right to hash one password now.
pub(crate) struct Turn(#[allow(dead_code)] OwnedSemaphorePermit);

/// One who waits, however that ends.
struct Waiting<'a>(&'a IntGauge);

impl<'a> Waiting<'a> {
    fn begin(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Hashes passwords and compares them with hashes.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    turns: usize,
    /// To threads of its own, one for each turn: memory that a thread has freed stays with it, and Tokio's pool of
    /// threads for blocking work is large.
    jobs: Sender<Job>,
    /// Compared with where there is no user, so that the answer takes as long.
    nobodys: Secret,
    spare: Arc<Spare>,
    seconds: Histogram,
    waiting: IntGauge,
}

/// Memory goes from one comparison to the next as long as any is under way: fresh pages for each cost a tenth of it.
#[derive(Default)]
struct Spare(Mutex<Vec<Memory>>);

impl Spare {
    fn all(&self) -> MutexGuard<'_, Vec<Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.all().pop().unwrap_or_default();
        let done = work(&mut memory);
        self.all().push(memory);
        done
    }
}

impl Passwords {
    /// `seconds` sees how long each hash takes, `waiting` how many wait for their turn.
    pub(crate) async fn new(seconds: Histogram, waiting: IntGauge) -> anyhow::Result<Self> {
        let turns = available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE);
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..turns {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name("password".to_owned()).spawn(move || work(&queue))?;
        }
        let nobody = Secret::new(uuid::Uuid::new_v4().to_string());
        let nobodys = tokio::task::spawn_blocking(move || hash(&nobody)).await??;
        let permits = Arc::new(Semaphore::new(turns));
        Ok(Self { permits, turns, jobs, nobodys, spare: Arc::default(), seconds, waiting })
    }

    /// Waits for a turn. Whoever has to look at something first that may spare the hash does so while holding it.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let _waiting = Waiting::begin(&self.waiting);
        // A caller who gave up leaves the queue here; one whose turn has come keeps its place until the end.
        let turn = timeout(LONGEST_WAIT, Arc::clone(&self.permits).acquire_owned()).await;
        let turn = turn.map_err(|_| Error::unavailable(anyhow!("too many passwords wait to be hashed")))?;
        turn.map(Turn).map_err(Error::internal)
    }

    /// The PHC string of a password.
    pub(crate) async fn hash(&self, turn: Turn, password: Secret) -> Result<Secret, Error> {
        let spare = Arc::clone(&self.spare);
        let work = move || {
            // In memory of its own; in all there is never more than one piece for each turn.
            drop(spare.all().pop());
            hash(&password)
        };
        self.run(turn, work).await
    }

    /// Whether the password is the one that was hashed. Without a hash it never is, after the same time.
    pub(crate) async fn matches(&self, password: Secret, hash: Option<Secret>) -> Result<bool, Error> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        let turn = self.turn().await?;
        let spare = Arc::clone(&self.spare);
        let work = move || spare.lend(|memory| verify(&password, &hash, memory));
        Ok(self.run(turn, work).await? && known)
    }

    async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (seconds, spare) = (self.seconds.clone(), Arc::clone(&self.spare));
        let (permits, turns) = (Arc::clone(&self.permits), self.turns);
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            let timer = seconds.start_timer();
            // Nobody may wait for it any more.
            let _ = tell.send(work());
            drop((timer, turn));
            // Somebody who waits has the turn by now.
            if permits.available_permits() == turns {
                spare.all().clear();
            }
        });
        self.jobs.send(job).map_err(|_| Error::internal(anyhow!("no thread hashes passwords any more")))?;
        told.await.map_err(Error::internal)?.map_err(Error::internal)
    }
}

/// Does jobs until nobody can send any.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // Whoever waits is told by the dropped sender; the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    async fn passwords() -> Passwords {
        let seconds = Histogram::with_opts(HistogramOpts::new("t", "t")).expect("valid");
        Passwords::new(seconds, IntGauge::new("w", "w").expect("valid")).await.expect("made")
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = passwords().await;
        let turn = passwords.turn().await.expect("free");
        let hash = passwords.hash(turn, Secret::new("correct horse")).await.expect("hashed");
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(passwords.matches(Secret::new("correct horse"), Some(hash.clone())).await.expect("compared"));
        assert!(!passwords.matches(Secret::new("correct house"), Some(hash)).await.expect("compared"));
    }

    #[tokio::test]
    async fn memory_is_lent_and_is_gone_when_nobody_hashes() {
        let passwords = passwords().await;
        let hash = hash(&Secret::new("correct horse")).expect("hashed");
        let ask = |text: &'static str| passwords.matches(Secret::new(text), Some(hash.clone()));
        // One after the other and side by side, with memory that others have written to.
        let found = futures::future::join_all([ask("correct horse"), ask("no"), ask("correct horse"), ask("")]).await;
        let found: Vec<_> = found.into_iter().map(|found| found.expect("compared")).collect();
        assert_eq!(found, [true, false, true, false]);
        let freed = async {
            while !passwords.spare.all().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), freed).await.expect("freed");
    }

    #[tokio::test]
    async fn a_hash_of_an_earlier_backend_matches_its_password_alone() {
        let passwords = passwords().await;
        // By libcrypt.
        for form in BCRYPT {
            let hash = Secret::new(format!("{form}04$SRbDI5VyGzFIkgwthUrGEei6qk0uLXLCqqOON325boJy3KXqEKPPG"));
            assert!(is_importable(&hash) && is_outdated(&hash));
            assert!(passwords.matches(Secret::new("correct horse"), Some(hash.clone())).await.expect("compared"));
            assert!(!passwords.matches(Secret::new("correct house"), Some(hash)).await.expect("compared"));
        }
    }

    #[test]
    fn a_hash_that_is_none_or_takes_too_long_is_not_taken() {
        let rest = "SRbDI5VyGzFIkgwthUrGEei6qk0uLXLCqqOON325boJy3KXqEKPPG";
        for bad in [
            String::new(),
            "secret".to_owned(),
            format!("$2b$31${rest}"),
            format!("$2b$03${rest}"),
            format!("$2x$10${rest}"),
            format!("$2b$10${}", &rest[..40]),
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA".to_owned(),
        ] {
            assert!(!is_importable(&Secret::new(bad.clone())), "{bad}");
        }
        assert!(is_importable(&Secret::new(format!("$2b$12${rest}"))));
    }

    #[tokio::test]
    async fn nothing_matches_where_there_is_no_user() {
        let passwords = passwords().await;
        assert!(!passwords.matches(Secret::new("anything"), None).await.expect("compared"));
    }

    #[tokio::test]
    async fn a_spoilt_hash_is_a_fault_and_not_a_wrong_password() {
        assert!(passwords().await.matches(Secret::new("x"), Some(Secret::new("spoilt"))).await.is_err());
    }
}
