//! The connection of a client: one that takes nothing is given up, and one that asks much takes its turn.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A client that takes nothing of what is sent to it for so long is cut off; one of the unit tests, sooner.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// How long writing has come to nothing. HTTP libraries don't limit that, and not every kernel gives up on a peer that
/// reads nothing but still acknowledges.
#[derive(Default)]
pub(crate) struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// The outcome of an attempt to write: an error once none has succeeded for too long.
    pub(crate) fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.0 = None;
            return written;
        }
        let over = self.0.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(over.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether a connection ended because nothing was taken over it, as [`Patience`] or the kernel found.
pub(crate) fn took_nothing(error: &(dyn std::error::Error + 'static)) -> bool {
    let error_itself = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    error_itself || error.source().is_some_and(took_nothing)
}

/// Whether everything that a client has sent so far was read. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Lets other clients go first where requests follow each other without a pause. The library answers many of one
    /// connection before it turns to another.
    pub(crate) async fn take(&self) {
        if !self.0.swap(false, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
    }
}

/// A stream that ends when its client takes nothing.
pub(crate) struct Client {
    stream: TcpStream,
    patience: Patience,
    turn: Turn,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, patience: Patience::default(), turn: Turn::default() }
    }

    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            self.turn.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.patience.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.patience.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up_even_where_its_kernel_still_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _reads_nothing = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut client = Client::new(listener.accept().await.unwrap().0);
        let error = client.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert!(took_nothing(&error));
    }

    #[tokio::test]
    async fn the_first_request_after_a_pause_waits_for_nobody_and_the_next_lets_others_go_first() {
        let turn = Turn(Arc::new(AtomicBool::new(true)));
        let mut next = std::pin::pin!(turn.take());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(next.as_mut().poll(&mut cx).is_ready());
        let mut next = std::pin::pin!(turn.take());
        assert!(next.as_mut().poll(&mut cx).is_pending());
    }
}
