//! Connections that can be cut. The Socket.IO library can't close one client's transport: it can only take the client
//! out of a namespace, after which the official client doesn't come back by itself, and not even that while the
//! client's buffer is full.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use dashmap::{DashMap, DashSet};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// A listener whose connections can be cut, one by one or, by `all`, together.
pub(crate) struct WireListener {
    pub(crate) listener: TcpListener,
    pub(crate) all: CancellationToken,
}

/// A TCP connection that looks closed, to both sides of the code that uses it, once it is cut.
pub(crate) struct Wire {
    stream: TcpStream,
    reading: Pin<Box<WaitForCancellationFutureOwned>>,
    writing: Pin<Box<WaitForCancellationFutureOwned>>,
    cut: CancellationToken,
    _over: DropGuard,
}

/// Cuts the connection that a request came over; cancelled, too, when that has ended.
#[derive(Clone)]
pub(crate) struct Cut(pub(crate) CancellationToken);

impl Listener for WireListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        aether_common::net::tune(&stream);
        let cut = self.all.child_token();
        let wire = Wire {
            stream,
            reading: Box::pin(cut.clone().cancelled_owned()),
            writing: Box::pin(cut.clone().cancelled_owned()),
            _over: cut.clone().drop_guard(),
            cut,
        };
        (wire, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, WireListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> Self {
        Self(stream.io().cut.clone())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reading.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.writing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What is needed to end a client's transport, whichever it uses now.
#[derive(Default)]
pub(crate) struct Wires {
    /// Cuts every connection.
    pub(crate) all: CancellationToken,
    /// Connections of clients that went over from polling to websocket, by session.
    upgraded: DashMap<String, Cut>,
    /// Polling sessions that are answered no more.
    ended: DashSet<String>,
}

impl Wires {
    /// Notes the connection that a client goes over to.
    pub(crate) fn upgrade(self: &Arc<Self>, session: &str, cut: Cut) {
        let (wires, session) = (Arc::clone(self), session.to_owned());
        let over = cut.0.clone();
        self.upgraded.insert(session.clone(), cut);
        tokio::spawn(async move {
            over.cancelled().await;
            wires.upgraded.remove_if(&session, |_, cut| cut.0.is_cancelled());
        });
    }

    /// The connection that a client has gone over to.
    pub(crate) fn upgraded(&self, session: &str) -> Option<Cut> {
        self.upgraded.get(session).map(|cut| cut.clone())
    }

    /// Answers a polling session no more.
    pub(crate) fn end(&self, session: &str) {
        self.ended.insert(session.to_owned());
    }

    /// Whether a polling session is answered no more.
    pub(crate) fn has_ended(&self, session: &str) -> bool {
        self.ended.contains(session)
    }

    /// The session is gone for good.
    pub(crate) fn forget(&self, session: &str) {
        self.ended.remove(session);
    }
}
