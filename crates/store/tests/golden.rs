//! The format is frozen: its versions are written as these files hold them, and they are read for ever.

use bytes::Bytes;
use landfall_store::chunk::{Chunk, ChunkBuilder, LandedChunk};
use model::record::{
    Attempts, BindingDefinition, Destination, Ending, ExchangeDefinition, Fingerprint, Hashing,
    PermissionDefinition, Place, PolicyDefinition, Publishing, QueueDefinition, Reason, Tally,
    TopicPermissionDefinition, UserDefinition, VhostDefinition, Waiting,
};
use model::{
    Definition, FieldTable, MessageRecord, Position, Properties, PropertiesBuilder, PublishingId,
    QueueId, Record, Runs, ShortStr, TableBuilder, Timestamp, Value,
};

const VERSION_1: &[u8] = include_bytes!("golden/chunk-v1.bin");
const VERSION_2: &[u8] = include_bytes!("golden/chunk-v2.bin");
/// Behind its records.
const PADDING: u16 = 100;

/// The definitions that operators make, which version 1 gained before its first release.
const ACCESS: &[u8] = include_bytes!("golden/chunk-v1-access.bin");

/// How messages end and where they wait, which version 1 gained before its first release.
const FATES: &[u8] = include_bytes!("golden/chunk-v1-fates.bin");

/// What queues remember of messages, which version 1 gained before its first release.
const FINGERPRINTS: &[u8] = include_bytes!("golden/chunk-v1-fingerprints.bin");

/// How many messages a queue has had, which version 1 gained before its first release.
const TALLY: &[u8] = include_bytes!("golden/chunk-v1-tally.bin");

/// Queues that are paused, which version 1 gained before its first release.
const PAUSED: &[u8] = include_bytes!("golden/chunk-v1-paused.bin");

/// Messages that were moved, which version 1 gained before its first release.
const MOVED: &[u8] = include_bytes!("golden/chunk-v1-moved.bin");

/// Operator policies, which version 1 gained before its first release.
const OPERATORS: &[u8] = include_bytes!("golden/chunk-v1-operators.bin");

const EPOCH: u64 = 0x0102_0304_0506_0708;
const SEGMENT: u64 = 42;
const FIRST: u64 = 1_000_000_007;
const RELOCATED: Position = Position(77);

fn text(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn arguments() -> FieldTable {
    TableBuilder::new()
        .field("x-max-length", Value::I32(1000))
        .text("x-queue-type", "classic")
        .build()
}

fn queues(ids: &[u64]) -> smallvec::SmallVec<[QueueId; 2]> {
    ids.iter().copied().map(QueueId).collect()
}

fn runs(numbers: &[u64]) -> Runs {
    numbers.iter().copied().collect()
}

fn messages() -> [MessageRecord; 2] {
    let plain = MessageRecord {
        queues: queues(&[1]),
        publisher: None,
        accepted: Timestamp(1_700_000_000_123),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: text("orders"),
        properties: Properties::default(),
        body: Bytes::new(),
    };
    let full = MessageRecord {
        queues: queues(&[1, 128, u64::MAX]),
        publisher: Some(Publishing {
            vhost: text("/"),
            publisher: text("till 4"),
            id: PublishingId(99),
        }),
        exchange: text("sales"),
        routing_key: text("shop.é"),
        properties: PropertiesBuilder::new()
            .delivery_mode(2)
            .headers(&arguments())
            .build(),
        body: Bytes::from_static(b"one pound of figs"),
        ..plain.clone()
    };
    [plain, full]
}

fn definitions() -> Vec<Definition> {
    let vhost = || text("/");
    let exchange = ExchangeDefinition {
        name: text("sales"),
        kind: text("topic"),
        durable: true,
        auto_delete: false,
        internal: true,
        arguments: FieldTable::new(),
    };
    let queue = QueueDefinition {
        id: QueueId(128),
        name: text("orders"),
        durable: true,
        exclusive: true,
        auto_delete: true,
        arguments: arguments(),
    };
    let binding = |destination| BindingDefinition {
        vhost: text("/"),
        source: text("sales"),
        destination,
        routing_key: text("shop.*"),
        arguments: arguments(),
    };
    vec![
        Definition::VhostMade(VhostDefinition::new(vhost())),
        Definition::ExchangeMade {
            vhost: vhost(),
            exchange,
        },
        Definition::ExchangeRemoved {
            vhost: vhost(),
            exchange: text("old"),
        },
        Definition::QueueMade {
            vhost: vhost(),
            queue,
        },
        Definition::QueueRemoved { queue: QueueId(7) },
        Definition::Bound(binding(Destination::Queue(QueueId(128)))),
        Definition::Unbound(binding(Destination::Exchange(text("old")))),
        Definition::PublisherLanded {
            vhost: vhost(),
            publisher: text("till 4"),
            landed: runs(&[0, 1, 2, 3, 500, 501, 1 << 50]),
        },
    ]
}

fn access() -> Vec<Record> {
    let (user, vhost, exchange) = (|| text("ada"), || text("shop"), || text("sales"));
    let definitions = vec![
        Definition::VhostMade(VhostDefinition {
            name: vhost(),
            description: "the shop's".into(),
            tags: vec![text("live"), text("eu")],
            default_queue_type: text("quorum"),
            tracing: true,
            max_connections: Some(0),
            max_queues: None,
        }),
        Definition::VhostRemoved { vhost: vhost() },
        Definition::UserMade(UserDefinition {
            name: user(),
            password_hash: Bytes::from_static(b"saltdigest"),
            hashing: Hashing::Sha512,
            tags: vec![text("administrator")],
            max_connections: None,
            max_channels: Some(300),
        }),
        Definition::UserMade(UserDefinition {
            name: user(),
            hashing: Hashing::Md5,
            ..UserDefinition::default()
        }),
        Definition::UserRemoved { user: user() },
        Definition::PermissionMade(PermissionDefinition {
            user: user(),
            vhost: vhost(),
            configure: "^$".into(),
            write: ".*".into(),
            read: String::new(),
        }),
        Definition::PermissionRemoved {
            user: user(),
            vhost: vhost(),
        },
        Definition::TopicPermissionMade(TopicPermissionDefinition {
            user: user(),
            vhost: vhost(),
            exchange: exchange(),
            write: "^{username}\\.".into(),
            read: ".*".into(),
        }),
        Definition::TopicPermissionRemoved {
            user: user(),
            vhost: vhost(),
            exchange: exchange(),
        },
        Definition::PolicyMade(PolicyDefinition {
            vhost: vhost(),
            name: text("short"),
            pattern: "^orders".into(),
            apply_to: text("queues"),
            priority: -7,
            definition: arguments(),
        }),
        Definition::PolicyRemoved {
            vhost: vhost(),
            name: text("short"),
        },
    ];
    definitions.into_iter().map(Record::Definition).collect()
}

/// A message with a due time, every way to end, every place to wait.
fn fates() -> Vec<Record> {
    let put_off = MessageRecord {
        due: Some(Timestamp(1_700_000_060_000)),
        ..messages()[1].clone()
    };
    let ended = |how| Record::Settled(QueueId(300), how, runs(&[5, 9, 10]));
    let delayed = |due| Place::Delayed {
        due: Timestamp(due),
    };
    let attempts = Attempts {
        failed: 200,
        lost: 1,
    };
    let mut places = vec![
        (Place::Ready, attempts),
        (delayed(1_700_000_001_000), attempts),
        (delayed(1_700_000_000_999), Attempts::NONE),
    ];
    places.extend(Reason::ALL.map(|why| {
        let at = Timestamp(1_600_000_000_000);
        (Place::Parked { why, at }, attempts)
    }));
    let waiting = (7u64..)
        .zip(places)
        .map(|(position, (place, attempts))| Waiting {
            position: Position(position * position),
            place,
            attempts,
        });
    let mut records = vec![Record::Message(put_off)];
    // Those that there were then.
    records.extend(Ending::ALL[..5].iter().copied().map(ended));
    records.push(Record::Waiting(QueueId(300), waiting.collect()));
    records
}

/// A message that two queues remember, and what one remembers of messages that may be gone.
fn fingerprints() -> Vec<Record> {
    let until = |until| Fingerprint {
        hash: 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978,
        until,
    };
    let timed = until(Timestamp(1_700_000_060_000));
    let endless = until(Fingerprint::NO_END);
    let known = MessageRecord {
        due: Some(Timestamp(1_700_000_060_000)),
        fingerprints: vec![(QueueId(1), timed), (QueueId(300), endless)],
        ..messages()[1].clone()
    };
    let remembered = vec![(Position(1), endless), (Position(FIRST), timed)];
    vec![
        Record::Message(known),
        Record::Remembered(QueueId(300), remembered),
    ]
}

#[test]
fn fingerprints_are_written_and_read_as_they_ever_were() {
    same(FINGERPRINTS, &fingerprints());
}

#[test]
fn tallies_are_written_and_read_as_they_ever_were() {
    let mut tally = Tally::of_accepted(u64::MAX);
    for (count, how) in [0, 200, 1 << 40, 7, 1].into_iter().zip(Ending::ALL) {
        tally.add_ended(how, count);
    }
    let queue = QueueId(300);
    let counted = Definition::QueueCounted { queue, tally };
    same(TALLY, &[Record::Definition(counted)]);
}

#[test]
fn pauses_are_written_and_read_as_they_ever_were() {
    let queue = QueueId(300);
    let told = [true, false].map(|paused| Definition::QueuePaused { queue, paused });
    same(PAUSED, &told.map(Record::Definition));
}

/// Queues in which none was moved are told as they ever were.
#[test]
fn moved_messages_are_written_and_read_as_they_ever_were() {
    let queue = QueueId(300);
    let mut tally = Tally::of_accepted(700);
    tally.add_ended(Ending::Acknowledged, 200);
    tally.add_ended(Ending::Moved, 300);
    let counted = Definition::QueueCounted { queue, tally };
    let moved = Record::Settled(queue, Ending::Moved, runs(&[5, 9, 10, 11]));
    same(MOVED, &[moved, Record::Definition(counted)]);
}

#[test]
fn fates_are_written_and_read_as_they_ever_were() {
    same(FATES, &fates());
}

#[test]
fn what_operators_define_is_written_and_read_as_it_ever_was() {
    same(ACCESS, &access());
}

#[test]
fn operator_policies_are_written_and_read_as_they_ever_were() {
    let made = Definition::OperatorPolicyMade(PolicyDefinition {
        vhost: text("shop"),
        name: text("short"),
        pattern: "^orders".into(),
        apply_to: text("queues"),
        priority: -7,
        definition: arguments(),
    });
    let removed = Definition::OperatorPolicyRemoved {
        vhost: text("shop"),
        name: text("short"),
    };
    same(OPERATORS, &[made, removed].map(Record::Definition));
}

/// The file holds the records, and nothing else.
fn same(golden: &'static [u8], records: &[Record]) {
    let mut builder = ChunkBuilder::new();
    for (position, record) in (FIRST..).map(Position).zip(records) {
        builder.push(position, record);
    }
    let chunk = builder.take().seal(EPOCH, SEGMENT);
    assert_eq!(chunk.bytes(), golden);
    let chunk = LandedChunk::parse(Bytes::from_static(golden)).expect("a chunk of version 1");
    let read: Vec<_> = chunk
        .records()
        .map(|entry| entry.expect("every record can be read").record)
        .collect();
    assert_eq!(read, records);
}

fn records() -> Vec<Record> {
    let mut records: Vec<Record> = messages().map(Record::Message).into();
    records.push(Record::Settled(
        QueueId(1),
        Ending::Acknowledged,
        runs(&[FIRST, FIRST + 1]),
    ));
    records.push(Record::Delivered(QueueId(300), runs(&[5, 9, 10, 11])));
    records.extend(definitions().into_iter().map(Record::Definition));
    records.push(Record::Checkpoint {
        begin: Position(FIRST + 4),
        next_queue: QueueId(129),
    });
    records.push(Record::Stopped);
    records
}

fn chunk_of_all() -> Chunk {
    let mut source = ChunkBuilder::new();
    source.push(RELOCATED, &Record::Message(messages()[1].clone()));
    let source = source.take().seal(1, 1);
    let mut builder = ChunkBuilder::new();
    for (position, record) in (FIRST..).map(Position).zip(records()) {
        builder.push(position, &record);
    }
    let view = source.message(RELOCATED).expect("it was put there");
    builder.relocate(RELOCATED, &[QueueId(128)], &view);
    builder.take()
}

#[test]
fn both_versions_are_written_as_they_ever_were() {
    let unpadded = chunk_of_all().seal(EPOCH, SEGMENT);
    assert_eq!(unpadded.bytes(), VERSION_1);
    let padded = chunk_of_all().seal_padded(EPOCH, SEGMENT, PADDING);
    assert_eq!(padded.bytes(), VERSION_2);
}

#[test]
fn both_versions_are_read_as_they_ever_were() {
    for (bytes, version) in [(VERSION_1, 1), (VERSION_2, 2)] {
        let chunk = LandedChunk::parse(Bytes::from_static(bytes)).expect("a chunk");
        assert_eq!(chunk.header().version, version);
        is_chunk_of_all(&chunk);
    }
}

fn is_chunk_of_all(chunk: &LandedChunk) {
    assert_eq!((chunk.epoch(), chunk.segment()), (EPOCH, SEGMENT));
    let mut expected: Vec<_> = (FIRST..).map(Position).zip(records()).collect();
    let relocated = MessageRecord {
        queues: queues(&[128]),
        ..messages()[1].clone()
    };
    expected.push((RELOCATED, Record::Message(relocated)));
    let read: Vec<_> = chunk
        .records()
        .map(|entry| entry.expect("every record can be read"))
        .map(|entry| (entry.position, entry.record))
        .collect();
    assert_eq!(read, expected);
}
