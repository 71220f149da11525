//! What became of messages, as JSON.

use super::Api;
use crate::journey::{Client, Journey, Step, What};
use broker::journey::{Errand, Outcome, QueueName, Then};
use expect_test::expect;
use model::record::{Ending, Reason};
use model::{ChannelNumber, ConnectionId, Position, PublishingId, ShortStr, Timestamp};

/// The journeys that the fake operator knows.
pub(super) fn journeys() -> Vec<Journey> {
    let text = ShortStr::from_static;
    let queue = || QueueName {
        vhost: text("/"),
        name: text("orders"),
    };
    let client = || Client {
        connection: ConnectionId(3),
        channel: ChannelNumber(1),
        user: text("ada"),
        address: text("127.0.0.1:50000"),
    };
    let mut at = 1_700_000_000_000;
    let mut step = |queue: Option<QueueName>, what: What| {
        at += 1000;
        let at = Timestamp(at);
        Step { at, queue, what }
    };
    let published = What::Published {
        client: Some(client()),
        exchange: text("amq.topic"),
        routing_key: text("a.b"),
        queues: vec![queue()],
        publisher: Some((text("till"), PublishingId(9))),
    };
    let delivered = |attempt| What::Delivered {
        attempt,
        client: client(),
        consumer_tag: Some(text("ctag")),
    };
    let ended = |attempt, outcome, then| What::AttemptEnded {
        attempt,
        outcome,
        then,
    };
    let dead = Errand::DeadLetter(Reason::DeliveryLimit);
    let steps = vec![
        step(None, published),
        step(None, What::MessageId(text("m-1"))),
        step(Some(queue()), delivered(1)),
        step(
            Some(queue()),
            ended(
                1,
                Outcome::Returned,
                Then::Delayed(Timestamp(1_700_000_009_500)),
            ),
        ),
        step(Some(queue()), What::Due),
        step(Some(queue()), delivered(2)),
        step(Some(queue()), ended(2, Outcome::TimedOut, Then::Leaves)),
        step(Some(queue()), What::Parked(Reason::DeliveryLimit)),
        step(Some(queue()), What::Redriven),
        step(
            Some(queue()),
            What::Copied {
                copy: Position(8),
                errand: dead,
            },
        ),
        step(Some(queue()), What::Ended(Ending::DeadLettered)),
    ];
    let copy = What::CopyOf {
        original: Position(7),
        errand: dead,
    };
    let steps_of_copy = vec![step(None, copy), step(None, What::Started)];
    vec![
        Journey {
            position: Position(7),
            steps,
        },
        Journey {
            position: Position(8),
            steps: steps_of_copy,
        },
    ]
}

#[tokio::test]
async fn a_journey_is_told_with_that_of_its_copy() {
    let transcript = Api::new()
        .transcript(
            "
            GET /api/landfall/messages/7
            GET /api/landfall/messages/6
            GET /api/landfall/messages/x
            GET /api/landfall/messages
            GET /api/landfall/messages?publisher=p
            GET /api/landfall/messages?publisher=p&publishing_id=-1
            GET /api/landfall/messages?queue=orders&limit=5
            ",
        )
        .await;
    expect![[r#"
        GET /api/landfall/messages/7
          200 [{"message":7,"now":[],"steps":[{"at":1700000001000,"by":{"address":"127.0.0.1:50000","channel":1,"connection":3,"user":"ada"},"event":"published","exchange":"amq.topic","publisher":"till","publishing_id":9,"queues":["orders"],"routing_key":"a.b","time":"2023-11-14T22:13:21.000Z"},{"at":1700000002000,"event":"message_id","message_id":"m-1","time":"2023-11-14T22:13:22.000Z"},{"at":1700000003000,"attempt":1,"consumer_tag":"ctag","event":"delivered","queue":"orders","time":"2023-11-14T22:13:23.000Z","to":{"address":"127.0.0.1:50000","channel":1,"connection":3,"user":"ada"},"vhost":"/"},{"at":1700000004000,"attempt":1,"due":1700000009500,"due_time":"2023-11-14T22:13:29.500Z","event":"attempt_ended","outcome":"returned","queue":"orders","time":"2023-11-14T22:13:24.000Z","vhost":"/"},{"at":1700000005000,"event":"due","queue":"orders","time":"2023-11-14T22:13:25.000Z","vhost":"/"},{"at":1700000006000,"attempt":2,"consumer_tag":"ctag","event":"delivered","queue":"orders","time":"2023-11-14T22:13:26.000Z","to":{"address":"127.0.0.1:50000","channel":1,"connection":3,"user":"ada"},"vhost":"/"},{"at":1700000007000,"attempt":2,"event":"attempt_ended","outcome":"timed_out","queue":"orders","time":"2023-11-14T22:13:27.000Z","vhost":"/"},{"at":1700000008000,"event":"parked","queue":"orders","reason":"delivery_limit","time":"2023-11-14T22:13:28.000Z","vhost":"/"},{"at":1700000009000,"event":"redriven","queue":"orders","time":"2023-11-14T22:13:29.000Z","vhost":"/"},{"at":1700000010000,"event":"copied","for":"dead_letter","message":8,"queue":"orders","reason":"delivery_limit","time":"2023-11-14T22:13:30.000Z","vhost":"/"},{"at":1700000011000,"ending":"dead_lettered","event":"ended","queue":"orders","time":"2023-11-14T22:13:31.000Z","vhost":"/"}]},{"message":8,"now":[],"steps":[{"at":1700000012000,"event":"copy_of","for":"dead_letter","message":7,"reason":"delivery_limit","time":"2023-11-14T22:13:32.000Z"}]}]
        GET /api/landfall/messages/6
          404 {"error":"Object Not Found","reason":"nothing is known of message 6: there is none, or its journey is not kept any more"}
        GET /api/landfall/messages/x
          400 {"error":"bad_request","reason":"'x' is not a message's number"}
        GET /api/landfall/messages
          400 {"error":"bad_request","reason":"message_id, publisher and publishing_id, or queue and vhost must be given"}
        GET /api/landfall/messages?publisher=p
          400 {"error":"bad_request","reason":"message_id, publisher and publishing_id, or queue and vhost must be given"}
        GET /api/landfall/messages?publisher=p&publishing_id=-1
          400 {"error":"bad_request","reason":"'-1' is not a publishing id"}
        GET /api/landfall/messages?queue=orders&limit=5
          200 []
    "#]].assert_eq(&transcript);
}
