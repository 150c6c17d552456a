//! Messages of MongoDB's wire protocol: OP_MSG, and the OP_QUERY by which some clients say hello.

use mongodb::bson::{Bson, Document};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADER: usize = 16;
const LONGEST: usize = 48_000_000;
const OP_REPLY: u32 = 1;
const OP_QUERY: u32 = 2004;
const OP_MSG: u32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;

pub(super) struct Request {
    id: u32,
    code: u32,
    /// The command, its lists of documents included.
    pub(super) body: Document,
}

pub(super) async fn read(stream: &mut TcpStream) -> Result<Request> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let (length, id, code) = (word(0) as usize, word(4), word(12));
    if !(HEADER..LONGEST).contains(&length) {
        return Err(invalid("length"));
    }
    let mut bytes = vec![0; length - HEADER];
    stream.read_exact(&mut bytes).await?;
    let body = match code {
        OP_MSG => message(&bytes)?,
        OP_QUERY => {
            let name = bytes[4..].iter().position(|byte| *byte == 0).ok_or_else(|| invalid("name"))?;
            document(&bytes[4 + name + 1 + 8..])?.0
        }
        _ => return Err(invalid("operation")),
    };
    Ok(Request { id, code, body })
}

pub(super) async fn write(stream: &mut TcpStream, request: &Request, answer: &Document) -> Result<()> {
    let mut body = Vec::new();
    let code = if request.code == OP_MSG {
        body.extend([0; 5]); // no flags; one section, a document
        OP_MSG
    } else {
        body.extend([0; 16]); // no flags, no cursor, from the first on
        body.extend(1_u32.to_le_bytes());
        OP_REPLY
    };
    answer.to_writer(&mut body).map_err(Error::other)?;
    let length = u32::try_from(HEADER + body.len()).map_err(Error::other)?;
    let header = [length, 0, request.id, code].map(u32::to_le_bytes).concat();
    stream.write_all(&[header, body].concat()).await
}

fn message(bytes: &[u8]) -> Result<Document> {
    let flags = u32::from_le_bytes(bytes.get(..4).ok_or_else(|| invalid("flags"))?.try_into().unwrap());
    let end = bytes.len() - if flags & CHECKSUM_PRESENT == 0 { 0 } else { 4 };
    let (mut rest, mut body, mut lists) = (&bytes[4..end], Document::new(), Vec::new());
    while let Some((kind, section)) = rest.split_first() {
        if *kind == 0 {
            let (command, length) = document(section)?;
            body = command;
            rest = &section[length..];
            continue;
        }
        let length = u32::from_le_bytes(section.get(..4).ok_or_else(|| invalid("section"))?.try_into().unwrap());
        let (list, after) = section.split_at_checked(length as usize).ok_or_else(|| invalid("section"))?;
        let name = list[4..].iter().position(|byte| *byte == 0).ok_or_else(|| invalid("section"))?;
        let (mut documents, mut left) = (Vec::new(), &list[4 + name + 1..]);
        while !left.is_empty() {
            let (next, length) = document(left)?;
            documents.push(Bson::Document(next));
            left = &left[length..];
        }
        lists.push((String::from_utf8_lossy(&list[4..4 + name]).into_owned(), documents));
        rest = after;
    }
    body.extend(lists.into_iter().map(|(name, documents)| (name, Bson::Array(documents))));
    Ok(body)
}

fn document(bytes: &[u8]) -> Result<(Document, usize)> {
    let length = u32::from_le_bytes(bytes.get(..4).ok_or_else(|| invalid("document"))?.try_into().unwrap()) as usize;
    let whole = bytes.get(..length).ok_or_else(|| invalid("document"))?;
    Ok((Document::from_reader(whole).map_err(Error::other)?, length))
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}
