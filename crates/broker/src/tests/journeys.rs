//! What the broker tells of what happens to messages.

use super::script::check;
use crate::Broker;
use crate::journey::{Event, Journey, Origin, Receiver, Then};
use expect_test::expect;
use model::Run;

/// What was told since the last time, in words.
pub(super) fn told(broker: &mut Broker) -> Vec<String> {
    let mut journey = Journey::default();
    broker.take_journey(&mut journey);
    let mut told: Vec<String> = journey
        .gone
        .iter()
        .map(|gone| format!("{gone:?}"))
        .collect();
    told.extend(journey.published.iter().map(|one| {
        let from = match one.origin {
            Origin::Client(connection, channel) => format!("{connection}.{channel}"),
            Origin::Server => "the server".into(),
        };
        let queues: Vec<u64> = one.queues.iter().map(|queue| queue.0).collect();
        let publisher = one.publisher.as_ref();
        let publisher = publisher.map(|(name, first)| format!(", {name} from {first}"));
        let publisher = publisher.unwrap_or_default();
        format!("{} by {from} to {queues:?}{publisher}", show_run(one.run))
    }));
    let ids = journey.message_ids();
    told.extend(ids.map(|(position, id)| format!("#{position} is {id}")));
    told.extend(journey.turned_away.iter().map(|one| {
        let to = &one.publish.routing_key;
        format!("to '{to}' turned away: {:?}", one.why)
    }));
    told.extend(journey.events.iter().map(show_event));
    told
}

fn show_run(run: Run) -> String {
    format!("#{}+{}", run.first, run.count)
}

fn show_event(event: &Event) -> String {
    let queue = event.queue();
    match event {
        Event::Delivered {
            to, attempt, run, ..
        } => {
            let to = match to {
                Receiver::Consumer(number) => format!("consumer {number}"),
                Receiver::Get(connection, channel) => format!("get {connection}.{channel}"),
            };
            format!("{queue}: {} attempt {attempt} to {to}", show_run(*run))
        }
        Event::AttemptEnded {
            position,
            attempt,
            outcome,
            then,
            ..
        } => {
            let then = match then {
                Then::Ready => "ready".into(),
                Then::Delayed(due) => format!("delayed until {due}"),
                Then::Leaves => "leaves".into(),
            };
            format!("{queue}: #{position} attempt {attempt} {outcome:?}, {then}")
        }
        Event::Delayed { position, due, .. } => format!("{queue}: #{position} delayed until {due}"),
        Event::Due { position, .. } => format!("{queue}: #{position} due"),
        Event::Parked { position, why, .. } => {
            format!("{queue}: #{position} parked, {}", why.word())
        }
        Event::Copied {
            position,
            copy,
            errand,
            ..
        } => format!("{queue}: #{position} copied to #{copy}, {errand:?}"),
        Event::Redriven { position, .. } => format!("{queue}: #{position} redriven"),
        Event::Settled {
            ending, positions, ..
        } => {
            let runs: Vec<String> = positions.as_slice().iter().copied().map(show_run).collect();
            format!("{queue}: {ending:?} {}", runs.join(" "))
        }
    }
}

#[test]
fn neighbours_that_share_their_fate_are_told_together() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q before-anybody-asks
        tell
        1.1 publish - q a id=p:7
        1.1 publish - q b id=p:8
        1.1 publish - q c id=p:10
        1.1 publish - q d
        1.1 publish - nowhere e
        landed
        1.1 consume q c
        landed
        1.1 ack 3 multiple
        1.1 get q
        journey
        1.1 ack 4
        close 1
        journey
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
            1.1 publish - q before-anybody-asks
                land #3 message before-anybody-asks for [1]
            tell
            1.1 publish - q a id=p:7
                land #4 message a for [1]
            1.1 publish - q b id=p:8
                land #5 message b for [1]
            1.1 publish - q c id=p:10
                land #6 message c for [1]
            1.1 publish - q d
                land #7 message d for [1]
            1.1 publish - nowhere e
            landed
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
                1.1 deliver to c [3] #5
                1.1 deliver to c [4] #6
                1.1 deliver to c [5] #7
            landed
            1.1 ack 3 multiple
                land #8 settled in 1: #3+3
            1.1 get q
                1.1 basic.get-empty
            journey
                #4+2 by 1.1 to [1], p from 7
                #6+1 by 1.1 to [1], p from 10
                #7+1 by 1.1 to [1]
                1: #3+5 attempt 1 to consumer 1
                1: Acknowledged #3+3
            1.1 ack 4
                land #9 settled in 1: #6+1
            close 1
                land #10 waiting in 1: 7 ready (failed 0, lost 1)
            journey
                Consumer(1, ConsumerName { connection: ConnectionId(1), channel: ChannelNumber(1), tag: "c" })
                Connection(ConnectionId(1), "guest")
                1: Acknowledged #6+1
                1: #7 attempt 1 Lost, ready
        "#]],
    );
}

#[test]
fn an_attempt_that_ends_in_vain_is_told_with_what_comes_of_it() {
    check(
        "
        tell
        connect 1
        1.1 open
        1.1 declare q x-delivery-limit=2 x-delayed-retry-min=100 x-consumer-timeout=1000
        landed
        1.1 declare dies x-dead-letter-exchange: x-dead-letter-routing-key:q
        landed
        1.1 publish - q a
        landed
        1.1 get q
        journey
        1.1 nack 1 requeue
        at 1100
        1.1 get q
        journey
        at 2500
        1.1 get q
        journey
        connect 2
        close 1
        journey
        2.1 open
        2.1 publish - dies b
        2.1 publish - dies c
        landed
        2.1 get dies
        2.1 reject 1
        fetched
        2.1 get dies
        2.1 ack 2
        journey
        ",
        expect![[r#"
            tell
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-limit=2 x-delayed-retry-min=100 x-consumer-timeout=1000
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare dies x-dead-letter-exchange: x-dead-letter-routing-key:q
                land #3 queue 2 dies
            landed
                1.1 queue.declare-ok dies 0 0
            1.1 publish - q a
                land #4 message a for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            journey
                #4+1 by 1.1 to [1]
                1: #4+1 attempt 1 to get 1.1
            1.1 nack 1 requeue
                land #5 waiting in 1: 4 delayed until 1098 (failed 1, lost 0)
            at 1100
            1.1 get q
                1.1 get-ok [2] #4 redelivered after 1, 0 more
            journey
                1: #4 attempt 1 Returned, delayed until 1098
                1: #4 due
                1: #4+1 attempt 2 to get 1.1
            at 2500
                land #6 waiting in 1: 4 ready (failed 2, lost 0)
            1.1 get q
                1.1 get-ok [3] #4 redelivered after 2, 0 more
            journey
                1: #4 attempt 2 TimedOut, ready
                1: #4+1 attempt 3 to get 1.1
            connect 2
                2.0 connection.open-ok
            close 1
                land #7 waiting in 1: 4 parked at 2500, delivery_limit (failed 2, lost 1)
            journey
                Connection(ConnectionId(1), "guest")
                1: #4 attempt 3 Lost, leaves
                1: #4 parked, delivery_limit
            2.1 open
                2.1 channel.open-ok
            2.1 publish - dies b
                land #8 message b for [2]
            2.1 publish - dies c
                land #9 message c for [2]
            landed
            2.1 get dies
                2.1 get-ok [1] #8, 1 more
            2.1 reject 1
                fetch #8 of queue 2
            fetched
                land #10 message b for [1], dead: rejected in dies 1 times, no expiration
                land #11 dead-lettered in 2: #8+1
            2.1 get dies
                2.1 get-ok [2] #9, 0 more
            2.1 ack 2
                land #12 settled in 2: #9+1
            journey
                #8+2 by 2.1 to [2]
                #10+1 by the server to [1]
                2: #8+1 attempt 1 to get 2.1
                2: #8 attempt 1 Refused, leaves
                2: #8 copied to #10, DeadLetter(Rejected)
                2: DeadLettered #8+1
                2: #9+1 attempt 1 to get 2.1
                2: Acknowledged #9+1
        "#]],
    );
}

#[test]
fn what_lands_nowhere_is_told_to_those_who_ask_for_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q x-max-length=1 x-overflow:reject-publish
        1.1 declare free
        1.1 bind q amq.fanout -
        1.1 bind free amq.fanout -
        landed
        1.1 publish - q a
        landed
        tell
        1.1 publish - nowhere b
        journey
        tell refusals
        1.1 publish - nowhere c
        1.1 publish - nowhere d mandatory
        1.1 publish - q e
        1.1 publish amq.fanout some f
        1.1 publish missing key g
        journey
        journey
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 q
            1.1 declare free
            1.1 bind q amq.fanout -
            1.1 bind free amq.fanout -
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 free
                land #4 bound amq.fanout --> Queue(QueueId(1))
                land #5 bound amq.fanout --> Queue(QueueId(2))
            1.1 publish - q a
                land #6 message a for [1]
            landed
                1.1 queue.declare-ok free 0 0
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 confirm 1
            tell
            1.1 publish - nowhere b
                1.1 confirm 2
            journey
            tell refusals
            1.1 publish - nowhere c
                1.1 confirm 3
            1.1 publish - nowhere d mandatory
                1.1 return d ( nowhere)
                1.1 confirm 4
            1.1 publish - q e
                1.1 refuse 5
            1.1 publish amq.fanout some f
                land #7 message f for [2]
            1.1 publish missing key g
                1.1 channel.close 404 NOT_FOUND - no exchange 'missing' in vhost '/' (60, 40)
            journey
                #7+1 by 1.1 to [2]
                to 'nowhere' turned away: Dropped
                to 'nowhere' turned away: Returned
                to 'q' turned away: Full(None)
                to 'some' turned away: Full(Some(Position(7)))
                to 'key' turned away: Forbidden("NOT_FOUND - no exchange 'missing' in vhost '/'")
            journey
        "#]],
    );
}
