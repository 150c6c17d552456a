//! The highest rate that holds.

use anyhow::{Result, bail};

const STEP: f64 = 2.0;

/// Searches for the highest rate at which `holds`, from a guess on, until it is within a factor of `close` to the limit.
pub(crate) fn highest(guess: f64, close: f64, mut holds: impl FnMut(f64) -> Result<bool>) -> Result<f64> {
    let (mut good, mut bad) = (None, None);
    let mut rate = guess;
    for _ in 0..24 {
        if holds(rate)? {
            good = Some(rate);
        } else {
            bad = Some(rate);
        }
        rate = match (good, bad) {
            (Some(good), Some(bad)) if bad / good <= close => return Ok(good),
            (Some(good), Some(bad)) => f64::sqrt(good * bad),
            (Some(good), None) => good * STEP,
            (None, Some(bad)) => bad / STEP,
            (None, None) => unreachable!("one of them was set"),
        };
    }
    match good {
        Some(good) => Ok(good),
        None => bail!("not even {rate:.0} messages a second hold"),
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_highest_rate_that_holds_is_found_from_below_and_from_above() {
        for guess in [1.0, 90.0, 100.0, 5000.0] {
            let found = highest(guess, 1.05, |rate| Ok(rate <= 100.0)).unwrap();
            assert!((95.0..=100.0).contains(&found), "{guess}: {found}");
        }
    }

    #[test]
    fn it_is_an_error_when_none_holds() {
        assert!(highest(100.0, 1.05, |_| Ok(false)).is_err());
    }
}
