//! Which messages are traced, and what is remembered of them.

use super::decide::Decider;
use super::followed::{Attempt, Followed};
use super::span::{About, Published, Span, Taken, What};
use broker::journey::QueueName;
use model::table::TableBuilder;
use model::{Position, Properties, PropertiesBuilder, QueueId, Run, ShortStr};
use opentelemetry::trace::{SpanId, TraceId, TraceState};
use std::sync::Arc;
use std::time::SystemTime;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn with_headers(headers: &[(&str, &str)]) -> Properties {
    let table = headers
        .iter()
        .fold(TableBuilder::new(), |table, (name, text)| {
            table.text(name, text)
        });
    PropertiesBuilder::new().headers(&table.build()).build()
}

fn with_parent(flags: &str) -> Properties {
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    with_headers(&[("traceparent", &parent), ("tracestate", "shop=4,till=9")])
}

#[test]
fn a_publisher_says_whether_its_message_is_traced() {
    for sample in [0.0, 1.0] {
        let decider = Decider::new(sample);
        let trace = decider.decide(&with_parent("01")).expect("it is sampled");
        assert_eq!(trace.id, TraceId::from_hex(TRACE).expect("an id"));
        let caller = SpanId::from_hex(CALLER).expect("an id");
        assert_eq!(trace.caller, Some(caller));
        assert_eq!(trace.state.header(), "shop=4,till=9");
        assert!(decider.decide(&with_parent("00")).is_none());
        let later_version = format!("01-{TRACE}-{CALLER}-01-more");
        let later_version = with_headers(&[("traceparent", &later_version)]);
        assert!(decider.decide(&later_version).is_some());
    }
}

#[test]
fn who_says_nothing_sensible_leaves_it_to_chance() {
    let (none, all, half) = (Decider::new(0.0), Decider::new(1.0), Decider::new(0.5));
    let zeros = format!("00-{}-{CALLER}-01", "0".repeat(32));
    let unclear = [
        Properties::default(),
        with_headers(&[("traceparent", "nonsense")]),
        with_headers(&[("traceparent", &zeros)]),
    ];
    for properties in &unclear {
        assert!(none.decide(properties).is_none());
        let trace = all.decide(properties).expect("all are traced");
        assert_eq!(trace.caller, None);
        let other = all.decide(properties).expect("all are traced");
        assert_ne!(trace.id, other.id);
    }
    let traced = (0..2000).filter(|_| half.decide(&unclear[0]).is_some());
    let traced = traced.count();
    assert!((850..1150).contains(&traced), "{traced} of 2000");
}

#[test]
fn a_tracestate_that_is_too_long_is_left_out() {
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let long = format!("shop={}", "x".repeat(600));
    let properties = with_headers(&[("traceparent", &parent), ("tracestate", &long)]);
    let trace = Decider::new(0.0).decide(&properties);
    assert_eq!(trace.map(|trace| trace.state), Some(TraceState::default()));
}

fn about() -> Arc<About> {
    let decider = Decider::new(1.0);
    let trace = decider.decide(&Properties::default());
    let of = (trace.expect("all are traced"), decider.new_span());
    let name = ShortStr::from_static("orders");
    Arc::new(About::new(of, &name, &name, &Properties::default(), 5))
}

/// A span of a message that is no other's.
pub(super) fn span() -> Span {
    let now = SystemTime::now();
    Span {
        about: about(),
        position: None,
        vhost: None,
        began: now,
        ended: now,
        what: What::Published(Published {
            by_server: false,
            queues: 0,
            outcome: Taken::Dropped,
        }),
    }
}

fn attempt(queue: u64) -> Attempt {
    let name = ShortStr::from_static("orders");
    Attempt {
        queue: QueueId(queue),
        name: QueueName {
            vhost: name.clone(),
            name,
        },
        consumer: None,
        number: 1,
        began: SystemTime::now(),
        overtaken: false,
        ended: None,
        copy: None,
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_gives_way() {
    let mut followed = Followed::new(10_000);
    let mut forgotten = 0;
    for number in 1..=1000 {
        forgotten += followed.insert(Position(number), about(), 1);
    }
    let all = Run {
        first: 1,
        count: 1000,
    };
    let left = followed.positions(all);
    assert_eq!(left.len() as u64 + forgotten, 1000);
    assert!((10..100).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last(), Some(&Position(1000)));
    assert!(left.windows(2).all(|two| two[0].next() == two[1]));
    for queue in 1..100 {
        forgotten += followed.begin(Position(1000), attempt(queue));
    }
    assert_eq!(forgotten, 1000, "no message may have all of it");
    assert!(followed.positions(all).is_empty());
}

#[test]
fn a_message_is_forgotten_when_no_queue_has_it() {
    let mut followed = Followed::new(1 << 20);
    let at = Position(7);
    let here = |followed: &Followed| !followed.positions(Run { first: 7, count: 1 }).is_empty();
    assert_eq!(followed.insert(at, about(), 2), 0);
    assert_eq!(followed.begin(at, attempt(1)), 0);
    assert!(followed.end(at, QueueId(2)).is_none());
    assert!(followed.end(at, QueueId(1)).is_some());
    assert!(followed.end(at, QueueId(1)).is_none());
    followed.leaves(at);
    assert!(here(&followed));
    followed.leaves(at);
    assert!(!here(&followed));
    followed.leaves(at);
    assert_eq!(followed.bytes(), 0, "all is counted back");
}
