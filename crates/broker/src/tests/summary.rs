//! What needs attention, of all queues at one look.

use super::script::{check, short};
use crate::snapshot::{Look, Sight, Summary, Worst};
use expect_test::expect;
use std::fmt::Write;

/// `summary MOST`, or with `of USER VHOST …` what that user sees.
pub(super) fn look(words: &[&str]) -> Look {
    let sight = match words.get(3..) {
        None => Sight::default(),
        Some(vhosts) => Sight {
            user: Some(short(words[3])),
            vhosts: Some(vhosts[1..].iter().map(|name| short(name)).collect()),
        },
    };
    Look::Summary {
        sight,
        most: words[1].parse().expect("a number"),
    }
}

pub(super) fn show(summary: &Summary) -> String {
    let mut shown = format!(
        "operator: {} queues, {} consumers, {} messages, {} blocked",
        summary.queues,
        summary.consumers,
        summary.messages.total(),
        summary.blocked
    );
    for (what, worst) in [
        ("unread", &summary.unread),
        ("parked", &summary.parked),
        ("paused", &summary.paused),
        ("dead", &summary.dead),
        ("backlogs", &summary.backlogs),
        ("oldest", &summary.oldest),
        ("unbalanced", &summary.unbalanced),
    ] {
        let Worst {
            queues,
            messages,
            worst,
        } = worst;
        if *queues == 0 {
            continue;
        }
        write!(shown, "\n        {what}: {messages} in {queues}:").expect("text");
        for queue in worst {
            let came = queue.oldest.and_then(|(_, came)| came);
            let came = came.map_or("?".to_owned(), |came| came.0.to_string());
            let (name, vhost, ready) = (&queue.name, &queue.vhost, queue.counts.ready);
            write!(shown, " {name} in {vhost} ({ready} ready, since {came})").expect("text");
        }
    }
    let (stuck, some) = &summary.stuck;
    for one in some {
        write!(
            shown,
            "\n        {} of {stuck} waits for {:?}",
            one.tag, one.waits_for
        )
        .expect("text");
    }
    shown
}

#[test]
fn the_worst_come_first_and_the_others_are_counted() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare few
        landed
        1.1 declare many
        landed
        1.1 declare read x-dead-letter-exchange: x-dead-letter-routing-key:grave
        landed
        1.1 declare fan x-dead-letter-exchange:dlx
        landed
        1.1 declare grave
        landed
        1.1 declare pit
        landed
        1.1 exchange dlx fanout
        landed
        1.1 exchange dlx2 fanout
        landed
        1.1 bind-exchange dlx2 dlx k
        landed
        1.1 bind pit dlx2 k
        landed
        1.1 publish - few a
        landed
        at 5000
        1.1 publish - many a
        1.1 publish - many b
        1.1 publish - grave c
        1.1 publish - pit d
        1.1 publish - read e
        1.1 publish - read f
        landed
        1.1 qos 1
        1.1 consume read c
        operator summary 9
        operator summary 1
        operator summary 9 of guest /
        operator summary 9 of ada none
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare few
                land #2 queue 1 few
            landed
                1.1 queue.declare-ok few 0 0
            1.1 declare many
                land #3 queue 2 many
            landed
                1.1 queue.declare-ok many 0 0
            1.1 declare read x-dead-letter-exchange: x-dead-letter-routing-key:grave
                land #4 queue 3 read
            landed
                1.1 queue.declare-ok read 0 0
            1.1 declare fan x-dead-letter-exchange:dlx
                land #5 queue 4 fan
            landed
                1.1 queue.declare-ok fan 0 0
            1.1 declare grave
                land #6 queue 5 grave
            landed
                1.1 queue.declare-ok grave 0 0
            1.1 declare pit
                land #7 queue 6 pit
            landed
                1.1 queue.declare-ok pit 0 0
            1.1 exchange dlx fanout
                land #8 exchange dlx fanout
            landed
                1.1 exchange.declare-ok
            1.1 exchange dlx2 fanout
                land #9 exchange dlx2 fanout
            landed
                1.1 exchange.declare-ok
            1.1 bind-exchange dlx2 dlx k
                land #10 bound dlx -k-> Exchange("dlx2")
            landed
                1.1 exchange.bind-ok
            1.1 bind pit dlx2 k
                land #11 bound dlx2 -k-> Queue(QueueId(6))
            landed
                1.1 queue.bind-ok
            1.1 publish - few a
                land #12 message a for [1]
            landed
            at 5000
            1.1 publish - many a
                land #13 message a for [2]
            1.1 publish - many b
                land #14 message b for [2]
            1.1 publish - grave c
                land #15 message c for [5]
            1.1 publish - pit d
                land #16 message d for [6]
            1.1 publish - read e
                land #17 message e for [3]
            1.1 publish - read f
                land #18 message f for [3]
            landed
            1.1 qos 1
                1.1 basic.qos-ok
            1.1 consume read c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #17
            operator summary 9
                operator: 6 queues, 1 consumers, 7 messages, 0 blocked
                    unread: 3 in 2: many in / (2 ready, since 5000) few in / (1 ready, since 1000)
                    dead: 2 in 2: grave in / (1 ready, since 5000) pit in / (1 ready, since 5000)
                    backlogs: 6 in 5: many in / (2 ready, since 5000) few in / (1 ready, since 1000) read in / (1 ready, since 5000) grave in / (1 ready, since 5000) pit in / (1 ready, since 5000)
                    oldest: 6 in 5: few in / (1 ready, since 1000) many in / (2 ready, since 5000) grave in / (1 ready, since 5000) pit in / (1 ready, since 5000) read in / (1 ready, since 5000)
                    c of 1 waits for Some(Prefetch { unacked: 1 })
            operator summary 1
                operator: 6 queues, 1 consumers, 7 messages, 0 blocked
                    unread: 3 in 2: many in / (2 ready, since 5000)
                    dead: 2 in 2: grave in / (1 ready, since 5000)
                    backlogs: 6 in 5: many in / (2 ready, since 5000)
                    oldest: 6 in 5: few in / (1 ready, since 1000)
            operator summary 9 of guest /
                operator: 6 queues, 1 consumers, 7 messages, 0 blocked
                    unread: 3 in 2: many in / (2 ready, since 5000) few in / (1 ready, since 1000)
                    dead: 2 in 2: grave in / (1 ready, since 5000) pit in / (1 ready, since 5000)
                    backlogs: 6 in 5: many in / (2 ready, since 5000) few in / (1 ready, since 1000) read in / (1 ready, since 5000) grave in / (1 ready, since 5000) pit in / (1 ready, since 5000)
                    oldest: 6 in 5: few in / (1 ready, since 1000) many in / (2 ready, since 5000) grave in / (1 ready, since 5000) pit in / (1 ready, since 5000) read in / (1 ready, since 5000)
                    c of 1 waits for Some(Prefetch { unacked: 1 })
            operator summary 9 of ada none
                operator: 0 queues, 0 consumers, 0 messages, 0 blocked
        "#]],
    );
}
