//! Journeys on the disk: written and found, cut, damaged, too many.

use super::block::{self, Builder, HEADER, Item, Peer};
use super::files::{Files, Keeping, files};
use super::read::Journeys;
use admin::journey::{Step, Wanted, What};
use broker::journey::{
    ConsumerName, Errand, Event, Origin, Outcome, Published, QueueName, Receiver, Then,
};
use model::record::{Ending, Reason};
use model::{
    ChannelNumber, ConnectionId, Position, PublishingId, QueueId, Run, ShortStr, Timestamp,
};
use std::path::Path;
use std::time::Duration;

const QUEUE: QueueId = QueueId(300);

fn text(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn orders() -> QueueName {
    QueueName {
        vhost: text("/"),
        name: text("orders"),
    }
}

fn run(first: u64, count: u64) -> Run {
    Run { first, count }
}

fn published(first: u64, count: u64) -> Published {
    Published {
        origin: Origin::Client(ConnectionId(7), ChannelNumber(2)),
        queues: [QUEUE].into_iter().collect(),
        exchange: text("amq.topic"),
        routing_key: text("a.b"),
        publisher: Some((text("till"), PublishingId(1000 + first))),
        run: run(first, count),
    }
}

/// One of each kind, about the messages from 10 on.
fn events() -> Vec<Event> {
    let (queue, position) = (QUEUE, Position(10));
    let delivered = |to, attempt| Event::Delivered {
        queue,
        to,
        attempt,
        run: run(10, 200),
    };
    let ended = |outcome, then| Event::AttemptEnded {
        queue,
        position,
        attempt: 300,
        outcome,
        then,
    };
    let due = Timestamp(1_700_000_500_000);
    let copied = |errand| Event::Copied {
        queue,
        position,
        copy: Position(999),
        errand,
    };
    let mut events = vec![
        delivered(Receiver::Consumer(5), 1),
        delivered(Receiver::Get(ConnectionId(7), ChannelNumber(3)), 2),
        ended(Outcome::Returned, Then::Delayed(due)),
        ended(Outcome::Refused, Then::Leaves),
        ended(Outcome::TimedOut, Then::Ready),
        ended(Outcome::Lost, Then::Ready),
        ended(Outcome::AcknowledgedLate, Then::Leaves),
        Event::Delayed {
            queue,
            position,
            due,
        },
        Event::Due { queue, position },
        copied(Errand::Redrive),
        copied(Errand::Move),
        Event::Redriven { queue, position },
    ];
    events.extend(Reason::ALL.map(|reason| copied(Errand::DeadLetter(reason))));
    events.extend(Reason::ALL.map(|why| Event::Parked {
        queue,
        position,
        why,
    }));
    events.extend(Ending::ALL.map(|ending| Event::Settled {
        queue,
        ending,
        positions: [10, 11, 20].into_iter().collect(),
    }));
    events
}

/// A block with everything in it.
fn full() -> Builder {
    let mut block = Builder::default();
    block.time(Timestamp(1_700_000_000_000));
    block.queue(QUEUE, &orders());
    let peer = Peer {
        user: text("ada"),
        address: text("127.0.0.1:50000"),
    };
    block.connection(ConnectionId(7), &peer);
    let consumer = ConsumerName {
        connection: ConnectionId(7),
        channel: ChannelNumber(2),
        tag: text("ctag"),
    };
    block.consumer(5, &consumer);
    block.published(&published(10, 200));
    block.message_id(Position(10), "m-1");
    block.time(Timestamp(1_700_000_000_250));
    events().iter().for_each(|event| block.event(event));
    block
}

#[test]
fn everything_is_read_as_it_was_written() {
    let block = full().take();
    let header = block::header(block.first_chunk().expect("a header is there"));
    let header = header.expect("it is of this version");
    assert_eq!((header.lowest, header.highest), (10, 999));
    assert_eq!(
        (header.from.0, header.to.0),
        (1_700_000_000_000, 1_700_000_000_250)
    );
    assert_eq!(header.length, block.len());
    let items = block::items(&block).expect("it is whole");
    assert_eq!(items[0], Item::Queue(QUEUE, orders()));
    assert_eq!(items[3], Item::Published(published(10, 200)));
    let read: Vec<Event> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    assert_eq!(read, events());
}

#[test]
fn one_wrong_bit_is_noticed_and_no_bytes_are_too_strange() {
    let block = full().take();
    for at in 0..block.len() {
        let mut other = block.clone();
        other[at] ^= 1 << (at % 8);
        let is_read = block::header(other.first_chunk().expect("long enough"))
            .is_some_and(|header| header.length == other.len())
            && block::items(&other).is_some();
        assert!(!is_read, "byte {at}");
        // The checksum may be right all the same: whoever wrote it is not us.
        let mut rest = &other[HEADER.min(at)..];
        while block::take_item(&mut rest).is_some() {}
    }
    for end in 0..block.len() {
        assert!(block::items(&block[..end]).is_none());
    }
}

fn keeping(dir: &Path, bytes_max: u64) -> Keeping {
    Keeping {
        dir: dir.join("journey"),
        bytes_max,
        age_max: Duration::from_secs(3600),
    }
}

fn write(keeping: &Keeping, blocks: impl IntoIterator<Item = Vec<u8>>) {
    let files = Files::start(keeping).expect("the directory can be written to");
    for block in blocks {
        while !files.append(block.clone()) {
            std::thread::yield_now();
        }
    }
    files.end();
}

fn find(keeping: &Keeping, wanted: &Wanted) -> Vec<(u64, Vec<Step>)> {
    let journeys = Journeys::new(Some(keeping.dir.clone()));
    let found = journeys.find(wanted).expect("the files can be read");
    let each = found.into_iter();
    each.map(|journey| (journey.position.0, journey.steps))
        .collect()
}

/// A block in which a message comes and is acknowledged.
fn short(first: u64) -> Vec<u8> {
    let mut block = Builder::default();
    block.time(Timestamp(1_700_000_000_000 + first));
    block.queue(QUEUE, &orders());
    block.published(&published(first, 1));
    block.event(&Event::Settled {
        queue: QUEUE,
        ending: Ending::Acknowledged,
        positions: [first].into_iter().collect(),
    });
    block.take()
}

#[test]
fn messages_are_found_by_all_their_names_and_with_their_copies() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let keeping = keeping(dir.path(), 1 << 20);
    let mut copy = Builder::default();
    copy.time(Timestamp(1_700_000_900_000));
    copy.queue(QUEUE, &orders());
    copy.published(&Published {
        origin: Origin::Server,
        publisher: None,
        ..published(999, 1)
    });
    write(
        &keeping,
        [short(1), full().take(), copy.take(), short(2000)],
    );
    let positions = |wanted: &Wanted| -> Vec<u64> {
        find(&keeping, wanted)
            .iter()
            .map(|(position, _)| *position)
            .collect()
    };
    assert_eq!(positions(&Wanted::Message(Position(11))), [11]);
    // It leads to its copy, and the copy to it.
    for position in [10, 999] {
        assert_eq!(positions(&Wanted::Message(Position(position))), [10, 999]);
    }
    assert_eq!(positions(&Wanted::MessageId(text("m-1"))), [10, 999]);
    let numbered = |id| Wanted::Numbered(text("till"), PublishingId(id));
    assert_eq!(positions(&numbered(1010 + 20)), [30]);
    assert!(positions(&numbered(1010 + 200)).is_empty());
}

#[test]
fn what_the_power_cut_is_left_out_and_a_new_file_goes_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let keeping = keeping(dir.path(), 1 << 20);
    write(&keeping, [short(1), short(2)]);
    let (_, first) = files(&keeping.dir).expect("there is one").remove(0);
    let whole = std::fs::read(&first).expect("it can be read");
    for cut in [1, HEADER, whole.len() / 2 - 1] {
        std::fs::write(&first, &whole[..whole.len() - cut]).expect("it can be written");
        assert_eq!(find(&keeping, &Wanted::Message(Position(2))), []);
        assert_eq!(find(&keeping, &Wanted::Message(Position(1))).len(), 1);
    }
    // A damaged block costs itself only.
    let mut damaged = whole.clone();
    damaged[HEADER + 3] ^= 1;
    std::fs::write(&first, damaged).expect("it can be written");
    assert_eq!(find(&keeping, &Wanted::Message(Position(1))), []);
    assert_eq!(find(&keeping, &Wanted::Message(Position(2))).len(), 1);
    write(&keeping, [short(3)]);
    let numbers: Vec<u64> = (files(&keeping.dir).expect("two").iter())
        .map(|(n, _)| *n)
        .collect();
    assert_eq!(numbers, [1, 2]);
    let steps = &find(&keeping, &Wanted::Message(Position(3)))[0].1;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1].queue, Some(orders()));
    assert_eq!(steps[1].what, What::Ended(Ending::Acknowledged));
}

#[test]
fn the_oldest_go_when_there_is_too_much() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let keeping = keeping(dir.path(), 8192);
    write(&keeping, (1..=500).map(short));
    let bytes: u64 = files(&keeping.dir)
        .expect("there are some")
        .iter()
        .map(|(_, path)| path.metadata().expect("it is there").len())
        .sum();
    assert!((7000..=8192).contains(&bytes), "{bytes}");
    assert_eq!(find(&keeping, &Wanted::Message(Position(1))), []);
    assert_eq!(find(&keeping, &Wanted::Message(Position(500))).len(), 1);
    let last = find(&keeping, &Wanted::Queue(orders(), 3));
    let last: Vec<u64> = last.iter().map(|(position, _)| *position).collect();
    assert_eq!(last, [498, 499, 500]);
}
