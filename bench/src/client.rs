//! HTTP clients that keep their connections: threads, as there are few of them.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024] })
    }

    /// Sends a request and reads the whole answer; its status.
    pub(crate) fn call(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request)?;
        let mut there = 0;
        loop {
            ensure!(there < self.buffer.len(), "an answer is too long");
            let bytes = self.stream.read(&mut self.buffer[there..])?;
            ensure!(bytes > 0, "the server closed a connection");
            there += bytes;
            if let Some((status, length)) = head(&self.buffer[..there])?
                && there >= length
            {
                return Ok(status);
            }
        }
    }
}

/// Status, and length of head and body, once the head is there.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    match length {
        Some(length) => Ok(Some((status, end + 4 + length?))),
        None => bail!("an answer without a length: {head}"),
    }
}

/// Repeats requests on so many connections until the time is over, each connection one request after the other.
pub(crate) fn repeat(port: u16, requests: &[Vec<u8>], connections: usize, time: Duration) -> Result<u64> {
    let (end, done) = (Instant::now() + time, AtomicU64::new(0));
    each(connections, &|place| {
        let mut client = Client::connect(port)?;
        for request in requests.iter().cycle().skip(place) {
            if Instant::now() >= end {
                break;
            }
            let status = client.call(request)?;
            ensure!(status == 200, "{} answered {status}", String::from_utf8_lossy(request));
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok(done.into_inner())
}

/// Repeats a request on so many connections until the time is over, each connection one after the other, from one thread
/// that never sleeps: to wake a sleeper on another core is dear, and the server would pay for it.
pub(crate) fn saturate(port: u16, request: &[u8], connections: usize, time: Duration) -> Result<u64> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(connections));
    let mut clients = Vec::with_capacity(connections);
    for place in 0..connections {
        let Client { stream, buffer } = Client::connect(port)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(place), Interest::READABLE)?;
        // A request fits into the buffers of a connection that carries nothing else.
        stream.write_all(request)?;
        clients.push((stream, buffer, 0));
    }
    let (end, mut done) = (Instant::now() + time, 0);
    while Instant::now() < end {
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let (stream, buffer, there) = &mut clients[event.token().0];
            loop {
                match stream.read(&mut buffer[*there..]) {
                    Ok(0) => bail!("the server closed a connection, or an answer is too long"),
                    Ok(bytes) => *there += bytes,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
                let Some((status, _)) = head(&buffer[..*there])?.filter(|(_, length)| *there >= *length) else {
                    continue;
                };
                ensure!(status == 200, "{} answered {status}", String::from_utf8_lossy(request));
                (*there, done) = (0, done + 1);
                stream.write_all(request)?;
            }
        }
    }
    Ok(done)
}

/// Sends each request once, over so many connections.
pub(crate) fn once(port: u16, connections: usize, requests: &[Vec<u8>]) -> Result<()> {
    each(connections, &|place| {
        let mut client = Client::connect(port)?;
        for request in requests.iter().skip(place).step_by(connections) {
            let status = client.call(request)?;
            ensure!((200..300).contains(&status), "{} answered {status}", String::from_utf8_lossy(request));
        }
        Ok(())
    })
}

fn each(connections: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|place| scope.spawn(move || work(place))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

/// Sends a request again and again at fixed times while something else runs; the latencies since those times.
pub(crate) fn meanwhile<T>(
    port: u16,
    request: &[u8],
    interval: Duration,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Histogram<u64>)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| -> Result<_> {
            let mut latencies = Histogram::new_with_max(60_000_000, 3)?;
            let mut client = Client::connect(port)?;
            let mut next = Instant::now();
            while !over.load(Ordering::Relaxed) {
                next += interval;
                thread::sleep(next.saturating_duration_since(Instant::now()));
                let status = client.call(request)?;
                ensure!(status == 200, "{status} while others are served");
                latencies.saturating_record(next.elapsed().as_micros() as u64);
            }
            Ok(latencies)
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        let latencies = asking.join().map_err(|_| anyhow!("a client panicked"))??;
        Ok((result?, latencies))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_over_when_head_and_body_are_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(head(answer).unwrap(), Some((200, answer.len())));
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
