//! What is told of operations, and what may be asked.

use crate::described::{Described, Key, Kind};

/// Which operations are told.
pub(crate) const QUERY: Described = Described::new(
    "OperationsQuery",
    &[
        Key::new("user", Kind::Text, "only those of this user"),
        Key::new("path", Kind::Text, "only those with this in their path"),
        Key::new(
            "outcome",
            Kind::Words(&["done", "failed"]),
            "only those that ended so: `failed` for a code of 400 and above",
        ),
        Key::new(
            "before",
            Kind::Text,
            "only those from before this time, in milliseconds since 1970; or those behind the page before: its `next`",
        ),
        Key::new(
            "limit",
            Kind::Whole,
            "so many: 100 where nothing is said, 1000 at the most",
        ),
    ],
);

/// What operators did.
pub(crate) const OPERATIONS: Described = Described::new(
    "Operations",
    &[
        Key::new("node", Kind::Text, "the node that noted them").needed(),
        Key::new(
            "operations",
            Kind::List(&Kind::Object(&OPERATION)),
            "the newest first",
        )
        .needed(),
        Key::new(
            "unwritten",
            Kind::Whole,
            "how many could not be written down since the start",
        )
        .needed(),
        Key::new(
            "next",
            Kind::Maybe(&Kind::Text),
            "what to say as `before` for the next page; null where there is none",
        )
        .needed(),
    ],
);

/// A request of an operator, and how it was answered.
pub(crate) const OPERATION: Described = Described::new(
    "Operation",
    &[
        Key::new(
            "at",
            Kind::Whole,
            "when it was answered, in milliseconds since 1970",
        )
        .needed(),
        Key::new(
            "time",
            Kind::Maybe(&Kind::Text),
            "the same, as RFC 3339 writes it",
        )
        .needed(),
        Key::new(
            "user",
            Kind::Text,
            "who asked; empty where that was not found out",
        )
        .needed(),
        Key::new("address", Kind::Text, "from where").needed(),
        Key::new(
            "method",
            Kind::Text,
            "`PUT`, `POST` or `DELETE`; `GET` where a login was refused",
        )
        .needed(),
        Key::new(
            "path",
            Kind::Text,
            "the path, as it was sent; without its query",
        )
        .needed(),
        Key::new("status", Kind::Whole, "HTTP's code of the answer").needed(),
        Key::new(
            "number",
            Kind::Whole,
            "which of this node's it is; 0 of one that an older version noted",
        )
        .needed(),
        Key::new("vhost", Kind::Text, "the virtual host that the path names"),
        Key::new(
            "name",
            Kind::Text,
            "the queue, exchange, user … that the path names; of a binding both ends",
        ),
        Key::new("error", Kind::Text, "why it was refused or failed"),
    ],
);
