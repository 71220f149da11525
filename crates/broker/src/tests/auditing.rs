//! The audit: what was accepted is what ended and what is here, across crashes and checkpoints (promise P10).

use super::script;
use crate::{Account, Broker};
use expect_test::expect;
use model::record::{Ending, Tally};
use model::{Position, QueueId, Record, Runs, Timestamp};
use std::collections::BTreeMap;

/// Accounts as transcripts show them.
pub(super) fn show_accounts(accounts: &[Account]) -> String {
    let lines = accounts.iter().map(|account| {
        let ended = Ending::ALL.map(|how| account.tally.ended(how));
        let here = account.here;
        format!(
            "{}: {} in, {ended:?} out, {} here ({} landing, {} ready, {} unacked, {} delayed, {} parked, {} leaving, {} ending){}",
            account.queue.name,
            account.tally.accepted,
            account.all_here(),
            account.landing,
            here.ready,
            here.unacked,
            here.delayed,
            here.parked,
            here.leaving,
            account.ending,
            match account.surplus() {
                0 => String::new(),
                surplus => format!(" UNBALANCED by {surplus}"),
            }
        )
    });
    let lines: Vec<String> = std::iter::once("operator: accounts".to_owned())
        .chain(lines)
        .collect();
    lines.join("\n    ")
}

/// Every queue's account is even, and sums over all queues are right.
pub(super) fn check(broker: &mut Broker) {
    super::statistics::check_sums(broker, Timestamp(0));
    for account in broker.accounts(None, None).expect("all may be asked for") {
        assert_eq!(account.surplus(), 0, "P10: {account:?}");
    }
}

/// Every queue's account is even, and says what the lane says.
pub(super) fn check_against(broker: &mut Broker, lane: &[(Position, Record)]) {
    check(broker);
    let mut told: BTreeMap<QueueId, Tally> = BTreeMap::new();
    for (_, record) in lane {
        match record {
            Record::Message(message) => {
                for queue in &message.queues {
                    told.entry(*queue).or_default().accepted += 1;
                }
            }
            Record::Settled(queue, how, messages) => {
                let tally = told.entry(*queue).or_default();
                tally.add_ended(*how, messages.count());
            }
            _ => {}
        }
    }
    for (id, queue) in &broker.queues {
        let told = told.get(id).copied().unwrap_or_default();
        assert_eq!(queue.audited.tally, told, "P10: queue {id}");
    }
}

/// What is left of a lane when the store has given back all that it may: what the last checkpoint tells and what
/// comes behind it, and behind that the messages that were written again because somebody still needs them.
pub(super) fn reclaimed(lane: &[(Position, Record)]) -> Vec<(Position, Record)> {
    let begin = lane.iter().rev().find_map(|(_, record)| match record {
        Record::Checkpoint { begin, .. } => Some(*begin),
        _ => None,
    });
    let begin = begin.unwrap_or(Position::NONE);
    let mut settled: BTreeMap<QueueId, Runs> = BTreeMap::new();
    for (_, record) in lane {
        if let Record::Settled(queue, _, messages) = record {
            settled.entry(*queue).or_default().insert_all(messages);
        }
    }
    let (old, mut kept): (Vec<_>, Vec<_>) =
        (lane.iter().cloned()).partition(|(position, _)| *position < begin);
    for (position, record) in old {
        if let Record::Message(mut message) = record {
            let is_settled = |queue: &QueueId| {
                settled
                    .get(queue)
                    .is_some_and(|all| all.contains(position.0))
            };
            message.queues.retain(|queue| !is_settled(queue));
            if !message.queues.is_empty() {
                // Told in the middle, as a copy behind the first record would be.
                kept.insert(kept.len().min(1), (position, Record::Message(message)));
            }
        }
    }
    kept
}

#[test]
fn every_way_to_end_is_counted_and_crashes_and_checkpoints_forget_none() {
    script::check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
        landed
        1.1 declare dead
        landed
        1.1 declare plain x-max-length=3
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c expiration=50
        1.1 publish - plain d
        operator audit
        landed
        1.1 get q
        1.1 ack 1
        1.1 get q
        1.1 reject 2
        operator audit - q
        operator audit / q
        fetched
        at 2000
        fetched
        1.1 publish - plain e
        1.1 publish - plain f
        1.1 publish - plain g
        landed
        1.1 get plain
        1.1 reject 3
        operator audit
        checkpoint
        1.1 publish - plain h
        1.1 publish - plain i
        landed
        1.1 get plain
        1.1 ack 4
        operator audit
        landed
        crash
        operator audit
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare dead
                land #3 queue 2 dead
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 declare plain x-max-length=3
                land #4 queue 3 plain
            landed
                1.1 queue.declare-ok plain 0 0
            1.1 publish - q a
                land #5 message a for [1]
            1.1 publish - q b
                land #6 message b for [1]
            1.1 publish - q c expiration=50
                land #7 message c for [1]
            1.1 publish - plain d
                land #8 message d for [3]
            operator audit
                operator: accounts
                q: 3 in, [0, 0, 0, 0, 0, 0] out, 3 here (3 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                dead: 0 in, [0, 0, 0, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                plain: 1 in, [0, 0, 0, 0, 0, 0] out, 1 here (1 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            landed
            1.1 get q
                1.1 get-ok [1] #5, 2 more
            1.1 ack 1
                land #9 settled in 1: #5+1
            1.1 get q
                1.1 get-ok [2] #6, 1 more
            1.1 reject 2
                fetch #6 of queue 1
            operator audit - q
                operator: not found: no queue 'q' in vhost ''
            operator audit / q
                operator: accounts
                q: 3 in, [1, 0, 0, 0, 0, 0] out, 2 here (0 landing, 1 ready, 0 unacked, 0 delayed, 0 parked, 1 leaving, 0 ending)
            fetched
                land #10 message b for [2], dead: rejected in q 1 times, no expiration
                land #11 dead-lettered in 1: #6+1
            at 2000
                fetch #7 of queue 1
            fetched
                land #12 message c for [2], dead: expired in q 1 times, no expiration
                land #13 dead-lettered in 1: #7+1
            1.1 publish - plain e
                land #14 message e for [3]
            1.1 publish - plain f
                land #15 message f for [3]
            1.1 publish - plain g
                land #16 message g for [3]
            landed
                land #17 dropped in 3: #8+1
            1.1 get plain
                1.1 get-ok [3] #14, 2 more
            1.1 reject 3
                land #18 dropped in 3: #14+1
            operator audit
                operator: accounts
                q: 3 in, [1, 0, 2, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                dead: 2 in, [0, 0, 0, 0, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                plain: 4 in, [0, 0, 0, 2, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            checkpoint
                land #19 user guest ["administrator"]
                land #20 permission of guest in /: .* .* .*
                land #21 vhost /
                land #22 queue 1 q
                land #23 counted 1: 3 in, [1, 0, 2, 0, 0, 0] out
                land #24 queue 2 dead
                land #25 counted 2: 2 in, [0, 0, 0, 0, 0, 0] out
                land #26 queue 3 plain
                land #27 counted 3: 4 in, [0, 0, 0, 2, 0, 0] out
                land #28 checkpoint from #19, next queue 4
            1.1 publish - plain h
                land #29 message h for [3]
            1.1 publish - plain i
                land #30 message i for [3]
            landed
                land #31 dropped in 3: #15+1
            1.1 get plain
                1.1 get-ok [4] #16, 2 more
            1.1 ack 4
                land #32 settled in 3: #16+1
            operator audit
                operator: accounts
                q: 3 in, [1, 0, 2, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                dead: 2 in, [0, 0, 0, 0, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                plain: 6 in, [1, 0, 0, 3, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            landed
            crash
            operator audit
                operator: accounts
                q: 3 in, [1, 0, 2, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                dead: 2 in, [0, 0, 0, 0, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
                plain: 6 in, [1, 0, 0, 3, 0, 0] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
        "#]],
    );
}
