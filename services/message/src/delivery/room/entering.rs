//! Who gets a room's live feed, from which message on, and until when.

use std::{collections::HashSet, sync::Arc};

use aether_common::Error;
use tokio::time::Instant;

use super::{PAGE, POLL, RECHECK, RECHECK_SOON, Room};
use crate::{
    delivery::{Entered, Entering, Greeting, Subscriber},
    events,
    feed::Feed,
    model::{Message, User},
    typing::Source,
};

/// A socket that enters is told of at most so many users who are there.
const MOST_OTHERS: usize = 100;

impl Room {
    pub(super) async fn enter(&mut self, entering: Entering) {
        let Entering { subscriber, have, greeting, answer } = entering;
        let entered = self.try_enter(&subscriber, have, greeting).await;
        // A socket that didn't wait for the answer has gone, and leaves by itself.
        let _ = answer.send(entered);
    }

    async fn try_enter(
        &mut self,
        subscriber: &Arc<Subscriber>,
        have: Option<u64>,
        greeting: Option<Greeting>,
    ) -> Result<Entered, Error> {
        // One that enters again keeps its live feed if that fails.
        let again = self.members.contains_key(&subscriber.id);
        if self.members.is_empty() {
            if self.outbox.is_appending() {
                // The end of the room may be a message that isn't acknowledged yet.
                let appended = self.outbox.finished().await;
                self.appended(appended).await;
            }
            let tail = self.hub.store.tail(&self.id).await?;
            self.tail = Some(tail);
            self.feed = Feed::after(tail.seq);
            self.origins.clear();
            self.look_at = Instant::now() + POLL;
            self.recheck_at = Instant::now() + RECHECK;
        }
        let delivered = self.feed.delivered();
        let others = if greeting.is_some() { self.others(&subscriber.user) } else { Vec::new() };
        let greet =
            |seq| greeting.into_iter().flat_map(|greeting| greeting(seq, &others)).for_each(|e| subscriber.push(e));
        let (mut missed, mut up_to) = (Vec::new(), delivered);
        match have {
            Some(have) if delivered.saturating_sub(have) > PAGE.into() => {
                greet(delivered);
                if again {
                    self.leave(subscriber);
                }
                return Ok(Entered::Behind);
            }
            Some(have) if have < delivered => {
                missed = self.hub.store.after(&self.id, have, PAGE).await?;
                missed.retain(|message| message.seq <= delivered);
            }
            // Told by a quicker replica. A number that doesn't exist yet must not keep back the messages up to it.
            Some(have) if have > delivered => {
                up_to = have.min(self.hub.store.tail(&self.id).await?.seq).max(delivered);
            }
            _ => {}
        }
        greet(up_to);
        for message in &missed {
            push_missed(subscriber, message);
        }
        let first = !again && !self.is_here(&subscriber.user);
        self.members.insert(subscriber.id, Arc::clone(subscriber));
        if up_to > delivered {
            subscriber.unfollow(&self.live);
            self.ahead.insert(subscriber.id, up_to);
        } else {
            self.ahead.remove(&subscriber.id);
            subscriber.follow(&self.live);
        }
        if first {
            self.tell_presence(&subscriber.user, true);
        }
        self.recheck_soon();
        Ok(Entered::Live)
    }

    /// Who else is in the room here, in no order.
    fn others(&self, user: &User) -> Vec<User> {
        let mut told = HashSet::from([&user.id]);
        let users = self.members.values().map(|subscriber| &subscriber.user);
        users.filter(|user| told.insert(&user.id)).take(MOST_OTHERS).cloned().collect()
    }

    pub(super) fn leave(&mut self, subscriber: &Subscriber) {
        let user = &subscriber.user;
        let typing = self.typing.stop(&user.id, &Source::Socket(subscriber.id));
        self.tell_typing(typing);
        let Some(member) = self.members.remove(&subscriber.id) else { return };
        self.ahead.remove(&subscriber.id);
        member.unfollow(&self.live);
        if !self.is_here(user) {
            self.tell_presence(user, false);
        }
    }

    pub(super) fn recheck_soon(&mut self) {
        self.recheck_at = self.recheck_at.min(Instant::now() + RECHECK_SOON);
    }

    /// Users whose memberships have ended lose the live feed; sockets that have gone are forgotten.
    pub(super) async fn recheck(&mut self) {
        self.recheck_at = Instant::now() + RECHECK;
        let gone = self.members.values().filter(|subscriber| subscriber.gone()).cloned();
        for subscriber in gone.collect::<Vec<_>>() {
            self.leave(&subscriber);
        }
        if self.members.is_empty() {
            return;
        }
        let users = self.members.values().map(|subscriber| subscriber.user.id.clone()).collect();
        match self.hub.store.members_among(&self.id, users).await {
            Ok(members) => self.evict(|user| !members.contains(&user.id)),
            Err(error) => error.log(),
        }
    }

    pub(super) fn evict(&mut self, out: impl Fn(&User) -> bool) {
        let evicted = self.members.values().filter(|subscriber| out(&subscriber.user)).cloned();
        for subscriber in evicted.collect::<Vec<_>>() {
            subscriber.push(events::left_room(&self.id));
            self.leave(&subscriber);
        }
    }
}

/// A missed message, with its confirmation if it is the socket's own.
pub(crate) fn push_missed(subscriber: &Subscriber, message: &Message) {
    if subscriber.has_ahead(&message.id) {
        return; // a client sends what it has kept as soon as it is back, before it joins again
    }
    subscriber.push(events::new_message(message));
    if subscriber.user.id == message.sender.id {
        subscriber.push(events::message_confirmed(message));
    }
}
