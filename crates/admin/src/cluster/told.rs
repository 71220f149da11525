//! What is told of a cluster.

use crate::described::{Described, Key, Kind};

/// A cluster, as one member knows it.
pub(crate) const CLUSTER: Described = Described::new(
    "Cluster",
    &[
        Key::new("node", Kind::Text, "the node that says it").needed(),
        Key::new("serving", Kind::Flag, "whether all shards are served").needed(),
        Key::new(
            "attention",
            Kind::List(&Kind::Text),
            "what needs attention, the worst first",
        )
        .needed(),
        Key::new(
            "controller",
            Kind::Maybe(&Kind::Text),
            "the node that decides who owns what",
        )
        .needed(),
        Key::new(
            "members",
            Kind::List(&Kind::Object(&MEMBER)),
            "who is there",
        )
        .needed(),
        Key::new("shards", Kind::List(&Kind::Object(&SHARD)), "every shard").needed(),
        Key::new(
            "requests",
            Kind::List(&Kind::Object(&REQUEST)),
            "what is asked for",
        )
        .needed(),
        Key::new(
            "zookeeper",
            Kind::Object(&ZOOKEEPER),
            "how ZooKeeper is doing",
        )
        .needed(),
        Key::new(
            "databases",
            Kind::List(&Kind::Object(&DATABASE)),
            "how the databases are doing",
        )
        .needed(),
    ],
);

/// A member of a cluster.
pub(crate) const MEMBER: Described = Described::new(
    "Member",
    &[
        Key::new("node", Kind::Text, "its name").needed(),
        Key::new("run", Kind::Whole, "the number of this run of it").needed(),
        Key::new(
            "since",
            Kind::Whole,
            "when the run began, in milliseconds since 1970",
        )
        .needed(),
        Key::new(
            "state",
            Kind::Words(&["active", "draining", "without database"]),
            "how it is",
        )
        .needed(),
        Key::new("amqp", Kind::Text, "where clients find it").needed(),
        Key::new("inner", Kind::Text, "where other nodes find it").needed(),
        Key::new("admin", Kind::Text, "where its HTTP API is").needed(),
        Key::new("program", Kind::Text, "the version of its program").needed(),
        Key::new("format", Kind::Whole, "the newest format that it reads").needed(),
        Key::new(
            "protocol",
            Kind::Whole,
            "the newest protocol between nodes that it speaks",
        )
        .needed(),
    ],
);

/// A shard.
pub(crate) const SHARD: Described = Described::new(
    "Shard",
    &[
        Key::new("shard", Kind::Whole, "which").needed(),
        Key::new(
            "database",
            Kind::Whole,
            "the number of the database that has it",
        )
        .needed(),
        Key::new(
            "state",
            Kind::Words(&["served", "moving", "abandoned", "unknown"]),
            "whether its owner has it",
        )
        .needed(),
        Key::new(
            "owner",
            Kind::Maybe(&Kind::Text),
            "the node that is to own it",
        )
        .needed(),
        Key::new("epoch", Kind::Whole, "with which epoch").needed(),
        Key::new(
            "taken_by",
            Kind::Maybe(&Kind::Text),
            "the node that has taken it in the database",
        )
        .needed(),
        Key::new("taken_epoch", Kind::Maybe(&Kind::Whole), "with which epoch").needed(),
    ],
);

/// What the controller was asked for and has not done yet.
pub(crate) const REQUEST: Described = Described::new(
    "ClusterRequest",
    &[
        Key::new(
            "request",
            Kind::Words(&["drain", "resume", "rebalance"]),
            "what",
        )
        .needed(),
        Key::new("node", Kind::Text, "of which node"),
    ],
);

/// How ZooKeeper is doing.
pub(crate) const ZOOKEEPER: Described = Described::new(
    "ZooKeeper",
    &[
        Key::new("hosts", Kind::List(&Kind::Text), "where it is").needed(),
        Key::new(
            "state",
            Kind::Words(&["connected", "silent"]),
            "whether it answers",
        )
        .needed(),
        Key::new(
            "silent_seconds",
            Kind::Maybe(&Kind::Whole),
            "for how long it has not",
        )
        .needed(),
        Key::new(
            "lease_ms",
            Kind::Maybe(&Kind::Whole),
            "for how long this node may deliver without hearing of it",
        )
        .needed(),
    ],
);

/// How the database is doing.
pub(crate) const DATABASE: Described = Described::new(
    "Database",
    &[
        Key::new(
            "hosts",
            Kind::List(&Kind::Text),
            "the servers that may be it",
        )
        .needed(),
        Key::new(
            "state",
            Kind::Words(&["connected", "silent"]),
            "whether it answers",
        )
        .needed(),
        Key::new("reason", Kind::Text, "why it does not"),
        Key::new(
            "primary",
            Kind::Maybe(&Kind::Text),
            "the server that takes writes",
        ),
        Key::new("version", Kind::Text, "its version"),
        Key::new(
            "standbys",
            Kind::List(&Kind::Object(&STANDBY)),
            "its copies",
        ),
        Key::new(
            "objections",
            Kind::List(&Kind::Text),
            "why nothing should be confirmed on its word",
        ),
        Key::new(
            "bytes",
            Kind::Maybe(&Kind::Whole),
            "bytes that all tables take there",
        ),
    ],
);

/// A copy of the database.
pub(crate) const STANDBY: Described = Described::new(
    "Standby",
    &[
        Key::new("name", Kind::Text, "under which it copies").needed(),
        Key::new("address", Kind::Maybe(&Kind::Text), "where it is").needed(),
        Key::new(
            "state",
            Kind::Text,
            "`streaming` where it has all but the last moment",
        )
        .needed(),
        Key::new(
            "sync",
            Kind::Text,
            "whether commits wait for it, in PostgreSQL's words",
        )
        .needed(),
        Key::new("lag_ms", Kind::Maybe(&Kind::Whole), "how far behind it is").needed(),
    ],
);
