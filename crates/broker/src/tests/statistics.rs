//! What operators see of what goes through, and of who is connected.

use super::script::{check, check_with, limits, short};
use crate::command::Answer;
use crate::snapshot::{ChannelStatus, ConsumerStatus, Counts, Look, Totals, WaitsFor};
use crate::traffic::Traffic;
use crate::{Broker, Command, Recent};
use expect_test::expect;
use model::{ConnectionId, Limits, Timestamp};

/// What is looked at, in words.
pub(super) fn command(words: &[&str]) -> Command {
    let vhost = words.get(1).map(|name| short(name));
    Command::Look(match words[0] {
        "totals" => Look::Totals,
        "summary" => super::summary::look(words),
        "connections" => Look::Connections { one: None },
        "channels" => Look::Channels { of: None },
        "consumers" => Look::Consumers { vhost },
        "exchanges" => Look::Exchanges { vhost },
        "hang-up" => {
            let id = words[1].parse().expect("a number");
            return Command::CloseConnection {
                connection: ConnectionId(id),
                reason: words[2..].join(" "),
            };
        }
        other => panic!("what is {other}?"),
    })
}

/// Sums that are kept are those of what is there, whatever happened.
pub(super) fn check_sums(broker: &mut Broker, now: Timestamp) {
    let totals = broker.standing(now);
    let mut sum = Counts::default();
    for queue in broker.queue_statuses(None) {
        sum.ready += queue.counts.ready;
        sum.unacked += queue.counts.unacked;
        sum.delayed += queue.counts.delayed;
        sum.parked += queue.counts.parked;
        sum.leaving += queue.counts.leaving;
    }
    assert_eq!(totals.messages, sum);
    let channels = broker.channel_statuses(None);
    assert_eq!(totals.channels, channels.len() as u64);
}

/// Those counters that are not 0.
fn counters<const N: usize>(each: [(&str, u64); N]) -> String {
    let told = each.iter().filter(|(_, count)| *count > 0);
    let told: Vec<String> = told
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    told.join(", ")
}

fn recent(recent: &Recent) -> String {
    let Recent {
        over,
        traffic,
        ready,
        unacked,
        messages,
    } = recent;
    let traffic = counters(traffic.each());
    format!("in {over} ms: {traffic}; {ready:+} ready, {unacked:+} unacked, {messages:+} messages")
}

pub(super) fn traffic(of: &Traffic, lately: &Recent) -> String {
    format!("{}; {}", counters(of.each()), recent(lately))
}

pub(super) fn show(answer: &Answer) -> String {
    let shown: Vec<String> = match answer {
        Answer::Totals(totals) => return show_totals(totals),
        Answer::Summary(summary) => return super::summary::show(summary),
        Answer::Connections(all) => (all.iter())
            .map(|one| {
                let blocked = if one.blocked { ", blocked" } else { "" };
                let (id, user, vhost) = (one.connection, &one.user, &one.vhost);
                format!(
                    "{id} of {user} in {vhost}: {} channels{blocked}",
                    one.channels
                )
            })
            .collect(),
        Answer::Channels(all) => all.iter().map(show_channel).collect(),
        Answer::Consumers(all) => all.iter().map(show_consumer).collect(),
        Answer::Exchanges(all) => {
            let mut shown: Vec<String> = (all.iter())
                .filter(|one| one.passage.publish_in > 0)
                .map(|one| {
                    let (all, lately) = (counters(one.passage.each()), counters(one.recent.each()));
                    format!(
                        "'{}' in {}: {all}; in {} ms: {lately}",
                        one.name, one.vhost, one.over
                    )
                })
                .collect();
            shown.sort_unstable();
            shown
        }
        other => panic!("how is {other:?} shown?"),
    };
    let shown = shown.iter().map(|one| format!("\n        {one}"));
    format!("operator: seen{}", shown.collect::<String>())
}

fn show_totals(totals: &Totals) -> String {
    let here = totals.messages;
    format!(
        "operator: totals\n        {}\n        to confirm {}, routed {}; {}; in vain: {}\n        \
         {} ready, {} unacked, {} delayed, {} parked, {} leaving\n        \
         {} connections, {} publishers, {} channels, {} consumers, {} queues, {} exchanges; {} ms late",
        traffic(&totals.traffic, &totals.recent),
        totals.to_confirm,
        totals.routed,
        counters(totals.churn.each()),
        counters(totals.in_vain.each()),
        here.ready,
        here.unacked,
        here.delayed,
        here.parked,
        here.leaving,
        totals.connections,
        totals.publishers,
        totals.channels,
        totals.consumers,
        totals.queues,
        totals.exchanges,
        totals.due_lag,
    )
}

fn show_channel(one: &ChannelStatus) -> String {
    let unconfirmed = one
        .unconfirmed
        .map(|count| format!(", {count} unconfirmed"));
    let uncommitted = one.uncommitted;
    let uncommitted =
        uncommitted.map(|(publishes, acks)| format!(", holds {publishes} and {acks}"));
    format!(
        "{}.{}: prefetch {} and {}, {} unacked, {} consumers{}{}; {}",
        one.connection,
        one.number,
        one.prefetch_each,
        one.prefetch_all,
        one.unacked,
        one.consumers,
        unconfirmed.unwrap_or_default(),
        uncommitted.unwrap_or_default(),
        traffic(&one.traffic, &one.recent),
    )
}

fn show_consumer(one: &ConsumerStatus) -> String {
    let waits = match &one.waits_for {
        None => "nothing".to_owned(),
        Some(WaitsFor::Resume) => "its queue to go on".into(),
        Some(WaitsFor::SingleActive { tag }) => format!("the end of {tag}"),
        Some(WaitsFor::Messages {
            unacked,
            outranked_by,
        }) => format!("messages, {unacked} are unacked, outranked by {outranked_by:?}"),
        Some(WaitsFor::Time { delayed, due }) => format!("{delayed} that are due at {due:?}"),
        Some(WaitsFor::Landing { messages }) => format!("{messages} to land"),
        Some(WaitsFor::Reading { deliveries }) => format!("its client to read {deliveries}"),
        Some(WaitsFor::Prefetch { unacked }) => format!("one of its {unacked} acks"),
        Some(WaitsFor::ChannelPrefetch { unacked }) => {
            format!("one of its channel's {unacked} acks")
        }
        Some(WaitsFor::Memory { unacked }) => format!("memory, with {unacked}"),
    };
    let active = if one.active { "active" } else { "waiting" };
    format!(
        "{} on {}.{} at {} in {}: {active}, prefetch {}, {} unacked; waits for {waits}",
        one.tag, one.connection, one.channel, one.queue, one.vhost, one.prefetch, one.unacked
    )
}

#[test]
fn what_goes_through_is_counted() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish amq.fanout any lost
        1.1 publish amq.fanout any back mandatory
        landed
        1.2 open
        1.2 get q
        1.2 get q no-ack
        1.2 get q
        1.2 ack 1
        operator totals
        operator channels
        operator exchanges
        at 6000
        operator totals
        operator channels
        operator exchanges /
        at 11000
        operator totals
        1.2 close
        close 1
        operator totals
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish amq.fanout any lost
            1.1 publish amq.fanout any back mandatory
                1.1 return back (amq.fanout any)
            landed
                1.1 confirm up to 4
            1.2 open
                1.2 channel.open-ok
            1.2 get q
                1.2 get-ok [1] #3, 1 more
            1.2 get q no-ack
                1.2 get-ok [2] #4, 0 more
            1.2 get q
                1.2 basic.get-empty
            1.2 ack 1
                land #5 settled in 1: #3+1
            operator totals
                operator: totals
                    publish 4, confirm 4, return_unroutable 1, drop_unroutable 1, get 1, get_no_ack 1, get_empty 1, ack 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 4, routed 2; connection_created 1, channel_created 2, queue_declared 1, queue_created 1; in vain: 
                    0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving
                    1 connections, 1 publishers, 2 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
            operator channels
                operator: seen
                    1.1: prefetch 0 and 0, 0 unacked, 0 consumers, 0 unconfirmed; publish 4, confirm 4, return_unroutable 1, drop_unroutable 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    1.2: prefetch 0 and 0, 0 unacked, 0 consumers; get 1, get_no_ack 1, get_empty 1, ack 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
            operator exchanges
                operator: seen
                    '' in /: publish_in 2, publish_out 2; in 0 ms: 
                    'amq.fanout' in /: publish_in 2; in 0 ms: 
            at 6000
            operator totals
                operator: totals
                    publish 4, confirm 4, return_unroutable 1, drop_unroutable 1, get 1, get_no_ack 1, get_empty 1, ack 1; in 5000 ms: publish 4, confirm 4, return_unroutable 1, drop_unroutable 1, get 1, get_no_ack 1, get_empty 1, ack 1; +0 ready, +1 unacked, +1 messages
                    to confirm 4, routed 2; connection_created 1, channel_created 2, queue_declared 1, queue_created 1; in vain: 
                    0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving
                    1 connections, 1 publishers, 2 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
            operator channels
                operator: seen
                    1.1: prefetch 0 and 0, 0 unacked, 0 consumers, 0 unconfirmed; publish 4, confirm 4, return_unroutable 1, drop_unroutable 1; in 5000 ms: publish 4, confirm 4, return_unroutable 1, drop_unroutable 1; +0 ready, +0 unacked, +0 messages
                    1.2: prefetch 0 and 0, 0 unacked, 0 consumers; get 1, get_no_ack 1, get_empty 1, ack 1; in 5000 ms: get 1, get_no_ack 1, get_empty 1, ack 1; +0 ready, +0 unacked, +0 messages
            operator exchanges /
                operator: seen
                    '' in /: publish_in 2, publish_out 2; in 5000 ms: publish_in 2, publish_out 2
                    'amq.fanout' in /: publish_in 2; in 5000 ms: publish_in 2
            at 11000
            operator totals
                operator: totals
                    publish 4, confirm 4, return_unroutable 1, drop_unroutable 1, get 1, get_no_ack 1, get_empty 1, ack 1; in 5000 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 4, routed 2; connection_created 1, channel_created 2, queue_declared 1, queue_created 1; in vain: 
                    0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving
                    1 connections, 1 publishers, 2 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
            1.2 close
                1.2 channel.close-ok
                land #6 waiting in 1: 4 ready (failed 0, lost 1)
            close 1
            operator totals
                operator: totals
                    publish 4, confirm 4, return_unroutable 1, drop_unroutable 1, get 1, get_no_ack 1, get_empty 1, ack 1; in 5000 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 4, routed 2; connection_created 1, connection_closed 1, channel_created 2, channel_closed 2, queue_declared 1, queue_created 1; in vain: lost 1
                    1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving
                    0 connections, 0 publishers, 0 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
        "#]],
    );
}

#[test]
fn what_comes_back_is_counted_by_cause() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=1000
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 qos 2
        1.1 consume q c
        1.1 nack 1 requeue
        at 2500
        operator totals
        close 1
        landed
        operator totals
        crash
        operator totals
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=1000
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
            1.1 qos 2
                1.1 basic.qos-ok
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
            1.1 nack 1 requeue
                1.1 deliver to c [3] #3 redelivered after 1
                land #6 waiting in 1: 3 ready (failed 1, lost 0)
            at 2500
                1.1 deliver to c [4] #3 redelivered after 2
                1.1 deliver to c [5] #4 redelivered after 1
                land #7 waiting in 1: 3 ready (failed 2, lost 0), 4 ready (failed 1, lost 0)
            operator totals
                operator: totals
                    publish 3, deliver 5, redeliver 3; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 0, routed 3; connection_created 1, channel_created 1, queue_declared 1, queue_created 1; in vain: timed_out 2, returned 1
                    1 ready, 2 unacked, 0 delayed, 0 parked, 0 leaving
                    1 connections, 1 publishers, 1 channels, 1 consumers, 1 queues, 7 exchanges; 0 ms late
            close 1
                land #8 waiting in 1: 3 ready (failed 2, lost 1), 4 ready (failed 1, lost 1)
            landed
            operator totals
                operator: totals
                    publish 3, deliver 5, redeliver 3; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 0, routed 3; connection_created 1, connection_closed 1, channel_created 1, channel_closed 1, queue_declared 1, queue_created 1; in vain: timed_out 2, returned 1, lost 2
                    3 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving
                    0 connections, 0 publishers, 0 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
            crash
            operator totals
                operator: totals
                    ; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 0, routed 0; ; in vain: 
                    3 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving
                    0 connections, 0 publishers, 0 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
        "#]],
    );
}

#[test]
fn a_consumer_that_gets_nothing_knows_why() {
    check(
        "
        connect 1
        1.1 open
        1.1 qos 2
        1.1 declare q
        1.1 declare one x-single-active-consumer=true
        1.1 declare later x-delivery-delay=5000
        landed
        1.1 consume q first
        1.1 consume one active
        1.1 consume one next
        1.1 consume later timely
        operator consumers
        1.1 publish - q a
        1.1 publish - later b
        operator consumers
        landed
        1.1 publish - q c
        1.1 publish - q d
        landed
        operator consumers /
        1.1 ack 1
        operator consumers /
        operator consumers none
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 qos 2
                1.1 basic.qos-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare one x-single-active-consumer=true
            1.1 declare later x-delivery-delay=5000
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 one
            1.1 consume q first
            1.1 consume one active
            1.1 consume one next
            1.1 consume later timely
            operator consumers
            1.1 publish - q a
            1.1 publish - later b
            operator consumers
            landed
                1.1 queue.declare-ok one 0 0
                operator: seen
                operator: seen
                land #4 queue 3 later
                land #5 message a for [1]
                land #6 message b for [3], due 6000
            1.1 publish - q c
                land #7 message c for [1]
            1.1 publish - q d
                land #8 message d for [1]
            landed
                1.1 queue.declare-ok later 0 0
                1.1 basic.consume-ok first
                1.1 basic.consume-ok active
                1.1 basic.consume-ok next
                1.1 basic.consume-ok timely
                1.1 deliver to first [1] #5
                1.1 deliver to first [2] #7
            operator consumers /
                operator: seen
                    first on 1.1 at q in /: active, prefetch 2, 2 unacked; waits for one of its 2 acks
                    active on 1.1 at one in /: active, prefetch 2, 0 unacked; waits for messages, 0 are unacked, outranked by None
                    next on 1.1 at one in /: waiting, prefetch 2, 0 unacked; waits for the end of active
                    timely on 1.1 at later in /: active, prefetch 2, 0 unacked; waits for 1 that are due at Some(Timestamp(6000))
            1.1 ack 1
                1.1 deliver to first [3] #8
                land #9 settled in 1: #5+1
            operator consumers /
                operator: seen
                    first on 1.1 at q in /: active, prefetch 2, 2 unacked; waits for messages, 2 are unacked, outranked by None
                    active on 1.1 at one in /: active, prefetch 2, 0 unacked; waits for messages, 0 are unacked, outranked by None
                    next on 1.1 at one in /: waiting, prefetch 2, 0 unacked; waits for the end of active
                    timely on 1.1 at later in /: active, prefetch 2, 0 unacked; waits for 1 that are due at Some(Timestamp(6000))
            operator consumers none
                operator: not found: no vhost 'none'
        "#]],
    );
}

#[test]
fn a_full_channel_is_told_and_a_connection_is_closed_on_demand() {
    let small = Limits {
        unacked_max: 1,
        ..limits()
    };
    check_with(
        small,
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 consume q c
        1.1 publish - q a
        1.1 publish - q b
        landed
        operator consumers
        1.2 open
        1.2 tx
        1.2 publish - q held
        operator channels
        operator connections
        operator hang-up 1 we are closing
        operator hang-up 1 again
        operator connections
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
                1.1 deliver to c [1] #3
            operator consumers
                operator: seen
                    c on 1.1 at q in /: active, prefetch 0, 1 unacked; waits for one of its channel's 1 acks
            1.2 open
                1.2 channel.open-ok
            1.2 tx
                1.2 tx.select-ok
            1.2 publish - q held
            operator channels
                operator: seen
                    1.1: prefetch 0 and 0, 1 unacked, 1 consumers; publish 2, deliver 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    1.2: prefetch 0 and 0, 0 unacked, 0 consumers, holds 1 and 0; publish 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
            operator connections
                operator: seen
                    1 of guest in /: 2 channels
            operator hang-up 1 we are closing
                1 connection.close 320 CONNECTION_FORCED - we are closing
                operator: done
                land #5 waiting in 1: 3 ready (failed 0, lost 1)
            operator hang-up 1 again
                operator: not found: no connection 1
            operator connections
                operator: seen
        "#]],
    );
}

#[test]
fn what_is_published_for_an_operator_leaves_no_publisher() {
    check(
        "
        operator for guest / declare q
        landed
        operator for guest / publish - q a
        landed
        operator totals
        ",
        expect![[r#"
            operator for guest / declare q
                land #2 queue 1 q
            landed
                operator: made
            operator for guest / publish - q a
                land #3 message a for [1]
            landed
                operator: published
            operator totals
                operator: totals
                    publish 1; in 0 ms: ; +0 ready, +0 unacked, +0 messages
                    to confirm 1, routed 1; queue_declared 1, queue_created 1; in vain: 
                    1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving
                    0 connections, 0 publishers, 0 channels, 0 consumers, 1 queues, 7 exchanges; 0 ms late
        "#]],
    );
}
