//! What is told of a queue.

use crate::described::{Described, Key, Kind};

/// A queue.
pub(crate) const QUEUE: Described = Described::new(
    "Queue",
    &[
        Key::new("name", Kind::Text, "its name"),
        Key::new("vhost", Kind::Text, "its virtual host"),
        Key::new("durable", Kind::Flag, "whether it is there after a restart"),
        Key::new(
            "auto_delete",
            Kind::Flag,
            "whether it goes with its last consumer",
        ),
        Key::new(
            "exclusive",
            Kind::Flag,
            "whether it goes with its connection",
        ),
        Key::new("arguments", Kind::Map, "with which it was declared"),
        Key::new("type", Kind::Text, "as it was declared"),
        Key::new(
            "policy",
            Kind::Maybe(&Kind::Text),
            "the policy that is for it",
        ),
        Key::new(
            "operator_policy",
            Kind::Maybe(&Kind::Text),
            "the operator policy",
        ),
        Key::new("effective_policy_definition", Kind::Map, "what both say"),
        Key::new(
            "delivery_limit",
            Kind::Anything,
            "how often its messages may come back; `unlimited`",
        ),
        Key::new("state", Kind::Text, "`running`"),
        Key::new(
            "landfall_paused",
            Kind::Flag,
            "whether it hands nothing out, because an operator says so",
        ),
        Key::new("node", Kind::Text, "the node that has it"),
        Key::new("consumers", Kind::Whole, "how many consumers"),
        Key::new("messages", Kind::Whole, "all messages"),
        Key::new(
            "messages_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_ready", Kind::Whole, "that wait to be delivered"),
        Key::new(
            "messages_ready_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_unacknowledged", Kind::Whole, "with consumers"),
        Key::new(
            "messages_unacknowledged_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_delayed", Kind::Whole, "that wait for their time"),
        Key::new("messages_parked", Kind::Whole, "out of attempts"),
        Key::new("messages_leaving", Kind::Whole, "on their way out"),
        Key::new(
            "message_stats",
            Kind::Object(&QUEUE_STATS),
            "what goes through",
        ),
        Key::new(
            "idle_since",
            Kind::Text,
            "when something happened in it last, as RabbitMQ writes it",
        ),
        Key::new(
            "consumer_details",
            Kind::List(&Kind::Map),
            "of one queue: its consumers",
        ),
    ],
);

/// A queue as our own tools see it.
pub(crate) const OWN_QUEUE: Described = Described::new(
    "LandfallQueue",
    &[
        Key::new("name", Kind::Text, "its name"),
        Key::new("vhost", Kind::Text, "its virtual host"),
        Key::new("durable", Kind::Flag, "whether it is there after a restart"),
        Key::new(
            "auto_delete",
            Kind::Flag,
            "whether it goes with its last consumer",
        ),
        Key::new(
            "exclusive",
            Kind::Flag,
            "whether it goes with its connection",
        ),
        Key::new("arguments", Kind::Map, "with which it was declared"),
        Key::new("type", Kind::Text, "as it was declared"),
        Key::new(
            "policy",
            Kind::Maybe(&Kind::Text),
            "the policy that is for it",
        ),
        Key::new(
            "operator_policy",
            Kind::Maybe(&Kind::Text),
            "the operator policy",
        ),
        Key::new("effective_policy_definition", Kind::Map, "what both say"),
        Key::new(
            "delivery_limit",
            Kind::Anything,
            "how often its messages may come back; `unlimited`",
        ),
        Key::new("state", Kind::Text, "`running`"),
        Key::new(
            "landfall_paused",
            Kind::Flag,
            "whether it hands nothing out, because an operator says so",
        ),
        Key::new("node", Kind::Text, "the node that has it"),
        Key::new("consumers", Kind::Whole, "how many consumers"),
        Key::new("messages", Kind::Whole, "all messages"),
        Key::new(
            "messages_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_ready", Kind::Whole, "that wait to be delivered"),
        Key::new(
            "messages_ready_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_unacknowledged", Kind::Whole, "with consumers"),
        Key::new(
            "messages_unacknowledged_details",
            Kind::Object(&RATE),
            "how many more by the second",
        ),
        Key::new("messages_delayed", Kind::Whole, "that wait for their time"),
        Key::new("messages_parked", Kind::Whole, "out of attempts"),
        Key::new("messages_leaving", Kind::Whole, "on their way out"),
        Key::new(
            "message_stats",
            Kind::Object(&QUEUE_STATS),
            "what goes through",
        ),
        Key::new(
            "idle_since",
            Kind::Text,
            "when something happened in it last, as RabbitMQ writes it",
        ),
        Key::new(
            "rules",
            Kind::Map,
            "the rules in force, from arguments and policies",
        ),
        Key::new(
            "deduplication",
            Kind::Object(&DEDUPLICATION),
            "of a queue that deduplicates",
        ),
        Key::new(
            "oldest",
            Kind::Maybe(&Kind::Object(&OLDEST)),
            "of one queue: its oldest message",
        ),
    ],
);

/// What goes through a queue since the start.
pub(crate) const QUEUE_STATS: Described = Described::new(
    "QueueStats",
    &[
        Key::new("ack", Kind::Whole, "acknowledged"),
        Key::new("ack_details", Kind::Object(&RATE), "the same by the second"),
        Key::new("deliver", Kind::Whole, "delivered, to be acknowledged"),
        Key::new(
            "deliver_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("deliver_get", Kind::Whole, "went out in any way"),
        Key::new(
            "deliver_get_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("deliver_no_ack", Kind::Whole, "delivered without that"),
        Key::new(
            "deliver_no_ack_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("get", Kind::Whole, "fetched, to be acknowledged"),
        Key::new("get_details", Kind::Object(&RATE), "the same by the second"),
        Key::new("get_empty", Kind::Whole, "fetched where nothing was"),
        Key::new(
            "get_empty_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("get_no_ack", Kind::Whole, "fetched without that"),
        Key::new(
            "get_no_ack_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("publish", Kind::Whole, "came in"),
        Key::new(
            "publish_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
        Key::new("redeliver", Kind::Whole, "went out again"),
        Key::new(
            "redeliver_details",
            Kind::Object(&RATE),
            "the same by the second",
        ),
    ],
);

/// A rate.
pub(crate) const RATE: Described = Described::new(
    "Rate",
    &[Key::new("rate", Kind::Number, "so many by the second")],
);

/// What a queue that deduplicates remembers.
pub(crate) const DEDUPLICATION: Described = Described::new(
    "Deduplication",
    &[
        Key::new("remembered", Kind::Whole, "messages that it remembers").needed(),
        Key::new(
            "duplicates",
            Kind::Whole,
            "messages that it has known again since the start",
        )
        .needed(),
    ],
);

/// The oldest message of a queue.
pub(crate) const OLDEST: Described = Described::new(
    "OldestMessage",
    &[
        Key::new("position", Kind::Whole, "its number").needed(),
        Key::new(
            "accepted",
            Kind::Whole,
            "when it was taken in, in milliseconds since 1970",
        )
        .needed(),
    ],
);
