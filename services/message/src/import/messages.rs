//! Messages: each gets the next number of its room, in order of time.

use aether_common::Error;
use chrono::{SubsecRound as _, TimeDelta};

use super::{Answer, Message, id_of};
use crate::{
    messages,
    model::{self, ClientId, User},
    store::ImportStore,
};

/// What is older than the newest message by more can't follow it. Less comes of clocks that differ.
const SKEW: TimeDelta = TimeDelta::minutes(1);
/// How often others may be quicker.
const ATTEMPTS: usize = 20;

/// Stores those messages that aren't there.
pub(super) async fn import(
    store: &dyn ImportStore,
    room: &str,
    old: &[Message],
    dry_run: bool,
) -> Result<Answer, Error> {
    let mut drafts = Vec::with_capacity(old.len());
    for (index, message) in old.iter().enumerate() {
        match checked(room, message) {
            Ok(draft) => drafts.push((index, draft)),
            Err(error) => return Ok(Answer::Refused { index, fields: error.fields }),
        }
    }
    let ids: Vec<_> = drafts.iter().map(|(_, draft)| draft.id.to_string()).collect();
    let mut seen = store.messages_among(&ids).await?;
    // The same message twice in what was asked for is one, too.
    drafts.retain(|(_, draft)| seen.insert(draft.id.to_string()));
    let (there, made) = (old.len() - drafts.len(), drafts.len());
    for _ in 0..ATTEMPTS {
        let Some((index, first)) = drafts.first() else { break };
        let tail = store.tail(room).await?;
        if tail.seq > 0 && first.created_at + SKEW < tail.created_at {
            let mend = format!(
                "is older than the room's newest message here ({}), and numbers follow time: import before anybody \
                 writes here, in one go or the older part first",
                tail.created_at.to_rfc3339()
            );
            return Ok(Answer::Refused { index: *index, fields: vec![("createdAt".to_owned(), mend)] });
        }
        if dry_run {
            break;
        }
        let stored = store.insert(&numbered(&drafts, tail)).await?;
        drafts.drain(..stored);
    }
    if !dry_run && !drafts.is_empty() {
        return Err(Error::unavailable(anyhow::anyhow!("room {room}: others write here at the same time")));
    }
    Ok(Answer::Messages { made, there })
}

fn numbered(drafts: &[(usize, model::Message)], mut tail: model::Tail) -> Vec<model::Message> {
    let next = |(_, draft): &(usize, model::Message)| {
        // Time doesn't jump back within a room.
        tail = model::Tail { seq: tail.seq + 1, created_at: tail.created_at.max(draft.created_at) };
        model::Message { seq: tail.seq, created_at: tail.created_at, ..draft.clone() }
    };
    drafts.iter().map(next).collect()
}

/// A message without its number.
fn checked(room: &str, old: &Message) -> Result<model::Message, Error> {
    let sender = User { id: old.user_id.as_str().into(), username: old.username.trim().into() };
    let draft = messages::draft(sender, &old.content, Some(&old.message_type), None)?;
    Ok(model::Message {
        id: id_of("message", &old.id).into(),
        client_id: ClientId::imported(&old.id),
        created_at: old.created_at.trunc_subsecs(3),
        ..draft.into_message(room, 0, old.created_at)
    })
}
