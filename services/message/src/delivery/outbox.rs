//! What was sent in a room and isn't stored yet. One batch is under way at a time; what comes meanwhile is the next
//! one, so that under load many messages share a round trip.

use std::{
    collections::{HashSet, VecDeque},
    future::pending,
    sync::Arc,
    time::Duration,
};

use aether_common::Error;
use rand::RngExt as _;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{Hub, Sending, SocketId};
use crate::{
    messages::{self, Stored},
    model::{ClientId, Message, Tail},
    rooms,
    store::DEADLINE,
};

/// The most messages that are stored in one go.
pub(crate) const BATCH: usize = 128;
/// More than this many stay in the room's queue.
const WAITING: usize = 512;
/// For so long after another replica's message, this one leaves others a chance between its batches.
const CONTENDED: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// While the store fails, what has waited longer is refused rather than to wait for another failure: senders are told
/// within three seconds.
const WHILE_FAILING: Duration = Duration::from_millis(400);

/// A batch that is done: everybody has been answered.
pub(super) struct Appended {
    /// What is safe now, and which socket sent it.
    pub(super) stored: Vec<(Stored, Option<SocketId>)>,
    /// The room's end, if it is known.
    pub(super) tail: Option<Tail>,
    /// Something may have been stored whose sender was told that it failed.
    pub(super) in_doubt: bool,
    took: Duration,
}

/// Messages on their way into the store.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Sending>,
    /// On its own: what else the room waits for mustn't keep senders waiting.
    appending: Option<JoinHandle<Appended>>,
    /// Sender and client id of what is under way, or done and not handed out yet.
    in_flight: HashSet<(Arc<str>, ClientId)>,
    contended_until: Option<Instant>,
    start_at: Option<Instant>,
    /// The newest end that other replicas have told of.
    told: watch::Sender<Tail>,
}

impl Outbox {
    pub(super) fn push(&mut self, sending: Sending) {
        self.waiting.push_back(sending);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.appending.is_none()
    }

    /// Whether a batch is under way.
    pub(super) fn is_appending(&self) -> bool {
        self.appending.is_some()
    }

    /// Whether a message is on its way to its sender's answer: the store may show it before.
    pub(super) fn is_in_flight(&self, message: &Message) -> bool {
        !self.in_flight.is_empty() && self.in_flight.contains(&key(message))
    }

    /// A message of the batch that is done is handed out now.
    pub(super) fn landed(&mut self, message: &Message) {
        self.in_flight.remove(&key(message));
    }

    /// Another replica stores messages in this room, too.
    pub(super) fn contended(&mut self, end: Tail) {
        self.contended_until = Some(Instant::now() + CONTENDED);
        self.told.send_if_modified(|told| {
            let newer = end.seq > told.seq;
            if newer {
                *told = end;
            }
            newer
        });
    }

    /// When the next batch may start, if one waits.
    pub(super) fn start_at(&self) -> Option<Instant> {
        if self.waiting.is_empty() || self.appending.is_some() { None } else { self.start_at }
    }

    /// Starts the next batch, if it is time.
    pub(super) fn start(&mut self, hub: &Arc<Hub>, room: &str, tail: Option<Tail>, failing: bool) {
        let now = Instant::now();
        if self.waiting.is_empty() || self.appending.is_some() || self.start_at.is_some_and(|at| at > now) {
            return;
        }
        let batch: Vec<Sending> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        self.in_flight = batch.iter().map(|s| (s.draft.sender.id.clone(), s.draft.client_id.clone())).collect();
        let told = self.told.subscribe();
        let patience = if failing { WHILE_FAILING } else { DEADLINE };
        self.appending = Some(hub.tasks.spawn(append(Arc::clone(hub), room.to_owned(), tail, told, batch, patience)));
    }

    /// Waits for the batch that is under way.
    pub(super) async fn finished(&mut self) -> Appended {
        let Some(appending) = self.appending.as_mut() else { return pending().await };
        let appended = appending.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a batch broke off");
            Appended { stored: Vec::new(), tail: None, in_doubt: true, took: Duration::ZERO }
        });
        self.appending = None;
        // What ended in doubt is nobody's here any more: if it is stored, it is found in the store.
        self.in_flight = appended.stored.iter().map(|(stored, _)| key(&stored.message)).collect();
        let now = Instant::now();
        // A replica whose batches follow each other at once always knows the next number, and would starve the rest.
        self.start_at = self.contended_until.filter(|until| *until > now).map(|_| {
            let longest = (2 * appended.took).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            now + rand::rng().random_range(Duration::ZERO..longest)
        });
        appended
    }
}

fn key(message: &Message) -> (Arc<str>, ClientId) {
    (message.sender.id.clone(), message.client_id.clone())
}

async fn append(
    hub: Arc<Hub>,
    room: String,
    mut tail: Option<Tail>,
    told: watch::Receiver<Tail>,
    batch: Vec<Sending>,
    patience: Duration,
) -> Appended {
    let started = Instant::now();
    let Some(batch) = admit(&hub, &room, batch, patience).await else {
        return Appended { stored: Vec::new(), tail, in_doubt: true, took: started.elapsed() };
    };
    let drafts: Vec<_> = batch.iter().map(|sending| sending.draft.clone()).collect();
    let mut appended = Appended { stored: Vec::new(), tail, in_doubt: false, took: Duration::ZERO };
    if drafts.is_empty() {
        return appended;
    }
    let timer = hub.metrics.append_seconds.start_timer();
    let results = messages::append(hub.store.as_ref(), &room, &mut tail, &told, drafts).await;
    timer.observe_duration();
    for (sending, result) in batch.into_iter().zip(results) {
        (sending.answer)(result.as_ref());
        match result {
            Ok(stored) => appended.stored.push((stored, sending.origin)),
            Err(_) => appended.in_doubt = true,
        }
    }
    Appended { tail, took: started.elapsed(), ..appended }
}

/// Refuses what has waited too long and what strangers send; everything, and `None` is left, when the store fails.
async fn admit(hub: &Hub, room: &str, batch: Vec<Sending>, patience: Duration) -> Option<Vec<Sending>> {
    let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|s| s.since.elapsed() < patience);
    for sending in late {
        (sending.answer)(Err(&Error::unavailable(anyhow::anyhow!("waited too long for the room"))));
    }
    if batch.is_empty() {
        return Some(batch);
    }
    let senders = batch.iter().map(|s| s.draft.sender.id.clone()).collect();
    let members = match hub.store.members_among(room, senders).await {
        Ok(members) => members,
        Err(error) => {
            error.log();
            batch.into_iter().for_each(|sending| (sending.answer)(Err(&error.again())));
            return None;
        }
    };
    let (admitted, strangers): (Vec<_>, Vec<_>) = batch.into_iter().partition(|s| members.contains(&s.draft.sender.id));
    for sending in strangers {
        (sending.answer)(Err(&rooms::no_member(&sending.room)));
    }
    Some(admitted)
}
