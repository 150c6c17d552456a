//! What a connection costs: to open, and to keep.

use std::{thread::sleep, time::Duration};

use anyhow::Result;

use crate::{
    Bench,
    fleet::Fleet,
    report::{Report, Target},
    search,
    servers::{Plain, Stack},
    token,
};

/// So many handshakes at once.
const AT_ONCE: usize = 50;

fn tokens(secret: &str, count: usize) -> Result<Vec<Option<String>>> {
    (1..=count).map(|user| token::websocket(secret, user).map(Some)).collect()
}

/// Connections a CPU-second: handshake, token check, and the server's first events.
pub(crate) fn connects(bench: &Bench, report: &mut Report) -> Result<()> {
    report.heading("Connects a CPU-second, token check included");
    let plain = Plain::start(false)?;
    let theirs = connects_of(bench, plain.port, &plain.websocket_secret, &|| plain.server.cpu())?;
    report.line("connects", "plain Socket.IO server, token check alike", theirs, "", Target::None);
    drop(plain);
    let stack = Stack::start(&bench.binaries)?;
    let ours = connects_of(bench, stack.port, &stack.websocket_secret, &|| stack.cpu())?;
    report.line("connects", "gateway, message and auth together", ours, "", Target::AtLeast(3000.0));
    report.line("connects", "    times the plain server's", ours / theirs, "", Target::None);
    let direct = connects_of(bench, stack.message_port, &stack.websocket_secret, &|| stack.cpu())?;
    report.line("connects", "    without the gateway", direct, "", Target::None);
    Ok(())
}

fn connects_of(bench: &Bench, port: u16, secret: &str, cpu: &dyn Fn() -> Result<f64>) -> Result<f64> {
    let (count, repeats) = if bench.quick { (1000, 1) } else { (3000, 3) };
    Fleet::new(port)?.connect(tokens(secret, 300)?, AT_ONCE)?;
    let mut figures = Vec::new();
    for _ in 0..repeats {
        until_idle(cpu)?;
        let tokens = tokens(secret, count)?;
        let mut fleet = Fleet::new(port)?;
        let before = cpu()?;
        fleet.connect(tokens, AT_ONCE)?;
        figures.push(count as f64 / (cpu()? - before));
    }
    Ok(search::median(figures))
}

/// Closing what was open before is not part of the next measurement.
fn until_idle(cpu: &dyn Fn() -> Result<f64>) -> Result<()> {
    for _ in 0..50 {
        let before = cpu()?;
        sleep(Duration::from_millis(200));
        if cpu()? - before < 0.02 {
            break;
        }
    }
    Ok(())
}

/// Memory of idle connections.
pub(crate) fn memory(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = if bench.quick { 1000 } else { 5000 };
    report.heading(&format!("Memory for each of {count} idle connections"));
    let plain = Plain::start(false)?;
    let before = plain.server.memory()?;
    let fleet = idle(plain.port, &plain.websocket_secret, count)?;
    let theirs = (plain.server.memory()? - before) / count as f64;
    report.line("memory", "plain Socket.IO server", theirs, " KB", Target::None);
    drop((fleet, plain));
    let stack = Stack::start(&bench.binaries)?;
    let before = (stack.gateway.memory()?, stack.message.memory()?);
    report.note(&format!("at rest: gateway {:.1} MB, message {:.1} MB", before.0 / 1024.0, before.1 / 1024.0));
    let _fleet = idle(stack.port, &stack.websocket_secret, count)?;
    let gateway = (stack.gateway.memory()? - before.0) / count as f64;
    let message = (stack.message.memory()? - before.1) / count as f64;
    report.line("memory", "gateway and message together", gateway + message, " KB", Target::AtMost(30.0));
    report.line("memory", "    gateway", gateway, " KB", Target::None);
    report.line("memory", "    message", message, " KB", Target::None);
    Ok(())
}

fn idle(port: u16, secret: &str, count: usize) -> Result<Fleet> {
    let mut fleet = Fleet::new(port)?;
    // Tokens live a minute: not all of them are made at the beginning.
    for begun in (0..count).step_by(1000) {
        fleet.connect(tokens(secret, 1000.min(count - begun))?, AT_ONCE)?;
    }
    fleet.settle()?;
    Ok(fleet)
}
