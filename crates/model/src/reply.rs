//! Reply codes, and the two errors that carry them: one closes a channel, one closes a connection.

use crate::ShortStr;
use std::fmt;

/// The reply codes of AMQP 0-9-1, with RabbitMQ's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum ReplyCode {
    ReplySuccess = 200,
    ContentTooLarge = 311,
    NoRoute = 312,
    NoConsumers = 313,
    ConnectionForced = 320,
    InvalidPath = 402,
    AccessRefused = 403,
    NotFound = 404,
    ResourceLocked = 405,
    PreconditionFailed = 406,
    FrameError = 501,
    SyntaxError = 502,
    CommandInvalid = 503,
    ChannelError = 504,
    UnexpectedFrame = 505,
    ResourceError = 506,
    NotAllowed = 530,
    NotImplemented = 540,
    InternalError = 541,
}

impl ReplyCode {
    /// The name that a reply text begins with; clients match on it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplySuccess => "REPLY_SUCCESS",
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::NoConsumers => "NO_CONSUMERS",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number, if there is one.
    pub fn from_number(number: u16) -> Option<Self> {
        use ReplyCode::*;
        let all = [
            ReplySuccess,
            ContentTooLarge,
            NoRoute,
            NoConsumers,
            ConnectionForced,
            InvalidPath,
            AccessRefused,
            NotFound,
            ResourceLocked,
            PreconditionFailed,
            FrameError,
            SyntaxError,
            CommandInvalid,
            ChannelError,
            UnexpectedFrame,
            ResourceError,
            NotAllowed,
            NotImplemented,
            InternalError,
        ];
        all.into_iter().find(|code| code.number() == number)
    }

    /// `NAME - explanation`, cut to what a short string holds.
    fn text(self, explanation: impl fmt::Display) -> ShortStr {
        ShortStr::truncated(&format!("{} - {explanation}", self.name()))
    }
}

/// Which method an error is about: class and method number, 0 and 0 where it is about none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// The class's number.
    pub class: u16,
    /// The method's number in its class.
    pub method: u16,
}

impl MethodId {
    /// A method's numbers.
    pub const fn new(class: u16, method: u16) -> Self {
        Self { class, method }
    }
}

/// What a client did closes its channel; the connection and its other channels go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ChannelError {
    /// The reply code.
    pub code: ReplyCode,
    /// The reply text, beginning with the code's name.
    pub text: ShortStr,
    /// The method at fault.
    pub method: MethodId,
}

impl ChannelError {
    /// An error whose text is `NAME - explanation`.
    pub fn new(code: ReplyCode, explanation: impl fmt::Display, method: MethodId) -> Self {
        Self {
            code,
            text: code.text(explanation),
            method,
        }
    }
}

/// What a client did closes its connection; other connections do not notice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ConnectionError {
    /// The reply code.
    pub code: ReplyCode,
    /// The reply text, beginning with the code's name.
    pub text: ShortStr,
    /// The method at fault.
    pub method: MethodId,
}

impl ConnectionError {
    /// An error whose text is `NAME - explanation`.
    pub fn new(code: ReplyCode, explanation: impl fmt::Display, method: MethodId) -> Self {
        Self {
            code,
            text: code.text(explanation),
            method,
        }
    }
}
