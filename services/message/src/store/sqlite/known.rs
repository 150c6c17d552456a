//! Who is known to be a member. One process at a time stores what is sent (see [`Newest`](super::sent::Newest)), so nobody
//! else ends a membership.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aether_common::lock;

use crate::store::Users;

/// So many memberships are known at most: some 10 MiB.
const MOST: usize = 100_000;

/// Memberships that were found in the file and haven't ended since.
#[derive(Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    /// Users by room.
    members: HashMap<String, Users>,
    count: usize,
    /// How many memberships have ended.
    ended: u64,
}

impl Known {
    /// Of a room's users, those who are known to be members, the others, and the number to tell with what is found of
    /// these.
    pub(super) fn among(&self, room: &str, users: Users) -> (Users, Users, u64) {
        let state = lock(&self.0);
        let members = state.members.get(room);
        let is_known = |user: &Arc<str>| members.is_some_and(|members| members.contains(user));
        let (known, others) = users.into_iter().partition(is_known);
        (known, others, state.ended)
    }

    /// These were found, unless a membership has ended since `asked_at`: it may be one of them.
    pub(super) fn found(&self, room: &str, members: &Users, asked_at: u64) {
        let mut state = lock(&self.0);
        if state.ended != asked_at || members.is_empty() {
            return;
        }
        if state.count + members.len() > MOST {
            (state.members, state.count) = (HashMap::new(), 0);
        }
        let known = state.members.entry(room.to_owned()).or_default();
        let before = known.len();
        known.extend(members.iter().cloned());
        let new = known.len() - before;
        state.count += new;
    }

    /// A membership may have ended. To be called when the file shows it, and before anybody is told.
    pub(super) fn ended(&self, room: &str, user: &str) {
        let mut state = lock(&self.0);
        state.ended += 1;
        let Some(known) = state.members.get_mut(room) else { return };
        let removed = known.remove(user);
        if known.is_empty() {
            state.members.remove(room);
        }
        state.count -= usize::from(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users<const N: usize>(users: [&str; N]) -> Users {
        users.map(Arc::from).into()
    }

    #[test]
    fn who_was_found_is_known_until_the_membership_ends() {
        let known = Known::default();
        let (none, others, asked_at) = known.among("hall", users(["ada", "bob"]));
        assert!(none.is_empty());
        assert_eq!(others, users(["ada", "bob"]));
        known.found("hall", &users(["ada", "bob"]), asked_at);
        assert_eq!(known.among("hall", users(["ada", "bob", "eve"])).0, users(["ada", "bob"]));
        assert!(known.among("attic", users(["ada"])).0.is_empty());
        known.ended("hall", "ada");
        assert_eq!(known.among("hall", users(["ada", "bob"])).0, users(["bob"]));
    }

    #[test]
    fn what_was_found_before_a_membership_ended_isnt_known() {
        let known = Known::default();
        let asked_at = known.among("hall", users(["ada"])).2;
        known.ended("hall", "ada");
        known.found("hall", &users(["ada"]), asked_at);
        assert!(known.among("hall", users(["ada"])).0.is_empty());
    }

    #[test]
    fn more_than_fit_are_forgotten() {
        let known = Known::default();
        let room = |number: usize| format!("room {number}");
        for number in 0..=MOST {
            known.found(&room(number), &users(["ada"]), 0);
        }
        assert!(known.among(&room(0), users(["ada"])).0.is_empty());
        assert_eq!(known.among(&room(MOST), users(["ada"])).0, users(["ada"]));
        assert_eq!(lock(&known.0).count, 1);
    }
}
