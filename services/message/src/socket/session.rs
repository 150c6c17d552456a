//! One Engine.IO session: what its transports, its task and the rest of the service share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
};

use aether_common::guard::Identity;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    LARGEST_PACKET, PING_INTERVAL, PING_TIMEOUT,
    packet::{Packet, SEPARATOR},
    websocket::WebSocket,
};
use crate::{delivery::queue::Queue, events::Event};

/// How a session is to end from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// After what the client sent is answered. The client comes back by itself.
    Quiet,
    /// The client is told that its login is over, and doesn't come back by itself.
    Revoked,
}

/// A session.
pub(super) struct Session {
    /// What its requests are known by: a secret of the client's.
    pub(super) sid: String,
    pub(super) queue: Arc<Queue>,
    /// Whose it is, once that is known.
    pub(super) identity: OnceLock<Identity>,
    /// Messages that were sent and aren't answered yet.
    pub(super) unanswered: AtomicUsize,
    /// Where packets go that come by POST; only of one that began by polling.
    posts: Option<mpsc::Sender<Vec<Packet>>>,
    /// A GET is waiting.
    polled: AtomicBool,
    /// The client is going over to a websocket.
    upgrading: AtomicBool,
    control: Mutex<Control>,
}

/// What the session's task is to do.
#[derive(Default)]
pub(super) struct Control {
    pub(super) websocket: Option<WebSocket>,
    pub(super) ending: Option<Ending>,
    task: Option<Waker>,
}

/// A poll while another one waits.
#[derive(Debug)]
pub(super) struct Overlap;

impl Session {
    pub(super) fn new(posts: Option<mpsc::Sender<Vec<Packet>>>) -> Arc<Self> {
        Arc::new(Self {
            sid: id(),
            queue: Arc::default(),
            identity: OnceLock::new(),
            unanswered: AtomicUsize::new(0),
            posts,
            polled: AtomicBool::new(false),
            upgrading: AtomicBool::new(false),
            control: Mutex::default(),
        })
    }

    /// The packet that opens the session.
    pub(super) fn open_packet(&self) -> String {
        let upgrades: &[&str] = if self.posts.is_some() { &["websocket"] } else { &[] };
        let open = json!({
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": PING_INTERVAL.as_millis() as u64,
            "pingTimeout": PING_TIMEOUT.as_millis() as u64,
            "maxPayload": LARGEST_PACKET,
        });
        format!("0{open}")
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the task is to do, after which it is woken by more.
    pub(super) fn commands(&self, task: &Waker) -> (Option<WebSocket>, Option<Ending>) {
        let mut control = self.control();
        match &mut control.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
        (control.websocket.take(), control.ending.take())
    }

    /// Wakes the task: something that it waits for may be so.
    pub(super) fn wake(&self) {
        self.command(|_| {});
    }

    fn command(&self, command: impl FnOnce(&mut Control)) {
        let task = {
            let mut control = self.control();
            command(&mut control);
            control.task.clone()
        };
        task.inspect(Waker::wake_by_ref);
    }

    /// Ends the session; the first word counts.
    pub(super) fn end(&self, ending: Ending) {
        self.command(|control| {
            control.ending.get_or_insert(ending);
        });
    }

    /// A message has been answered.
    pub(super) fn answered(&self) {
        if self.unanswered.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake(); // to end, it may be
        }
    }

    /// Packets that came by POST; waits while the client is ahead of what is handled. `false` if it has gone.
    pub(super) async fn receive(&self, packets: Vec<Packet>) -> bool {
        match &self.posts {
            Some(posts) => posts.send(packets).await.is_ok(),
            None => false,
        }
    }

    /// The next packets for a GET, when there are some.
    pub(super) async fn poll(&self) -> Result<String, Overlap> {
        if self.polled.swap(true, Ordering::AcqRel) {
            return Err(Overlap);
        }
        let _polled = Polled(self);
        Ok(std::future::poll_fn(|cx| {
            // What waits goes over the websocket then, and its task is to be woken by it.
            let nothing = !self.is_upgrading() && self.queue.wait(cx.waker());
            // Asked again when the waker is in place, lest the beginning of the change be missed.
            if self.is_upgrading() {
                return Poll::Ready("6".to_owned());
            }
            if nothing { Poll::Pending } else { Poll::Ready(self.payload()) }
        })
        .await)
    }

    fn payload(&self) -> String {
        let mut payload = Vec::new();
        self.queue.take(|event| {
            if !payload.is_empty() && payload.len() + event.bytes().len() >= LARGEST_PACKET {
                return false;
            }
            if !payload.is_empty() {
                payload.push(SEPARATOR as u8);
            }
            payload.extend_from_slice(event.bytes());
            true
        });
        self.wake();
        if payload.is_empty() {
            return "1".to_owned();
        }
        String::from_utf8_lossy(&payload).into_owned()
    }

    /// Whether the client is going over to a websocket.
    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrading.load(Ordering::Acquire)
    }

    /// The client tries a websocket: a GET that waits is let go. `false` if it does so already, or can't.
    pub(super) fn try_upgrade(&self) -> bool {
        let begun = self.posts.is_some() && !self.upgrading.swap(true, Ordering::AcqRel);
        if begun {
            self.queue.nudge();
        }
        begun
    }

    /// The client stays with polling after all.
    pub(super) fn give_up_upgrade(&self) {
        self.upgrading.store(false, Ordering::Release);
    }

    /// From now on everything goes over the websocket.
    pub(super) fn upgrade(&self, websocket: WebSocket) {
        self.command(|control| control.websocket = Some(websocket));
    }
}

struct Polled<'a>(&'a Session);

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.polled.store(false, Ordering::Release);
    }
}

/// A new id that nobody can guess.
pub(super) fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The packet that lets a client in.
pub(super) fn connected() -> Event {
    Event::raw(format!("40{{\"sid\":\"{}\"}}", id()))
}

/// The packet that refuses a client, or a namespace.
pub(super) fn refused(namespace: &str, message: &str) -> Event {
    let comma = if namespace.is_empty() { "" } else { "," };
    Event::raw(format!("44{namespace}{comma}{}", json!({"message": message})))
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    /// Tells whether it was woken.
    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[tokio::test]
    async fn a_get_after_the_change_to_a_websocket_is_let_go_and_takes_nobodys_place() {
        let session = Session::new(Some(mpsc::channel(1).0));
        assert!(session.try_upgrade());
        let task = Arc::new(Task::default());
        assert!(session.queue.wait(&Waker::from(Arc::clone(&task))));
        assert!(matches!(session.poll().await.as_deref(), Ok("6")));
        session.queue.push(Event::raw("2"));
        assert!(task.0.load(Ordering::Acquire), "the websocket's task is not woken");
    }
}
