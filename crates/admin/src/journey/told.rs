//! What is told of a message's journey.

use crate::described::{Described, Key, Kind};
use crate::message_shapes;

/// What became of a message.
pub(crate) const JOURNEY: Described = Described::new(
    "Journey",
    &[
        Key::new("message", Kind::Whole, "the message's position").needed(),
        Key::new(
            "steps",
            Kind::List(&Kind::Object(&STEP)),
            "in the order in which they happened",
        )
        .needed(),
        Key::new(
            "now",
            Kind::Maybe(&Kind::List(&Kind::Object(&message_shapes::MESSAGE))),
            "where it is, in each queue; empty where it is gone; null where that was not looked up",
        )
        .needed(),
    ],
);

/// One thing that happened to a message.
pub(crate) const STEP: Described = Described::new(
    "Step",
    &[
        Key::new("at", Kind::Whole, "when, in milliseconds since 1970").needed(),
        Key::new("time", Kind::Text, "the same, as RFC 3339 writes it").needed(),
        Key::new(
            "vhost",
            Kind::Text,
            "where it concerns one queue: its virtual host",
        ),
        Key::new("queue", Kind::Text, "and its name"),
        Key::new(
            "event",
            Kind::Words(&[
                "published",
                "message_id",
                "copy_of",
                "copied",
                "delivered",
                "attempt_ended",
                "delayed",
                "due",
                "parked",
                "redriven",
                "ended",
                "server_started",
                "left_out",
            ]),
            "what happened; the keys below go with some of these",
        )
        .needed(),
        Key::new("exchange", Kind::Text, "published: where"),
        Key::new("routing_key", Kind::Text, "published: with which key"),
        Key::new(
            "queues",
            Kind::List(&Kind::Text),
            "published: the queues that it landed in",
        ),
        Key::new(
            "publisher",
            Kind::Text,
            "published: by a publisher that numbers its messages",
        ),
        Key::new("publishing_id", Kind::Whole, "published: under this number"),
        Key::new("by", Kind::Object(&CLIENT), "published: by this client"),
        Key::new("message_id", Kind::Text, "its message id"),
        Key::new("message", Kind::Whole, "copied: the other message"),
        Key::new(
            "for",
            Kind::Words(&["dead_letter", "redrive", "move"]),
            "copied: what for",
        ),
        Key::new(
            "reason",
            Kind::Maybe(&Kind::Text),
            "why it died or was parked",
        ),
        Key::new("attempt", Kind::Whole, "which attempt"),
        Key::new("to", Kind::Object(&CLIENT), "delivered: to this client"),
        Key::new(
            "consumer_tag",
            Kind::Maybe(&Kind::Text),
            "delivered: to this consumer; null for basic.get",
        ),
        Key::new(
            "outcome",
            Kind::Words(&[
                "returned",
                "refused",
                "timed_out",
                "lost",
                "acknowledged_late",
            ]),
            "how the attempt ended",
        ),
        Key::new("due", Kind::Whole, "not before this time"),
        Key::new("due_time", Kind::Text, "the same, as RFC 3339 writes it"),
        Key::new(
            "ending",
            Kind::Words(&[
                "acknowledged",
                "expired",
                "dead_lettered",
                "dropped",
                "redriven",
                "moved",
            ]),
            "how it left the queue",
        ),
    ],
);

/// A client that a message came from or went to.
pub(crate) const CLIENT: Described = Described::new(
    "JourneyClient",
    &[
        Key::new("user", Kind::Text, "who logged in").needed(),
        Key::new("connection", Kind::Whole, "the number of the connection").needed(),
        Key::new("address", Kind::Text, "from where").needed(),
        Key::new("channel", Kind::Whole, "the channel").needed(),
    ],
);
