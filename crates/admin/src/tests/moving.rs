//! Moving and editing messages, over the real heart.

use super::Api;
use super::messages::of_tenant;
use super::real::Real;
use expect_test::expect;
use model::FieldTable;

#[tokio::test]
async fn messages_are_moved_and_one_is_edited() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    real.declare("other", FieldTable::new());
    for tenant in ["blue", "red", "blue"] {
        real.publish("q", of_tenant(tenant), tenant);
    }
    let api = Api::over(real);
    let mut transcript = String::new();
    for body in [
        r#"{"all":true}"#,
        r#"{"all":true,"to":"other"}"#,
        r#"{"all":true,"to":{}}"#,
        r#"{"all":true,"to":{"queue":"other","exchange":""}}"#,
        r#"{"all":true,"to":{"queue":"other","routing_key":"k"}}"#,
        r#"{"all":true,"to":{"queue":"other","at":7}}"#,
        r#"{"all":true,"to":{"queue":"none"}}"#,
        r#"{"all":true,"to":{"exchange":"none"}}"#,
        r#"{"all":true,"to":{"queue":"other"},"payload":"x"}"#,
        r#"{"positions":[7,8],"to":{"queue":"other"},"properties":{}}"#,
        r#"{"positions":[7],"to":{"queue":"other"},"properties":{"mesage_id":"x"}}"#,
        r#"{"positions":[7],"to":{"queue":"other"},"body":"x"}"#,
        r#"{"state":"unacked","all":true,"to":{"queue":"other"}}"#,
        r#"{"all":true,"to":{"exchange":"amq.default","routing_key":"nowhere"}}"#,
        r#"{"filter":{"headers":{"tenant":"blue"}},"to":{"queue":"other"},"limit":1}"#,
        r#"{"positions":[8],"to":{"exchange":"","routing_key":"other"},"payload":"bmV3","payload_encoding":"base64","properties":{"type":"edited"}}"#,
        r#"{"state":"parked","all":true,"to":{"queue":"other"}}"#,
    ] {
        let line = format!("POST /api/landfall/queues/%2F/q/move {body}");
        transcript += &api.transcript(&line).await;
    }
    let left = "
        GET /api/landfall/queues/%2F/q/messages?body=9
        GET /api/landfall/queues/%2F/other/messages?body=9
        GET /api/landfall/audit/%2F/q
        ";
    transcript += &api.transcript(left).await;
    expect![[r#"
        POST /api/landfall/queues/%2F/q/move {"all":true}
          400 {"error":"bad_request","reason":"'to' must be an object with an 'exchange' or a 'queue'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":"other"}
          400 {"error":"bad_request","reason":"'to': an object is expected"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{}}
          400 {"error":"bad_request","reason":"'to' must be an object with an 'exchange' or a 'queue'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"queue":"other","exchange":""}}
          400 {"error":"bad_request","reason":"'to' must be an object with an 'exchange' or a 'queue'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"queue":"other","routing_key":"k"}}
          400 {"error":"bad_request","reason":"'to' must be an object with an 'exchange' or a 'queue'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"queue":"other","at":7}}
          400 {"error":"bad_request","reason":"'to': unknown key 'at'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"queue":"none"}}
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"exchange":"none"}}
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no exchange 'none' in vhost '/'"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"queue":"other"},"payload":"x"}
          400 {"error":"bad_request","reason":"'payload' and 'properties' are for one message alone, in 'positions'"}
        POST /api/landfall/queues/%2F/q/move {"positions":[7,8],"to":{"queue":"other"},"properties":{}}
          400 {"error":"bad_request","reason":"'payload' and 'properties' are for one message alone, in 'positions'"}
        POST /api/landfall/queues/%2F/q/move {"positions":[7],"to":{"queue":"other"},"properties":{"mesage_id":"x"}}
          400 {"error":"bad_request","reason":"'properties': unknown key 'mesage_id'"}
        POST /api/landfall/queues/%2F/q/move {"positions":[7],"to":{"queue":"other"},"body":"x"}
          400 {"error":"bad_request","reason":"unknown key 'body'"}
        POST /api/landfall/queues/%2F/q/move {"state":"unacked","all":true,"to":{"queue":"other"}}
          400 {"error":"bad_request","reason":"'state' must be one of ready, delayed, parked"}
        POST /api/landfall/queues/%2F/q/move {"all":true,"to":{"exchange":"amq.default","routing_key":"nowhere"}}
          200 {"done":0,"looked_at":3,"next":null,"stayed":3,"stayed_because":[{"position":6,"why":"no queue takes it"},{"position":7,"why":"no queue takes it"},{"position":8,"why":"no queue takes it"}]}
        POST /api/landfall/queues/%2F/q/move {"filter":{"headers":{"tenant":"blue"}},"to":{"queue":"other"},"limit":1}
          200 {"done":1,"looked_at":3,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/q/move {"positions":[8],"to":{"exchange":"","routing_key":"other"},"payload":"bmV3","payload_encoding":"base64","properties":{"type":"edited"}}
          200 {"done":1,"looked_at":1,"next":null,"stayed":0,"stayed_because":[]}
        POST /api/landfall/queues/%2F/q/move {"state":"parked","all":true,"to":{"queue":"other"}}
          200 {"done":0,"looked_at":0,"next":null,"stayed":0,"stayed_because":[]}
        GET /api/landfall/queues/%2F/q/messages?body=9
          200 {"looked_at":1,"messages":[{"accepted":3000,"exchange":"","failed":0,"lost":0,"payload":"red","payload_bytes":3,"payload_encoding":"string","payload_truncated":false,"position":7,"priority":0,"properties":{"headers":{"tenant":"red"},"message_id":"id-of-red"},"redelivered":false,"routing_key":"q","state":"ready"}],"next":null}
        GET /api/landfall/queues/%2F/other/messages?body=9
          200 {"looked_at":2,"messages":[{"accepted":4000,"exchange":"","failed":0,"lost":0,"payload":"blue","payload_bytes":4,"payload_encoding":"string","payload_truncated":false,"position":9,"priority":0,"properties":{"headers":{"tenant":"blue"},"message_id":"id-of-blue"},"redelivered":false,"routing_key":"other","state":"ready"},{"accepted":4000,"exchange":"","failed":0,"lost":0,"payload":"new","payload_bytes":3,"payload_encoding":"string","payload_truncated":false,"position":11,"priority":0,"properties":{"type":"edited"},"redelivered":false,"routing_key":"other","state":"ready"}],"next":null}
        GET /api/landfall/audit/%2F/q
          200 {"balanced":true,"queues":[{"acknowledged":0,"dead_lettered":0,"delayed":0,"dropped":0,"ending":0,"expired":0,"here":1,"in":3,"landing":0,"leaving":0,"moved":2,"name":"q","parked":0,"ready":1,"redriven":0,"surplus":0,"unacked":0,"vhost":"/"}],"total":{"acknowledged":0,"dead_lettered":0,"delayed":0,"dropped":0,"ending":0,"expired":0,"here":1,"in":3,"landing":0,"leaving":0,"moved":2,"parked":0,"ready":1,"redriven":0,"surplus":0,"unacked":0}}
    "#]].assert_eq(&transcript);
}
