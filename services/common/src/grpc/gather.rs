//! A connection over which many calls go at once.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Before it writes, it lets every task go first that is ready to run: what those have to say goes out by the same
/// system call, and the other side reads it by one. Where no task is ready it costs no time.
pub(super) struct Gather<S> {
    stream: S,
    others_went_first: bool,
}

impl<S> Gather<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, others_went_first: false }
    }

    /// Whether it is to be polled again, after the others.
    fn wait(&mut self, cx: &Context<'_>) -> bool {
        if self.others_went_first {
            return false;
        }
        self.others_went_first = true;
        // A task that wakes itself runs after those that are ready already.
        cx.waker().wake_by_ref();
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.wait(cx) { Poll::Pending } else { Pin::new(&mut self.stream).poll_write(cx, bytes) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.wait(cx) { Poll::Pending } else { Pin::new(&mut self.stream).poll_write_vectored(cx, parts) }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// All is written that there was.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.others_went_first = false;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Gather<TcpStream> {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Notes each piece that is written to it.
    struct Pieces(Arc<Mutex<Vec<String>>>);

    impl AsyncWrite for Pieces {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_ready_goes_first_and_then_all_is_written() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut stream = Gather::new(Pieces(Arc::clone(&written)));
        let other = Arc::clone(&written);
        tokio::spawn(async move { other.lock().unwrap().push("another task".to_owned()) });
        stream.write_all(b"one").await.unwrap();
        stream.write_all(b"two").await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"three").await.unwrap();
        assert_eq!(*written.lock().unwrap(), ["another task", "one", "two", "three"]);
    }
}
