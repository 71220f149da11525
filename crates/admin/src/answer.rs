//! What a request is answered: RabbitMQ's codes, and errors as `{"error": …, "reason": …}`.

use crate::entrance::{SESSION_OVER, say_reason};
use crate::operator::AskError;
use crate::reader::Mistake;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker::CommandRefused;
use serde_json::json;
use std::time::Duration;

/// A request that was not served.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It does not make sense: 400.
    BadRequest(String),
    /// Nobody logged in: 401 with the question who it is.
    LoginWanted,
    /// Another password, or no such user: 401.
    LoginRefused,
    /// The session's user is gone, or logs in otherwise now: 401.
    SessionOver,
    /// Too much failed before: 429, and when to come again.
    TooManyLogins(Duration),
    /// For somebody else, it seems: 421.
    Misdirected(String),
    /// Not what its user wants, perhaps: 403.
    Forbidden(&'static str),
    /// Logged in, and may not: 401 as RabbitMQ says it, without asking again who it is.
    NotAllowed(&'static str),
    /// The broker refuses what this user wants: 401, as above.
    NotPermitted(String),
    /// 404.
    NotFound,
    /// 404, in the broker's words.
    Missing(String),
    /// The method of another endpoint: 405.
    MethodNotAllowed,
    /// 413.
    TooLarge,
    /// It took too long: 408.
    TooSlow,
    /// What it is about cannot be read: 503.
    Unreadable(String),
    /// 503.
    Stopping,
    /// Something that it depends on does not answer: 503.
    Silent(String),
    /// Nothing more is taken in for the moment: 503.
    Short(String),
    /// Another node has to be asked: 503.
    Elsewhere(Serving),
}

/// Which node serves, as far as whoever asks may know.
#[derive(Debug)]
pub(crate) enum Serving {
    /// None does.
    Nobody,
    /// Another one.
    Another,
    /// One of which is said where its API is.
    At(String),
}

impl Failure {
    /// The same for somebody of whom nobody knows who it is: where other nodes are is not for strangers.
    pub(crate) fn for_strangers(self) -> Self {
        match self {
            Self::Elsewhere(Serving::At(_)) => Self::Elsewhere(Serving::Another),
            other => other,
        }
    }
}

impl Serving {
    fn words(&self) -> &str {
        match self {
            Self::Nobody => "no node of the cluster serves at the moment",
            Self::Another => "another node of the cluster serves, and does not answer",
            Self::At(said) => said,
        }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::BadRequest(mistake.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(CommandRefused::NotFound(what)) => Self::Missing(what),
            AskError::Refused(CommandRefused::Invalid(what)) => Self::BadRequest(what),
            AskError::Refused(CommandRefused::AccessRefused(_)) => Self::LoginRefused,
            AskError::Refused(CommandRefused::NotPermitted(what)) => Self::NotPermitted(what),
            AskError::Refused(CommandRefused::Short(what)) => Self::Short(what),
            AskError::Unreadable(what) => Self::Unreadable(what),
            AskError::Stopping => Self::Stopping,
            AskError::Elsewhere(None) => Self::Elsewhere(Serving::Nobody),
            AskError::Elsewhere(Some(_)) => Self::Elsewhere(Serving::At(error.to_string())),
        }
    }
}

/// The question who it is, in the words that browsers show.
const WHO: &str = "Basic realm=\"RabbitMQ Management\"";

impl Failure {
    /// Why, in words.
    pub(crate) fn reason(&self) -> String {
        self.told().2.to_owned()
    }

    /// The code, and what stands under `error` and `reason`.
    fn told(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::BadRequest(reason) => (StatusCode::BAD_REQUEST, "bad_request", reason.as_str()),
            Self::LoginWanted | Self::LoginRefused => {
                (StatusCode::UNAUTHORIZED, "not_authorized", "Login failed")
            }
            Self::SessionOver => {
                let reason = "The session is over";
                (StatusCode::UNAUTHORIZED, "not_authorized", reason)
            }
            Self::TooManyLogins(_) => {
                let reason = "too many logins have failed";
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", reason)
            }
            Self::Misdirected(reason) => {
                let code = StatusCode::MISDIRECTED_REQUEST;
                (code, "misdirected", reason.as_str())
            }
            Self::Forbidden(reason) => (StatusCode::FORBIDDEN, "forbidden", reason),
            Self::NotAllowed(reason) => (StatusCode::UNAUTHORIZED, "not_authorised", reason),
            Self::NotPermitted(reason) => {
                let code = StatusCode::UNAUTHORIZED;
                (code, "not_authorised", reason.as_str())
            }
            Self::Unreadable(reason) => {
                let code = StatusCode::SERVICE_UNAVAILABLE;
                (code, "unreadable", reason.as_str())
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "Object Not Found", "Not Found"),
            Self::Missing(what) => (StatusCode::NOT_FOUND, "Object Not Found", what.as_str()),
            Self::MethodNotAllowed => {
                let reason = "this path has no such method";
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
            }
            Self::TooLarge => {
                let reason = "the body is too large";
                (StatusCode::PAYLOAD_TOO_LARGE, "bad_request", reason)
            }
            Self::TooSlow => {
                let reason = "the request was not complete in time";
                (StatusCode::REQUEST_TIMEOUT, "timeout", reason)
            }
            Self::Silent(reason) | Self::Short(reason) => {
                let code = StatusCode::SERVICE_UNAVAILABLE;
                (code, "unavailable", reason.as_str())
            }
            Self::Elsewhere(serving) => {
                let code = StatusCode::SERVICE_UNAVAILABLE;
                (code, "elsewhere", serving.words())
            }
            Self::Stopping => {
                let reason = "the server is stopping";
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason)
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, error, reason) = self.told();
        let body = Json(json!({"error": error, "reason": reason}));
        let reason = reason.to_owned();
        let mut response = match self {
            Self::LoginWanted | Self::LoginRefused => {
                (code, [(header::WWW_AUTHENTICATE, WHO)], body).into_response()
            }
            Self::SessionOver => (code, [(SESSION_OVER, "true")], body).into_response(),
            Self::TooManyLogins(wait) => {
                let seconds = wait.as_secs_f64().ceil().to_string();
                (code, [(header::RETRY_AFTER, seconds)], body).into_response()
            }
            _ => (code, body).into_response(),
        };
        say_reason(&mut response, &reason);
        response
    }
}

/// Something was put: 201 where it had not been there, else 204.
pub(crate) const fn put(made: bool) -> StatusCode {
    if made {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    }
}
