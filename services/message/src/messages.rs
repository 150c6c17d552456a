//! What a message may be, and how it gets its number.

use std::{sync::Arc, time::Duration};

use aether_common::Error;
use tokio::{sync::watch, time::Instant};

use crate::{
    model::{ClientId, Draft, Message, Tail, User, now},
    store::Store,
};

/// The longest content, in characters.
pub(crate) const LONGEST: usize = 1000;
/// The longest `tempId`, in characters.
pub(crate) const LONGEST_TEMP_ID: usize = 128;
/// What a message may be.
pub(crate) const TYPES: [&str; 3] = ["text", "image", "file"];

/// How long a batch fights other replicas for numbers.
const CONTENTION: Duration = Duration::from_millis(2500);
const BACKOFF: Duration = Duration::from_millis(10);

/// Checks what a sender wants stored. Content is trimmed; no type means `text`, no `tempId` a generated one.
pub(crate) fn draft(
    sender: User,
    content: &str,
    message_type: Option<&str>,
    temp_id: Option<&str>,
) -> Result<Draft, Error> {
    let content = content.trim();
    let message_type = message_type.filter(|t| !t.is_empty()).unwrap_or("text");
    let temp_id = temp_id.filter(|t| !t.is_empty());
    let mut wrong = Vec::new();
    if content.is_empty() || content.chars().count() > LONGEST {
        wrong.push(("content".to_owned(), format!("must have 1 to {LONGEST} characters")));
    }
    if !TYPES.contains(&message_type) {
        wrong.push(("messageType".to_owned(), format!("must be one of {}", TYPES.join(", "))));
    }
    if temp_id.is_some_and(|t| t.chars().count() > LONGEST_TEMP_ID) {
        wrong.push(("tempId".to_owned(), format!("must have at most {LONGEST_TEMP_ID} characters")));
    }
    if !wrong.is_empty() {
        return Err(Error::invalid(wrong));
    }
    Ok(Draft { sender, content: content.into(), message_type: message_type.into(), client_id: ClientId::new(temp_id) })
}

/// A message that is safely stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// As it is kept.
    pub(crate) message: Arc<Message>,
    /// Whether it was there before: its sender sent it twice.
    pub(crate) resent: bool,
}

/// Stores drafts in their order behind `tail`, whose number is a guess: the store's unique indexes decide. A number
/// that is taken means that another replica was quicker, a client id that is taken means a resend. `told` is the newest
/// end that other replicas tell of meanwhile. `tail` is `None` afterwards if its number is unknown.
pub(crate) async fn append(
    store: &dyn Store,
    room: &str,
    tail: &mut Option<Tail>,
    told: &watch::Receiver<Tail>,
    drafts: Vec<Draft>,
) -> Vec<Result<Stored, Error>> {
    let mut appending =
        Appending { store, room: room.into(), told, results: Vec::with_capacity(drafts.len()), pending: drafts };
    let give_up = Instant::now() + CONTENTION;
    let mut trusting = true;
    while !appending.pending.is_empty() {
        let round = async {
            let (last, stored) = appending.insert(tail).await?;
            if stored == 0 && Instant::now() >= give_up {
                return Err(Error::unavailable(anyhow::anyhow!("room {room}: other replicas took every number")));
            }
            appending.settle(tail, last, trusting).await
        };
        match round.await {
            // Other replicas' word saves a round trip, but only every other time: it can't tell a resend.
            Ok(()) => trusting = !trusting,
            Err(error) => {
                *tail = None;
                error.log();
                appending.results.extend(appending.pending.drain(..).map(|_| Err(error.again())));
            }
        }
    }
    appending.results
}

struct Appending<'a> {
    store: &'a dyn Store,
    room: Arc<str>,
    told: &'a watch::Receiver<Tail>,
    pending: Vec<Draft>,
    results: Vec<Result<Stored, Error>>,
}

impl Appending<'_> {
    /// Stores as many of the pending drafts as find their numbers free; tells the end and how many.
    async fn insert(&mut self, tail: &mut Option<Tail>) -> Result<(Tail, usize), Error> {
        let last = match *tail {
            Some(tail) => tail,
            None => self.store.tail(&self.room).await?,
        };
        // A clock that lags behind another replica's must not make history jump back.
        let at = now().max(last.created_at);
        let numbered = (last.seq + 1..).zip(&self.pending);
        let messages: Vec<Message> =
            numbered.map(|(seq, draft)| draft.clone().into_message(Arc::clone(&self.room), seq, at)).collect();
        let stored = self.store.insert(&messages).await?;
        let end = if stored > 0 { Tail { seq: last.seq + stored as u64, created_at: at } } else { last };
        *tail = Some(end);
        self.pending.drain(..stored);
        let messages = messages.into_iter().take(stored);
        self.results.extend(messages.map(|message| Ok(Stored { message: Arc::new(message), resent: false })));
        Ok((end, stored))
    }

    /// Finds out what the first pending draft collided with, if there is one.
    async fn settle(&mut self, tail: &mut Option<Tail>, end: Tail, trusting: bool) -> Result<(), Error> {
        let Some(collided) = self.pending.first() else { return Ok(()) };
        let told = *self.told.borrow();
        if trusting && told.seq > end.seq {
            *tail = Some(told);
            return Ok(());
        }
        // Both at once: every round trip is a chance for other replicas to be quicker again.
        let sent = self.store.find_sent(&self.room, &collided.sender.id, &collided.client_id);
        let (sent, newest) = tokio::join!(sent, self.store.tail(&self.room));
        if let Some(message) = sent? {
            self.pending.remove(0);
            self.results.push(Ok(Stored { message: Arc::new(message), resent: true }));
            return Ok(());
        }
        let newest = newest?;
        if newest.seq <= end.seq {
            // The winner isn't visible yet.
            tokio::time::sleep(BACKOFF).await;
        }
        *tail = Some(newest);
        Ok(())
    }
}

#[cfg(test)]
mod model_tests;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ada() -> User {
        User { id: "1".into(), username: "ada".into() }
    }

    #[test]
    fn content_is_trimmed_and_counted_in_characters() {
        assert_eq!(&*draft(ada(), "  hello \n", None, None).unwrap().content, "hello");
        assert!(draft(ada(), &"ä".repeat(1000), None, None).is_ok());
        assert!(draft(ada(), &"ä".repeat(1001), None, None).is_err());
        assert!(draft(ada(), " \t ", None, None).is_err());
    }

    #[test]
    fn an_error_names_every_wrong_field() {
        let error = draft(ada(), "", Some("video"), Some(&"x".repeat(129))).unwrap_err();
        let names: Vec<_> = error.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content", "messageType", "tempId"]);
    }

    #[test]
    fn a_generated_client_id_is_no_temp_id_and_never_a_senders() {
        assert_eq!(draft(ada(), "x", None, None).unwrap().client_id.temp_id(), None);
        assert_eq!(draft(ada(), "x", None, Some("g:1")).unwrap().client_id.temp_id(), Some("g:1"));
        assert!(ClientId::new(Some("g:1")).as_str().starts_with("t:"));
    }
}
