//! JSON bodies, read so that a refusal names every field with its mend.

use std::time::Duration;

use aether_common::Error;
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::{
    app::App,
    error::{Failure, refusal},
};

const LARGEST: usize = 64 * 1024;
/// A client that needs longer for its body is refused: that is no outage of ours.
pub(crate) const TIME_OUT: Duration = Duration::from_secs(10);

/// A body that knows how to be read from a JSON object.
pub(crate) trait FromFields {
    fn from_fields(fields: &mut Fields) -> Self;
}

/// The fields of a body and what is wrong with them.
pub(crate) struct Fields {
    object: Map<String, Value>,
    problems: Vec<(String, String)>,
}

impl Fields {
    /// A field that must be there.
    pub(crate) fn text(&mut self, name: &str) -> String {
        match self.optional(name) {
            Some(text) => text,
            None => {
                if !self.problems.iter().any(|(field, _)| field == name) {
                    self.problems.push((name.to_owned(), "is required".to_owned()));
                }
                String::new()
            }
        }
    }

    /// A field that may be absent or null.
    pub(crate) fn optional(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.problems.push((name.to_owned(), "must be a string".to_owned()));
                None
            }
        }
    }

    /// Two fields of which one must be there, and one only.
    pub(crate) fn either(&mut self, names: [&str; 2]) -> [Option<String>; 2] {
        let before = self.problems.len();
        let values = names.map(|name| self.optional(name));
        if values.iter().flatten().count() != 1 && self.problems.len() == before {
            self.problems.push((names[0].to_owned(), format!("or {} is required, and not both", names[1])));
        }
        values
    }
}

fn problem(mend: &str) -> Error {
    Error::invalid(vec![("body".to_owned(), mend.to_owned())])
}

/// The whole of a body, if it is at most 64 KiB and comes in time.
pub(crate) async fn whole(body: Body, time_out: Duration) -> Result<Bytes, BadBody> {
    match tokio::time::timeout(time_out, Limited::new(body, LARGEST).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BadBody::TooLarge),
        Ok(Err(_)) => Err(BadBody::Invalid(problem("ended too early"))),
        Err(_) => Err(BadBody::TooSlow),
    }
}

fn read<T: FromFields>(bytes: &[u8]) -> Result<T, Error> {
    if bytes.trim_ascii().is_empty() {
        return Err(problem("is empty: send a JSON object"));
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| problem(&format!("is not valid JSON (line {}, column {})", e.line(), e.column())))?;
    let Value::Object(object) = value else {
        return Err(problem("must be a JSON object"));
    };
    let mut fields = Fields { object, problems: Vec::new() };
    let body = T::from_fields(&mut fields);
    if fields.problems.is_empty() { Ok(body) } else { Err(Error::invalid(fields.problems)) }
}

/// A JSON body of at most 64 KiB.
pub(crate) struct Json<T>(pub(crate) T);

/// Why a body was refused.
#[derive(Debug)]
pub(crate) enum BadBody {
    TooLarge,
    TooSlow,
    Invalid(Error),
}

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge => too_large(),
            Self::TooSlow => too_slow(),
            Self::Invalid(error) => Failure(error).into_response(),
        }
    }
}

impl<T: FromFields> FromRequest<App> for Json<T> {
    type Rejection = BadBody;

    async fn from_request(request: Request, _: &App) -> Result<Self, BadBody> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(BadBody::Invalid(problem("must be JSON, with the header Content-Type: application/json")));
        }
        let bytes = whole(request.into_body(), TIME_OUT).await?;
        read(&bytes).map(Self).map_err(BadBody::Invalid)
    }
}

/// Whether a body is too large, by what is said of it before any of it is read.
pub(crate) fn says_too_large(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > LARGEST)
}

pub(crate) fn too_large() -> Response {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "body must be at most 64 KiB")
}

/// The client is still sending, so its connection can't serve another request.
pub(crate) fn too_slow() -> Response {
    tracing::debug!("a body came too slowly");
    let mut response = refusal(StatusCode::REQUEST_TIMEOUT, "body came too slowly: send it faster");
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Two(String, Option<String>);

    impl FromFields for Two {
        fn from_fields(fields: &mut Fields) -> Self {
            Self(fields.text("email"), fields.optional("name"))
        }
    }

    fn refused(body: &str) -> String {
        read::<Two>(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn every_wrong_field_is_named_with_its_mend() {
        assert_eq!(refused("{}"), "email is required");
        assert_eq!(refused(r#"{"email":null,"name":[]}"#), "email is required; name must be a string");
        assert_eq!(refused(r#"{"email":5}"#), "email must be a string");
    }

    #[test]
    fn what_is_no_json_object_is_said_to_be_none() {
        assert_eq!(refused("[]"), "body must be a JSON object");
        assert_eq!(refused("{\"email\":"), "body is not valid JSON (line 1, column 9)");
        assert!(refused(&"[".repeat(10_000)).starts_with("body is not valid JSON"));
    }

    #[test]
    fn an_empty_body_is_said_to_be_empty() {
        for empty in ["", " \r\n"] {
            assert_eq!(refused(empty), "body is empty: send a JSON object");
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_the_clients_fault() {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let slow = whole(body, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(slow.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn fields_that_nobody_asked_for_do_no_harm() {
        let body = read::<Two>(br#"{"email":"a@b","rememberMe":true}"#).unwrap();
        assert_eq!(body, Two("a@b".into(), None));
    }
}
