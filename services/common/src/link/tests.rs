#![allow(clippy::unwrap_used)]
use std::{future::poll_fn, time::Duration};

use futures::future::join_all;
use proptest::{collection::vec, prelude::*};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    frame::{Frame, LARGEST},
    *,
};
use crate::tls;

/// A server of links, and what it has accepted.
struct Side {
    address: std::net::SocketAddr,
    acceptor: Acceptor,
    accepted: mpsc::UnboundedReceiver<Channel>,
    stop: CancellationToken,
}

impl Side {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (acceptor, accepted) = Acceptor::new(stop.clone());
        let routes = acceptor.routes();
        tokio::spawn(async move { axum::serve(tls::Listener::new(listener, None), routes).await });
        Self { address, acceptor, accepted, stop }
    }

    async fn connect(&self) -> Stream {
        tls::connect(self.address, None).await.unwrap()
    }

    async fn link(&self) -> Link {
        connect(self.connect().await).await.unwrap().unwrap()
    }

    async fn accept(&mut self) -> Stream {
        Stream::Channel(timeout(Duration::from_secs(10), self.accepted.recv()).await.unwrap().unwrap())
    }

    /// A link and both ends of a channel of it.
    async fn pair(&mut self) -> (Link, Stream, Stream) {
        let link = self.link().await;
        let near = Stream::Channel(link.open().unwrap());
        let far = self.accept().await;
        (link, near, far)
    }
}

/// A connection that has agreed to be a link, for frames written by hand.
async fn by_hand(side: &Side) -> TcpStream {
    let mut stream = TcpStream::connect(side.address).await.unwrap();
    let asked = "GET /channels HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: aetherconnect-channels/3\r\n\r\n";
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

fn frame(channel: u32, kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, channel, kind, body);
    out
}

fn numbers(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + seed) as u8).collect()
}

/// Writes until nothing more is taken, and tells how much was.
async fn fill_up(stream: &mut Stream) -> usize {
    let mut given = 0;
    loop {
        match poll_fn(|cx| Poll::Ready(stream.poll_give(cx, &[7; 10_000]))).await {
            Poll::Pending => return given,
            Poll::Ready(more) => given += more.unwrap(),
        }
    }
}

#[tokio::test]
async fn what_is_written_to_a_channel_comes_to_it_in_order_both_ways() {
    let mut side = Side::start().await;
    let link = side.link().await;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (mut from, mut to) = tokio::io::split(Stream::Channel(link.open().unwrap()));
        let (mut back, mut there) = tokio::io::split(side.accept().await);
        tokio::spawn(async move {
            tokio::io::copy(&mut back, &mut there).await.unwrap();
            there.shutdown().await.unwrap();
        });
        clients.spawn(async move {
            let sent = numbers(n, 500_000);
            let written = async {
                to.write_all(&sent).await.unwrap();
                to.shutdown().await.unwrap();
            };
            let mut came = Vec::new();
            let (read, ()) = tokio::join!(from.read_to_end(&mut came), written);
            read.unwrap();
            assert!(came == sent, "channel {n} has not what was sent");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn a_channel_that_is_not_read_takes_its_window_and_holds_up_no_other() {
    let mut side = Side::start().await;
    let (link, mut near, mut far) = side.pair().await;
    assert_eq!(fill_up(&mut far).await, WINDOW);
    let (mut other, mut others_end) = (Stream::Channel(link.open().unwrap()), side.accept().await);
    others_end.write_all(b"at once").await.unwrap();
    let mut came = [0; 7];
    other.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"at once");
    assert!(timeout(Duration::from_millis(50), far.write_u8(0)).await.is_err(), "more than the window was taken");
    near.read_exact(&mut vec![0; WINDOW]).await.unwrap();
    timeout(Duration::from_secs(10), far.write_u8(0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_side_that_ends_its_half_still_gets_the_other() {
    let mut side = Side::start().await;
    let (_link, mut near, mut far) = side.pair().await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut all = String::new();
    far.read_to_string(&mut all).await.unwrap();
    far.write_all(b"answer").await.unwrap();
    drop(far);
    near.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "questionanswer");
}

#[tokio::test]
async fn a_channel_that_is_dropped_ends_for_its_reader_and_takes_nothing_more() {
    let mut side = Side::start().await;
    let (link, near, mut far) = side.pair().await;
    fill_up(&mut far).await;
    let waits = tokio::spawn(async move {
        let refused = far.write_u8(0).await.unwrap_err();
        let end = far.read(&mut [0; 10]).await.unwrap();
        (refused.kind(), end)
    });
    drop(near);
    assert_eq!(waits.await.unwrap(), (io::ErrorKind::BrokenPipe, 0));
    assert!(lock(&link.0).has_place(), "the other channels of the link stay");
    assert!(lock(&link.0).ends.is_empty(), "what is over is still kept");
}

#[tokio::test]
async fn with_its_connection_every_channel_breaks_on_both_sides() {
    let mut side = Side::start().await;
    let mut stream = by_hand(&side).await;
    stream.write_all(&frame(1, Kind::Open, &[])).await.unwrap();
    stream.write_all(&frame(1, Kind::Data, b"last")).await.unwrap();
    let mut far = side.accept().await;
    drop(stream);
    let mut last = [0; 4];
    far.read_exact(&mut last).await.unwrap();
    assert_eq!(&last, b"last");
    assert_eq!(far.read(&mut last).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(far.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tls::connect(listener.local_addr().unwrap(), None).await.unwrap();
    let link = Link::over(stream, Vec::new());
    let mut near = Stream::Channel(link.open().unwrap());
    drop(listener.accept().await.unwrap());
    assert!(near.read(&mut last).await.is_err());
    assert!(!lock(&link.0).has_place() && link.open().is_none());
}

#[tokio::test]
async fn after_stop_what_was_given_is_sent_and_no_channel_is_accepted() {
    let mut side = Side::start().await;
    let (link, mut near, mut far) = side.pair().await;
    far.write_all(b"goodbye").await.unwrap();
    side.stop.cancel();
    let mut refused = None;
    // The other side learns of it when it asks.
    while refused.is_none() {
        tokio::task::yield_now().await;
        let mut channel = Stream::Channel(link.open().unwrap());
        refused = timeout(Duration::from_millis(20), channel.read(&mut [0])).await.ok();
    }
    assert_eq!(refused.unwrap().unwrap(), 0);
    drop(far);
    while side.accepted.try_recv().is_ok() {}
    timeout(Duration::from_secs(10), side.acceptor.closed()).await.unwrap();
    let mut last = String::new();
    near.read_to_string(&mut last).await.unwrap();
    assert_eq!(last, "goodbye");
}

#[tokio::test]
async fn a_link_that_nobody_needs_closes_its_connection_after_its_last_channel() {
    let mut side = Side::start().await;
    let (link, mut near, mut far) = side.pair().await;
    drop(link);
    near.write_all(b"still").await.unwrap();
    far.read_exact(&mut [0; 5]).await.unwrap();
    drop((near, far));
    side.stop.cancel();
    timeout(Duration::from_secs(10), side.acceptor.closed()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_serves_no_links_is_told_apart_from_one_that_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
    assert!(connect(tls::connect(address, None).await.unwrap()).await.unwrap().is_none());
    let side = Side::start().await;
    let mut stream = TcpStream::connect(side.address).await.unwrap();
    stream.write_all(b"GET /channels HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test]
async fn a_side_that_breaks_the_rules_loses_its_connection() {
    let open = frame(1, Kind::Open, &[]);
    let full = frame(1, Kind::Data, &[0; LARGEST]);
    let too_much = [open.clone(), full.repeat(WINDOW / LARGEST), frame(1, Kind::Data, b"x")].concat();
    let odd = [
        ("a channel that was never opened", frame(1, Kind::Data, b"x")),
        ("one that is opened twice", open.repeat(2)),
        ("a number used again", [frame(9, Kind::Open, &[]), frame(8, Kind::Open, &[])].concat()),
        ("more than the window", too_much),
        ("more credit than the window", [open.clone(), frame(1, Kind::Credit, &1u32.to_be_bytes())].concat()),
        ("data after the end", [open.clone(), frame(1, Kind::End, &[]), frame(1, Kind::Data, b"x")].concat()),
        ("a feed of the side that has none", [open.clone(), frame(1, Kind::Feed, b"x")].concat()),
        ("one that is followed there", [open.clone(), frame(1, Kind::Follow, &1u32.to_be_bytes())].concat()),
        ("a kind that is none", vec![0, 0, 0, 1, 77, 0, 0, 0]),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in odd {
        let side = Side::start().await;
        let mut stream = by_hand(&side).await;
        stream.write_all(&bytes).await.unwrap();
        let end = timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "{what} is put up with");
    }
}

#[tokio::test]
async fn what_comes_for_a_channel_that_is_dropped_meanwhile_is_thrown_away() {
    let mut side = Side::start().await;
    let mut stream = by_hand(&side).await;
    stream.write_all(&frame(1, Kind::Open, &[])).await.unwrap();
    drop(side.accept().await);
    let late = [frame(1, Kind::Data, b"late"), frame(1, Kind::Gone, &[]), frame(2, Kind::Open, &[])].concat();
    stream.write_all(&late).await.unwrap();
    let mut second = side.accept().await;
    stream.write_all(&frame(2, Kind::Data, b"x")).await.unwrap();
    assert_eq!(second.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn what_waits_to_be_written_is_bounded_while_the_other_side_reads_nothing() {
    let side = Side::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tls::connect(listener.local_addr().unwrap(), None).await.unwrap();
    let (_held, link) = (listener.accept().await.unwrap(), Link::over(stream, Vec::new()));
    drop(side);
    let mut channels: Vec<Channel> = (0..2000).map(|_| link.open().unwrap()).collect();
    for channel in &mut channels {
        let wanted = [0; WINDOW];
        let _ = timeout(Duration::from_millis(1), poll_fn(|cx| channel.poll_give(cx, &wanted))).await;
    }
    let waiting = lock(&link.0).out.len();
    assert!(waiting < MOST_UNSENT + 2 * WINDOW, "{waiting} bytes wait");
}

/// On a worker as servers have them: the task that another wakes is run by it next.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_many_channels_are_given_at_once_is_not_written_one_by_one() {
    let side = Side::start().await;
    let link = side.link().await;
    let start = Arc::new(Barrier::new(31));
    let tasks = (0..30).map(|_| {
        let (start, mut channel) = (Arc::clone(&start), link.open().unwrap());
        tokio::spawn(async move {
            start.wait().await;
            channel.try_give_together(b"hello").unwrap();
            let unsent = lock(&channel.state).out.len();
            (channel, unsent)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let _link = tokio::spawn(async move {
        while !lock(&link.0).out.is_empty() {
            tokio::task::yield_now().await;
        }
        start.wait().await;
        link
    });
    let given: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let unsent: Vec<_> = given.iter().map(|(_, unsent)| *unsent).collect();
    // Among them once at most the worker looks what has come meanwhile, and writes.
    assert!(unsent.iter().max().unwrap() >= &(15 * frame(1, Kind::Data, b"hello").len()), "{unsent:?}");
}

fn follower(stream: &Stream) -> Follower {
    let Stream::Channel(channel) = stream else { panic!("no channel") };
    channel.follower()
}

#[tokio::test]
async fn what_a_feed_gives_comes_to_all_who_follow_in_order_with_what_is_their_own() {
    let mut side = Side::start().await;
    let (link, mut first, mut far_first) = side.pair().await;
    let (mut second, far_second) = (Stream::Channel(link.open().unwrap()), side.accept().await);
    let feed = Feed::over(&follower(&far_first));
    assert!(feed.is_over(&follower(&far_second)));
    assert!(feed.push(|out| out.extend(b"too early ")));
    feed.add(&follower(&far_first));
    assert!(feed.push(|out| out.extend(b"one ")));
    feed.add(&follower(&far_second));
    far_first.write_all(b"own ").await.unwrap();
    assert!(feed.push(|out| out.extend(b"two ")));
    assert!(follower(&far_second).give(|out| out.extend(b"mine ")));
    feed.remove(&follower(&far_second));
    assert!(feed.push(|out| out.extend(b"three")));
    drop((far_first, far_second));
    let (mut all, mut later) = (String::new(), String::new());
    first.read_to_string(&mut all).await.unwrap();
    second.read_to_string(&mut later).await.unwrap();
    assert_eq!((all.as_str(), later.as_str()), ("one own two three", "two mine "));
}

#[tokio::test]
async fn one_who_is_too_slow_for_a_feed_is_told_so_and_holds_up_nobody() {
    let mut side = Side::start().await;
    let (link, mut quick, far_quick) = side.pair().await;
    let (mut slow, far_slow) = (Stream::Channel(link.open().unwrap()), side.accept().await);
    let feed = Feed::over(&follower(&far_quick));
    [&far_quick, &far_slow].into_iter().for_each(|far| feed.add(&follower(far)));
    let mut piece = [0; 10_000];
    for n in 0..120 {
        // Its own comes in between, and must hide no gap.
        assert!(follower(&far_slow).give(|out| out.extend(b"own")));
        assert!(feed.push(|out| out.extend([n; 10_000])));
        quick.read_exact(&mut piece).await.unwrap();
        assert_eq!(piece, [n; 10_000]);
    }
    assert_eq!(slow.read(&mut piece).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let state = lock(&link.0);
    assert!(state.ends.values().all(|end| end.inbox.is_empty()), "what nobody gets is kept");
}

#[tokio::test]
async fn what_must_stay_together_waits_until_the_other_side_has_place_for_all_of_it() {
    let mut side = Side::start().await;
    let (_link, mut near, mut far) = side.pair().await;
    let before = WINDOW - 5000;
    far.write_all(&vec![0; before]).await.unwrap();
    let feed = Feed::over(&follower(&far));
    feed.add(&follower(&far));
    let whole = tokio::spawn(async move {
        let Stream::Channel(channel) = &mut far else { panic!("no channel") };
        let frame = numbers(1, 10_000);
        // Until there is place.
        let mut waited = false;
        let given = poll_fn(|cx| {
            let given = channel.poll_give_together(cx, &frame);
            if given.is_pending() && !std::mem::replace(&mut waited, true) {
                assert!(feed.push(|out| out.extend(b"between")));
            }
            given
        });
        assert_eq!((given.await.unwrap(), waited), (frame.len(), true));
        (frame, far)
    });
    let mut rest = vec![0; before + 7];
    near.read_exact(&mut rest).await.unwrap();
    let (frame, _far) = whole.await.unwrap();
    assert!(rest.ends_with(b"between"));
    let mut came = vec![0; frame.len()];
    near.read_exact(&mut came).await.unwrap();
    assert!(came == frame, "it was torn");
}

#[tokio::test]
async fn what_all_who_follow_have_read_is_not_kept_and_a_feed_without_any_is_forgotten() {
    let mut side = Side::start().await;
    let (link, mut first, far_first) = side.pair().await;
    let (mut second, far_second) = (Stream::Channel(link.open().unwrap()), side.accept().await);
    let feed = Feed::over(&follower(&far_first));
    [&far_first, &far_second].into_iter().for_each(|far| feed.add(&follower(far)));
    assert!(feed.push(|out| out.extend(b"x")));
    assert_eq!((first.read_u8().await.unwrap(), second.read_u8().await.unwrap()), (b'x', b'x'));
    for stream in [&mut first, &mut second] {
        assert!(timeout(Duration::from_millis(10), stream.read_u8()).await.is_err());
    }
    assert_eq!(lock(&link.0).heard.bytes(), (1, 0));
    drop((first, second));
    assert_eq!(lock(&link.0).heard.bytes(), (0, 0));
    assert!(feed.push(|out| out.extend(b"nobody's")), "the link is there for others");
}

#[tokio::test]
async fn a_link_that_takes_nothing_breaks_before_its_feeds_fill_the_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tls::connect(listener.local_addr().unwrap(), None).await.unwrap();
    let (_held, link) = (listener.accept().await.unwrap(), Link::over(stream, Vec::new()));
    let mut channel = Stream::Channel(link.open().unwrap());
    let feed = Feed::over(&follower(&channel));
    feed.add(&follower(&channel));
    let mut pushed = 0;
    while feed.push(|out| out.extend([0; LARGEST])) {
        pushed += 1;
        assert!(pushed < 5_000, "nothing bounds it");
        tokio::task::yield_now().await;
    }
    assert!(lock(&link.0).out.is_empty());
    assert_eq!(channel.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(channel.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// What may happen to two channels and the feed that they follow, or don't.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Feed(usize),
    Own(usize, usize),
    Read(usize, usize),
    Follow(usize),
    Unfollow(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let (channel, length) = (|| 0..2usize, || 1..200usize);
    prop_oneof![
        4 => length().prop_map(Happening::Feed),
        2 => (channel(), length()).prop_map(|(n, length)| Happening::Own(n, length)),
        4 => (channel(), 0..500usize).prop_map(|(n, most)| Happening::Read(n, most)),
        1 => channel().prop_map(Happening::Follow),
        1 => channel().prop_map(Happening::Unfollow),
    ]
}

proptest! {
    /// As if all that comes of the feed were written to each of its followers.
    #[test]
    fn channels_that_follow_a_feed_behave_as_if_they_were_given_all_of_it(happenings in vec(happening(), 0..200)) {
        let (from, mut to) = (Arc::new(Mutex::new(State::default())), State::default());
        let followers = [1, 2].map(|id| {
            lock(&from).add(id);
            to.add(id);
            Follower { id, link: Arc::clone(&from) }
        });
        let feed = Feed::over(&followers[0]);
        let mut expected = [VecDeque::new(), VecDeque::new()];
        let mut follows = [false; 2];
        for (number, happening) in happenings.into_iter().enumerate() {
            let bytes = |length| numbers(number, length);
            match happening {
                Happening::Feed(length) => {
                    feed.push(|out| out.extend(bytes(length)));
                    (0..2).filter(|n| follows[*n]).for_each(|n| expected[n].extend(bytes(length)));
                }
                Happening::Own(n, length) => {
                    prop_assert!(followers[n].give(|out| out.extend(bytes(length))));
                    expected[n].extend(bytes(length));
                }
                Happening::Read(n, most) => {
                    let (mut buffer, id) = (vec![0; most], followers[n].id);
                    let read = to.take(id, &mut buffer).map_or(0, Result::unwrap);
                    prop_assert_eq!(read, most.min(expected[n].len()));
                    prop_assert!(buffer[..read].iter().copied().eq(expected[n].drain(..read)));
                    if let (None, Some(end)) = (expected[n].front(), to.ends.get_mut(&id)) {
                        to.heard.sleep(id, end);
                    }
                }
                Happening::Follow(n) if !follows[n] => {
                    feed.add(&followers[n]);
                    follows[n] = true;
                }
                Happening::Unfollow(n) if follows[n] => {
                    feed.remove(&followers[n]);
                    follows[n] = false;
                }
                Happening::Follow(_) | Happening::Unfollow(_) => {}
            }
            let sent = std::mem::take(&mut lock(&from).out);
            let mut bytes = &sent[..];
            while let Some(frame) = frame::read(&mut bytes).unwrap() {
                prop_assert!(to.came(&frame, &mut Vec::new()).is_ok());
            }
        }
    }
}

#[test]
fn fuzz_frames_are_read_as_they_were_written_or_refused() {
    let seeds: [Vec<u8>; 4] = [
        [frame(1, Kind::Open, &[]), frame(1, Kind::Data, b"hello"), frame(1, Kind::End, &[])].concat(),
        [frame(u32::MAX, Kind::Credit, &65_536u32.to_be_bytes()), frame(3, Kind::Gone, &[])].concat(),
        frame(2, Kind::Data, &[1; 300]),
        [
            frame(1, Kind::Follow, &7u32.to_be_bytes()),
            frame(7, Kind::Feed, b"all"),
            frame(1, Kind::Data, b"own"),
            frame(1, Kind::Unfollow, &7u32.to_be_bytes()),
        ]
        .concat(),
    ];
    let corpus: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    aether_fuzz::fuzz("links", &corpus, &["\0\0\0\u{1}"], |input| {
        let (mut bytes, mut again, mut kinds) = (input, Vec::new(), String::new());
        let mut state = State::default();
        (1..=3).for_each(|id| state.add(id));
        while let Ok(Some(Frame { channel, kind, body })) = frame::read(&mut bytes) {
            frame::write(&mut again, channel, kind, body);
            // Whatever the rules say of it, it breaks nothing else.
            let _ = state.came(&Frame { channel, kind, body }, &mut Vec::new());
            let _ = state.take(channel, &mut [0; 5]);
            kinds = format!("{kinds:.40}{kind:?}");
        }
        assert_eq!(again, input[..input.len() - bytes.len()]);
        kinds
    });
}
