//! Transcripts of deliveries, and a random history held against the server's own book-keeping.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const P: &[u8] = b"publisher";

fn deliver(machine: &mut Incoming, tag: u64, id: u64) -> Option<Ticket> {
    machine.delivered(DeliveryTag(tag), Some((P, id)))
}

/// The answers as text: `3` acknowledges one, `..3` all up to it, `-3` puts one back, `x3` rejects it.
fn answers(machine: &mut Incoming) -> String {
    let mut text = Vec::new();
    machine.answers(|method| {
        text.push(match method {
            Method::BasicAck(ack) if ack.multiple => format!("..{}", ack.delivery_tag),
            Method::BasicAck(ack) => ack.delivery_tag.to_string(),
            Method::BasicReject(reject) if reject.requeue => format!("-{}", reject.delivery_tag),
            Method::BasicReject(reject) => format!("x{}", reject.delivery_tag),
            other => format!("{other:?}"),
        });
    });
    text.join(" ")
}

fn connected(suppress: bool) -> Incoming {
    let mut machine = Incoming::new(suppress.then(SeenWindow::default));
    machine.connected();
    machine
}

/// The tags that more time is asked for.
fn extensions(machine: &mut Incoming) -> Vec<u64> {
    let mut tags = Vec::new();
    machine.extensions(|(tag, _)| tags.push(tag));
    tags
}

#[test]
fn more_time_is_asked_for_the_tags_that_the_copy_in_hand_stands_for() {
    let second = Duration::from_secs(1);
    let mut machine = connected(false);
    let plain = deliver(&mut machine, 1, 1).expect("handed out");
    machine.extended(plain, second);
    assert_eq!(extensions(&mut machine), [1]);
    machine.extended(plain, second);
    machine.connected();
    assert_eq!(extensions(&mut machine), [], "of a lost channel");
    machine.extended(plain, second);
    assert_eq!(extensions(&mut machine), [], "of a lost channel");

    let mut machine = connected(true);
    let known = deliver(&mut machine, 7, 1).expect("handed out");
    machine.connected();
    machine.extended(known, second);
    assert_eq!(extensions(&mut machine), [], "it has not come again yet");
    assert_eq!(deliver(&mut machine, 3, 1), None);
    assert_eq!(deliver(&mut machine, 4, 1), None);
    machine.extended(known, second);
    assert_eq!(extensions(&mut machine), [4, 3]);
    machine.settled(known, Verdict::Ack);
    assert_eq!(answers(&mut machine), "3 4");
}

#[test]
fn acknowledgements_are_grouped_from_the_lowest_tag_on() {
    let mut machine = connected(false);
    let tickets: Vec<_> = (1..=9)
        .filter_map(|tag| deliver(&mut machine, tag, tag))
        .collect();
    let settle = |machine: &mut Incoming, tags: &[usize], verdict| {
        for tag in tags {
            machine.settled(tickets[tag - 1], verdict);
        }
    };
    settle(&mut machine, &[2, 1, 3], Verdict::Ack);
    assert_eq!(answers(&mut machine), "..3");
    settle(&mut machine, &[6, 8], Verdict::Ack);
    assert_eq!(answers(&mut machine), "6 8");
    settle(&mut machine, &[4, 7], Verdict::Ack);
    settle(&mut machine, &[5], Verdict::Reject);
    assert_eq!(answers(&mut machine), "x5 ..7");
    settle(&mut machine, &[9], Verdict::Requeue);
    assert_eq!(answers(&mut machine), "-9");
    assert_eq!(answers(&mut machine), "");
}

#[test]
fn what_is_settled_after_its_channel_was_lost_is_not_answered() {
    let mut machine = connected(false);
    let old = deliver(&mut machine, 1, 1).expect("handed out");
    machine.connected();
    let again = deliver(&mut machine, 1, 1).expect("handed out again");
    machine.settled(old, Verdict::Ack);
    assert_eq!(answers(&mut machine), "");
    machine.settled(again, Verdict::Ack);
    assert_eq!(answers(&mut machine), "..1");
}

#[test]
fn a_repeat_of_what_was_handled_is_acknowledged_and_not_handed_out() {
    let mut machine = connected(true);
    let first = deliver(&mut machine, 1, 7).expect("handed out");
    machine.settled(first, Verdict::Ack);
    machine.connected();
    assert_eq!(deliver(&mut machine, 1, 7), None);
    assert_eq!(answers(&mut machine), "..1");
    assert_eq!(machine.suppressed(), 1);
}

#[test]
fn a_repeat_of_what_is_in_hand_is_answered_by_what_is_said_to_the_copy_in_hand() {
    for (verdict, expected) in [
        (Verdict::Ack, "..1"),
        (Verdict::Requeue, "-1"),
        (Verdict::Reject, "x1"),
    ] {
        let mut machine = connected(true);
        let in_hand = deliver(&mut machine, 5, 7).expect("handed out");
        machine.connected();
        assert_eq!(deliver(&mut machine, 1, 7), None);
        machine.settled(in_hand, verdict);
        assert_eq!(answers(&mut machine), expected);
    }
}

#[test]
fn what_was_handled_between_two_channels_is_suppressed_on_the_next() {
    let mut machine = connected(true);
    let in_hand = deliver(&mut machine, 1, 7).expect("handed out");
    machine.connected();
    machine.settled(in_hand, Verdict::Ack);
    assert_eq!(answers(&mut machine), "");
    assert_eq!(deliver(&mut machine, 1, 7), None);
    assert_eq!(answers(&mut machine), "..1");
}

#[test]
fn what_was_put_back_is_handed_out_again() {
    let mut machine = connected(true);
    for tag in [1, 2] {
        let ticket = deliver(&mut machine, tag, 7).expect("handed out");
        machine.settled(ticket, Verdict::Requeue);
        assert_eq!(answers(&mut machine), format!("-{tag}"));
    }
    assert_eq!(machine.suppressed(), 0);
}

#[test]
fn what_was_thrown_away_before_the_application_had_it_is_handed_out_again() {
    let mut machine = connected(true);
    let thrown_away = deliver(&mut machine, 1, 7).expect("handed out");
    machine.connected();
    machine.discarded(thrown_away);
    assert!(deliver(&mut machine, 1, 7).is_some());
}

#[test]
fn a_message_delivered_twice_at_once_is_settled_twice() {
    let mut machine = connected(true);
    let ticket = deliver(&mut machine, 1, 7).expect("handed out");
    assert_eq!(deliver(&mut machine, 2, 7), None);
    machine.settled(ticket, Verdict::Ack);
    assert_eq!(answers(&mut machine), "..2");
}

#[test]
fn a_message_that_does_not_say_where_it_is_from_is_always_handed_out() {
    let mut machine = connected(true);
    let first = machine.delivered(DeliveryTag(1), None).expect("handed out");
    machine.settled(first, Verdict::Ack);
    machine.connected();
    assert!(machine.delivered(DeliveryTag(1), None).is_some());
}

proptest! {
    /// The server's book: each tag is settled exactly once, and exactly as the application said.
    #[test]
    fn the_server_hears_of_each_delivery_once_and_what_the_application_said(
        steps in proptest::collection::vec((0u8..6, any::<prop::sample::Index>()), 0..200),
    ) {
        let mut machine = connected(false);
        let mut next_tag = 1;
        let mut in_hand: Vec<Ticket> = Vec::new();
        let mut said: BTreeMap<u64, Verdict> = BTreeMap::new();
        let mut unacked: Vec<u64> = Vec::new();
        for (step, which) in steps {
            match step {
                0 | 1 => {
                    in_hand.extend(machine.delivered(DeliveryTag(next_tag), None));
                    unacked.push(next_tag);
                    next_tag += 1;
                }
                2..=4 if !in_hand.is_empty() => {
                    let ticket = in_hand.swap_remove(which.index(in_hand.len()));
                    let verdict = [Verdict::Ack, Verdict::Requeue, Verdict::Ack][usize::from(step) - 2];
                    machine.settled(ticket, verdict);
                    said.insert(ticket.tag, verdict);
                }
                _ => {
                    let mut heard = BTreeMap::new();
                    machine.answers(|method| match method {
                        Method::BasicAck(ack) => unacked.retain(|&tag| {
                            let settled = tag == ack.delivery_tag.0 || ack.multiple && tag < ack.delivery_tag.0;
                            if settled {
                                heard.insert(tag, Verdict::Ack);
                            }
                            !settled
                        }),
                        Method::BasicReject(reject) => {
                            unacked.retain(|&tag| tag != reject.delivery_tag.0);
                            heard.insert(reject.delivery_tag.0, Verdict::Requeue);
                        }
                        _ => {}
                    });
                    prop_assert_eq!(&heard, &said);
                    said.clear();
                }
            }
        }
    }
}
