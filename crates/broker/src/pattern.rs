//! Patterns of names, as permissions and policies have them: regular expressions, found anywhere in the name.

use crate::wildcard::Wildcard;
use fancy_regex::{Regex, RegexBuilder};

/// A pattern that needs more steps than this on one name matches nothing: it must not stop the server.
const BACKTRACK_LIMIT: usize = 100_000;

/// The compiled form may take so much memory, in bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// A pattern of names. The two that nearly all permissions are made of cost nothing.
#[derive(Debug, Default)]
pub(crate) enum Pattern {
    Everything,
    #[default]
    Nothing,
    Matching(Box<Regex>),
    /// Any of them: those of a token.
    Any(Vec<Wildcard>),
}

impl Pattern {
    /// Compiles it; an error says what is wrong with the text. Empty is `^$`, as in RabbitMQ.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        match text {
            ".*" | "^.*" | "^.*$" | ".*$" => return Ok(Self::Everything),
            "" | "^$" => return Ok(Self::Nothing),
            _ => {}
        }
        let regex = RegexBuilder::new(text)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .build();
        match regex {
            Ok(regex) => Ok(Self::Matching(Box::new(regex))),
            Err(error) => Err(format!("'{text}' is not a regular expression: {error}")),
        }
    }

    /// Matches what one of them matches.
    pub(crate) fn any_of(wildcards: Vec<Wildcard>) -> Self {
        if wildcards.iter().any(Wildcard::is_everything) {
            return Self::Everything;
        }
        Self::Any(wildcards)
    }

    /// Whether every name matches, so that nobody need look.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => name.is_empty(),
            Self::Matching(regex) => regex.is_match(name).unwrap_or(false),
            Self::Any(wildcards) => wildcards.iter().any(|it| it.matches(name)),
        }
    }
}

/// The text in a form that matches only itself: for names that are put into patterns.
pub(crate) fn escaped(text: &str) -> String {
    fancy_regex::escape(text).into_owned()
}
