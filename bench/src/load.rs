//! An open-loop load: when each message is to be sent stands before the run begins, and its latency counts from then,
//! so that a slow server can't slow the questions down.

use std::{
    collections::HashSet,
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::Result;
use hdrhistogram::Histogram;
use memchr::memmem;

use crate::fleet::{Fleet, Packet, own_cpu};

/// A run is given up when a message comes later than this: the server is far behind.
const HOPELESS: Duration = Duration::from_millis(1500);
/// How long after the last message the rest may arrive.
const DRAIN: Duration = Duration::from_secs(8);
/// So many messages are sent before the answers are looked at again.
const BURST: usize = 256;
const TEXT: &str = "a message of usual length, more or less";

/// Clients `first..first + size` of the fleet are in it, and the first `senders` of them send.
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) first: usize,
    pub(crate) size: usize,
    pub(crate) senders: usize,
}

/// Rooms full of clients, and what each client has seen so far.
pub(crate) struct Crowd {
    pub(crate) fleet: Fleet,
    pub(crate) rooms: Vec<Room>,
    seen: Vec<Seen>,
    sent: Vec<u32>,
    origin: Instant,
    broken: bool,
}

#[derive(Default)]
struct Seen {
    /// The number of the newest message of each sender of the room.
    newest: Vec<u32>,
    seq: u64,
    /// (sender, number) of those that were jumped over.
    missing: HashSet<(usize, u32)>,
}

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Messages a second, over all rooms.
    pub(crate) rate: f64,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) duplicates: u64,
    pub(crate) inversions: u64,
    /// Deliveries while the time was measured, by wall clock and by the servers' CPU time.
    pub(crate) a_second: f64,
    pub(crate) a_cpu_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// How much of its core the generator took.
    pub(crate) generator: f64,
    /// How much of one core the servers took.
    pub(crate) servers: f64,
    pub(crate) given_up: bool,
}

impl Outcome {
    /// Whether all was sent, and all of it came.
    pub(crate) fn is_whole(&self) -> bool {
        !self.given_up && self.delivered == self.expected
    }

    /// What must not be, however slow a server is: messages that come twice, out of order or never.
    pub(crate) fn faults(&self) -> u64 {
        let lost = if self.given_up { 0 } else { self.expected.saturating_sub(self.delivered) + self.unacknowledged };
        lost + self.duplicates + self.inversions
    }

    pub(crate) fn holds(&self, p99: Duration) -> bool {
        let enough = self.delivered as f64 >= 0.999 * self.expected as f64;
        !self.given_up && enough && self.p99 <= p99 && self.duplicates + self.inversions + self.refused == 0
    }
}

struct Tally {
    latencies: Histogram<u64>,
    begin: Duration,
    measured_from: Duration,
    delivered: u64,
    acknowledged: u64,
    refused: u64,
    duplicates: u64,
    inversions: u64,
    latest: Duration,
    closed: u64,
}

/// CPU and deliveries at one moment.
struct Mark {
    at: Instant,
    servers: f64,
    own: f64,
    delivered: u64,
}

impl Crowd {
    pub(crate) fn new(fleet: Fleet, rooms: Vec<Room>) -> Self {
        let mut seen: Vec<Seen> = (0..fleet.len()).map(|_| Seen::default()).collect();
        for room in &rooms {
            seen[room.first..room.first + room.size].iter_mut().for_each(|s| s.newest = vec![0; room.senders]);
        }
        let sent = vec![0; seen.len()];
        Self { fleet, rooms, seen, sent, origin: Instant::now(), broken: false }
    }

    /// Whether a connection was closed: what comes later would be incomplete.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends by the plan and waits until all has arrived, or nothing more comes.
    pub(crate) fn run(&mut self, plan: Plan, cpu: &dyn Fn() -> Result<f64>) -> Result<Outcome> {
        let begin = Instant::now() + Duration::from_millis(5);
        let since = begin - self.origin;
        let mut tally = Tally::new(since, since + plan.warm_up)?;
        let total = (plan.rate * (plan.warm_up + plan.measured).as_secs_f64()) as usize;
        let (mut sent, mut expected, mut first, mut last) = (0, 0, None, None);
        let mut given_up = false;
        loop {
            let now = Instant::now();
            let at = |message: usize| begin + Duration::from_secs_f64(message as f64 / plan.rate);
            let mut burst = 0;
            while !given_up && sent < total && burst < BURST && at(sent) <= now {
                expected += self.send(sent, at(sent) - self.origin) as u64;
                sent += 1;
                burst += 1;
            }
            if first.is_none() && now >= begin + plan.warm_up {
                first = Some(Mark::now(cpu, &tally)?);
            }
            let over = given_up || sent == total;
            if over && last.is_none() {
                last = Some(Mark::now(cpu, &tally)?);
            }
            let complete = tally.delivered >= expected && tally.acknowledged + tally.refused >= sent as u64;
            let late = last.as_ref().is_some_and(|mark| mark.at.elapsed() > DRAIN);
            if over && (complete || late || tally.closed > 0) {
                break;
            }
            let next =
                if over { Duration::from_millis(20) } else { at(sent).saturating_duration_since(Instant::now()) };
            self.take(next.min(Duration::from_millis(20)), &mut tally)?;
            given_up |= tally.latest > HOPELESS || tally.closed > 0;
        }
        self.broken |= tally.closed > 0 || (given_up && tally.delivered < expected);
        // Who is told that a message is refused has not lost it.
        expected -= tally.refused * self.rooms.first().map_or(0, |room| room.size as u64);
        let span = first.zip(last);
        Ok(tally.outcome(sent as u64, expected, given_up, span))
    }

    /// Sends the message of that number; how many are to get it.
    fn send(&mut self, number: usize, at: Duration) -> usize {
        let room = &self.rooms[number % self.rooms.len()];
        let sender = (number / self.rooms.len()) % room.senders;
        let client = room.first + sender;
        self.sent[client] += 1;
        let count = self.sent[client];
        let text = format!(
            r#"420["send_message",{{"roomId":"{}","content":"~{sender:04x}{count:08x}{:016x}~ {TEXT}","tempId":"{client}-{count}"}}]"#,
            room.id,
            at.as_nanos() as u64,
        );
        let size = room.size;
        self.fleet.send(client, text.as_bytes());
        size
    }

    fn take(&mut self, wait: Duration, tally: &mut Tally) -> Result<()> {
        let (seen, origin) = (&mut self.seen, self.origin);
        self.fleet.pump(Some(wait), &mut |client, packet, now| match packet {
            Packet::Event(event) if event.starts_with(br#"["new_message""#) => {
                let Some(message) = Arrived::parse(event) else { return };
                tally.arrived(&mut seen[client], &message, now - origin);
            }
            Packet::Ack { success: true, .. } => tally.acknowledged += 1,
            Packet::Ack { success: false, .. } => tally.refused += 1,
            Packet::Closed => tally.closed += 1,
            Packet::Event(_) | Packet::Connected => {}
        })
    }
}

/// What the generator wrote into a message, and the number that the server gave it.
struct Arrived {
    sender: usize,
    count: u32,
    at: Duration,
    seq: u64,
}

impl Arrived {
    /// Millions a second come to rooms of a thousand.
    fn parse(event: &[u8]) -> Option<Self> {
        static SEQ: LazyLock<memmem::FinderRev<'_>> = LazyLock::new(|| memmem::FinderRev::new(r#""seq":"#));
        let mark = memchr::memchr(b'~', event)?;
        let text = event.get(mark + 1..mark + 29)?;
        let seq = SEQ.rfind(event)? + 6;
        let digits = event[seq..].iter().take_while(|byte| byte.is_ascii_digit());
        Some(Self {
            sender: usize::try_from(hex(&text[..4])?).ok()?,
            count: u32::try_from(hex(&text[4..12])?).ok()?,
            at: Duration::from_nanos(hex(&text[12..])?),
            seq: digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
        })
    }
}

/// At most 16 digits.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u64::from(digit))
    })
}

impl Mark {
    fn now(cpu: &dyn Fn() -> Result<f64>, tally: &Tally) -> Result<Self> {
        Ok(Self { at: Instant::now(), servers: cpu()?, own: own_cpu()?, delivered: tally.delivered })
    }
}

impl Tally {
    fn new(begin: Duration, measured_from: Duration) -> Result<Self> {
        Ok(Self {
            latencies: Histogram::new_with_max(60_000_000, 3)?,
            begin,
            measured_from,
            delivered: 0,
            acknowledged: 0,
            refused: 0,
            duplicates: 0,
            inversions: 0,
            latest: Duration::ZERO,
            closed: 0,
        })
    }

    fn arrived(&mut self, seen: &mut Seen, message: &Arrived, now: Duration) {
        let Some(newest) = seen.newest.get_mut(message.sender) else { return };
        if message.count <= *newest {
            // Jumped over before, or seen before.
            if !seen.missing.remove(&(message.sender, message.count)) {
                self.duplicates += 1;
                return;
            }
            self.inversions += 1;
        } else {
            seen.missing.extend((*newest + 1..message.count).map(|count| (message.sender, count)));
            *newest = message.count;
            self.inversions += u64::from(message.seq <= seen.seq);
            seen.seq = message.seq;
        }
        if message.at < self.begin {
            return;
        }
        self.delivered += 1;
        let latency = now.saturating_sub(message.at);
        self.latest = latency;
        if message.at >= self.measured_from {
            self.latencies.saturating_record(latency.as_micros() as u64);
        }
    }

    fn outcome(&self, sent: u64, expected: u64, given_up: bool, span: Option<(Mark, Mark)>) -> Outcome {
        let [mut a_second, mut a_cpu_second, mut generator, mut servers] = [0.0; 4];
        if let Some((first, last)) = span {
            let (wall, cpu) = ((last.at - first.at).as_secs_f64(), last.servers - first.servers);
            let delivered = (last.delivered - first.delivered) as f64;
            (a_second, a_cpu_second) = (delivered / wall, delivered / cpu);
            (generator, servers) = ((last.own - first.own) / wall, cpu / wall);
        }
        let quantile = |q| Duration::from_micros(self.latencies.value_at_quantile(q));
        Outcome {
            expected,
            delivered: self.delivered,
            unacknowledged: sent.saturating_sub(self.acknowledged + self.refused),
            refused: self.refused,
            duplicates: self.duplicates,
            inversions: self.inversions,
            a_second,
            a_cpu_second,
            p50: quantile(0.5),
            p99: quantile(0.99),
            generator,
            servers,
            given_up,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(sender: usize, count: u32, seq: u64) -> Vec<u8> {
        let mark = format!("~{sender:04x}{count:08x}{:016x}~ {TEXT}", 1_000_000);
        format!(r#"["new_message",{{"content":"{mark}","seq":{seq},"tempId":"1-1"}}]"#).into_bytes()
    }

    fn tally(events: &[(usize, u32, u64)]) -> Tally {
        let mut tally = Tally::new(Duration::ZERO, Duration::ZERO).unwrap();
        let mut seen = Seen { newest: vec![0; 2], ..Seen::default() };
        for &(sender, count, seq) in events {
            tally.arrived(&mut seen, &Arrived::parse(&event(sender, count, seq)).unwrap(), Duration::from_millis(5));
        }
        tally
    }

    #[test]
    fn messages_in_order_are_counted_with_the_time_since_they_were_to_be_sent() {
        let tally = tally(&[(0, 1, 1), (1, 1, 2), (0, 2, 3)]);
        assert_eq!((tally.delivered, tally.duplicates, tally.inversions), (3, 0, 0));
        assert_eq!(tally.latencies.value_at_quantile(0.99) / 100, 40);
    }

    #[test]
    fn a_duplicate_is_no_delivery() {
        let tally = tally(&[(0, 1, 1), (0, 1, 1)]);
        assert_eq!((tally.delivered, tally.duplicates, tally.inversions), (1, 1, 0));
    }

    #[test]
    fn one_that_comes_after_its_successor_is_an_inversion() {
        let tally = tally(&[(0, 2, 2), (0, 1, 1)]);
        assert_eq!((tally.delivered, tally.duplicates, tally.inversions), (2, 0, 1));
    }

    #[test]
    fn two_senders_messages_against_the_rooms_order_are_an_inversion() {
        let tally = tally(&[(0, 1, 2), (1, 1, 1)]);
        assert_eq!((tally.delivered, tally.duplicates, tally.inversions), (2, 0, 1));
    }
}
