//! What messages pass through on their way: the default exchange and one queue, or many bindings, or many queues.

use super::connection::Connection;
use anyhow::Result;
use bytes::BytesMut;
use model::ShortStr;
use std::fmt;

/// Exchange, bindings and queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layout {
    /// One queue at the default exchange.
    Plain,
    /// One queue at a topic exchange, with so many bindings that all match.
    Bindings(usize),
    /// So many queues at a direct exchange, one after the other.
    Queues(usize),
}

const EXCHANGE: &str = "bench";

/// Each of its words may stand for itself or be a `*`: 128 patterns match.
const TOPIC: [&str; 7] = [
    "europe", "north", "ferry", "coast", "harbour", "pier", "bell",
];

/// The most patterns that can be made of it.
const PATTERNS: usize = 1 << TOPIC.len();

impl Layout {
    /// Those that are measured, beside the plain one.
    pub(super) const MEASURED: [Self; 4] = [
        Self::Bindings(1),
        Self::Bindings(10),
        Self::Bindings(100),
        Self::Queues(1000),
    ];

    /// Its queues.
    pub(super) fn queues(self) -> Vec<ShortStr> {
        match self {
            Self::Plain | Self::Bindings(_) => vec![ShortStr::truncated("bench")],
            Self::Queues(count) => (0..count).map(queue_name).collect(),
        }
    }

    /// Declares all of it anew.
    pub(super) fn make(self, control: &mut Connection, queue_type: Option<&str>) -> Result<()> {
        self.remove(control)?;
        for queue in self.queues() {
            control.declare(&queue, queue_type)?;
        }
        let exchange = ShortStr::truncated(EXCHANGE);
        match self {
            Self::Plain => {}
            Self::Bindings(count) => {
                control.declare_exchange(&exchange, "topic")?;
                for number in 0..count {
                    control.bind(&self.queues()[0], &exchange, &pattern(number))?;
                }
            }
            Self::Queues(_) => {
                control.declare_exchange(&exchange, "direct")?;
                for queue in self.queues() {
                    control.bind(&queue, &exchange, &queue)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes all of it.
    pub(super) fn remove(self, control: &mut Connection) -> Result<()> {
        for queue in self.queues() {
            control.delete(&queue)?;
        }
        control.delete_exchange(&ShortStr::truncated(EXCHANGE))
    }

    /// The messages to send in turn, as bytes; all of one length.
    pub(super) fn messages(self, body: &[u8]) -> Vec<BytesMut> {
        let exchange = match self {
            Self::Plain => ShortStr::empty(),
            Self::Bindings(_) | Self::Queues(_) => ShortStr::truncated(EXCHANGE),
        };
        let encode = |key: &ShortStr| Connection::encode_publish(&exchange, key, body);
        match self {
            Self::Bindings(_) => vec![encode(&ShortStr::truncated(&TOPIC.join(".")))],
            Self::Plain | Self::Queues(_) => self.queues().iter().map(encode).collect(),
        }
    }
}

/// Names of one length.
fn queue_name(number: usize) -> ShortStr {
    ShortStr::truncated(&format!("bench-{number:06}"))
}

/// One of the patterns that match the topic: the bits of `number` say which words are left open.
fn pattern(number: usize) -> ShortStr {
    let words = TOPIC
        .iter()
        .enumerate()
        .map(|(at, word)| match number >> at & 1 {
            0 => word,
            _ => "*",
        });
    ShortStr::truncated(&words.collect::<Vec<_>>().join("."))
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Bindings(count) => write!(f, "{count}-bindings"),
            Self::Queues(count) => write!(f, "{count}-queues"),
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
                _ => None,
            }),
            None => None,
        };
        layout.ok_or_else(|| {
            format!("`{text}` is not plain, N-bindings (up to {PATTERNS}) or N-queues")
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
        for layout in Layout::MEASURED.into_iter().chain([Layout::Plain]) {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        assert!("129-bindings".parse::<Layout>().is_err());
    }
}
