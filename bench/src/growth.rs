//! Whether a message costs the same when ten times as much is stored.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{
    Bench, api, client, deliveries,
    load::Plan,
    report::{Report, Target},
    search,
    servers::Stack,
    token,
};

const CONNECTIONS: usize = 16;
const MEMBERS: usize = 10;
/// Messages a second.
const RATE: f64 = 500.0;
/// The rooms whose messages are measured.
const LIVE: usize = 20;

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let rooms = if bench.quick { 30 } else { 300 };
    report.heading("Cost of a delivery by what is stored, gateway and message");
    let stack = Stack::start(&bench.binaries)?;
    let live: Vec<String> = (0..LIVE).map(|room| stack.create_room(&format!("live-{room}"))).collect::<Result<_>>()?;
    store(&stack, 0, rooms)?;
    let before = cost(bench, &stack, &live)?;
    store(&stack, rooms, 10 * rooms)?;
    let after = cost(bench, &stack, &live)?;
    let mut line = |rooms: usize, cost: f64| {
        let what = format!("{rooms} rooms, {} users in them", rooms * MEMBERS);
        report.line("growth", &what, cost * 1e6, " µs", Target::None);
    };
    line(rooms, before);
    line(10 * rooms, after);
    report.line("growth", "    times as much", after / before, "", Target::AtMost(1.2));
    Ok(())
}

/// Fills rooms from one number to another with users of their own.
fn store(stack: &Stack, from: usize, to: usize) -> Result<()> {
    let owner = |room: usize| token::access(&stack.secret, 100_000 + room * MEMBERS);
    let create = |room: usize| -> Result<_> {
        let body = format!(r#"{{"name":"stored-{room}"}}"#);
        Ok(api::request("POST", "/api/rooms", &owner(room)?, Some(&body), true).into_bytes())
    };
    client::once(stack.port, CONNECTIONS, &(from..to).map(create).collect::<Result<Vec<_>>>()?)?;
    let join = |place: usize| -> Result<_> {
        let token = token::access(&stack.secret, 100_000 + place)?;
        let path = format!("/api/rooms/stored-{}/join", place / MEMBERS);
        Ok(api::request("POST", &path, &token, Some("{}"), true).into_bytes())
    };
    let others = (from * MEMBERS..to * MEMBERS).filter(|place| place % MEMBERS != 0);
    client::once(stack.port, CONNECTIONS, &others.map(join).collect::<Result<Vec<_>>>()?)
}

/// CPU seconds of a delivery.
fn cost(bench: &Bench, stack: &Stack, rooms: &[String]) -> Result<f64> {
    let fill = || deliveries::fill(stack.port, &stack.websocket_secret, rooms, MEMBERS);
    let mut crowd = fill()?;
    let (seconds, repeats) = if bench.quick { (2, 1) } else { (5, 3) };
    let plan = Plan { rate: RATE, warm_up: Duration::from_secs(1), measured: Duration::from_secs(seconds) };
    let cpu = || Ok(stack.gateway.cpu()? + stack.message.cpu()?);
    let mut costs = Vec::new();
    for _ in 0..3 * repeats {
        let outcome = crowd.run(plan, &cpu)?;
        if outcome.is_whole() {
            costs.push(1.0 / outcome.a_cpu_second);
        }
        if costs.len() == repeats {
            return Ok(search::median(costs));
        }
        if crowd.is_broken() {
            crowd = fill()?;
        }
    }
    bail!("{RATE} messages a second are too many for this machine")
}
