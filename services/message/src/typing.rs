//! Who is typing in a room. A user types for as long as one of their sockets, anywhere, does.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::model::User;

/// Typing ends by itself after so long without a word.
pub(crate) const LASTS: Duration = Duration::from_secs(3);
/// What another replica told lasts longer than that: it tells the end itself, unless it is lost.
const LASTS_ELSEWHERE: Duration = Duration::from_millis(4500);
/// How often the other replicas are told that somebody goes on typing.
const REPEAT: Duration = Duration::from_secs(1);

/// Where a user types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// On a socket of this replica.
    Socket(u64),
    /// On some socket of another replica.
    Replica(String),
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Whose typing.
    pub(crate) user: User,
    /// What the room's sockets here are to be told.
    pub(crate) show: Option<bool>,
    /// What the other replicas are to be told.
    pub(crate) publish: Option<bool>,
}

#[derive(Debug)]
struct Typist {
    user: User,
    until: HashMap<Source, Instant>,
    published: Option<Instant>,
}

impl Typist {
    fn here(&self) -> bool {
        self.until.keys().any(|source| matches!(source, Source::Socket(_)))
    }
}

/// The typists of one room.
#[derive(Debug, Default)]
pub(crate) struct Typing(HashMap<Arc<str>, Typist>);

impl Typing {
    /// A user types, or goes on typing.
    pub(crate) fn start(&mut self, user: &User, source: Source, now: Instant) -> Option<Change> {
        let new = !self.0.contains_key(&user.id);
        let typist = self.0.entry(user.id.clone()).or_insert_with(|| Typist {
            user: user.clone(),
            until: HashMap::new(),
            published: None,
        });
        let here = matches!(source, Source::Socket(_));
        typist.until.insert(source, now + if here { LASTS } else { LASTS_ELSEWHERE });
        let publish = here && typist.published.is_none_or(|at| now.duration_since(at) >= REPEAT);
        if publish {
            typist.published = Some(now);
        }
        let change = Change { user: user.clone(), show: new.then_some(true), publish: publish.then_some(true) };
        (change.show.is_some() || change.publish.is_some()).then_some(change)
    }

    /// A user stopped typing in one place.
    pub(crate) fn stop(&mut self, user_id: &str, source: &Source) -> Option<Change> {
        self.end(user_id, |s, _| s == source)
    }

    /// Ends what has lasted too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Change> {
        let users: Vec<_> = self.0.keys().cloned().collect();
        users.iter().filter_map(|user| self.end(user, |_, until| *until <= now)).collect()
    }

    /// When [`Typing::expire`] will have something to do.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().flat_map(|typist| typist.until.values()).min().copied()
    }

    fn end(&mut self, user_id: &str, ended: impl Fn(&Source, &Instant) -> bool) -> Option<Change> {
        let typist = self.0.get_mut(user_id)?;
        let here = typist.here();
        typist.until.retain(|source, until| !ended(source, until));
        let publish = (here && !typist.here()).then(|| {
            typist.published = None;
            false
        });
        let (user, over) = (typist.user.clone(), typist.until.is_empty());
        if over {
            self.0.remove(user_id);
        }
        let change = Change { user, show: over.then_some(false), publish };
        (change.show.is_some() || change.publish.is_some()).then_some(change)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ada() -> User {
        User { id: "1".into(), username: "ada".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn typing_ends_three_seconds_after_the_last_word() {
        let mut typing = Typing::default();
        assert_eq!(typing.start(&ada(), Source::Socket(1), Instant::now()).unwrap().show, Some(true));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(typing.start(&ada(), Source::Socket(1), Instant::now()).unwrap().show, None);
        tokio::time::sleep_until(typing.next().unwrap()).await;
        let over = typing.expire(Instant::now());
        assert_eq!(over, [Change { user: ada(), show: Some(false), publish: Some(false) }]);
        assert_eq!(typing.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_with_two_sockets_types_until_both_have_stopped() {
        let mut typing = Typing::default();
        typing.start(&ada(), Source::Socket(1), Instant::now());
        typing.start(&ada(), Source::Socket(2), Instant::now());
        assert_eq!(typing.stop("1", &Source::Socket(1)), None);
        assert_eq!(typing.stop("1", &Source::Socket(2)).unwrap().show, Some(false));
    }

    #[tokio::test(start_paused = true)]
    async fn typing_elsewhere_is_shown_and_not_told_back() {
        let mut typing = Typing::default();
        let there = Source::Replica("b".into());
        let change = typing.start(&ada(), there.clone(), Instant::now()).unwrap();
        assert_eq!((change.show, change.publish), (Some(true), None));
        let change = typing.start(&ada(), Source::Socket(1), Instant::now()).unwrap();
        assert_eq!((change.show, change.publish), (None, Some(true)));
        assert_eq!(typing.stop("1", &there), None);
        let change = typing.stop("1", &Source::Socket(1)).unwrap();
        assert_eq!((change.show, change.publish), (Some(false), Some(false)));
    }

    #[test]
    fn stopping_without_having_typed_changes_nothing() {
        assert_eq!(Typing::default().stop("1", &Source::Socket(1)), None);
    }
}
