//! Sections that are written and read again.

use super::*;
use model::record::Fingerprint;
use model::{Properties, PropertiesBuilder, QueueId, ShortStr};

fn message(queues: &[u64], came: u64, id: Option<u64>, body: usize) -> MessageRecord {
    MessageRecord {
        queues: queues.iter().copied().map(QueueId).collect(),
        publisher: id.map(|id| Publishing {
            vhost: ShortStr::from_static("/"),
            publisher: ShortStr::from_static("ada"),
            id: PublishingId(id),
        }),
        accepted: Timestamp(came),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("key"),
        properties: Properties::default(),
        body: vec![0; body].into(),
    }
}

fn items(section: Vec<u8>, first: u64, wanted: Wanted) -> Vec<Item> {
    let mut items = Vec::new();
    let section = Bytes::from(section);
    read(&section, Position(first), wanted, &mut |item| {
        items.push(item)
    })
    .expect("a section");
    items
}

fn told(items: &[Item]) -> Vec<String> {
    let told = |item: &Item| match item {
        Item::Record(position, record) => format!("{position}: {record:?}"),
        Item::Messages(Messages { run, bytes, head }) => {
            let id = head.publisher.as_ref().map(|publisher| publisher.id.0);
            let came = head.arrival.came.0;
            format!(
                "{}+{} of {bytes} B came {came} id {id:?}",
                run.first, run.count
            )
        }
    };
    items.iter().map(told).collect()
}

#[test]
fn neighbours_that_are_alike_are_one_item() {
    let mut writer = SummaryWriter::default();
    for (position, id) in [(5, 10), (6, 11), (7, 12), (8, 14)] {
        writer.message(Position(position), &message(&[1], 99, Some(id), 10), 70);
    }
    writer.message(Position(9), &message(&[1], 100, None, 10), 70);
    // Copies leave out what was settled.
    writer.message(Position(12), &message(&[1], 98, None, 10), 70);
    writer.message(Position(13), &message(&[1, 2], 98, None, 10), 70);
    let items = items(writer.finish(), 5, Wanted::All);
    assert_eq!(
        told(&items),
        [
            "5+3 of 70 B came 99 id Some(10)",
            "8+1 of 70 B came 99 id Some(14)",
            "9+1 of 70 B came 100 id None",
            "12+1 of 70 B came 98 id None",
            "13+1 of 70 B came 98 id None",
        ]
    );
    let Item::Messages(first) = &items[0] else {
        panic!("messages are messages")
    };
    let part = first.part(Run { first: 6, count: 2 });
    assert_eq!(
        told(&[Item::Messages(part)]),
        ["6+2 of 70 B came 99 id Some(11)"]
    );
}

#[test]
fn everything_that_a_start_needs_comes_through() {
    let mut rich = message(&[3, 300], 1_700_000_000_000, Some(u64::MAX), 5);
    rich.due = Some(Timestamp(1_600_000_000_000));
    rich.properties = PropertiesBuilder::new()
        .priority(7)
        .expiration(&ShortStr::from_static("60000"))
        .build();
    rich.fingerprints = vec![(
        QueueId(3),
        Fingerprint {
            hash: u128::MAX,
            until: Timestamp(1),
        },
    )];
    let mut writer = SummaryWriter::default();
    writer.message(Position(1), &rich, 100);
    writer.message(Position(2), &rich, 100);
    writer.record(Position(3), &[6]);
    let section = writer.finish();
    let all = items(section.clone(), 1, Wanted::All);
    let head = |item: &Item| match item {
        Item::Messages(messages) => messages.head.clone(),
        Item::Record(..) => panic!("a message was expected"),
    };
    assert_eq!(all.len(), 3);
    assert_eq!(head(&all[0]), MessageHead::of(&rich));
    assert_eq!(head(&all[1]), MessageHead::of(&rich));
    assert_eq!(all[2], Item::Record(Position(3), Record::Stopped));
    assert_eq!(items(section.clone(), 1, Wanted::Messages).len(), 2);
    for cut in 0..section.len() {
        let cut = Bytes::copy_from_slice(&section[..cut]);
        let mut count = 0;
        let outcome = read(&cut, Position(1), Wanted::All, &mut |_| count += 1);
        assert!(outcome.is_err() || count < 3);
    }
}
