//! What a sample tells.

use crate::described::{Described, Key, Kind};

/// How things stood at one moment.
pub(crate) const SAMPLE: Described = Described::new(
    "Sample",
    &[
        Key::new("at", Kind::Whole, "when, in milliseconds since 1970").needed(),
        Key::new("totals", Kind::Object(&SAMPLE_TOTALS), "messages by state").needed(),
        Key::new(
            "rates",
            Kind::Object(&SAMPLE_RATES),
            "messages by the second",
        )
        .needed(),
        Key::new(
            "latency",
            Kind::Object(&SAMPLE_LATENCY),
            "of what happened since the sample before",
        )
        .needed(),
        Key::new("memory", Kind::Whole, "bytes of memory that the server has").needed(),
        Key::new("memory_limit", Kind::Whole, "and may have").needed(),
        Key::new(
            "disk_free",
            Kind::Maybe(&Kind::Whole),
            "bytes of room on the disk; null where messages are kept elsewhere",
        )
        .needed(),
        Key::new(
            "disk_free_limit",
            Kind::Maybe(&Kind::Whole),
            "so many are left by publishers",
        )
        .needed(),
        Key::new("connections", Kind::Whole, "connections").needed(),
        Key::new("channels", Kind::Whole, "channels").needed(),
        Key::new("consumers", Kind::Whole, "consumers").needed(),
        Key::new("queues", Kind::Whole, "queues").needed(),
        Key::new(
            "due_lag_ms",
            Kind::Whole,
            "for how long something waits that is due",
        )
        .needed(),
        Key::new("alarms", Kind::List(&Kind::Object(&ALARM)), "what is wrong").needed(),
    ],
);

/// Messages by state.
pub(crate) const SAMPLE_TOTALS: Described = Described::new(
    "SampleTotals",
    &[
        Key::new("messages", Kind::Whole, "all").needed(),
        Key::new("ready", Kind::Whole, "that wait to be delivered").needed(),
        Key::new("unacked", Kind::Whole, "with consumers").needed(),
        Key::new("delayed", Kind::Whole, "that wait for their time").needed(),
        Key::new("parked", Kind::Whole, "out of attempts").needed(),
        Key::new("leaving", Kind::Whole, "on their way out").needed(),
    ],
);

/// Messages by the second.
pub(crate) const SAMPLE_RATES: Described = Described::new(
    "SampleRates",
    &[
        Key::new("publish", Kind::Number, "came in").needed(),
        Key::new("confirm", Kind::Number, "were confirmed").needed(),
        Key::new("deliver", Kind::Number, "went out").needed(),
        Key::new("ack", Kind::Number, "were acknowledged").needed(),
        Key::new("redeliver", Kind::Number, "went out again").needed(),
        Key::new(
            "return",
            Kind::Number,
            "went back to their publisher, for no queue wanted them",
        )
        .needed(),
        Key::new(
            "drop",
            Kind::Number,
            "were dropped, for no queue wanted them",
        )
        .needed(),
        Key::new("returned", Kind::Number, "were given back by consumers").needed(),
        Key::new("timed_out", Kind::Number, "were not acknowledged in time").needed(),
        Key::new("lost", Kind::Number, "were with a client that went").needed(),
    ],
);

/// Milliseconds; null where nothing happened.
pub(crate) const SAMPLE_LATENCY: Described = Described::new(
    "SampleLatency",
    &[
        Key::new(
            "confirm_p50_ms",
            Kind::Maybe(&Kind::Number),
            "half of the publishes were confirmed within",
        )
        .needed(),
        Key::new(
            "confirm_p99_ms",
            Kind::Maybe(&Kind::Number),
            "99 of 100 were",
        )
        .needed(),
        Key::new(
            "sync_p50_ms",
            Kind::Maybe(&Kind::Number),
            "half of the syncs took no longer than",
        )
        .needed(),
        Key::new(
            "sync_p99_ms",
            Kind::Maybe(&Kind::Number),
            "99 of 100 took no longer",
        )
        .needed(),
    ],
);

/// What is wrong.
pub(crate) const ALARM: Described = Described::new(
    "Alarm",
    &[
        Key::new("what", Kind::Text, "in words").needed(),
        Key::new(
            "since",
            Kind::Whole,
            "since when, in milliseconds since 1970",
        )
        .needed(),
        Key::new("do", Kind::Text, "what to do about it").needed(),
    ],
);

/// Samples of the last minutes.
pub(crate) const HISTORY: Described = Described::new(
    "History",
    &[Key::new(
        "samples",
        Kind::List(&Kind::Object(&SAMPLE)),
        "the oldest first",
    )
    .needed()],
);

/// Which samples are wanted.
pub(crate) const HISTORY_QUERY: Described = Described::new(
    "HistoryQuery",
    &[
        Key::new(
            "minutes",
            Kind::Whole,
            "of the last so many; ten where nothing is said, and at the most",
        ),
        Key::new("samples", Kind::Whole, "the last so many"),
    ],
);
