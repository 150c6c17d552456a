//! What a delivery costs, and how many a core can do, in rooms of several sizes.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{
    Bench, disk,
    fleet::Fleet,
    load::{Crowd, Outcome, Plan, Room},
    report::{Report, Target, millis},
    search,
    servers::{Plain, Server, Stack},
    token,
};

const PART: &str = "deliveries";
/// The latency that a rate must hold.
const P99: Duration = Duration::from_millis(200);
/// So many sockets, if these are not too many rooms.
const SOCKETS: usize = 400;
const MOST_ROOMS: usize = 20;
const MOST_SENDERS: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Subject {
    /// A plain Socket.IO server that stores nothing.
    Plain,
    /// The same, storing each message.
    PlainStoring,
    /// Our message service without a gateway.
    Message,
    /// Gateway and message service.
    Gateway,
}

impl Subject {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::PlainStoring, Self::Message, Self::Gateway];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain Socket.IO server",
            Self::PlainStoring => "plain Socket.IO server, storing",
            Self::Message => "message service alone",
            Self::Gateway => "gateway and message service",
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Plain | Self::PlainStoring => Target::None,
            Self::Message => Target::AtLeast(4.0),
            Self::Gateway => Target::AtLeast(1.5),
        }
    }
}

/// Servers that are up, and a way to them.
enum Running {
    Plain(Plain),
    Stack(Stack, Subject),
}

impl Running {
    fn start(subject: Subject, bench: &Bench) -> Result<Self> {
        Ok(match subject {
            Subject::Plain => Self::Plain(Plain::start(false)?),
            Subject::PlainStoring => Self::Plain(Plain::start(true)?),
            Subject::Message | Subject::Gateway => Self::Stack(Stack::start(&bench.binaries)?, subject),
        })
    }

    /// Auth is neither on the way of a message nor counted.
    fn counted(&self) -> Vec<&Server> {
        match self {
            Self::Plain(plain) => vec![&plain.server],
            Self::Stack(stack, Subject::Message) => vec![&stack.message],
            Self::Stack(stack, _) => vec![&stack.message, &stack.gateway],
        }
    }

    fn crowd(&self, size: usize, attempt: usize) -> Result<Crowd> {
        let count = (SOCKETS / size).clamp(1, MOST_ROOMS);
        let ids: Vec<String> = match self {
            Self::Plain(_) => (0..count).map(|room| format!("room-{attempt}-{room}")).collect(),
            Self::Stack(stack, _) => {
                (0..count).map(|room| stack.create_room(&format!("room-{attempt}-{room}"))).collect::<Result<_>>()?
            }
        };
        crowd(self, &ids, size)
    }
}

fn crowd(running: &Running, ids: &[String], size: usize) -> Result<Crowd> {
    match running {
        Running::Plain(plain) => fill(plain.port, &plain.websocket_secret, ids, size),
        Running::Stack(stack, Subject::Message) => fill(stack.message_port, &stack.websocket_secret, ids, size),
        Running::Stack(stack, _) => fill(stack.port, &stack.websocket_secret, ids, size),
    }
}

/// Connects a client for each place in each room and lets it join.
pub(crate) fn fill(port: u16, secret: &str, ids: &[String], size: usize) -> Result<Crowd> {
    let mut fleet = Fleet::new(port)?;
    let tokens = (1..=ids.len() * size).map(|user| token::websocket(secret, user).map(Some));
    fleet.connect(tokens.collect::<Result<_>>()?, 64)?;
    let room = |(index, id): (usize, &String)| {
        let senders = (size / 2).clamp(1, MOST_SENDERS);
        Room { id: id.clone(), first: index * size, size, senders }
    };
    let rooms: Vec<Room> = ids.iter().enumerate().map(room).collect();
    let joins = rooms.iter().flat_map(|room| {
        let call = format!(r#"["join_room",{{"roomId":"{}"}}]"#, room.id);
        (room.first..room.first + room.size).map(move |client| (client, call.clone()))
    });
    fleet.call_each(joins, 16)?;
    fleet.settle()?;
    Ok(Crowd::new(fleet, rooms))
}

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    disk::measure(report, PART, Duration::from_secs(if bench.quick { 2 } else { 10 }))?;
    for &size in bench.room_sizes() {
        report.heading(&format!("Deliveries a CPU-second, rooms of {size}"));
        let mut plain = None;
        for &subject in &bench.only {
            let figure = Case { bench, size, subject }.measure(report, plain)?;
            if subject == Subject::Plain {
                plain = Some(figure);
            }
        }
    }
    Ok(())
}

struct Case<'a> {
    bench: &'a Bench,
    size: usize,
    subject: Subject,
}

impl Case<'_> {
    fn plan(&self, rate: f64, seconds: f64) -> Plan {
        let warm_up = Duration::from_secs_f64(seconds.min(4.0) / 4.0);
        Plan { rate, warm_up, measured: Duration::from_secs_f64(seconds) }
    }

    fn measure(&self, report: &mut Report, plain: Option<f64>) -> Result<f64> {
        let running = Running::start(self.subject, self.bench)?;
        let cpu = || running.counted().iter().map(|server| server.cpu()).sum();
        let mut crowd = running.crowd(self.size, 0)?;
        let (mut attempt, mut faults) = (0, 0);
        let mut run = |rate: f64, seconds: f64| -> Result<Outcome> {
            if crowd.is_broken() {
                attempt += 1;
                crowd = running.crowd(self.size, attempt)?;
            }
            let outcome = crowd.run(self.plan(rate, seconds), &cpu)?;
            faults += outcome.faults();
            if self.bench.verbose {
                eprintln!("{rate:.0} messages a second: {outcome:?}");
            }
            Ok(outcome)
        };
        let rate = self.highest(&mut run)?;
        let (rate, outcomes) = self.confirm(rate, &mut run)?;
        let repeats = outcomes.len();
        let halves = (0..repeats).map(|_| run(rate / 2.0, self.pace().1)).collect::<Result<Vec<_>>>()?;
        let figure = median(&outcomes, |o| o.a_cpu_second);
        self.tell(report, rate, &outcomes, plain);
        let target = if self.is_ours() { Target::AtMost(20.0) } else { Target::None };
        report.line(PART, "    p99 at half that rate", median(&halves, |o| millis(o.p99)), " ms", target);
        let half = median(&halves, |o| o.a_cpu_second);
        report.line(PART, "    deliveries a CPU-second at half that rate", half, "", Target::None);
        let target = if self.is_ours() { Target::AtMost(0.0) } else { Target::None };
        report.line(PART, "    lost, twice or out of order in any run", faults as f64, "", target);
        Ok(figure)
    }

    /// Seconds of a step of the search and of a longer run, and how near the search comes.
    fn pace(&self) -> (f64, f64, f64) {
        if self.bench.quick { (0.6, 2.0, 1.3) } else { (2.0, 5.0, 1.05) }
    }

    fn highest(&self, run: &mut impl FnMut(f64, f64) -> Result<Outcome>) -> Result<f64> {
        let (size, (step, _, close)) = (self.size as f64, self.pace());
        if let Some(deliveries) = self.bench.rate {
            return Ok(deliveries / size);
        }
        // A first guess by what a delivery costs at little load.
        run(2000.0 / size, step)?;
        let cost = run(8000.0 / size, step)?;
        search::highest(0.8 * cost.a_cpu_second / size, close, |rate| Ok(run(rate, step)?.holds(P99)))
    }

    /// Longer runs at the rate that was found, or a little below where it doesn't hold for so long.
    fn confirm(&self, mut rate: f64, run: &mut impl FnMut(f64, f64) -> Result<Outcome>) -> Result<(f64, Vec<Outcome>)> {
        let (seconds, repeats) = (self.pace().1, if self.bench.quick { 1 } else { 3 });
        for _ in 0..10 {
            let mut outcomes = Vec::new();
            for _ in 0..repeats {
                let outcome = run(rate, seconds)?;
                if self.bench.rate.is_none() && !outcome.holds(P99) {
                    break;
                }
                outcomes.push(outcome);
            }
            if outcomes.len() == repeats {
                return Ok((rate, outcomes));
            }
            rate *= 0.93;
        }
        bail!("{}: no rate holds for {seconds} seconds", self.subject.name())
    }

    fn is_ours(&self) -> bool {
        matches!(self.subject, Subject::Message | Subject::Gateway)
    }

    fn tell(&self, report: &mut Report, rate: f64, outcomes: &[Outcome], plain: Option<f64>) {
        let figure = median(outcomes, |o| o.a_cpu_second);
        report.line(PART, self.subject.name(), figure, "", Target::None);
        if let Some(plain) = plain.filter(|_| self.subject != Subject::Plain) {
            report.line(PART, "    times the plain server's", figure / plain, "", self.subject.target());
        }
        report.line(PART, "    deliveries a second, open loop", median(outcomes, |o| o.a_second), "", Target::None);
        let p99 = median(outcomes, |o| millis(o.p99));
        report.line(PART, "    p99 at that rate", p99, " ms", Target::AtMost(millis(P99)));
        let generator = median(outcomes, |o| o.generator);
        report.note(&format!(
            "  {rate:.0} messages a second; of a core each: servers {:.2}, generator {generator:.2}{}; p50 {:.1} ms",
            median(outcomes, |o| o.servers),
            if generator > 0.9 { ", which is the limit" } else { "" },
            median(outcomes, |o| millis(o.p50)),
        ));
    }
}

fn median(outcomes: &[Outcome], of: fn(&Outcome) -> f64) -> f64 {
    search::median(outcomes.iter().map(of).collect())
}
