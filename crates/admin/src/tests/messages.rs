//! The messages of a queue, over the real heart.

use super::Api;
use super::real::Real;
use expect_test::expect;
use model::{FieldTable, Properties, PropertiesBuilder, ShortStr, TableBuilder, Value};
use std::fmt::Write;

fn dying(to: &str) -> FieldTable {
    TableBuilder::new()
        .text("x-dead-letter-exchange", "")
        .text("x-dead-letter-routing-key", to)
        .build()
}

pub(super) fn plain() -> Properties {
    PropertiesBuilder::new().build()
}

pub(super) fn of_tenant(tenant: &str) -> Properties {
    let headers = TableBuilder::new().text("tenant", tenant).build();
    let id = ShortStr::truncated(&format!("id-of-{tenant}"));
    PropertiesBuilder::new()
        .headers(&headers)
        .message_id(&id)
        .build()
}

#[tokio::test]
async fn queues_are_counted_and_messages_shown_where_they_are() {
    let real = Real::new();
    real.declare("work", dying("dead"));
    real.publish("work", of_tenant("blue"), "first");
    real.publish("work", plain(), "grün".as_bytes());
    real.publish("work", plain(), &b"\xff\x00"[..]);
    real.get("work");
    let transcript = Api::over(real)
        .transcript(
            "
            GET /api/queues
            GET /api/queues/%2F/work?columns=messages,messages_ready,messages_unacknowledged
            GET /api/queues/%2F/none
            GET /api/queues/none
            GET /api/landfall/queues?columns=name,policy,rules,messages_leaving
            GET /api/landfall/queues/%2F?columns=name
            GET /api/landfall/queues/%2F/work?columns=oldest
            GET /api/landfall/queues/%2F/work/messages?state=unacked
            GET /api/landfall/queues/%2F/work/messages?body=3
            GET /api/landfall/queues/%2F/work/messages?limit=1
            GET /api/landfall/queues/%2F/work/messages?limit=1&after=4
            GET /api/landfall/queues/%2F/work/messages?limit=0
            GET /api/landfall/queues/%2F/work/messages?state=lost
            GET /api/landfall/queues/%2F/work/messages?limit=1001
            GET /api/landfall/queues/%2F/work/messages?after=x
            GET /api/landfall/queues/%2F/none/messages
            ",
        )
        .await;
    expect![[r#"
        GET /api/queues
          200 [{"arguments":{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"dead"},"auto_delete":false,"consumers":0,"delivery_limit":"unlimited","durable":true,"effective_policy_definition":{},"exclusive":false,"idle_since":"1970-01-01T00:00:04.000+00:00","landfall_paused":false,"message_stats":{"ack":0,"ack_details":{"rate":0.0},"deliver":0,"deliver_details":{"rate":0.0},"deliver_get":1,"deliver_get_details":{"rate":0.0},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"get":1,"get_details":{"rate":0.0},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":3,"publish_details":{"rate":0.0},"redeliver":0,"redeliver_details":{"rate":0.0}},"messages":3,"messages_delayed":0,"messages_details":{"rate":0.0},"messages_leaving":0,"messages_parked":0,"messages_ready":2,"messages_ready_details":{"rate":0.0},"messages_unacknowledged":1,"messages_unacknowledged_details":{"rate":0.0},"name":"work","node":"test","operator_policy":null,"policy":null,"state":"running","type":"classic","vhost":"/"}]
        GET /api/queues/%2F/work?columns=messages,messages_ready,messages_unacknowledged
          200 {"messages":3,"messages_ready":2,"messages_unacknowledged":1}
        GET /api/queues/%2F/none
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
        GET /api/queues/none
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
        GET /api/landfall/queues?columns=name,policy,rules,messages_leaving
          200 [{"messages_leaving":0,"name":"work","policy":null,"rules":{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"dead"}}]
        GET /api/landfall/queues/%2F?columns=name
          200 [{"name":"work"}]
        GET /api/landfall/queues/%2F/work?columns=oldest
          200 {"oldest":{"accepted":3000,"position":6}}
        GET /api/landfall/queues/%2F/work/messages?state=unacked
          200 {"looked_at":1,"messages":[{"accepted":2000,"exchange":"","failed":0,"holder":{"channel":1,"connection":1,"consumer_tag":null,"delivery_tag":1,"due":1804000,"user":"guest"},"lost":0,"payload_bytes":5,"position":5,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":false,"routing_key":"work","state":"unacked"}],"next":null}
        GET /api/landfall/queues/%2F/work/messages?body=3
          200 {"looked_at":2,"messages":[{"accepted":3000,"exchange":"","failed":0,"lost":0,"payload":"gr","payload_bytes":5,"payload_encoding":"string","payload_truncated":true,"position":6,"priority":0,"properties":{},"redelivered":false,"routing_key":"work","state":"ready"},{"accepted":4000,"exchange":"","failed":0,"lost":0,"payload":"/wA=","payload_bytes":2,"payload_encoding":"base64","payload_truncated":false,"position":7,"priority":0,"properties":{},"redelivered":false,"routing_key":"work","state":"ready"}],"next":null}
        GET /api/landfall/queues/%2F/work/messages?limit=1
          200 {"looked_at":1,"messages":[{"accepted":3000,"exchange":"","failed":0,"lost":0,"payload_bytes":5,"position":6,"priority":0,"properties":{},"redelivered":false,"routing_key":"work","state":"ready"}],"next":"6"}
        GET /api/landfall/queues/%2F/work/messages?limit=1&after=4
          200 {"looked_at":1,"messages":[{"accepted":3000,"exchange":"","failed":0,"lost":0,"payload_bytes":5,"position":6,"priority":0,"properties":{},"redelivered":false,"routing_key":"work","state":"ready"}],"next":"6"}
        GET /api/landfall/queues/%2F/work/messages?limit=0
          200 {"looked_at":0,"messages":[],"next":null}
        GET /api/landfall/queues/%2F/work/messages?state=lost
          400 {"error":"bad_request","reason":"state must be one of ready, unacked, delayed, parked, leaving"}
        GET /api/landfall/queues/%2F/work/messages?limit=1001
          400 {"error":"bad_request","reason":"limit must be from 0 to 1000"}
        GET /api/landfall/queues/%2F/work/messages?after=x
          400 {"error":"bad_request","reason":"after is not what was answered"}
        GET /api/landfall/queues/%2F/none/messages
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn a_page_that_is_too_much_at_a_time_goes_on_where_it_ended() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    for body in ["a", "b", "c", "d", "e"] {
        real.publish("q", plain(), body);
    }
    let api = Api::over(real);
    let (mut after, mut bodies) = (String::new(), Vec::new());
    loop {
        let path = format!("/api/landfall/queues/%2F/q/messages?limit=3&body=9&after={after}");
        let page = api.get(&path).await;
        let messages = page["messages"].as_array().expect("a list");
        bodies.extend(messages.iter().map(|message| message["payload"].clone()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(bodies, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn dead_letters_go_back_all_or_some() {
    let real = Real::new();
    real.declare("work", dying("dead"));
    real.declare("dead", FieldTable::new());
    for (number, tenant) in ["blue", "red", "blue", "red"].into_iter().enumerate() {
        real.publish("work", of_tenant(tenant), tenant);
        real.get("work");
        real.reject(number as u64 + 1);
    }
    real.publish("dead", plain(), "never died");
    let api = Api::over(real);
    let mut transcript = String::new();
    let redrive = "POST /api/landfall/queues/%2F/dead/redrive";
    for body in [
        r#"{}"#,
        r#"{"all":true,"positions":[5]}"#,
        r#"{"positions":["5"]}"#,
        r#"{"filter":{"header":{"tenant":"red"}}}"#,
        r#"{"filter":7}"#,
        r#"{"state":"unacked","all":true}"#,
        r#"{"state":"ready","all":true,"after":"x"}"#,
        r#"{"state":"ready","filter":{"reason":"expired"}}"#,
        r#"{"state":"ready","filter":{"headers":{"tenant":"green"}}}"#,
        r#"{"state":"ready","filter":{"queue":"work","reason":"rejected","headers":{"tenant":"red"},"accepted_before":3500}}"#,
        r#"{"state":"ready","filter":{"routing_key":"dead","accepted_from":4500,"exchange":""},"limit":1}"#,
        r#"{"state":"ready","all":true,"limit":1}"#,
        r#"{"state":"ready","all":true}"#,
        r#"{"state":"ready","positions":[1,2]}"#,
    ] {
        transcript += &api.transcript(&format!("{redrive} {body}")).await;
    }
    let rest = "GET /api/landfall/queues?columns=name,messages";
    write!(transcript, "{}", api.transcript(rest).await).expect("strings take everything");
    expect![[r#"
        POST /api/landfall/queues/%2F/dead/redrive {}
          400 {"error":"bad_request","reason":"one of 'positions', 'filter' and 'all' is needed"}
        POST /api/landfall/queues/%2F/dead/redrive {"all":true,"positions":[5]}
          400 {"error":"bad_request","reason":"one of 'positions', 'filter' and 'all' is needed"}
        POST /api/landfall/queues/%2F/dead/redrive {"positions":["5"]}
          400 {"error":"bad_request","reason":"'positions' must be a list of positions"}
        POST /api/landfall/queues/%2F/dead/redrive {"filter":{"header":{"tenant":"red"}}}
          400 {"error":"bad_request","reason":"'filter': unknown key 'header'"}
        POST /api/landfall/queues/%2F/dead/redrive {"filter":7}
          400 {"error":"bad_request","reason":"'filter': an object is expected"}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"unacked","all":true}
          400 {"error":"bad_request","reason":"'state' must be one of parked, ready"}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","all":true,"after":"x"}
          400 {"error":"bad_request","reason":"'after' is not what was answered"}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","filter":{"reason":"expired"}}
          200 {"done":0,"looked_at":5,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","filter":{"headers":{"tenant":"green"}}}
          200 {"done":0,"looked_at":5,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","filter":{"queue":"work","reason":"rejected","headers":{"tenant":"red"},"accepted_before":3500}}
          200 {"done":1,"looked_at":5,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","filter":{"routing_key":"dead","accepted_from":4500,"exchange":""},"limit":1}
          200 {"done":1,"looked_at":4,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","all":true,"limit":1}
          200 {"done":1,"looked_at":3,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","all":true}
          200 {"done":1,"looked_at":2,"next":null,"stayed":1,"stayed_because":[{"position":18,"why":"it did not die"}]}
        POST /api/landfall/queues/%2F/dead/redrive {"state":"ready","positions":[1,2]}
          200 {"done":0,"looked_at":2,"next":null,"stayed":2,"stayed_because":[{"position":1,"why":"it does not wait there any more"},{"position":2,"why":"it does not wait there any more"}]}
        GET /api/landfall/queues?columns=name,messages
          200 [{"messages":1,"name":"dead"},{"messages":4,"name":"work"}]
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn parked_messages_are_delivered_again_and_delayed_ones_now() {
    let real = Real::new();
    let rules = TableBuilder::new()
        .field("x-delivery-limit", Value::I32(1))
        .text("x-delayed-retry-type", "all")
        .field("x-delayed-retry-min", Value::I32(60_000))
        .field("x-delayed-retry-jitter", Value::I32(0));
    real.declare("q", rules.build());
    for tenant in ["blue", "red"] {
        real.publish("q", of_tenant(tenant), tenant);
        real.get("q");
    }
    real.requeue(1);
    real.requeue(2);
    let fire = r#"POST /api/landfall/queues/%2F/q/fire {"filter":{"headers":{"tenant":"blue"}}}"#;
    let api = Api::over(real.clone());
    let mut transcript = api
        .transcript(&format!(
            "
            GET /api/queues/%2F/q?columns=messages,messages_ready,messages_delayed,messages_parked
            GET /api/landfall/queues/%2F/q/messages?state=delayed&limit=1
            GET /api/landfall/queues/%2F/q/messages?state=delayed&limit=1&after=63000.4
            {fire}
            GET /api/landfall/queues/%2F/q/messages?state=ready
            "
        ))
        .await;
    real.get("q");
    real.requeue(3);
    transcript += &api
        .transcript(
            r#"
            GET /api/landfall/queues/%2F/q/messages?state=parked
            POST /api/landfall/queues/%2F/q/redrive {"filter":{"reason":"expired"}}
            POST /api/landfall/queues/%2F/q/redrive {"filter":{"reason":"delivery_limit"}}
            DELETE /api/landfall/queues/%2F/q/messages {"state":"delayed","all":true}
            GET /api/queues/%2F/q?columns=messages,messages_ready,messages_delayed,messages_parked
            "#,
        )
        .await;
    expect![[r#"
        GET /api/queues/%2F/q?columns=messages,messages_ready,messages_delayed,messages_parked
          200 {"messages":2,"messages_delayed":2,"messages_parked":0,"messages_ready":0}
        GET /api/landfall/queues/%2F/q/messages?state=delayed&limit=1
          200 {"looked_at":1,"messages":[{"accepted":2000,"due":63000,"exchange":"","failed":1,"lost":0,"payload_bytes":4,"position":5,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":true,"routing_key":"q","state":"delayed"}],"next":"63000.5"}
        GET /api/landfall/queues/%2F/q/messages?state=delayed&limit=1&after=63000.4
          200 {"looked_at":1,"messages":[{"accepted":2000,"due":63000,"exchange":"","failed":1,"lost":0,"payload_bytes":4,"position":5,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":true,"routing_key":"q","state":"delayed"}],"next":"63000.5"}
        POST /api/landfall/queues/%2F/q/fire {"filter":{"headers":{"tenant":"blue"}}}
          200 {"done":1,"looked_at":2,"next":null,"stayed":0,"stayed_because":[]}
        GET /api/landfall/queues/%2F/q/messages?state=ready
          200 {"looked_at":1,"messages":[{"accepted":2000,"exchange":"","failed":1,"lost":0,"payload_bytes":4,"position":5,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":true,"routing_key":"q","state":"ready"}],"next":null}
        GET /api/landfall/queues/%2F/q/messages?state=parked
          200 {"looked_at":1,"messages":[{"accepted":2000,"exchange":"","failed":2,"lost":0,"parked":3000,"payload_bytes":4,"position":5,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":true,"routing_key":"q","state":"parked","why":"delivery_limit"}],"next":null}
        POST /api/landfall/queues/%2F/q/redrive {"filter":{"reason":"expired"}}
          200 {"done":0,"looked_at":1,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/q/redrive {"filter":{"reason":"delivery_limit"}}
          200 {"done":1,"looked_at":1,"next":null,"stayed":0,"stayed_because":[]}
        DELETE /api/landfall/queues/%2F/q/messages {"state":"delayed","all":true}
          200 {"done":1,"looked_at":1,"next":null,"stayed":0,"stayed_because":[]}
        GET /api/queues/%2F/q?columns=messages,messages_ready,messages_delayed,messages_parked
          200 {"messages":1,"messages_delayed":0,"messages_parked":0,"messages_ready":1}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn messages_are_cancelled() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    for tenant in ["blue", "red", "blue"] {
        real.publish("q", of_tenant(tenant), tenant);
    }
    let transcript = Api::over(real)
        .transcript(
            r#"
            DELETE /api/landfall/queues/%2F/q/messages
            DELETE /api/landfall/queues/%2F/q/messages {"filter":{"headers":{"tenant":"red"}}}
            GET /api/queues/%2F/q?columns=messages
            DELETE /api/landfall/queues/%2F/q/messages {"all":true}
            GET /api/queues/%2F/q?columns=messages
            DELETE /api/landfall/queues/%2F/none/messages {"all":true}
            DELETE /api/landfall/queues/%2F/none/messages {"positions":[1]}
            "#,
        )
        .await;
    expect![[r#"
        DELETE /api/landfall/queues/%2F/q/messages
          400 {"error":"bad_request","reason":"one of 'positions', 'filter' and 'all' is needed"}
        DELETE /api/landfall/queues/%2F/q/messages {"filter":{"headers":{"tenant":"red"}}}
          200 {"done":1,"looked_at":3,"next":null,"stayed":0,"stayed_because":[]}
        GET /api/queues/%2F/q?columns=messages
          200 {"messages":2}
        DELETE /api/landfall/queues/%2F/q/messages {"all":true}
          200 {"done":2,"looked_at":2,"next":null,"stayed":0,"stayed_because":[]}
        GET /api/queues/%2F/q?columns=messages
          200 {"messages":0}
        DELETE /api/landfall/queues/%2F/none/messages {"all":true}
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
        DELETE /api/landfall/queues/%2F/none/messages {"positions":[1]}
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
    "#]]
    .assert_eq(&transcript);
}

#[tokio::test]
async fn what_is_in_a_queue_is_for_those_who_may_use_it() {
    let real = Real::new();
    real.declare("in", FieldTable::new());
    real.declare("out", FieldTable::new());
    let api = Api::over(real);
    api.transcript(
        r#"
        PUT /api/users/reader {"password":"p","tags":"management"}
        PUT /api/users/owner {"password":"p","tags":"management"}
        PUT /api/users/plain {"password":"p","tags":""}
        PUT /api/users/watcher {"password":"p","tags":"monitoring"}
        PUT /api/permissions/%2F/reader {"configure":"","write":".*","read":"^in"}
        PUT /api/permissions/%2F/owner {"configure":"^in","write":"^amq\\.fanout$","read":""}
        PUT /api/permissions/%2F/plain {"configure":".*","write":".*","read":".*"}
        "#,
    )
    .await;
    let all = r#"{"all":true}"#;
    let to_other = r#"{"all":true,"to":{"queue":"in"}}"#;
    let to_exchange = r#"{"all":true,"to":{"exchange":"amq.fanout"}}"#;
    for (method, path, body, reader, owner, watcher) in [
        ("GET", "in/messages", "", 200, 401, 401),
        ("GET", "out/messages", "", 401, 401, 401),
        ("DELETE", "in/messages", all, 401, 200, 401),
        ("DELETE", "out/messages", all, 401, 401, 401),
        ("POST", "in/redrive", all, 401, 200, 401),
        ("POST", "in/move", to_other, 401, 401, 401),
        ("POST", "in/move", to_exchange, 401, 200, 401),
        ("GET", "in", "", 200, 200, 200),
    ] {
        let path = format!("/api/landfall/queues/%2F/{path}");
        for (user, expected) in [
            ("reader:p", reader),
            ("owner:p", owner),
            ("watcher:p", watcher),
            ("plain:p", 401),
        ] {
            let (code, said) = api.ask_as(user, method, &path, body).await;
            assert_eq!(code, expected, "{user} {method} {path}: {said}");
        }
    }
}
