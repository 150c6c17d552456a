//! What an HTTP request costs, beside a server that only answers.

use std::time::Duration;

use anyhow::Result;

use crate::{
    Bench, api, client,
    fleet::Fleet,
    report::{Report, Target},
    search,
    servers::{Stack, start_constant},
    token,
};

/// A gateway whose processor is used up has many clients.
const CONNECTIONS: usize = 64;
const PAGE: usize = 50;
const SENDERS: usize = 10;
/// Messages on their way at once, while a history is written.
const WINDOW: usize = 1000;

/// A bare axum server with one constant body, as long as a profile.
pub(crate) fn serve_constant(port: u16) -> Result<()> {
    let body = format!(r#"{{"success":true,"user":"{}"}}"#, "x".repeat(250));
    let answer = || async move { ([("content-type", "application/json")], body) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(axum::serve(listener, axum::Router::new().fallback(axum::routing::get(answer))).await?)
    })
}

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let messages = if bench.quick { 20_000 } else { 200_000 };
    let last = messages / PAGE / 4;
    report.heading("HTTP requests a CPU-second, over all processes");
    let (constant, port) = start_constant()?;
    let bare = requests(bench, port, "/", "", &|| constant.cpu())?;
    report.line("http", "a bare axum server with a constant body", bare, "", Target::None);
    drop(constant);

    let stack = Stack::start(&bench.binaries)?;
    let (_, token) = stack.register("reader")?;
    let room = write_history(&stack, messages, &token)?;
    let history = |page: usize| format!("/api/rooms/{room}/messages?page={page}&limit={PAGE}");
    let of = |path: &str| requests(bench, stack.port, path, &token, &|| stack.cpu());
    let mut line = |what: &str, path: &str, target: f64| -> Result<f64> {
        let figure = of(path)?;
        report.line("http", what, figure, "", Target::None);
        report.line("http", "    times the bare server's", figure / bare, "", Target::AtLeast(target));
        Ok(figure)
    };
    line("GET profile", "/api/auth/profile", 0.25)?;
    line("GET rooms", "/api/rooms", 0.25)?;
    let first = line(&format!("GET a history's first page of {PAGE}"), &history(1), 0.1)?;
    let deep = of(&history(last))?;
    report.line("http", &format!("GET page {last} of {messages} messages"), deep, "", Target::None);
    report.line("http", "    its cost, times the first page's", first / deep, "", Target::AtMost(2.0));
    Ok(())
}

fn requests(bench: &Bench, port: u16, path: &str, token: &str, cpu: &dyn Fn() -> Result<f64>) -> Result<f64> {
    let request = api::request("GET", path, token, None, true);
    let saturate = |time| client::saturate(port, request.as_bytes(), CONNECTIONS, time);
    let (seconds, repeats) = if bench.quick { (1.0, 1) } else { (3.0, 3) };
    saturate(Duration::from_millis(500))?;
    let mut figures = Vec::new();
    for _ in 0..repeats {
        let before = cpu()?;
        let done = saturate(Duration::from_secs_f64(seconds))?;
        figures.push(done as f64 / (cpu()? - before));
    }
    Ok(search::median(figures))
}

/// A room with so many messages, and a reader in it and in two others; its id.
fn write_history(stack: &Stack, messages: usize, reader: &str) -> Result<String> {
    let rooms: Vec<String> =
        ["long", "short", "empty"].map(|name| stack.create_room(name)).into_iter().collect::<Result<_>>()?;
    let join = |room: &String, token: &str| {
        api::request("POST", &format!("/api/rooms/{room}/join"), token, Some("{}"), true).into_bytes()
    };
    let mut joins: Vec<_> = rooms.iter().map(|room| join(room, reader)).collect();
    let users: Vec<usize> = (1000..1000 + SENDERS).collect();
    for &user in &users {
        joins.push(join(&rooms[0], &token::access(&stack.secret, user)?));
    }
    client::once(stack.port, 1, &joins)?;
    let mut fleet = Fleet::new(stack.message_port)?;
    let tokens = users.iter().map(|&user| token::websocket(&stack.websocket_secret, user).map(Some));
    fleet.connect(tokens.collect::<Result<_>>()?, SENDERS)?;
    let room = &rooms[0];
    // They are members who follow no feed: nothing is delivered.
    let sends = (0..messages).map(|number| {
        let text = "a message of usual length, more or less";
        let payload = format!(r#"{{"roomId":"{room}","content":"{number} {text}","tempId":"{number}"}}"#);
        (number % SENDERS, format!(r#"["send_message",{payload}]"#))
    });
    fleet.call_each(sends, WINDOW)?;
    Ok(rooms[0].clone())
}
