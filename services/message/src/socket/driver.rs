//! The task of one session: it reads, answers, writes, watches the time, and cleans up.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use aether_common::{Code, Error, guard::Identity, turns::Turn};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    LARGEST_PACKET, PING_INTERVAL, PING_TIMEOUT, Sockets,
    calls::Caller,
    packet::{Nonsense, Packet},
    session::{self, Ending, Session},
    websocket::{Ended, PAUSE, WebSocket},
};
use crate::{
    delivery::Subscriber,
    events::{self, Event},
    frame::{self, Frame},
    model::User,
};

/// How many of a client's packets, and how many bytes of them, may wait to be handled before no more are read.
const INBOX: usize = 64;
const INBOX_BYTES: usize = 2 * LARGEST_PACKET;
/// How long a client may take from the handshake to its token.
const CONNECT: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a closing session may take for what is under way.
const QUIET: Duration = Duration::from_secs(3);
/// How long a client may take to close by itself when it is told to.
const GOODBYE: Duration = Duration::from_millis(500);
/// Close codes of websockets.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

type Step = Pin<Box<dyn Future<Output = Done> + Send>>;

/// The end of something that takes time.
enum Done {
    Called(Caller),
    Checked(Result<Identity, Error>),
}

enum Stage {
    Open,
    /// Nothing more is taken from the client.
    Ending(Ending, Instant),
    /// All is said; the client may close its side.
    Closing(Instant),
}

/// See the module.
pub(super) struct Driver {
    sockets: Arc<Sockets>,
    session: Arc<Session>,
    websocket: Option<WebSocket>,
    posts: Option<mpsc::Receiver<Vec<Packet>>>,
    /// What came and isn't handled yet, and how many bytes that was.
    todo: VecDeque<Packet>,
    todo_bytes: usize,
    step: Option<Step>,
    caller: Option<Caller>,
    subscriber: Option<Arc<Subscriber>>,
    stage: Stage,
    /// The transport is no more.
    gone: bool,
    connect_by: Option<Instant>,
    ping_at: Instant,
    pong_by: Option<Instant>,
    /// When it may write.
    turn: Arc<Turn>,
    to_turn: Waker,
    alarm: Pin<Box<Sleep>>,
}

/// Works until the session is over.
pub(super) async fn run(
    sockets: Arc<Sockets>,
    session: Arc<Session>,
    websocket: Option<WebSocket>,
    posts: Option<mpsc::Receiver<Vec<Packet>>>,
) {
    let now = Instant::now();
    let turn = sockets.turns.turn();
    let mut driver = Driver {
        sockets,
        session,
        websocket,
        posts,
        todo: VecDeque::new(),
        todo_bytes: 0,
        step: None,
        caller: None,
        subscriber: None,
        stage: Stage::Open,
        gone: false,
        connect_by: Some(now + CONNECT),
        ping_at: now + PING_INTERVAL,
        pong_by: None,
        to_turn: Waker::from(Arc::clone(&turn)),
        turn,
        alarm: Box::pin(sleep_until(now + CONNECT)),
    };
    std::future::poll_fn(|cx| driver.poll(cx)).await;
    driver.clean_up();
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.turn.is_of(cx);
        loop {
            let now = Instant::now();
            self.obey(cx, now);
            if let Stage::Closing(deadline) = self.stage {
                return self.poll_closing(cx, deadline);
            }
            let paused = self.read(cx, now);
            self.work(cx);
            if self.gone {
                // What the client sent before it went is still done.
                return if self.step.is_none() { Poll::Ready(()) } else { Poll::Pending };
            }
            self.write(cx, now);
            self.look_at_time(now);
            self.close_if_quiet(cx, now);
            let again = self.gone || matches!(self.stage, Stage::Closing(_)) || (paused && !self.inbox_is_full());
            if !again && self.set_alarm(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Does what others want of this session.
    fn obey(&mut self, cx: &Context<'_>, now: Instant) {
        let (websocket, ending) = self.session.commands(cx.waker());
        if websocket.is_some() {
            self.websocket = websocket;
            // What was posted before comes first; nothing more is taken by POST.
            if let Some(mut posts) = self.posts.take() {
                posts.close();
                while let Ok(packets) = posts.try_recv() {
                    packets.into_iter().for_each(|packet| self.packet(packet, now));
                }
            }
        }
        match ending {
            Some(ending) if matches!(self.stage, Stage::Open) => self.end(ending, now),
            _ => {}
        }
    }

    fn end(&mut self, ending: Ending, now: Instant) {
        let time = match ending {
            Ending::Quiet => QUIET,
            Ending::Revoked => {
                self.todo.clear();
                self.step = None;
                self.session.queue.push(events::error("Session revoked", "session"));
                self.session.queue.push(Event::raw("41"));
                self.session.queue.close();
                GOODBYE
            }
        };
        self.stage = Stage::Ending(ending, now + time);
    }

    /// Reads until nothing more has come, or enough has: then it is `true`.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        while !self.gone {
            if self.inbox_is_full() {
                return true;
            }
            if let Some(websocket) = &mut self.websocket {
                let Poll::Ready(frame) = websocket.poll_frame(cx) else { return false };
                self.frame(cx, frame, now);
            } else if let Some(posts) = &mut self.posts {
                match posts.poll_recv(cx) {
                    Poll::Ready(Some(packets)) => packets.into_iter().for_each(|packet| self.packet(packet, now)),
                    Poll::Ready(None) | Poll::Pending => return false,
                }
            }
        }
        false
    }

    fn inbox_is_full(&self) -> bool {
        self.todo.len() >= INBOX || self.todo_bytes >= INBOX_BYTES
    }

    fn frame(&mut self, cx: &mut Context<'_>, frame: Result<Frame, Ended>, now: Instant) {
        let Some(websocket) = &mut self.websocket else { return };
        match frame {
            Ok(Frame::Text(text)) => match Packet::parse(&text) {
                Ok(packet) => {
                    self.todo_bytes += text.len();
                    self.packet(packet, now);
                }
                Err(Nonsense) => self.hang_up(cx, NORMAL),
            },
            Ok(Frame::Binary) => {} // an event that wanted it has been refused
            Ok(Frame::Ping(data)) => self.gone = websocket.send(|out| frame::pong(out, &data)).is_err(),
            Ok(Frame::Close) => self.hang_up(cx, NORMAL),
            Err(Ended::Gone) => self.gone = true,
            Err(Ended::Violation(violation)) => self.hang_up(cx, violation.code()),
        }
    }

    fn hang_up(&mut self, cx: &mut Context<'_>, code: u16) {
        // Nothing comes after a close.
        self.session.queue.close();
        if let Some(websocket) = &mut self.websocket {
            websocket.close(cx, code);
        }
        self.gone = true;
    }

    fn packet(&mut self, packet: Packet, now: Instant) {
        match packet {
            Packet::Pong => {
                self.pong_by = None;
                self.ping_at = now + PING_INTERVAL;
            }
            Packet::Close => self.gone = true,
            Packet::Ping(_) | Packet::Upgrade | Packet::Noop => {}
            Packet::Disconnect => {
                if matches!(self.stage, Stage::Open) {
                    self.end(Ending::Quiet, now);
                }
            }
            Packet::ConnectElsewhere(namespace) => {
                self.session.queue.push(session::refused(&namespace, "Invalid namespace"));
            }
            Packet::Connect(_) | Packet::Event(_) => {
                if matches!(self.stage, Stage::Open) {
                    self.todo.push_back(packet);
                }
            }
        }
    }

    /// Handles what the client sent, one after the other.
    fn work(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(step) = &mut self.step {
                let Poll::Ready(done) = step.as_mut().poll(cx) else { return };
                self.step = None;
                match done {
                    Done::Called(caller) => self.caller = Some(caller),
                    Done::Checked(checked) => self.checked(checked),
                }
            }
            match self.todo.pop_front() {
                Some(Packet::Connect(auth)) if self.caller.is_none() => {
                    let (sockets, session) = (Arc::clone(&self.sockets), Arc::clone(&self.session));
                    self.step = Some(Box::pin(async move {
                        Done::Checked(sockets.authenticate(&session.sid, auth.as_ref()).await)
                    }));
                }
                Some(Packet::Event(call)) => match self.caller.take() {
                    Some(mut caller) => {
                        self.step = Some(Box::pin(async move {
                            caller.handle(call).await;
                            Done::Called(caller)
                        }));
                    }
                    None => self.gone = true, // one that isn't in has nothing to say
                },
                Some(_) => {}
                None => {
                    (self.todo, self.todo_bytes) = (VecDeque::new(), 0);
                    return;
                }
            }
        }
    }

    /// Lets the client in, or tells it why not.
    fn checked(&mut self, checked: Result<Identity, Error>) {
        let queue = &self.session.queue;
        let identity = match checked {
            Ok(identity) => identity,
            Err(error) => {
                error.log();
                let message = match error.code {
                    Code::Unauthenticated => "Unauthorized",
                    _ => "Service temporarily unavailable",
                };
                return queue.push(session::refused("", message));
            }
        };
        self.connect_by = None;
        let user = User { id: identity.user_id.as_str().into(), username: identity.username.as_str().into() };
        let id = self.sockets.next_id.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(user = &*user.id, socket = id, "connected");
        queue.push(session::connected());
        queue.push(events::connected(&user));
        let subscriber = Subscriber::new(id, user, Arc::clone(queue));
        self.subscriber = Some(Arc::clone(&subscriber));
        self.caller = Some(Caller::new(Arc::clone(&self.sockets), Arc::clone(&self.session), subscriber));
        // Only the first one is let in.
        let _ = self.session.identity.set(identity);
    }

    /// Writes what waits, if it is this client's turn.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(websocket) = &mut self.websocket else { return };
        let queue = &self.session.queue;
        loop {
            if websocket.has_unsent() {
                queue.hold();
            }
            let Poll::Ready(flushed) = websocket.poll_flush(cx) else { return };
            if flushed.is_err() {
                self.gone = true;
                return;
            }
            if queue.wait(&self.to_turn) {
                websocket.channel().into_iter().for_each(|channel| queue.go_straight(channel));
                return;
            }
            // One that can't be waited for has events, or has ended.
            if queue.len() == 0 {
                return;
            }
            if !self.turn.comes(now) {
                return;
            }
            self.gone = websocket.send_events(queue).is_err();
            self.turn.pause(now, PAUSE);
        }
    }

    fn look_at_time(&mut self, now: Instant) {
        let stuck = self.websocket.as_ref().and_then(|websocket| websocket.stuck_at(PATIENCE));
        if self.session.queue.overflowed() || stuck.is_some_and(|at| at <= now) {
            if let Some(subscriber) = &self.subscriber {
                self.sockets.metrics.dropped_sockets.inc();
                tracing::info!(user = &*subscriber.user.id, socket = subscriber.id, "too slow, cut off");
            }
            self.gone = true;
        }
        let overdue = [self.connect_by, self.pong_by].into_iter().flatten().any(|at| at <= now);
        // While its packets wait to be handled, a client's pong may be among them.
        if overdue && self.todo.is_empty() {
            self.gone = true;
        }
        if self.pong_by.is_none() && self.ping_at <= now {
            self.session.queue.push(Event::raw("2"));
            self.pong_by = Some(now + PING_TIMEOUT);
        }
    }

    /// Closes the transport once there is nothing left to say, or no time.
    fn close_if_quiet(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Stage::Ending(ending, deadline) = self.stage else { return };
        let unanswered = ending == Ending::Quiet
            && (self.step.is_some() || !self.todo.is_empty() || self.session.unanswered.load(Ordering::Acquire) > 0);
        let unsent = self.session.queue.len() > 0
            || self.websocket.as_mut().is_some_and(|websocket| websocket.poll_flush(cx).is_pending());
        if (unanswered || unsent) && now < deadline {
            return;
        }
        self.session.queue.close();
        if let Some(websocket) = &mut self.websocket {
            websocket.close(cx, GOING_AWAY);
        }
        self.stage = Stage::Closing(now + GOODBYE);
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.websocket.as_mut().is_some_and(|websocket| websocket.poll_gone(cx).is_ready()) {
            return Poll::Ready(());
        }
        self.alarm.as_mut().reset(deadline);
        self.alarm.as_mut().poll(cx)
    }

    /// Ready if it is time already.
    fn set_alarm(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let ping = if self.pong_by.is_none() { Some(self.ping_at) } else { None };
        let overdue = if self.todo.is_empty() { [self.connect_by, self.pong_by] } else { [None, None] };
        let stuck = self.websocket.as_ref().and_then(|websocket| websocket.stuck_at(PATIENCE));
        let ending = if let Stage::Ending(_, deadline) = self.stage { Some(deadline) } else { None };
        let times = [ping, overdue[0], overdue[1], stuck, ending];
        let Some(first) = times.into_iter().flatten().min() else { return Poll::Pending };
        if first <= now {
            return Poll::Ready(());
        }
        // One that rings too early does no harm; setting it each time would cost.
        if first < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(first);
        }
        ready!(self.alarm.as_mut().poll(cx));
        Poll::Ready(())
    }

    fn clean_up(&self) {
        self.session.queue.close();
        self.sockets.sessions.remove(&self.session.sid);
        if let Some(subscriber) = &self.subscriber {
            tracing::debug!(user = &*subscriber.user.id, socket = subscriber.id, "disconnected");
        }
    }
}
