//! Messages got through the API, over the real heart.

use super::Api;
use super::real::Real;
use expect_test::expect;
use model::{FieldTable, Properties, PropertiesBuilder, TableBuilder, Value};

fn plain() -> Properties {
    PropertiesBuilder::new().build()
}

fn dying() -> FieldTable {
    TableBuilder::new()
        .text("x-dead-letter-exchange", "")
        .text("x-dead-letter-routing-key", "dead")
        .field("x-delivery-limit", Value::I64(0))
        .build()
}

#[tokio::test]
async fn messages_that_go_back_stay_where_they_are_however_often() {
    let real = Real::new();
    real.declare("q", dying());
    real.declare("dead", FieldTable::new());
    for body in ["first", "grün", "third"] {
        real.publish("q", plain(), body.as_bytes());
    }
    let transcript = Api::over(real)
        .transcript(
            r#"
            POST /api/queues/%2F/q/get {"count":2,"ackmode":"ack_requeue_true","encoding":"auto"}
            POST /api/queues/%2F/q/get {"count":1,"ackmode":"reject_requeue_true","encoding":"base64"}
            POST /api/queues/%2F/q/get {"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}
            POST /api/queues/%2F/q/get {"count":5000,"requeue":true,"truncate":3}
            POST /api/queues/%2F/q/get {"count":0,"ackmode":"ack_requeue_true"}
            GET /api/queues/%2F?columns=name,messages_ready,messages_unacknowledged
            GET /api/landfall/queues/%2F/q/messages?limit=1
            "#,
        )
        .await;
    expect![[r#"
        POST /api/queues/%2F/q/get {"count":2,"ackmode":"ack_requeue_true","encoding":"auto"}
          200 [{"exchange":"","message_count":2,"payload":"first","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"},{"exchange":"","message_count":1,"payload":"grün","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":1,"ackmode":"reject_requeue_true","encoding":"base64"}
          200 [{"exchange":"","message_count":2,"payload":"Zmlyc3Q=","payload_bytes":5,"payload_encoding":"base64","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}
          200 [{"exchange":"","message_count":2,"payload":"first","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":5000,"requeue":true,"truncate":3}
          200 [{"exchange":"","message_count":2,"payload":"fir","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"},{"exchange":"","message_count":1,"payload":"gr","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"},{"exchange":"","message_count":0,"payload":"thi","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":0,"ackmode":"ack_requeue_true"}
          200 []
        GET /api/queues/%2F?columns=name,messages_ready,messages_unacknowledged
          200 [{"messages_ready":0,"messages_unacknowledged":0,"name":"dead"},{"messages_ready":3,"messages_unacknowledged":0,"name":"q"}]
        GET /api/landfall/queues/%2F/q/messages?limit=1
          200 {"looked_at":1,"messages":[{"accepted":2000,"exchange":"","failed":0,"lost":0,"payload_bytes":5,"position":6,"priority":0,"properties":{},"redelivered":false,"routing_key":"q","state":"ready"}],"next":"6"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn messages_are_acknowledged_or_rejected_with_the_answer() {
    let real = Real::new();
    real.declare("q", dying());
    real.declare("dead", FieldTable::new());
    real.declare("plain", FieldTable::new());
    for body in ["a", "b", "c"] {
        real.publish("q", plain(), body);
    }
    real.publish("plain", plain(), &b"\xff\x00"[..]);
    real.get("plain");
    real.requeue(1);
    let transcript = Api::over(real)
        .transcript(
            r#"
            POST /api/queues/%2F/q/get {"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}
            POST /api/queues/%2F/q/get {"count":9,"ackmode":"reject_requeue_false","encoding":"auto"}
            POST /api/queues/%2F/q/get {"count":9,"ackmode":"ack_requeue_false","encoding":"auto"}
            GET /api/queues/%2F?columns=name,messages
            POST /api/queues/%2F/dead/get {"count":9,"requeue":false}
            POST /api/queues/%2F/plain/get {"count":9,"ackmode":"reject_requeue_false"}
            GET /api/queues/%2F?columns=name,messages
            GET /api/landfall/audit/%2F/q
            "#,
        )
        .await;
    expect![[r#"
        POST /api/queues/%2F/q/get {"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}
          200 [{"exchange":"","message_count":2,"payload":"a","payload_bytes":1,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":9,"ackmode":"reject_requeue_false","encoding":"auto"}
          200 [{"exchange":"","message_count":1,"payload":"b","payload_bytes":1,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"},{"exchange":"","message_count":0,"payload":"c","payload_bytes":1,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"count":9,"ackmode":"ack_requeue_false","encoding":"auto"}
          200 []
        GET /api/queues/%2F?columns=name,messages
          200 [{"messages":2,"name":"dead"},{"messages":1,"name":"plain"},{"messages":0,"name":"q"}]
        POST /api/queues/%2F/dead/get {"count":9,"requeue":false}
          200 [{"exchange":"","message_count":1,"payload":"b","payload_bytes":1,"payload_encoding":"string","properties":{"headers":{"x-death":[{"count":1,"exchange":"","queue":"q","reason":"rejected","routing-keys":["q"],"time":{"landfall:timestamp":5}}],"x-first-death-exchange":"","x-first-death-queue":"q","x-first-death-reason":"rejected","x-last-death-exchange":"","x-last-death-queue":"q","x-last-death-reason":"rejected"}},"redelivered":false,"routing_key":"dead"},{"exchange":"","message_count":0,"payload":"c","payload_bytes":1,"payload_encoding":"string","properties":{"headers":{"x-death":[{"count":1,"exchange":"","queue":"q","reason":"rejected","routing-keys":["q"],"time":{"landfall:timestamp":5}}],"x-first-death-exchange":"","x-first-death-queue":"q","x-first-death-reason":"rejected","x-last-death-exchange":"","x-last-death-queue":"q","x-last-death-reason":"rejected"}},"redelivered":false,"routing_key":"dead"}]
        POST /api/queues/%2F/plain/get {"count":9,"ackmode":"reject_requeue_false"}
          200 [{"exchange":"","message_count":0,"payload":"/wA=","payload_bytes":2,"payload_encoding":"base64","properties":{"headers":{"x-acquired-count":1,"x-delivery-count":1}},"redelivered":true,"routing_key":"plain"}]
        GET /api/queues/%2F?columns=name,messages
          200 [{"messages":0,"name":"dead"},{"messages":0,"name":"plain"},{"messages":0,"name":"q"}]
        GET /api/landfall/audit/%2F/q
          200 {"balanced":true,"queues":[{"acknowledged":1,"dead_lettered":2,"delayed":0,"dropped":0,"ending":0,"expired":0,"here":0,"in":3,"landing":0,"leaving":0,"moved":0,"name":"q","parked":0,"ready":0,"redriven":0,"surplus":0,"unacked":0,"vhost":"/"}],"total":{"acknowledged":1,"dead_lettered":2,"delayed":0,"dropped":0,"ending":0,"expired":0,"here":0,"in":3,"landing":0,"leaving":0,"moved":0,"parked":0,"ready":0,"redriven":0,"surplus":0,"unacked":0}}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn what_makes_no_sense_is_said() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let transcript = Api::over(real)
        .transcript(
            r#"
            POST /api/queues/%2F/q/get {}
            POST /api/queues/%2F/q/get {"ackmode":"keep"}
            POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","count":-1}
            POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","truncate":"all"}
            POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","encoding":"hex"}
            POST /api/queues/%2F/none/get {"ackmode":"ack_requeue_true"}
            POST /api/queues/none/q/get {"ackmode":"ack_requeue_true"}
            "#,
        )
        .await;
    expect![[r#"
        POST /api/queues/%2F/q/get {}
          400 {"error":"bad_request","reason":"the key 'ackmode' is missing"}
        POST /api/queues/%2F/q/get {"ackmode":"keep"}
          400 {"error":"bad_request","reason":"'ackmode' must be one of ack_requeue_true, ack_requeue_false, reject_requeue_true, reject_requeue_false"}
        POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","count":-1}
          400 {"error":"bad_request","reason":"'count' must not be negative"}
        POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","truncate":"all"}
          400 {"error":"bad_request","reason":"'truncate' must be a whole number"}
        POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","encoding":"hex"}
          400 {"error":"bad_request","reason":"'encoding' must be auto or base64"}
        POST /api/queues/%2F/none/get {"ackmode":"ack_requeue_true"}
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no queue 'none' in vhost '/'"}
        POST /api/queues/none/q/get {"ackmode":"ack_requeue_true"}
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
    "#]].assert_eq(&transcript);
}
