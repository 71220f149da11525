//! What is written is read again, and nothing else is: cuts, flipped bits and random bytes.

use super::summary::{Item, Wanted};
use super::*;
use bytes::Bytes;
use model::record::{
    Attempts, BindingDefinition, Destination, Ending, ExchangeDefinition, Fingerprint, Hashing,
    MessageHead, PermissionDefinition, Place, PolicyDefinition, Publishing, QueueDefinition,
    Reason, Tally, TopicPermissionDefinition, UserDefinition, VhostDefinition, Waiting,
};
use model::{
    Definition, FieldTable, MessageRecord, Properties, PropertiesBuilder, PublishingId, QueueId,
    Record, Run, Runs, ShortStr, TableBuilder, Timestamp, Value,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

fn short() -> impl Strategy<Value = ShortStr> {
    "\\PC{0,40}".prop_map(|text| ShortStr::truncated(&text))
}

fn table() -> impl Strategy<Value = FieldTable> {
    vec((short(), any::<i64>(), any::<bool>()), 0..4).prop_map(|fields| {
        let empty = TableBuilder::new();
        let add = |table: TableBuilder, (key, number, flag): (ShortStr, i64, bool)| {
            table
                .field(&key, Value::I64(number))
                .field("flag", Value::Bool(flag))
        };
        fields.into_iter().fold(empty, add).build()
    })
}

fn properties() -> impl Strategy<Value = Properties> {
    (option::of(short()), option::of(table()), any::<u8>()).prop_map(|(id, headers, priority)| {
        let mut builder = PropertiesBuilder::new().priority(priority);
        if let Some(id) = id {
            builder = builder.message_id(&id);
        }
        if let Some(headers) = headers {
            builder = builder.headers(&headers);
        }
        builder.build()
    })
}

fn runs() -> impl Strategy<Value = Runs> {
    let first = prop_oneof![0u64..50, any::<u32>().prop_map(u64::from), 0..1u64 << 60];
    vec((first, prop_oneof![1u64..4, 1..1u64 << 60]), 0..12).prop_map(|runs| {
        let run = |(first, count)| Run { first, count };
        runs.into_iter().map(run).collect()
    })
}

fn queue() -> impl Strategy<Value = QueueId> {
    prop_oneof![0u64..300, any::<u64>()].prop_map(QueueId)
}

prop_compose! {
    fn publishing()(vhost in short(), publisher in short(), id in any::<u64>()) -> Publishing {
        Publishing { vhost, publisher, id: PublishingId(id) }
    }
}

prop_compose! {
    fn fingerprint()(hash in any::<u128>(), until in any::<u64>()) -> Fingerprint {
        Fingerprint { hash, until: Timestamp(until) }
    }
}

prop_compose! {
    fn message()(
        queues in vec(queue(), 0..5),
        publisher in option::of(publishing()),
        accepted in any::<u64>(),
        due in option::of(any::<u64>()),
        fingerprints in vec((queue(), fingerprint()), 0..3),
        exchange in short(),
        routing_key in short(),
        properties in properties(),
        body in vec(any::<u8>(), 0..300),
    ) -> MessageRecord {
        MessageRecord {
            queues: queues.into(),
            publisher,
            accepted: Timestamp(accepted),
            due: due.map(Timestamp),
            fingerprints,
            exchange,
            routing_key,
            properties,
            body: body.into(),
        }
    }
}

prop_compose! {
    fn binding()(
        vhost in short(),
        source in short(),
        destination in prop_oneof![
            queue().prop_map(Destination::Queue),
            short().prop_map(Destination::Exchange),
        ],
        routing_key in short(),
        arguments in table(),
    ) -> BindingDefinition {
        BindingDefinition { vhost, source, destination, routing_key, arguments }
    }
}

prop_compose! {
    fn exchange()(
        name in short(),
        kind in short(),
        (durable, auto_delete, internal) in any::<(bool, bool, bool)>(),
        arguments in table(),
    ) -> ExchangeDefinition {
        ExchangeDefinition { name, kind, durable, auto_delete, internal, arguments }
    }
}

prop_compose! {
    fn queue_definition()(
        id in queue(),
        name in short(),
        (durable, exclusive, auto_delete) in any::<(bool, bool, bool)>(),
        arguments in table(),
    ) -> QueueDefinition {
        QueueDefinition { id, name, durable, exclusive, auto_delete, arguments }
    }
}

prop_compose! {
    fn vhost_definition()(
        (name, default_queue_type, description) in (short(), short(), ".*"),
        tags in vec(short(), 0..3),
        tracing in any::<bool>(),
        (max_connections, max_queues) in any::<(Option<u64>, Option<u64>)>(),
    ) -> VhostDefinition {
        VhostDefinition { name, description, tags, default_queue_type, tracing, max_connections, max_queues }
    }
}

prop_compose! {
    fn user_definition()(
        name in short(),
        password_hash in vec(any::<u8>(), 0..80),
        hashing in prop_oneof![Just(Hashing::Sha256), Just(Hashing::Sha512), Just(Hashing::Md5), Just(Hashing::Argon2id)],
        tags in vec(short(), 0..3),
        (max_connections, max_channels) in any::<(Option<u64>, Option<u64>)>(),
    ) -> UserDefinition {
        let password_hash = password_hash.into();
        UserDefinition { name, password_hash, hashing, tags, max_connections, max_channels }
    }
}

fn access_definition() -> impl Strategy<Value = Definition> {
    let names = || (short(), short());
    prop_oneof![
        short().prop_map(|vhost| Definition::VhostMade(VhostDefinition::new(vhost))),
        vhost_definition().prop_map(Definition::VhostMade),
        short().prop_map(|vhost| Definition::VhostRemoved { vhost }),
        user_definition().prop_map(Definition::UserMade),
        short().prop_map(|user| Definition::UserRemoved { user }),
        (names(), ".*", ".*", ".*").prop_map(|((user, vhost), configure, write, read)| {
            let made = PermissionDefinition {
                user,
                vhost,
                configure,
                write,
                read,
            };
            Definition::PermissionMade(made)
        }),
        names().prop_map(|(user, vhost)| Definition::PermissionRemoved { user, vhost }),
        (names(), short(), ".*", ".*").prop_map(|((user, vhost), exchange, write, read)| {
            let made = TopicPermissionDefinition {
                user,
                vhost,
                exchange,
                write,
                read,
            };
            Definition::TopicPermissionMade(made)
        }),
        (names(), short()).prop_map(|((user, vhost), exchange)| {
            Definition::TopicPermissionRemoved {
                user,
                vhost,
                exchange,
            }
        }),
        (names(), ".*", short(), any::<i64>(), table())
            .prop_map(|((vhost, name), pattern, apply_to, priority, definition)| {
                PolicyDefinition {
                    vhost,
                    name,
                    pattern,
                    apply_to,
                    priority,
                    definition,
                }
            })
            .prop_flat_map(|made| {
                let operators = Definition::OperatorPolicyMade(made.clone());
                prop_oneof![Just(Definition::PolicyMade(made)), Just(operators)]
            }),
        names().prop_map(|(vhost, name)| Definition::PolicyRemoved { vhost, name }),
        names().prop_map(|(vhost, name)| Definition::OperatorPolicyRemoved { vhost, name }),
    ]
}

fn definition() -> impl Strategy<Value = Definition> {
    prop_oneof![
        access_definition(),
        (short(), exchange())
            .prop_map(|(vhost, exchange)| Definition::ExchangeMade { vhost, exchange }),
        (short(), short())
            .prop_map(|(vhost, exchange)| Definition::ExchangeRemoved { vhost, exchange }),
        (short(), queue_definition())
            .prop_map(|(vhost, queue)| Definition::QueueMade { vhost, queue }),
        queue().prop_map(|queue| Definition::QueueRemoved { queue }),
        (queue(), tally()).prop_map(|(queue, tally)| Definition::QueueCounted { queue, tally }),
        (queue(), any::<bool>())
            .prop_map(|(queue, paused)| Definition::QueuePaused { queue, paused }),
        binding().prop_map(Definition::Bound),
        binding().prop_map(Definition::Unbound),
        (short(), short(), runs()).prop_map(|(vhost, publisher, landed)| {
            Definition::PublisherLanded {
                vhost,
                publisher,
                landed,
            }
        }),
    ]
}

fn tally() -> impl Strategy<Value = Tally> {
    let number = || prop_oneof![0u64..300, any::<u64>()];
    (number(), [number(), number(), number(), number(), number()]).prop_map(|(accepted, ended)| {
        let mut tally = Tally::of_accepted(accepted);
        for (how, count) in Ending::ALL.into_iter().zip(ended) {
            tally.add_ended(how, count);
        }
        tally
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(Ending::ALL.to_vec())
}

fn waiting() -> impl Strategy<Value = Vec<Waiting>> {
    let time = || prop_oneof![any::<u64>(), 0u64..5].prop_map(Timestamp);
    let why = prop::sample::select(Reason::ALL.to_vec());
    let place = prop_oneof![
        Just(Place::Ready),
        time().prop_map(|due| Place::Delayed { due }),
        (why, time()).prop_map(|(why, at)| Place::Parked { why, at }),
    ];
    let count = || prop_oneof![0u32..2, any::<u32>()];
    let attempts = (count(), count()).prop_map(|(failed, lost)| Attempts { failed, lost });
    let position = prop_oneof![1u64..20, 1u64..=u64::MAX];
    prop::collection::btree_map(position, (place, attempts), 0..5).prop_map(|all| {
        let each = all
            .into_iter()
            .map(|(position, (place, attempts))| Waiting {
                position: Position(position),
                place,
                attempts,
            });
        each.collect()
    })
}

fn remembered() -> impl Strategy<Value = Vec<(Position, Fingerprint)>> {
    let position = prop_oneof![1u64..20, 1u64..=u64::MAX].prop_map(Position);
    let all = prop::collection::btree_map(position, fingerprint(), 0..5);
    all.prop_map(|all| all.into_iter().collect())
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => message().prop_map(Record::Message),
        2 => (queue(), ending(), runs()).prop_map(|(queue, how, runs)| Record::Settled(queue, how, runs)),
        2 => (queue(), waiting()).prop_map(|(queue, all)| Record::Waiting(queue, all)),
        1 => (queue(), runs()).prop_map(|(queue, runs)| Record::Delivered(queue, runs)),
        1 => (queue(), remembered()).prop_map(|(queue, all)| Record::Remembered(queue, all)),
        2 => definition().prop_map(Record::Definition),
        1 => (any::<u64>(), queue()).prop_map(|(begin, next_queue)| Record::Checkpoint {
            begin: Position(begin),
            next_queue,
        }),
        1 => Just(Record::Stopped),
    ]
}

fn chunk_of(first: u64, records: &[Record]) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for (position, record) in (first..).map(Position).zip(records) {
        builder.push(position, record);
    }
    builder.take()
}

/// What goes to the disk, read from there with something else behind it.
fn read_again(chunk: &LandedChunk) -> LandedChunk {
    let mut bytes = chunk.bytes().to_vec();
    bytes.extend_from_slice(b"something else");
    LandedChunk::parse(bytes.into()).expect("what was written is read")
}

/// Whatever the chunk holds, nothing in it makes a reader panic.
fn read_everything(chunk: &LandedChunk) {
    for entry in chunk.records().flatten() {
        let _ = chunk.record(entry.position);
        let _ = chunk
            .message(entry.position)
            .map(|view| view.queues.count());
    }
    for position in chunk.relocated().chain([chunk.first(), chunk.last()]) {
        assert_eq!(
            chunk.contains(position),
            chunk.record(position) != Err(ChunkError::NoChunk)
        );
    }
}

fn one_by_one(born: &Born) -> impl Iterator<Item = Born> {
    let one = |first| Born {
        run: Run { first, count: 1 },
        ..born.clone()
    };
    (born.run.first..born.run.end()).map(one)
}

/// What a summary tells, position by position.
fn summarised(
    summary: &Bytes,
    first: Position,
) -> Vec<(Position, Option<MessageHead>, Option<Record>)> {
    let mut told = Vec::new();
    summary::read(summary, first, Wanted::All, &mut |item| match item {
        Item::Record(position, record) => told.push((position, None, Some(record))),
        Item::Messages(messages) => {
            told.extend((messages.run.first..messages.run.end()).map(|first| {
                let head = messages.part(Run { first, count: 1 }).head;
                (Position(first), Some(head), None)
            }))
        }
    })
    .expect("a summary is read as it was written");
    told
}

fn heads_and_records(
    first: u64,
    records: &[Record],
) -> Vec<(Position, Option<MessageHead>, Option<Record>)> {
    let told = |(position, record): (u64, &Record)| match record {
        Record::Message(message) => (Position(position), Some(MessageHead::of(message)), None),
        other => (Position(position), None, Some(other.clone())),
    };
    (first..).zip(records).map(told).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        first in 1u64..1 << 50,
        records in vec(record(), 1..12),
        epoch in any::<u64>(),
        segment in any::<u64>(),
        padding in 0u16..600,
    ) {
        let mut chunk = chunk_of(first, &records);
        let born: Vec<_> = chunk.born().iter().flat_map(one_by_one).collect();
        let summary = Bytes::from(chunk.take_summary());
        prop_assert_eq!(summarised(&summary, Position(first)), heads_and_records(first, &records));
        prop_assert_eq!((chunk.first(), chunk.count() as usize), (Position(first), records.len()));
        let sealed = chunk.seal_padded(epoch, segment, padding);
        let parsed = read_again(&sealed);
        prop_assert_eq!(parsed.header(), sealed.header());
        prop_assert_eq!(&summary::of(&parsed).expect("all can be read"), &summary);
        for chunk in [&*sealed, &parsed] {
            prop_assert_eq!((chunk.epoch(), chunk.segment()), (epoch, segment));
            prop_assert_eq!(chunk.last(), Position(first + records.len() as u64 - 1));
            let entries: Vec<Entry> = chunk.records().collect::<Result<_, _>>().expect("all can be read");
            let positions = (first..).map(Position);
            let told: Vec<_> = entries.iter().map(|entry| (entry.position, entry.record.clone())).collect();
            prop_assert_eq!(told, positions.zip(records.iter().cloned()).collect::<Vec<_>>());
            prop_assert_eq!(entries.iter().filter_map(Entry::born).collect::<Vec<_>>(), born.clone());
            for entry in &entries {
                prop_assert_eq!(&chunk.record(entry.position).expect("it is here"), &entry.record);
                prop_assert!(chunk.contains(entry.position) && !entry.relocated);
                let Record::Message(message) = &entry.record else {
                    prop_assert!(chunk.message(entry.position).is_none());
                    continue;
                };
                let view = chunk.message(entry.position).expect("it is a message");
                prop_assert_eq!(view.exchange, message.exchange.as_bytes());
                prop_assert_eq!(view.routing_key, message.routing_key.as_bytes());
                prop_assert_eq!(view.properties, message.properties.as_bytes());
                prop_assert_eq!(&view.body, &message.body);
                prop_assert_eq!(view.accepted, message.accepted);
                prop_assert_eq!(view.queues.collect::<Vec<_>>(), message.queues.to_vec());
            }
            prop_assert!(!chunk.contains(Position(first - 1)) && !chunk.contains(chunk.last().next()));
        }
    }

    #[test]
    fn a_relocated_message_keeps_everything_but_its_queues(
        messages in vec(message(), 1..6),
        originals in btree_set(1u64..1000, 6),
        queues in vec(queue(), 1..4),
        own in option::of(record()),
    ) {
        let records: Vec<_> = messages.iter().cloned().map(Record::Message).collect();
        let source = chunk_of(1, &records).seal(1, 1);
        let mut builder = ChunkBuilder::new();
        // Out of order, for a chunk may gather from several segments.
        let originals: Vec<_> = originals.into_iter().rev().map(Position).collect();
        for (index, original) in originals.iter().take(messages.len()).enumerate() {
            let view = source.message(Position(index as u64 + 1)).expect("a message");
            builder.relocate(*original, &queues, &view);
        }
        if let Some(own) = &own {
            builder.push(Position(5000), own);
        }
        let chunk = builder.take();
        let sealed = chunk.seal(2, 9);
        for chunk in [&*sealed, &read_again(&sealed)] {
            prop_assert_eq!(chunk.header().relocated as usize, messages.len());
            prop_assert_eq!(chunk.last(), if own.is_some() { Position(5000) } else { Position::NONE });
            for (original, message) in originals.iter().zip(&messages) {
                let copy = MessageRecord { queues: queues.clone().into(), ..message.clone() };
                prop_assert_eq!(chunk.record(*original), Ok(Record::Message(copy)));
                let view = chunk.message(*original).expect("it is here");
                prop_assert_eq!(&view.body, &message.body);
            }
            let entries: Vec<Entry> = chunk.records().collect::<Result<_, _>>().expect("all can be read");
            let told: Vec<_> = entries.iter().filter(|entry| entry.relocated).map(|entry| entry.position).collect();
            prop_assert_eq!(told, originals[..messages.len()].to_vec());
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_detected(records in vec(record(), 1..4)) {
        let bytes = chunk_of(1, &records).seal(1, 1).bytes().clone();
        for length in 0..bytes.len() {
            prop_assert_eq!(LandedChunk::parse(bytes.slice(..length)).err(), Some(ChunkError::Short));
        }
        let mut flipped = bytes.to_vec();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(LandedChunk::parse(Bytes::copy_from_slice(&flipped)).is_err(), "bit {}", bit);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn any_bytes_under_a_right_checksum_are_refused_or_can_be_read(
        records in vec(record(), 1..4),
        count in 0u32..4,
        relocated in 0u32..2,
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        random in option::of(vec(any::<u8>(), 0..60)),
    ) {
        let mut bytes = chunk_of(1, &records).seal(1, 1).bytes().to_vec();
        if let Some(random) = random {
            bytes.truncate(HEADER_LENGTH);
            bytes.extend_from_slice(&random);
            bytes[at::COUNT..at::RELOCATED].copy_from_slice(&count.to_le_bytes());
            bytes[at::RELOCATED..HEADER_LENGTH].copy_from_slice(&relocated.to_le_bytes());
        }
        for (index, value) in flips {
            let at = HEADER_LENGTH + index.index(bytes.len() - HEADER_LENGTH + 1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let length = u32::try_from(bytes.len()).expect("it is short");
        bytes[at::LENGTH..at::CRC].copy_from_slice(&length.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[at::CRC..at::EPOCH].copy_from_slice(&crc.to_le_bytes());
        if let Ok(chunk) = LandedChunk::parse(bytes.into()) {
            read_everything(&chunk);
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(LandedChunk::parse(bytes.into()).is_err());
    }
}

#[test]
fn a_header_tells_what_stands_there() {
    let sealed = chunk_of(7, &[Record::Stopped]).seal(3, 5);
    let bytes = sealed.bytes();
    let header_of = |bytes: &[u8]| header(bytes);
    assert_eq!(header_of(bytes).as_ref(), Ok(sealed.header()));
    assert_eq!(header_of(&[]), Err(ChunkError::Short));
    assert_eq!(
        header_of(&bytes[..HEADER_LENGTH - 1]),
        Err(ChunkError::Short)
    );
    assert_eq!(header_of(&[0; 512]), Err(ChunkError::NoChunk));
    assert_eq!(header_of(b"LF00"), Err(ChunkError::NoChunk));
    let with = |at: usize, field: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + field.len()].copy_from_slice(field);
        header(&bytes)
    };
    assert_eq!(with(at::VERSION, &[3, 0]), Err(ChunkError::NewerVersion(3)));
    let damaged = |what| Err(ChunkError::Damaged { what });
    assert_eq!(with(at::VERSION, &[0, 0]), damaged("version"));
    assert_eq!(
        with(at::PADDING, &[1, 0]),
        damaged("length"),
        "none in version 1"
    );
    assert_eq!(with(at::LENGTH, &[47, 0, 0, 0]), damaged("length"));
    assert_eq!(with(at::COUNT, &[0, 0, 0, 0]), damaged("positions"));
    assert_eq!(with(at::FIRST, &[0xff; 8]), damaged("positions"));
}

fn plain(body: Bytes) -> MessageRecord {
    MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(0),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body,
    }
}

#[test]
fn a_body_is_delivered_from_the_buffer_that_landed() {
    let message = plain(Bytes::from(vec![7; 5000]));
    let chunk = chunk_of(1, &[Record::Message(message)]).seal(1, 1);
    let body = chunk.message(Position(1)).expect("a message").body;
    let landed = chunk.bytes().as_ptr_range();
    assert!(landed.contains(&body.as_ptr()));
    assert!(landed.end == body.as_ptr_range().end);
}

#[test]
fn the_last_of_two_copies_in_one_chunk_tally() {
    let message = plain(Bytes::new());
    let source = chunk_of(1, &[Record::Message(message)]).seal(1, 1);
    let view = source.message(Position(1)).expect("a message");
    let mut builder = ChunkBuilder::new();
    builder.relocate(Position(1), &[QueueId(1), QueueId(2)], &view);
    builder.relocate(Position(1), &[QueueId(2)], &view);
    let chunk = builder.take().seal(2, 2);
    let view = chunk.message(Position(1)).expect("a message");
    assert_eq!(view.queues.collect::<Vec<_>>(), [QueueId(2)]);
}

#[test]
#[should_panic(expected = "positions have no gaps")]
fn a_gap_between_positions_is_a_mistake() {
    let mut builder = ChunkBuilder::new();
    builder.push(Position(1), &Record::Stopped);
    builder.push(Position(3), &Record::Stopped);
}

#[test]
fn a_builder_begins_anew_after_its_chunk_was_taken() {
    let mut builder = ChunkBuilder::new();
    assert!(builder.is_empty() && builder.bytes() == 0);
    builder.push(Position(1), &Record::Stopped);
    assert_eq!(builder.bytes(), HEADER_LENGTH + 5);
    assert_eq!(builder.take().count(), 1);
    assert!(builder.is_empty() && builder.last() == Position::NONE);
    builder.push(Position(8), &Record::Stopped);
    assert_eq!(builder.take().seal(1, 1).first(), Position(8));
}

#[test]
fn what_lands_beside_a_checkpoint_is_no_part_of_it() {
    let of = |first: u64, records: &[Record]| {
        let checkpoint = chunk_of(first, records).checkpoint();
        checkpoint.expect("it brings one")
    };
    let message = || Record::Message(plain(Bytes::from_static(&[7; 5000])));
    let checkpoint = |begin| Record::Checkpoint {
        begin: Position(begin),
        next_queue: QueueId(3),
    };
    let alone = of(9, &[Record::Stopped, checkpoint(9)]);
    let records = [message(), Record::Stopped, checkpoint(9), message()];
    assert_eq!(of(8, &records), alone);
    // What of it stands in the chunk before is not counted.
    let rest = of(9, &[Record::Stopped, checkpoint(4)]);
    assert_eq!(rest.bytes, alone.bytes);
    assert!(alone.bytes < 50, "{alone:?}");
}
