//! Socket.IO by websocket, for tests with many sockets that come and go. A failure is an error here, not a panic:
//! whoever tests faults goes on.

use crate::{Api, User};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const LIMIT: Duration = Duration::from_secs(5);

/// A connected socket.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_call: u64,
}

/// What the server says.
#[derive(Debug)]
pub enum Packet {
    /// An event: its name and payload.
    Event(String, Value),
    /// The answer to a call, by the call's number.
    Answer(u64, Value),
}

/// Why a socket isn't there, or not any more.
pub type Reason = String;

impl WebSocket {
    /// Gets a WebSocket token and connects; either may take five seconds.
    pub async fn connect(api: &Api, user: &User) -> Result<Self, Reason> {
        let request = api.request(reqwest::Method::GET, "/api/auth/ws-token").bearer_auth(&user.token);
        let answer = api.try_send(request.timeout(LIMIT)).await.map_err(|error| format!("{error:?}"))?;
        let Some(token) = answer.body["token"].as_str() else {
            return Err(format!("no token: {} {}", answer.status, answer.body));
        };
        match tokio::time::timeout(LIMIT, Self::open(&api.url, token)).await {
            Ok(opened) => opened,
            Err(_) => Err("no connection in time".to_owned()),
        }
    }

    async fn open(url: &str, token: &str) -> Result<Self, Reason> {
        let url = format!("{}/socket/?EIO=4&transport=websocket", url.replacen("http", "ws", 1));
        let (stream, _) = tokio_tungstenite::connect_async(url).await.map_err(|error| error.to_string())?;
        let mut socket = Self { stream, next_call: 0 };
        socket.text().await?; // the handshake
        socket.write(format!("40{}", json!({"token": token}))).await?;
        let answer = socket.text().await?;
        if !answer.starts_with("40") {
            return Err(answer);
        }
        // By this the server says that it listens.
        while !socket.text().await?.starts_with("42[\"connected\"") {}
        Ok(socket)
    }

    /// Emits an event without an acknowledgement.
    pub async fn emit(&mut self, event: &str, payload: Value) -> Result<(), Reason> {
        self.write(format!("42{}", json!([event, payload]))).await
    }

    /// Emits an event; the number is that of the answer to come.
    pub async fn call(&mut self, event: &str, payload: Value) -> Result<u64, Reason> {
        self.next_call += 1;
        self.write(format!("42{}{}", self.next_call, json!([event, payload]))).await?;
        Ok(self.next_call)
    }

    /// The next event or answer; an error once the connection is over.
    pub async fn next(&mut self) -> Result<Packet, Reason> {
        loop {
            let text = self.text().await?;
            let Some(packet) = text.strip_prefix('4') else { continue };
            let json = packet.find('[').map(|at| (&packet[..at], serde_json::from_str(&packet[at..])));
            match json {
                Some((head, Ok(Value::Array(mut body)))) if head.starts_with('2') => {
                    let payload = body.pop().unwrap_or_default();
                    let name = body.pop().and_then(|name| name.as_str().map(str::to_owned));
                    return Ok(Packet::Event(name.unwrap_or_default(), payload));
                }
                Some((head, Ok(Value::Array(mut body)))) if head.starts_with('3') => {
                    return Ok(Packet::Answer(head[1..].parse().unwrap_or_default(), body.pop().unwrap_or_default()));
                }
                _ => return Err(text),
            }
        }
    }

    /// The payload of the next event of this name; what comes before it is left out. Panics after `limit`.
    pub async fn next_event(&mut self, name: &str, limit: Duration) -> Value {
        let found = tokio::time::timeout(limit, async {
            loop {
                match self.next().await {
                    Ok(Packet::Event(event, payload)) if event == name => return payload,
                    Ok(_) => {}
                    Err(reason) => panic!("waited for {name}, but the socket ended: {reason}"),
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {name} within {limit:?}"))
    }

    /// The answer to a call; what comes before it is left out. Panics after `limit`.
    pub async fn answer(&mut self, event: &str, payload: Value, limit: Duration) -> Value {
        let number = self.call(event, payload).await.unwrap_or_else(|reason| panic!("{event}: {reason}"));
        let found = tokio::time::timeout(limit, async {
            loop {
                match self.next().await {
                    Ok(Packet::Answer(answered, body)) if answered == number => return body,
                    Ok(_) => {}
                    Err(reason) => panic!("waited for the answer to {event}, but the socket ended: {reason}"),
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no answer to {event} within {limit:?}"))
    }

    async fn write(&mut self, text: String) -> Result<(), Reason> {
        self.stream.send(Message::text(text)).await.map_err(|error| error.to_string())
    }

    async fn text(&mut self) -> Result<String, Reason> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.write("3".to_owned()).await?,
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(_))) | None => return Err("closed".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }
}
