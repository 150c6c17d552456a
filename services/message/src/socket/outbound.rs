//! From a socket's queue to the library's buffer, in order and without leaving anything out.

use std::{sync::Arc, time::Duration};

use socketioxide::{
    SendError, SocketError,
    extract::AckSender,
    handler::{FromMessageParts as _, Value},
    socket::Socket,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{bytes::Bytes, sync::CancellationToken};

use crate::events::Event;

/// A client that takes nothing for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(5);

/// Why sending ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client has gone.
    Gone,
    /// The client doesn't take what it is sent.
    TooSlow,
}

/// Sends until the client goes or is too slow.
pub(super) async fn send(
    socket: Arc<Socket>,
    mut events: mpsc::Receiver<Event>,
    too_slow: CancellationToken,
    ended: CancellationToken,
) -> End {
    loop {
        let event = tokio::select! {
            biased;
            () = too_slow.cancelled() => return End::TooSlow,
            () = ended.cancelled() => return End::Gone,
            event = events.recv() => match event {
                Some(event) => event,
                None => return End::Gone,
            },
        };
        let give_up = Instant::now() + PATIENCE;
        while let Err(error) = hand_over(&socket, &event) {
            match error {
                SendError::Socket(SocketError::InternalChannelFull) if Instant::now() < give_up => {}
                SendError::Socket(SocketError::InternalChannelFull) => return End::TooSlow,
                SendError::Socket(SocketError::Closed) => return End::Gone,
                SendError::Serialize(error) => {
                    tracing::error!(%error, "an event has no JSON form");
                    break;
                }
            }
            tokio::select! {
                () = too_slow.cancelled() => return End::TooSlow,
                () = ended.cancelled() => return End::Gone,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

fn hand_over(socket: &Arc<Socket>, event: &Event) -> Result<(), SendError> {
    match event {
        Event::Named(name, body) => socket.emit(name, body.as_ref()),
        Event::Answer(call, body) => {
            // An acknowledgement that found the buffer full is used up: a new one is made for each attempt.
            let Ok(ack) = AckSender::from_message_parts(socket, &mut Value::Bytes(Bytes::new()), &Some(*call));
            ack.send(body.as_ref())
        }
    }
}
