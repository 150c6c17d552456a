//! A request now and then: what prepares a measurement, not what is measured.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

pub(crate) fn get(port: u16, path: &str, token: &str) -> Result<(u16, Value)> {
    call(port, &request("GET", path, token, None, false))
}

pub(crate) fn post(port: u16, path: &str, token: &str, body: &Value) -> Result<(u16, Value)> {
    call(port, &request("POST", path, token, Some(&body.to_string()), false))
}

/// The text of a request, whose connection may stay open.
pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<&str>, keep: bool) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    if !token.is_empty() {
        text += &format!("Authorization: Bearer {token}\r\n");
    }
    if !keep {
        text += "Connection: close\r\n";
    }
    if let Some(body) = body {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    } else {
        text += "\r\n";
    }
    text
}

fn call(port: u16, request: &str) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
