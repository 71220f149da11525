//! What the summary tells.

use crate::described::{Described, Key, Kind};

/// How things stand, and what needs attention.
pub(crate) const SUMMARY: Described = Described::new(
    "Summary",
    &[
        Key::new("at", Kind::Whole, "when, in milliseconds since 1970").needed(),
        Key::new("queues", Kind::Whole, "queues").needed(),
        Key::new("consumers", Kind::Whole, "their consumers").needed(),
        Key::new("messages", Kind::Object(&crate::live::TOTALS), "messages by state").needed(),
        Key::new("unread", Kind::Object(&WORST), "queues with ready messages and no consumer that are no dead letters' queues; the most messages first").needed(),
        Key::new("parked", Kind::Object(&WORST), "queues with parked messages; the most first").needed(),
        Key::new("paused", Kind::Object(&WORST), "queues that an operator has paused; those with the most ready messages first").needed(),
        Key::new("dead", Kind::Object(&WORST), "queues that dead letters of others come to, with ready messages; the most first").needed(),
        Key::new("backlogs", Kind::Object(&WORST), "queues with ready messages; the most first").needed(),
        Key::new("oldest", Kind::Object(&WORST), "the same; that with the oldest message first").needed(),
        Key::new("unbalanced", Kind::Object(&WORST), "queues whose accounts do not add up; the largest difference first").needed(),
        Key::new("connections_blocked", Kind::Whole, "connections that are blocked").needed(),
        Key::new("stuck", Kind::Object(&STUCK), "consumers that get nothing though their queue is one of the largest backlogs, and nothing in it is acknowledged").needed(),
    ],
);

/// Queues of one sort.
pub(crate) const WORST: Described = Described::new(
    "WorstQueues",
    &[
        Key::new("queues", Kind::Whole, "how many there are of this sort").needed(),
        Key::new(
            "messages",
            Kind::Whole,
            "how many such messages they have, together",
        )
        .needed(),
        Key::new(
            "worst",
            Kind::List(&Kind::Object(&QUEUE)),
            "twenty of them at the most",
        )
        .needed(),
    ],
);

/// A queue in a few numbers.
pub(crate) const QUEUE: Described = Described::new(
    "QueueSummary",
    &[
        Key::new("vhost", Kind::Text, "the virtual host").needed(),
        Key::new("name", Kind::Text, "its name").needed(),
        Key::new("consumers", Kind::Whole, "its consumers").needed(),
        Key::new("messages", Kind::Whole, "all messages").needed(),
        Key::new("messages_ready", Kind::Whole, "that wait to be delivered").needed(),
        Key::new("messages_unacknowledged", Kind::Whole, "with consumers").needed(),
        Key::new("messages_delayed", Kind::Whole, "that wait for their time").needed(),
        Key::new("messages_parked", Kind::Whole, "out of attempts").needed(),
        Key::new("messages_leaving", Kind::Whole, "on their way out").needed(),
        Key::new(
            "oldest",
            Kind::Maybe(&Kind::Object(&OLDEST)),
            "the oldest that is ready",
        )
        .needed(),
        Key::new(
            "surplus",
            Kind::Signed,
            "messages that are here too much, or less than 0: are missing",
        )
        .needed(),
    ],
);

/// The oldest message that is ready.
pub(crate) const OLDEST: Described = Described::new(
    "OldestReady",
    &[
        Key::new("position", Kind::Whole, "its number").needed(),
        Key::new("accepted", Kind::Maybe(&Kind::Whole), "when it was taken in, in milliseconds since 1970: a second, or one part in 16 of its age, too early at the most").needed(),
    ],
);

/// Consumers that get nothing.
pub(crate) const STUCK: Described = Described::new(
    "StuckConsumers",
    &[
        Key::new("consumers", Kind::Whole, "how many").needed(),
        Key::new(
            "some",
            Kind::List(&Kind::Map),
            "twenty of them at the most, as `/api/consumers` shows them",
        )
        .needed(),
    ],
);
