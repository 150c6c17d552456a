//! What a command prints: text for people or JSON for programs, and what it is doing while it takes long.

use std::{
    io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};

/// How results are printed.
#[derive(clap::Args)]
pub(crate) struct OutputArgs {
    /// Text for people, or JSON for programs; docs/cli.md describes it
    #[arg(short = 'o', long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// See [`OutputArgs`].
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl OutputArgs {
    /// Prints a result, one way or the other.
    pub(crate) fn show(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self.format {
            Format::Text => print(&text()),
            Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(result)?)),
        }
    }
}

/// Writes to standard output. That nobody reads any more (`… | head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        done => Ok(done?),
    }
}

/// Colours, or none.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn for_stdout() -> Self {
        Self(stdout().is_terminal() && is_wanted())
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.code("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.code("31", text)
    }

    pub(crate) fn waiting(self, text: &str) -> String {
        self.code("33", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.code("2", text)
    }

    /// One of six colours, for telling things apart.
    pub(crate) fn nth(self, n: usize, text: &str) -> String {
        self.code(["36", "35", "34", "33", "32", "96"][n % 6], text)
    }
}

fn is_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns that are as wide as their longest cell. Colours come after: they have no width.
pub(crate) fn table(rows: &[Vec<String>], paint: impl Fn(usize, usize, &str) -> String) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for (r, row) in rows.iter().enumerate() {
        for (c, cell) in row.iter().enumerate() {
            text += &paint(r, c, cell);
            if c + 1 < row.len() {
                text += &" ".repeat(widths[c] - cell.chars().count() + 2);
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// So long a command may take without a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the same thing is said again where lines can't be overwritten.
const REMIND: Duration = Duration::from_secs(15);
const FRAMES: [&str; 4] = ["|", "/", "-", "\\"];

/// Tells on standard error what goes on, once it has gone on for a second; gone when dropped.
pub(crate) struct Progress {
    text: watch::Sender<String>,
    teller: JoinHandle<()>,
}

impl Progress {
    /// Begins.
    pub(crate) fn start(text: impl Into<String>) -> Self {
        let (text, told) = watch::channel(text.into());
        let teller = if stderr().is_terminal() { tokio::spawn(turn(told)) } else { tokio::spawn(lines(told)) };
        Self { text, teller }
    }

    /// What goes on now.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let text = text.into();
        self.text.send_if_modified(|old| {
            let news = *old != text;
            *old = text;
            news
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.teller.abort();
        if stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

async fn turn(told: watch::Receiver<String>) {
    let started = Instant::now();
    tokio::time::sleep(PATIENCE).await;
    for frame in FRAMES.iter().cycle() {
        eprint!("\r\x1b[K{frame} {} ({} s)", told.borrow().as_str(), started.elapsed().as_secs());
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

async fn lines(mut told: watch::Receiver<String>) {
    let started = Instant::now();
    tokio::time::sleep(PATIENCE).await;
    loop {
        let text = told.borrow_and_update().clone();
        eprintln!("{text} ({} s)", started.elapsed().as_secs());
        let _ = tokio::time::timeout(REMIND, told.changed()).await;
    }
}

/// How long ago, as kubectl says it.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7200 => format!("{}m", s / 60),
        s @ 7200..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_painted() {
        let rows = [vec!["NAME".to_owned(), "URL".to_owned()], vec!["a-long-name".to_owned(), String::new()]];
        let plain = table(&rows, |_, _, cell| cell.to_owned());
        assert_eq!(plain, "NAME         URL\na-long-name\n");
        let painted = table(&rows, |_, _, cell| Paint(true).good(cell));
        assert!(painted.starts_with("\x1b[32mNAME\x1b[0m         \x1b[32mURL"), "{painted}");
    }

    #[test]
    fn an_age_has_one_unit() {
        assert_eq!([5, 119, 120, 7200, 172_800, -3].map(age), ["5s", "119s", "2m", "2h", "2d", "0s"]);
    }
}
