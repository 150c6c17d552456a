//! Calls that are made at the same time go as one request, a bundle, and are answered one by one as they are done. In
//! it a call costs a fraction of what a stream of HTTP/2 of its own does. Each keeps its headers: whose it is, its
//! request id and its trace.

use std::future::ready;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request::Parts};
use http_body_util::{BodyExt as _, Full};
use prost::{
    Message,
    bytes::{Buf as _, BufMut as _, Bytes, BytesMut},
};
use tonic::{Status, body::Body};

use super::methods;

/// Where bundles are sent. No gRPC method has such a path.
pub(super) const PATH: &str = "/aetherconnect.bundle";
pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.aetherconnect.bundle");
/// The most calls of a bundle.
pub(super) const MOST_CALLS: usize = 64;
/// Larger messages go by themselves.
const LARGEST_MESSAGE: usize = 16 * 1024;
/// With the heads of all calls.
pub(super) const LARGEST: usize = MOST_CALLS * 2 * LARGEST_MESSAGE;
/// Of an answer, with its head: histories are the longest.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// What is sent.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Bundle {
    #[prost(message, repeated, tag = "1")]
    pub(super) calls: Vec<Call>,
}

/// A call with one message to a method with one answer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Call {
    #[prost(string, tag = "1")]
    path: String,
    /// See [`lines`].
    #[prost(bytes = "bytes", tag = "2")]
    headers: Bytes,
    /// With its prefix, as gRPC frames it.
    #[prost(bytes = "bytes", tag = "3")]
    message: Bytes,
}

/// The answer to one call. A bundle is answered by these, each behind its length in four bytes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Answer {
    /// Which call it answers, counted from 0.
    #[prost(uint32, tag = "1")]
    pub(super) call: u32,
    #[prost(bytes = "bytes", tag = "2")]
    headers: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    message: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    trailers: Bytes,
}

impl Call {
    pub(super) fn new(head: &Parts, message: Bytes) -> Self {
        Self { path: head.uri.path().to_owned(), headers: lines(&head.headers), message }
    }

    /// Whether it may go with others: streams and long messages don't.
    pub(super) fn is_for_bundles(&self) -> bool {
        self.message.len() <= LARGEST_MESSAGE && !methods::streams(&self.path)
    }

    /// The request that it stands for.
    pub(super) fn request(self) -> Result<Request<Body>, Status> {
        let request = Request::post(self.path).body(whole(self.message, None));
        let mut request = request.map_err(|error| Status::invalid_argument(error.to_string()))?;
        *request.headers_mut() = map(&self.headers)?;
        Ok(request)
    }
}

impl Answer {
    /// What was answered to a call.
    pub(super) fn new(call: u32, headers: &HeaderMap, message: Bytes, trailers: Option<&HeaderMap>) -> Self {
        Self { call, headers: lines(headers), message, trailers: trailers.map(lines).unwrap_or_default() }
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.put_u32(u32::try_from(self.encoded_len()).unwrap_or(u32::MAX));
        // A vector grows as it must.
        let _ = self.encode(to);
    }

    /// Takes the next answer from what has come, if the whole of it is there.
    pub(super) fn read(from: &mut BytesMut) -> Result<Option<Self>, Status> {
        let broken = |what: String| Status::internal(format!("a bundle's answer can't be read: {what}"));
        let Some(length) = from.first_chunk().map(|length| u32::from_be_bytes(*length) as usize) else {
            return Ok(None);
        };
        if length > LARGEST_ANSWER {
            return Err(broken(format!("it has {length} bytes")));
        }
        if from.len() < 4 + length {
            return Ok(None);
        }
        from.advance(4);
        let answer = Self::decode(from.split_to(length).freeze());
        answer.map(Some).map_err(|error| broken(error.to_string()))
    }

    /// The response that it stands for.
    pub(super) fn response(self) -> Result<Response<Body>, Status> {
        let trailers = if self.trailers.is_empty() { None } else { Some(map(&self.trailers)?) };
        let mut response = Response::new(whole(self.message, trailers));
        *response.headers_mut() = map(&self.headers)?;
        Ok(response)
    }
}

/// Headers, each a line of its name, a colon and its value, which no header has a line feed in.
fn lines(headers: &HeaderMap) -> Bytes {
    let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    let mut lines = Vec::with_capacity(length);
    for (name, value) in headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.push(b':');
        lines.extend_from_slice(value.as_bytes());
        lines.push(b'\n');
    }
    lines.into()
}

fn map(lines: &Bytes) -> Result<HeaderMap, Status> {
    let odd = |what: &str| Status::invalid_argument(format!("a header of a bundle has an odd {what}"));
    let mut map = HeaderMap::with_capacity(8);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| odd("form"))?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| odd("name"))?;
        let value = HeaderValue::from_maybe_shared(lines.slice_ref(&line[colon + 1..]));
        map.append(name, value.map_err(|_| odd("value"))?);
    }
    Ok(map)
}

fn whole(message: Bytes, trailers: Option<HeaderMap>) -> Body {
    Body::new(Full::new(message).with_trailers(ready(trailers.map(Ok))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[tokio::test]
    async fn a_call_arrives_as_it_was_made() {
        let sent = Request::post("http://auth:50001/a.B/C").header("x-request-id", "r1").body(()).unwrap();
        let call = Call::new(&sent.into_parts().0, Bytes::from_static(b"message"));
        let bundle = Bundle { calls: vec![call] }.encode_to_vec();
        let call = Bundle::decode(&*bundle).unwrap().calls.remove(0).request().unwrap();
        assert_eq!((call.method(), call.uri().path()), (&http::Method::POST, "/a.B/C"));
        assert_eq!(call.headers()["x-request-id"], "r1");
        assert_eq!(call.into_body().collect().await.unwrap().to_bytes(), "message");
    }

    #[tokio::test]
    async fn answers_are_read_one_by_one_however_they_are_cut_up() {
        let mut sent = Vec::new();
        for (call, trailers) in [(1, Some(headers("grpc-status", "0"))), (0, None)] {
            let headers = headers("content-type", "application/grpc");
            Answer::new(call, &headers, Bytes::from_static(b"yes"), trailers.as_ref()).write(&mut sent);
        }
        let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
        for byte in sent {
            buffer.put_u8(byte);
            read.extend(Answer::read(&mut buffer).unwrap());
        }
        assert_eq!(read.iter().map(|answer| answer.call).collect::<Vec<_>>(), [1, 0]);
        for (answer, status) in read.into_iter().zip([Some("0"), None]) {
            let response = answer.response().unwrap();
            assert_eq!(response.headers()["content-type"], "application/grpc");
            let body = response.into_body().collect().await.unwrap();
            assert_eq!(body.trailers().map(|trailers| trailers["grpc-status"].to_str().unwrap()), status);
            assert_eq!(body.to_bytes(), "yes");
        }
    }

    #[test]
    fn odd_calls_and_answers_are_refused() {
        let call = |path: &str, headers: &'static [u8]| {
            Call { path: path.to_owned(), headers: Bytes::from_static(headers), message: Bytes::new() }.request()
        };
        assert!(call("/a.B/C", b"x-request-id:r1\n").is_ok());
        assert!(call("no path", b"x-request-id:r1\n").is_err());
        assert!(call("/a.B/C", b"x-request-id\n").is_err(), "no value");
        assert!(call("/a.B/C", b"two words:r1\n").is_err());
        assert!(call("/a.B/C", b"x-request-id:r1\r\n").is_err());
        assert!(Answer::read(&mut BytesMut::from(&[0xff; 4][..])).is_err(), "it would never end");
        assert!(Answer::read(&mut BytesMut::from(&[0, 0, 0, 1, 0xff][..])).is_err(), "it is no answer");
    }

    #[test]
    fn fuzz_bundles_are_read_or_refused() {
        let mut answer = Vec::new();
        Answer::new(1, &headers("a", "b"), Bytes::from_static(b"yes"), None).write(&mut answer);
        let sent = Request::post("/a.B/C").header("x-request-id", "r1").body(()).unwrap();
        let call = Call::new(&sent.into_parts().0, Bytes::from_static(b"message"));
        let corpus = [&answer[..], &Bundle { calls: vec![call] }.encode_to_vec()];
        aether_fuzz::fuzz("bundles", &corpus, &["/a.B/C", "x-request-id", "\r\n"], |bytes| {
            let calls = Bundle::decode(bytes)
                .map_or(0, |bundle| bundle.calls.into_iter().filter(|call| call.clone().request().is_ok()).count());
            let (mut buffer, mut answers) = (BytesMut::from(bytes), 0);
            while let Ok(Some(answer)) = Answer::read(&mut buffer) {
                answers += usize::from(answer.response().is_ok());
            }
            format!("{} {}", calls.min(3), answers.min(3))
        });
    }
}
