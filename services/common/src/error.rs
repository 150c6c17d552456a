//! One error for all services: a code feeds both the gRPC and the HTTP status, a message is for the user, a cause is
//! for the log.

use std::{borrow::Cow, time::Duration};

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "aetherconnect.io";
/// How long a caller should wait after an outage, unless told otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What kind of failure it was. Each has one gRPC code and one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request is malformed: `INVALID_ARGUMENT`, 400.
    Invalid,
    /// No valid token, or wrong credentials: `UNAUTHENTICATED`, 401.
    Unauthenticated,
    /// The caller is known but may not: `PERMISSION_DENIED`, 403.
    Forbidden,
    /// No such thing, or none that the caller may see: `NOT_FOUND`, 404.
    NotFound,
    /// A unique thing is there already: `ALREADY_EXISTS`, 400 as the specification wants it.
    Conflict,
    /// Too many requests: `RESOURCE_EXHAUSTED`, 429.
    Exhausted,
    /// Something that this needs is out of reach for now: `UNAVAILABLE`, 503.
    Unavailable,
    /// A fault of ours: `INTERNAL`, 500.
    Internal,
}

impl Code {
    fn grpc(self) -> tonic::Code {
        match self {
            Self::Invalid => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::Conflict => tonic::Code::AlreadyExists,
            Self::Exhausted => tonic::Code::ResourceExhausted,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    fn from_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::Invalid,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::Forbidden,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists => Self::Conflict,
            tonic::Code::ResourceExhausted => Self::Exhausted,
            // A call that ran out of time or was cut off says nothing about its caller: an outage, never a refusal.
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn http(self) -> http::StatusCode {
        match self {
            Self::Invalid | Self::Conflict => http::StatusCode::BAD_REQUEST,
            Self::Unauthenticated => http::StatusCode::UNAUTHORIZED,
            Self::Forbidden => http::StatusCode::FORBIDDEN,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::Exhausted => http::StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A wait as clients are told of it: in whole seconds, never too few.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A failure on its way to a caller. `message` and `fields` are for the user; `cause` never leaves the process.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// Machine-readable, in `UPPER_SNAKE_CASE`, e.g. `ROOM_NOT_FOUND`.
    pub reason: Cow<'static, str>,
    /// For the user: what is wrong and how to mend it.
    pub message: String,
    /// For bad input: each field's name and what it must be.
    pub fields: Vec<(String, String)>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
    /// What happened inside, for the log alone.
    pub cause: Option<anyhow::Error>,
}

impl Error {
    /// An error with a code, a machine-readable reason and a message for the user.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
            message: message.into(),
            fields: Vec::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// Bad input. The message names every field with its mend.
    #[must_use]
    pub fn invalid(fields: Vec<(String, String)>) -> Self {
        let message = fields.iter().map(|(name, mend)| format!("{name} {mend}")).collect::<Vec<_>>().join("; ");
        Self { fields, ..Self::new(Code::Invalid, "INVALID_INPUT", message) }
    }

    /// No valid token.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "TOKEN_INVALID", "Unauthorized")
    }

    /// Something that this needs is out of reach: the caller may try again in a second.
    pub fn unavailable(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            retry_after: Some(RETRY_AFTER),
            cause: Some(cause.into()),
            ..Self::new(Code::Unavailable, "UNAVAILABLE", "Service temporarily unavailable, please try again")
        }
    }

    /// The same failure for another caller; its cause is logged once.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            code: self.code,
            reason: self.reason.clone(),
            message: self.message.clone(),
            fields: self.fields.clone(),
            retry_after: self.retry_after,
            cause: None,
        }
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal, "INTERNAL", "Internal server error") }
    }

    /// Writes the cause, if there is one, to the log: to be called once, where the error is answered.
    pub fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(reason = %self.reason, "{cause:#}");
        }
    }
}

impl From<Error> for Status {
    /// Logs the cause and makes the status that a gRPC caller sees.
    fn from(error: Error) -> Self {
        error.log();
        let mut details = ErrorDetails::with_error_info(error.reason, DOMAIN, [] as [(String, String); 0]);
        for (field, mend) in error.fields {
            details.add_bad_request_violation(field, mend);
        }
        if let Some(wait) = error.retry_after {
            details.set_retry_info(Some(wait));
        }
        Status::with_error_details(error.code.grpc(), error.message, details)
    }
}

impl From<Status> for Error {
    /// Reads what another service answered. Only messages that carry our own details are meant for users.
    fn from(status: Status) -> Self {
        let code = Code::from_grpc(status.code());
        let details = status.get_error_details();
        let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) else {
            return match code {
                Code::Unavailable => Self::unavailable(anyhow::anyhow!("{}: {}", status.code(), status.message())),
                _ => Self::internal(anyhow::anyhow!("{}: {}", status.code(), status.message())),
            };
        };
        Self {
            code,
            reason: Cow::Owned(info.reason.clone()),
            message: status.message().to_owned(),
            fields: details
                .bad_request()
                .map(|b| b.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect())
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|r| r.retry_delay),
            cause: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_grpc() {
        let sent = Error::invalid(vec![("email".into(), "must be an e-mail address".into())]);
        let got = Error::from(Status::from(sent));
        assert_eq!(got.code, Code::Invalid);
        assert_eq!(got.message, "email must be an e-mail address");
        assert_eq!(got.fields, vec![("email".to_owned(), "must be an e-mail address".to_owned())]);
    }

    #[test]
    fn a_status_that_is_not_ours_shows_the_user_no_internal_text() {
        let got = Error::from(Status::unavailable("tcp connect error: 10.0.0.3:50001"));
        assert_eq!(got.code, Code::Unavailable);
        assert!(!got.message.contains("10.0.0.3"));
        assert!(got.retry_after.is_some());
    }

    #[test]
    fn a_deadline_is_an_outage_and_not_a_refusal() {
        assert_eq!(Error::from(Status::deadline_exceeded("slow")).code, Code::Unavailable);
    }
}
