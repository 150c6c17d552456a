//! The newest of what many readers take in the same order, each at its own pace.

use std::collections::VecDeque;

/// Keeps what its owner doesn't drop. Everything has a place, counted from 0, whether it is still kept or not.
pub struct Recent<T> {
    /// The place of the oldest that is kept.
    first: u64,
    kept: VecDeque<T>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { first: 0, kept: VecDeque::new() }
    }
}

impl<T> Recent<T> {
    /// Adds the newest.
    pub fn push(&mut self, newest: T) {
        self.kept.push_back(newest);
    }

    /// Drops the oldest, if any is kept.
    pub fn pop(&mut self) -> Option<T> {
        let oldest = self.kept.pop_front()?;
        self.first += 1;
        Some(oldest)
    }

    /// Drops all, and the memory for it.
    pub fn clear(&mut self) {
        *self = Self { first: self.end(), kept: VecDeque::new() };
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// The place of what comes next.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// What is there from a place on, the oldest first; `None` if some of it isn't kept any more.
    pub fn from(&self, place: u64) -> Option<impl ExactSizeIterator<Item = &T>> {
        let skip = usize::try_from(place.checked_sub(self.first)?).unwrap_or(usize::MAX);
        Some(self.kept.range(skip.min(self.kept.len())..))
    }
}
