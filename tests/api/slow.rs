//! Clients that send slowly or read nothing: others don't notice, and they are cut off. `AETHER_LONG=1` has more of them.
use aether_tests::{Options, Stack, Store, User};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// A slow client that is still open after so long was not cut off.
const LIMIT: Duration = Duration::from_secs(40);
/// Memory that one stalled client may cost.
const KIB_EACH: u64 = 256;

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends a byte each second until the gateway has enough of it.
async fn drips(address: String, start: &'static str) {
    let (mut from, mut to) = connect(&address).await.into_split();
    to.write_all(start.as_bytes()).await.unwrap();
    let drip = async {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = from.read_to_end(&mut answer) => {}
    }
}

/// Asks for much more than the kernel keeps, all at once, and reads nothing until the gateway has enough of it.
async fn stops_reading(address: String) {
    const ASK: &[u8] = b"GET /api/docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    let socket = TcpSocket::new_v4().unwrap();
    // So little that it is full soon.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let ask = ASK.repeat(2000);
    // The gateway stops reading, too, so that not even the questions may get through.
    if stream.write_all(&ask).await.is_ok() {
        loop {
            match stream.try_write(b"GET") {
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

#[tokio::test]
async fn slow_clients_and_readers_that_stop_hold_nobody_up_and_are_cut_off() {
    let (slow, stopped) = if std::env::var_os("AETHER_LONG").is_some() { (2000, 100) } else { (300, 30) };
    let stack = Stack::start(&Options { store: Store::Embedded, ..Options::default() });
    let api = stack.api();
    let user = User::register(&api, "quick").await;
    let (address, before) = (stack.urls[0].strip_prefix("http://").unwrap().to_owned(), stack.gateways[0].memory());
    let mut clients = JoinSet::new();
    for _ in 0..slow / 2 {
        clients.spawn(drips(address.clone(), "GET /api/rooms HTTP/1.1\r\nX: "));
        clients.spawn(drips(
            address.clone(),
            "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n",
        ));
    }
    for _ in 0..stopped {
        clients.spawn(stops_reading(address.clone()));
    }
    let (start, mut took, mut memory) = (Instant::now(), Vec::new(), before);
    while !clients.is_empty() {
        assert!(start.elapsed() < LIMIT, "{} stalled clients are still open", clients.len());
        let asked = Instant::now();
        assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
        took.push(asked.elapsed());
        memory = memory.max(stack.gateways[0].memory());
        while clients.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{slow} slow clients and {stopped} that stopped reading, all cut off after {:?}; p99 of {} others {p99:?}; \
         memory {before} to {memory} KiB",
        start.elapsed(),
        took.len()
    );
    let told = stack.gateways[0].metric("aetherconnect_gateway_dropped_clients_total");
    assert_eq!(told, Some(stopped as f64), "those that took nothing are counted");
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
    assert!(memory - before < (slow + stopped) as u64 * KIB_EACH, "{before} to {memory} KiB");
}
