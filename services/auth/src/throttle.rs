//! Guessing passwords is made slow, without a way to lock anybody out.
//!
//! Failures are counted by account and address: beyond a number of them the address has to wait, longer each time.
//! So nobody's failures but one's own hold one up. Against many addresses at once all failures of an account are counted
//! too; beyond a larger number every address has to wait but those from which the account's owner has logged in before
//! (after the "device cookies" of OWASP, with addresses as devices). Counts are kept in the database, for all replicas.
//! An account is whatever e-mail address was typed: one that nobody has is treated like any other.

use std::sync::Arc;

use aether_common::{Code, Error, client::Client, error::whole_seconds};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::store::{Failures, Store, key};

/// Failures are forgotten so long after the last one.
pub(crate) const MEMORY: TimeDelta = TimeDelta::hours(1);
/// The wait after the last failure that is free; it doubles with each one more.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// Others who count at the same time come first at most so often.
const TRIES: usize = 50;
/// Stands for the address where none is told.
const NOWHERE: &str = "unknown";
/// Stands for all addresses; no address is written so.
const EVERYWHERE: &str = "";

/// Counts failed attempts.
pub(crate) struct Throttle {
    pub(crate) store: Arc<dyn Store>,
    /// Failures of an account from one address before waits begin; 0 for no such waits.
    pub(crate) per_address: u32,
    /// Failures of an account from all unfamiliar addresses before waits begin; 0 for no such waits.
    pub(crate) per_account: u32,
}

/// Somebody's attempt to show that they know the password of an account.
pub(crate) struct Attempt {
    email: String,
    account: String,
    address: String,
}

impl Attempt {
    pub(crate) fn new(email: &str, client: &Client) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, key(email).as_bytes());
        Self {
            email: email.to_owned(),
            account: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            address: client.network().unwrap_or_else(|| NOWHERE.to_owned()),
        }
    }
}

impl Throttle {
    /// Refuses an attempt that comes too soon. To be asked before the password is looked at, and again before a right
    /// one is accepted: of many attempts at once only as many may learn something as would have one after the other.
    pub(crate) async fn admit(&self, attempt: &Attempt) -> Result<(), Error> {
        let now = Utc::now();
        if self.per_address > 0 {
            admit(self.failures(attempt, &attempt.address).await?.as_ref(), self.per_address, now)?;
        }
        if self.per_account > 0 {
            let refused = admit(self.failures(attempt, EVERYWHERE).await?.as_ref(), self.per_account, now);
            if refused.is_err() && !self.is_familiar(attempt).await? {
                return refused;
            }
        }
        Ok(())
    }

    /// Counts a wrong password. Refuses where others' failures came first, so that it must not be told that it was wrong.
    pub(crate) async fn count(&self, attempt: &Attempt) -> Result<(), Error> {
        if self.per_address > 0 {
            self.count_at(attempt, &attempt.address, self.per_address).await?;
        }
        if self.per_account > 0 && !self.is_familiar(attempt).await? {
            self.count_at(attempt, EVERYWHERE, self.per_account).await?;
        }
        Ok(())
    }

    /// A right password makes up for wrong ones from its address. It doesn't for those of other addresses: whoever
    /// guesses must not gain by the owner's logins.
    pub(crate) async fn forgive(&self, attempt: &Attempt) -> Result<(), Error> {
        if self.per_address > 0 && self.failures(attempt, &attempt.address).await?.is_some() {
            self.store.forget_failures_of(&attempt.account, &attempt.address).await?;
        }
        Ok(())
    }

    async fn count_at(&self, attempt: &Attempt, address: &str, free: u32) -> Result<(), Error> {
        for _ in 0..TRIES {
            let now = Utc::now().trunc_subsecs(3);
            let found = self.failures(attempt, address).await?;
            admit(found.as_ref(), free, now)?;
            let next = one_more(found.as_ref(), now);
            if self.store.set_failures(&attempt.account, address, found.as_ref(), &next).await? {
                return Ok(());
            }
        }
        Err(refusal(FIRST_WAIT))
    }

    async fn failures(&self, attempt: &Attempt, address: &str) -> Result<Option<Failures>, Error> {
        Ok(self.store.failures(&attempt.account, address).await?)
    }

    async fn is_familiar(&self, attempt: &Attempt) -> Result<bool, Error> {
        Ok(self.store.is_familiar(&attempt.email, &attempt.address).await?)
    }
}

fn admit(failures: Option<&Failures>, free: u32, now: DateTime<Utc>) -> Result<(), Error> {
    match failures.map(|failures| failures.last_at + wait(failures.number, free) - now) {
        Some(left) if left > TimeDelta::zero() => Err(refusal(left)),
        _ => Ok(()),
    }
}

/// How long to wait after so many failures.
fn wait(number: u32, free: u32) -> TimeDelta {
    match number.checked_sub(free) {
        None => TimeDelta::zero(),
        // Far beyond the longest before it is out of range.
        Some(beyond) => (FIRST_WAIT * (1 << beyond.min(20))).min(LONGEST_WAIT),
    }
}

fn one_more(failures: Option<&Failures>, now: DateTime<Utc>) -> Failures {
    let remembered = failures.filter(|failures| failures.last_at + MEMORY > now);
    Failures { number: remembered.map_or(0, |failures| failures.number).saturating_add(1), last_at: now }
}

fn refusal(wait: TimeDelta) -> Error {
    let wait = wait.to_std().unwrap_or_default();
    let seconds = whole_seconds(wait);
    let message = format!("Too many requests, please try again in {seconds} seconds");
    Error { retry_after: Some(wait), ..Error::new(Code::Exhausted, "LOGIN_THROTTLED", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(number: u32, last_at: DateTime<Utc>) -> Failures {
        Failures { number, last_at }
    }

    #[test]
    fn waits_begin_after_the_free_failures_double_and_have_an_end() {
        let waits: Vec<_> = [4, 5, 6, 7, 14, 15, 1000, u32::MAX].map(|n| wait(n, 5).num_seconds()).into();
        assert_eq!(waits, [0, 1, 2, 4, 512, 900, 900, 900]);
    }

    #[test]
    fn a_refusal_says_how_long_to_wait_and_is_over_then() {
        let now = Utc::now();
        let kept = failures(7, now - TimeDelta::milliseconds(1500));
        let refused = admit(Some(&kept), 5, now).expect_err("refused");
        assert_eq!(refused.code, Code::Exhausted);
        assert_eq!(refused.retry_after, Some(std::time::Duration::from_millis(2500)));
        assert_eq!(refused.message, "Too many requests, please try again in 3 seconds");
        assert!(admit(Some(&kept), 5, now + TimeDelta::milliseconds(2500)).is_ok());
        assert!(admit(None, 5, now).is_ok());
    }

    #[test]
    fn failures_are_forgotten_an_hour_after_the_last_one() {
        let now = Utc::now();
        assert_eq!(one_more(None, now).number, 1);
        assert_eq!(one_more(Some(&failures(7, now - MEMORY + TimeDelta::seconds(1))), now), failures(8, now));
        assert_eq!(one_more(Some(&failures(7, now - MEMORY)), now), failures(1, now));
    }

    #[test]
    fn an_account_is_known_whatever_the_case_and_never_by_its_name() {
        let of = |email| Attempt::new(email, &Client::default());
        assert_eq!(of("Ada@Example.com").account, of("ada@example.com").account);
        assert_ne!(of("ada@example.com").account, of("bob@example.com").account);
        assert!(!of("ada@example.com").account.contains("ada"));
    }
}
