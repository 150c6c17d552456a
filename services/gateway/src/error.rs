//! From an error to what the client sees.

use std::time::Duration;

use aether_common::{Code, Error, error::whole_seconds};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tonic::Status;
use utoipa::ToSchema;

/// The body of every failure but the 401 of guarded routes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Always `false`.
    #[schema(example = false)]
    success: bool,
    /// What is wrong and how to mend it.
    #[schema(example = "name is required")]
    message: String,
}

/// The body of 401 where the specification has it with `statusCode`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnauthorizedBody {
    #[schema(example = 401)]
    status_code: u16,
    #[schema(example = "Unauthorized")]
    message: String,
}

/// An error that is answered to a client.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Status> for Failure {
    /// Fields are named as the client sent them.
    fn from(status: Status) -> Self {
        let error = Error::from(status);
        if error.code != Code::Invalid || error.fields.is_empty() {
            return Self(error);
        }
        let fields = error.fields.into_iter().map(|(name, mend)| (client_name(&name), mend)).collect();
        Self(Error::invalid(fields))
    }
}

/// `first_name` is `firstName` in JSON; `room` of a gRPC request is `roomId` in a URL.
fn client_name(field: &str) -> String {
    if field == "room" {
        return "roomId".to_owned();
    }
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        name + &head.to_uppercase() + tail
    })
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.log();
        let status = self.0.code.http();
        let wait = self.0.retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(1)));
        let mut response = refusal(status, &self.0.message);
        if let Some(wait) = wait {
            // Rounded up: a client that waits so long must not be refused again.
            let seconds = whole_seconds(wait);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A failure with the usual body.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(ErrorBody { success: false, message: message.to_owned() })).into_response()
}

/// The two bodies that the specification has for 401. Each route that can answer 401 has one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unauthorized {
    /// `{"statusCode":401,"message":"Unauthorized"}`
    WithStatusCode,
    /// `{"success":false,"message":…}`
    Saying(&'static str),
}

impl Unauthorized {
    /// Gives every 401 of a route its body.
    pub(crate) fn shape(self, response: Response) -> Response {
        if response.status() != StatusCode::UNAUTHORIZED {
            return response;
        }
        let mut shaped = match self {
            Self::Saying(message) => refusal(StatusCode::UNAUTHORIZED, message),
            Self::WithStatusCode => {
                let body = UnauthorizedBody { status_code: 401, message: "Unauthorized".to_owned() };
                (StatusCode::UNAUTHORIZED, Json(body)).into_response()
            }
        };
        shaped.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        shaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_the_client_sent_them() {
        for (ours, theirs) in [("first_name", "firstName"), ("email", "email"), ("room", "roomId"), ("", "")] {
            assert_eq!(client_name(ours), theirs);
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let error = Error {
            retry_after: Some(Duration::from_millis(1200)),
            ..Error::new(Code::Exhausted, "RATE_LIMITED", "slow down")
        };
        let response = Failure(error).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
