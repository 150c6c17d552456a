//! The order in which a room's messages reach its live sockets: by number, without a gap.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::Message;

/// What one replica has delivered of a room, and what waits for its predecessors.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    delivered: u64,
    waiting: BTreeMap<u64, Arc<Message>>,
}

/// More than this many waiting messages are better read from the store again.
const WAITING: usize = 1024;

impl Feed {
    /// Starts after a number.
    #[must_use]
    pub(crate) fn after(seq: u64) -> Self {
        Self { delivered: seq, waiting: BTreeMap::new() }
    }

    /// The last number that was delivered.
    #[must_use]
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether a message waits for one that hasn't come.
    #[must_use]
    pub(crate) fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a message that has come from anywhere, any number of times; what can be delivered now is returned in
    /// order.
    #[must_use]
    pub(crate) fn offer(&mut self, message: Arc<Message>) -> Vec<Arc<Message>> {
        if message.seq > self.delivered {
            self.waiting.insert(message.seq, message);
        }
        let mut ready = Vec::new();
        while let Some(message) = self.waiting.remove(&(self.delivered + 1)) {
            self.delivered += 1;
            ready.push(message);
        }
        while self.waiting.len() > WAITING {
            self.waiting.pop_last();
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::model::{ClientId, User, now};

    fn message(seq: u64) -> Arc<Message> {
        Arc::new(Message {
            id: seq.to_string().into(),
            room_id: "r".into(),
            seq,
            sender: User { id: "1".into(), username: "ada".into() },
            content: "x".into(),
            message_type: "text".into(),
            client_id: ClientId::new(None),
            created_at: now(),
        })
    }

    fn offered(feed: &mut Feed, seqs: &[u64]) -> Vec<u64> {
        seqs.iter().flat_map(|seq| feed.offer(message(*seq))).map(|m| m.seq).collect()
    }

    #[test]
    fn messages_leave_in_order_whatever_the_order_in_which_they_come() {
        let mut feed = Feed::after(4);
        assert_eq!(offered(&mut feed, &[7, 5, 8]), [5]);
        assert!(feed.has_gap());
        assert_eq!(offered(&mut feed, &[6]), [6, 7, 8]);
        assert!(!feed.has_gap());
        assert_eq!(feed.delivered(), 8);
    }

    #[test]
    fn nothing_is_delivered_twice() {
        let mut feed = Feed::after(0);
        assert_eq!(offered(&mut feed, &[1, 1, 2, 1, 2, 3]), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn each_number_leaves_once_and_in_order_whatever_hints_are_lost_doubled_or_late(
            start in 0_u64..5,
            steps in vec((0_u64..60, any::<bool>()), 0..200),
        ) {
            let mut feed = Feed::after(start);
            let (stored, mut delivered) = (start + 60, Vec::new());
            for (number, look) in steps {
                if look {
                    // The store gives a page of what comes next.
                    let page: Vec<u64> = (feed.delivered() + 1..=stored).take(7).collect();
                    delivered.extend(offered(&mut feed, &page));
                } else {
                    delivered.extend(offered(&mut feed, &[start + number]));
                }
                prop_assert_eq!(feed.delivered(), start + delivered.len() as u64);
            }
            let rest: Vec<u64> = (feed.delivered() + 1..=stored).collect();
            delivered.extend(offered(&mut feed, &rest));
            prop_assert_eq!(delivered, (start + 1..=stored).collect::<Vec<_>>());
            prop_assert!(!feed.has_gap());
        }
    }

    #[test]
    fn a_flood_ahead_of_a_gap_does_not_grow_without_end() {
        let mut feed = Feed::after(0);
        let flood: Vec<u64> = (2..5000).collect();
        assert!(offered(&mut feed, &flood).is_empty());
        assert_eq!(feed.waiting.len(), WAITING);
        assert_eq!(offered(&mut feed, &[1]).len(), WAITING + 1);
    }
}
