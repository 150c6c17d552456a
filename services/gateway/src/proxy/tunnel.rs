//! Two connections tied together: bytes are passed on as they come, to the client by turns. One that is idle holds no
//! buffers, and what is passed on at once is never copied.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use aether_common::{
    lock,
    tls::Stream,
    turns::{Turn, Visit},
};
use prometheus::IntCounter;
use tokio::{io::AsyncWrite as _, time::Instant};

use crate::client::{Patience, took_nothing};

/// How much is passed on in one go.
const CHUNK: usize = 64 * 1024;
/// A write to a client costs more than what is in it: what comes so soon after one goes out with what follows it.
const PAUSE: Duration = Duration::from_millis(5);

thread_local! {
    /// Bytes on their way; nothing stays here.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// One end, with what was read from it already.
pub(super) struct End {
    pub(super) stream: Stream,
    pub(super) read: Vec<u8>,
}

/// Passes bytes both ways until either side ends or `dismissal` does; then both are closed. Where that is because
/// nothing was taken for too long, it is counted in `cut_off`. What comes for the client is passed on when its `turn`
/// comes: a replica has thousands of clients' at the same moment.
pub(super) async fn tie(
    client: End,
    replica: End,
    cut_off: IntCounter,
    turn: Arc<Turn>,
    dismissal: impl Future<Output = ()>,
) {
    let tunnel = Arc::new(Tunnel {
        state: Mutex::new(State {
            to_replica: Unsent::new(client.read),
            to_client: Unsent::new(replica.read),
            client: client.stream,
            replica: replica.stream,
            ended: None,
        }),
        to_turn: Waker::from(Arc::clone(&turn)),
        turn,
    });
    tunnel.turn.visits(Arc::downgrade(&tunnel) as Weak<dyn Visit>);
    let ended = tokio::select! {
        ended = std::future::poll_fn(|cx| tunnel.poll(cx)) => ended,
        () = dismissal => Ok(()),
    };
    if let Err(error) = ended {
        if took_nothing(&error) {
            cut_off.inc();
        }
        tracing::debug!(%error, "a websocket broke");
    }
    std::future::poll_fn(|cx| {
        let State { client, replica, .. } = &mut *lock(&tunnel.state);
        // A side that is gone can't be closed any more, and need not be.
        let _ = (Pin::new(client).poll_shutdown(cx), Pin::new(replica).poll_shutdown(cx));
        Poll::Ready(())
    })
    .await;
}

/// What a tunnel's task and its turns share.
struct Tunnel {
    state: Mutex<State>,
    turn: Arc<Turn>,
    to_turn: Waker,
}

struct State {
    client: Stream,
    replica: Stream,
    to_replica: Unsent,
    to_client: Unsent,
    /// The way back has, which the task wasn't told yet.
    ended: Option<io::Result<()>>,
}

impl Tunnel {
    /// Passes on both ways, until one has ended.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn.is_of(cx);
        let Ok(mut state) = self.state.lock() else {
            // Something may be missing.
            return Poll::Ready(Err(io::Error::other("a visit broke off")));
        };
        let state = &mut *state;
        // Whatever one way does, the other is looked at: only then both are waited for.
        let there = pass(cx, &mut state.client, &mut state.replica, &mut state.to_replica, |_| true);
        let now = Instant::now();
        let back = match state.ended.take() {
            Some(ended) => Poll::Ready(ended),
            None if self.turn.comes(now) => self.pass_back(state, now),
            None => Poll::Pending,
        };
        if there.is_ready() { there } else { back }
    }

    fn pass_back(&self, state: &mut State, now: Instant) -> Poll<io::Result<()>> {
        let cx = &mut Context::from_waker(&self.to_turn);
        pass(cx, &mut state.replica, &mut state.client, &mut state.to_client, |read| {
            self.turn.pause(now, PAUSE);
            // One that gets more than others takes more turns.
            read < CHUNK
        })
    }
}

impl Visit for Tunnel {
    fn visit(&self, now: Instant) -> bool {
        // While the task is at work it does this, too, or is woken for it; after a panic it ends.
        let Ok(mut state) = self.state.try_lock() else { return false };
        if state.ended.is_none()
            && let Poll::Ready(ended) = self.pass_back(&mut state, now)
        {
            state.ended = Some(ended);
        }
        state.ended.is_none()
    }
}

/// Bytes that the other side didn't take at once.
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    /// A replica closes the websocket of a client that reads nothing, which isn't seen while its bytes are unsent.
    patience: Patience,
}

impl Unsent {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0, patience: Patience::default() }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let written = to.poll_give(cx, &self.bytes[self.sent..]);
            self.sent += ready!(self.patience.judge(cx, written))?;
        }
        let flushed = Pin::new(to).poll_flush(cx);
        ready!(self.patience.judge(cx, flushed))?;
        if self.sent > 0 {
            *self = Self::new(Vec::new());
        }
        Poll::Ready(Ok(()))
    }
}

/// Passes on until there is nothing to read, or no place to write. Told how much was read, `goes_on` may leave the rest for
/// when `cx` is woken next, which it is at once.
fn pass(
    cx: &mut Context<'_>,
    from: &mut Stream,
    to: &mut Stream,
    unsent: &mut Unsent,
    goes_on: impl Fn(usize) -> bool,
) -> Poll<io::Result<()>> {
    loop {
        ready!(unsent.poll_send(cx, to))?;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(from.poll_take(cx, scratch))?;
            let sent = if let Poll::Ready(sent) = to.poll_give(cx, &scratch[..read]) { sent? } else { 0 };
            unsent.bytes.extend_from_slice(&scratch[sent..read]);
            Poll::Ready(io::Result::Ok(read))
        });
        let read = ready!(read)?;
        if read == 0 {
            return Poll::Ready(Ok(()));
        }
        if !goes_on(read) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use aether_common::turns::Turns;

    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("cut_off", "Those who were.").unwrap()
    }

    async fn pair() -> (TcpStream, End) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, End { stream: Stream::Plain(listener.accept().await.unwrap().0), read: Vec::new() })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everything_arrives_both_ways_however_slowly_it_is_read() {
        let ((mut client, client_end), (mut replica, mut replica_end)) = (pair().await, pair().await);
        replica_end.read = b"first ".to_vec();
        let tied = tokio::spawn(tie(client_end, replica_end, counter(), Turns::new().turn(), std::future::pending()));
        let much: Vec<u8> = (0..5_000_000u32).map(|n| n as u8).collect();
        let sent = much.clone();
        let sending = tokio::spawn(async move {
            replica.write_all(&sent).await.unwrap();
            let mut request = [0; 5];
            replica.read_exact(&mut request).await.unwrap();
            (replica, request)
        });
        client.write_all(b"hello").await.unwrap();
        let mut got = vec![0; 6 + much.len()];
        client.read_exact(&mut got).await.unwrap();
        assert!(got.starts_with(b"first ") && got[6..] == much);
        let (replica, request) = sending.await.unwrap();
        assert_eq!(&request, b"hello");
        drop(replica);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "one end's end is the other's");
        tied.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up_and_its_replica_told() {
        let ((_client, client_end), (mut replica, replica_end)) = (pair().await, pair().await);
        let cut_off = counter();
        let tied =
            tokio::spawn(tie(client_end, replica_end, cut_off.clone(), Turns::new().turn(), std::future::pending()));
        assert!(replica.write_all(&vec![0; 64 << 20]).await.is_err(), "the tunnel is closed");
        tied.await.unwrap();
        assert_eq!(cut_off.get(), 1);
    }

    #[tokio::test]
    async fn a_dismissal_closes_both_ends() {
        let ((mut client, client_end), (mut replica, replica_end)) = (pair().await, pair().await);
        tie(client_end, replica_end, counter(), Turns::new().turn(), std::future::ready(())).await;
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(replica.read(&mut [0]).await.unwrap(), 0);
    }
}
