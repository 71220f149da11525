//! What messages pass through on their way, and who sends and receives them there: one publisher, one queue and one
//! consumer; or many bindings, or many queues; or many publishers and consumers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Exchange, bindings, queues, publishers and consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) enum Layout {
    /// One queue at the default exchange.
    Plain,
    /// One queue at a topic exchange, with so many bindings that all match.
    Bindings(usize),
    /// So many queues at a direct exchange, one after the other.
    Queues(usize),
    /// So many publishers and so many consumers share one queue.
    Shared(usize),
    /// So many queues, each with a publisher and a consumer of its own.
    Pairs(usize),
    /// One publisher, one queue, and so many connections that consume it.
    Consumers(usize),
}

/// Each of its words may stand for itself or be a `*`: 128 patterns match.
const TOPIC: [&str; 7] = [
    "europe", "north", "ferry", "coast", "harbour", "pier", "bell",
];

/// The most patterns that can be made of it.
const PATTERNS: usize = 1 << TOPIC.len();

impl Layout {
    /// Its queues.
    pub(super) fn queues(self) -> Vec<String> {
        match self {
            Self::Plain | Self::Bindings(_) | Self::Shared(_) | Self::Consumers(_) => {
                vec!["bench".into()]
            }
            Self::Queues(count) | Self::Pairs(count) => (0..count).map(queue_name).collect(),
        }
    }

    /// How many publishers it has.
    pub(super) fn publishers(self) -> usize {
        match self {
            Self::Plain | Self::Bindings(_) | Self::Queues(_) | Self::Consumers(_) => 1,
            Self::Shared(count) | Self::Pairs(count) => count,
        }
    }

    /// How many connections that consume.
    pub(super) fn consumers(self) -> usize {
        match self {
            Self::Consumers(count) => count,
            _ => self.publishers(),
        }
    }

    /// The queues that the publisher of this number sends to in turn, and the consumer of this number consumes.
    pub(super) fn queues_of_end(self, number: usize) -> Vec<String> {
        match self {
            Self::Pairs(_) => vec![queue_name(number)],
            _ => self.queues(),
        }
    }

    /// Whether each queue has one consumer, so that its messages come in order and each right after the one before.
    pub(super) fn keeps_order(self) -> bool {
        !matches!(self, Self::Shared(2..) | Self::Consumers(2..))
    }

    /// How many queues each publisher sends to.
    pub(super) fn queues_of_each_publisher(self) -> usize {
        match self {
            Self::Queues(count) => count,
            _ => 1,
        }
    }

    /// A part of the window: what is told of a layout is told of all its publishers together.
    pub(super) fn window_of_each(self, window: usize) -> usize {
        (window / self.publishers()).max(1)
    }
}

/// Names of one length.
fn queue_name(number: usize) -> String {
    format!("bench-{number:06}")
}

/// The routing key that all patterns match.
pub(super) fn topic() -> String {
    TOPIC.join(".")
}

/// One of the patterns that match the topic: the bits of `number` say which words are left open.
pub(super) fn pattern(number: usize) -> String {
    let words = TOPIC
        .iter()
        .enumerate()
        .map(|(at, word)| match number >> at & 1 {
            0 => word,
            _ => "*",
        });
    words.collect::<Vec<_>>().join(".")
}

impl From<Layout> for String {
    fn from(layout: Layout) -> Self {
        layout.to_string()
    }
}

impl TryFrom<String> for Layout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Bindings(count) => write!(f, "{count}-bindings"),
            Self::Queues(count) => write!(f, "{count}-queues"),
            Self::Shared(count) => write!(f, "{count}-shared"),
            Self::Pairs(count) => write!(f, "{count}-pairs"),
            Self::Consumers(count) => write!(f, "{count}-consumers"),
        }
    }
}

impl std::str::FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let layout = match text.split_once('-') {
            None if text == "plain" => Some(Self::Plain),
            Some((count, what)) => count.parse().ok().and_then(|count| match what {
                "binding" | "bindings" if (1..=PATTERNS).contains(&count) => {
                    Some(Self::Bindings(count))
                }
                "queues" if count > 0 => Some(Self::Queues(count)),
                "shared" if count > 0 => Some(Self::Shared(count)),
                "pairs" if count > 0 => Some(Self::Pairs(count)),
                "consumers" if count > 0 => Some(Self::Consumers(count)),
                _ => None,
            }),
            None => None,
        };
        layout.ok_or_else(|| {
            format!(
                "`{text}` is not plain, N-bindings (up to {PATTERNS}), N-queues, N-shared, N-pairs or N-consumers"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_differ_and_layouts_are_read_as_they_are_written() {
        let patterns: std::collections::BTreeSet<_> = (0..PATTERNS).map(pattern).collect();
        assert_eq!(patterns.len(), PATTERNS);
        for layout in [
            Layout::Plain,
            Layout::Bindings(100),
            Layout::Queues(1000),
            Layout::Shared(10),
            Layout::Pairs(10),
            Layout::Consumers(10),
        ] {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert!("129-bindings".parse::<Layout>().is_err());
    }
}
