//! Many Socket.IO clients on one thread: raw frames, one large buffer to read into, no JSON.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::websocket;

/// Larger than all that a server may have under way to one client, so that one read empties a socket.
const BUFFER: usize = 512 * 1024;
/// How long connecting or joining may take without any progress.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a busy server is asked again, in all.
const MOST_REFUSALS: usize = 1000;
const QUIET: Duration = Duration::from_millis(200);

/// What a server said to one client.
pub(crate) enum Packet<'a> {
    Connected,
    /// An event: `["name",…]`.
    Event(&'a [u8]),
    /// An acknowledgement of the event with that number.
    Ack {
        number: usize,
        success: bool,
    },
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Upgrading,
    Open,
    Closed,
}

struct Client {
    stream: TcpStream,
    phase: Phase,
    /// The beginning of a frame whose end has not come yet.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    token: Option<String>,
}

pub(crate) struct Fleet {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    address: SocketAddr,
    refusal: Option<String>,
}

impl Fleet {
    pub(crate) fn new(port: u16) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            buffer: vec![0; BUFFER],
            address: (Ipv4Addr::LOCALHOST, port).into(),
            refusal: None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Connects one more client for each token, so many at once, and waits until the server has let all of them in.
    pub(crate) fn connect(&mut self, tokens: Vec<Option<String>>, at_once: usize) -> Result<()> {
        let (mut waiting, mut connected, wanted) = (tokens.into_iter(), 0, self.len());
        let wanted = wanted + waiting.len();
        let already = self.len();
        let mut last = Instant::now();
        while connected + already < wanted {
            while self.len() - already - connected < at_once
                && let Some(token) = waiting.next()
            {
                self.begin(token)?;
            }
            let (before, mut closed) = (connected, false);
            self.pump(Some(Duration::from_millis(100)), &mut |_, packet, _| match packet {
                Packet::Connected => connected += 1,
                Packet::Closed => closed = true,
                _ => {}
            })?;
            ensure!(!closed, "the server closed a new connection: {:?}", self.refusal);
            if connected > before {
                last = Instant::now();
            }
            ensure!(last.elapsed() < PATIENCE, "{connected} of {} connected, and then no more", wanted - already);
        }
        Ok(())
    }

    fn begin(&mut self, token: Option<String>) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(self.clients.len()), both)?;
        let unsent = websocket::upgrade(&self.address.to_string());
        self.clients.push(Client { stream, phase: Phase::Upgrading, partial: Vec::new(), unsent, token });
        Ok(())
    }

    /// Sends a text to the server, now or as soon as it can be taken.
    pub(crate) fn send(&mut self, client: usize, text: &[u8]) {
        let client = &mut self.clients[client];
        websocket::write_text(&mut client.unsent, text);
        client.flush();
    }

    /// Emits each client's event, so many at once, and waits until all are acknowledged. A server that is too busy for
    /// one is asked again.
    pub(crate) fn call_each(&mut self, calls: impl Iterator<Item = (usize, String)>, at_once: usize) -> Result<()> {
        let mut calls = calls.enumerate();
        let (mut open, mut refusals, mut last) = (HashMap::new(), 0, Instant::now());
        loop {
            while open.len() < at_once
                && let Some((number, (client, call))) = calls.next()
            {
                self.call(client, number, &call);
                open.insert(number, (client, call));
            }
            if open.is_empty() {
                return Ok(());
            }
            let (mut closed, mut refused) = (false, Vec::new());
            self.pump(Some(Duration::from_millis(100)), &mut |_, packet, now| match packet {
                Packet::Ack { number, success: true } => {
                    open.remove(&number);
                    last = now;
                }
                Packet::Ack { number, success: false } => refused.push(number),
                Packet::Closed => closed = true,
                _ => {}
            })?;
            refusals += refused.len();
            for number in refused {
                if let Some((client, call)) = open.get(&number) {
                    self.call(*client, number, call);
                }
            }
            ensure!(!closed, "the server closed a connection: {:?}", self.refusal);
            ensure!(refusals < MOST_REFUSALS, "the server refused an event: {:?}", self.refusal);
            ensure!(last.elapsed() < PATIENCE, "{} events are not acknowledged: {:?}", open.len(), self.refusal);
        }
    }

    fn call(&mut self, client: usize, number: usize, call: &str) {
        self.send(client, format!("42{number}{call}").as_bytes());
    }

    /// Reads until the servers have nothing more to say for a while: what joining causes is not to be measured.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let mut last = Instant::now();
        while last.elapsed() < QUIET {
            self.pump(Some(QUIET / 4), &mut |_, _, now| last = now)?;
        }
        Ok(())
    }

    /// Waits for something to happen, and tells all that the servers said.
    pub(crate) fn pump(
        &mut self,
        wait: Option<Duration>,
        on: &mut impl FnMut(usize, Packet<'_>, Instant),
    ) -> Result<()> {
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.context("poll")?,
        }
        for event in &self.events {
            let index = event.token().0;
            let client = &mut self.clients[index];
            if event.is_writable() {
                client.flush();
            }
            if event.is_readable() && client.phase != Phase::Closed {
                let over = event.is_read_closed();
                let read =
                    client.read(over, &mut self.buffer, &mut self.refusal, &mut |packet, now| on(index, packet, now));
                if read.is_err() {
                    client.phase = Phase::Closed;
                    on(index, Packet::Closed, Instant::now());
                }
            }
        }
        Ok(())
    }
}

impl Client {
    /// A failure shows when the connection is read.
    fn flush(&mut self) {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.stream.write(&self.unsent[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.unsent.drain(..written);
    }

    fn read(
        &mut self,
        over: bool,
        buffer: &mut [u8],
        refusal: &mut Option<String>,
        on: &mut impl FnMut(Packet<'_>, Instant),
    ) -> Result<()> {
        loop {
            let kept = self.partial.len();
            buffer[..kept].copy_from_slice(&self.partial);
            let room = buffer.len() - kept;
            let bytes = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => bail!("closed"),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            // All of it is there now, however long it takes to look through.
            let now = Instant::now();
            let there = &buffer[..kept + bytes];
            let used = self.consume(there, refusal, &mut |packet| on(packet, now))?;
            self.partial.clear();
            self.partial.extend_from_slice(&there[used..]);
            // Less than asked for: there is no more now, and the next byte raises an event. The end has raised it already.
            if bytes < room && !over {
                return Ok(());
            }
        }
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        refusal: &mut Option<String>,
        on: &mut impl FnMut(Packet<'_>),
    ) -> Result<usize> {
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                *refusal = Some(String::from_utf8_lossy(bytes).into_owned());
                bail!("not upgraded");
            }
            self.phase = Phase::Open;
            used = end + 4;
        }
        while let Some(frame) = websocket::frame(&bytes[used..]) {
            let payload = &bytes[used + frame.payload.start..used + frame.payload.end];
            used += frame.payload.end;
            match (frame.opcode, payload) {
                (websocket::TEXT, [b'4', b'2', event @ ..]) => on(Packet::Event(event)),
                (websocket::TEXT, [b'4', b'3', ack @ ..]) => {
                    let success = memmem::find(ack, br#""success":true"#).is_some();
                    if !success {
                        *refusal = Some(String::from_utf8_lossy(ack).into_owned());
                    }
                    let digits = ack.iter().take_while(|byte| byte.is_ascii_digit());
                    let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
                    on(Packet::Ack { number, success });
                }
                (websocket::TEXT, [b'2', ..]) => self.say(b"3"),
                (websocket::TEXT, [b'0', ..]) => {
                    let token = self.token.take().map(|token| format!(r#"{{"token":"{token}"}}"#));
                    self.say(format!("40{}", token.unwrap_or_default()).as_bytes());
                }
                (websocket::TEXT, [b'4', b'0', ..]) => on(Packet::Connected),
                (websocket::TEXT, [b'4', b'1' | b'4', ..]) | (websocket::CLOSE, _) => {
                    *refusal = Some(String::from_utf8_lossy(payload).into_owned());
                    bail!("refused");
                }
                _ => {}
            }
        }
        Ok(used)
    }

    fn say(&mut self, text: &[u8]) {
        websocket::write_text(&mut self.unsent, text);
        self.flush();
    }
}

/// The time that this process took from its core, for all its threads.
pub(crate) fn own_cpu() -> io::Result<f64> {
    crate::servers::cpu_of(std::process::id())
}
