//! Programs that are asked by lines of JSON on standard input, and answer each by a line on standard output.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

/// Ends the talk: whoever sends lines through a cluster can't always end them.
pub const END: &str = "end";

/// Answers each line until [`END`], or until there are no more.
pub async fn answer_each<Q: DeserializeOwned, A: Serialize>(answer: impl AsyncFn(Q) -> A) -> anyhow::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == END {
            break;
        }
        // What serde says of a wrong request may quote it, and with it what is secret.
        let request = serde_json::from_str(&line).ok().context("a line on standard input is no request")?;
        let answer = serde_json::to_string(&answer(request).await)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush())?;
    }
    Ok(())
}
