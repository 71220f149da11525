//! Messages published through the API, over the real heart.

use super::Api;
use super::real::Real;
use expect_test::expect;
use model::{FieldTable, TableBuilder, Value};

#[tokio::test]
async fn it_is_told_whether_a_queue_takes_a_message() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let full = TableBuilder::new()
        .field("x-max-length", Value::I64(1))
        .text("x-overflow", "reject-publish");
    real.declare("full", full.build());
    let transcript = Api::over(real)
        .transcript(
            r#"
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"hello","payload_encoding":"string","properties":{}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"none","payload":"hello","properties":[]}
            POST /api/exchanges/%2F/amq.fanout/publish {"payload":"hello"}
            POST /api/exchanges/%2F/none/publish {"routing_key":"q","payload":"hello"}
            POST /api/exchanges/none/amq.default/publish {"routing_key":"q","payload":"hello"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"full","payload":"a"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"full","payload":"b"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"/wA=","payload_encoding":"base64"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"?","payload_encoding":"base64"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","payload_encoding":"hex"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q"}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":{"a":1}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"delivery_mode":"2"}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"priority":256}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"deliverymode":2}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"expiration":"soon"}}
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"user_id":"ada"}}
            GET /api/queues/%2F?columns=name,messages
            "#,
        )
        .await;
    expect![[r#"
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"hello","payload_encoding":"string","properties":{}}
          200 {"routed":true}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"none","payload":"hello","properties":[]}
          200 {"routed":false}
        POST /api/exchanges/%2F/amq.fanout/publish {"payload":"hello"}
          200 {"routed":false}
        POST /api/exchanges/%2F/none/publish {"routing_key":"q","payload":"hello"}
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no exchange 'none' in vhost '/'"}
        POST /api/exchanges/none/amq.default/publish {"routing_key":"q","payload":"hello"}
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"full","payload":"a"}
          200 {"routed":true}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"full","payload":"b"}
          400 {"error":"bad_request","reason":"Unable to publish message. Check queue limits."}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"/wA=","payload_encoding":"base64"}
          200 {"routed":true}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"?","payload_encoding":"base64"}
          400 {"error":"bad_request","reason":"'payload': Invalid symbol 63, offset 0."}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","payload_encoding":"hex"}
          400 {"error":"bad_request","reason":"'payload_encoding' is 'hex'; it must be string or base64"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q"}
          400 {"error":"bad_request","reason":"the key 'payload' is missing"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":{"a":1}}
          400 {"error":"bad_request","reason":"'payload' must be a text"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"delivery_mode":"2"}}
          400 {"error":"bad_request","reason":"'properties': 'delivery_mode' must be a whole number from 0 to 255"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"priority":256}}
          400 {"error":"bad_request","reason":"'properties': 'priority' must be a whole number from 0 to 255"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"deliverymode":2}}
          400 {"error":"bad_request","reason":"'properties': unknown key 'deliverymode'"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"expiration":"soon"}}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - invalid expiration 'soon': no_integer"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"q","payload":"a","properties":{"user_id":"ada"}}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - user_id property set to 'ada' but authenticated user was 'guest'"}
        GET /api/queues/%2F?columns=name,messages
          200 [{"messages":1,"name":"full"},{"messages":2,"name":"q"}]
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn properties_come_out_as_they_went_in() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let api = Api::over(real);
    let properties = r#"{"app_id":"a","cluster_id":"c","content_encoding":"gzip","content_type":"text/plain","correlation_id":"k","delivery_mode":2,"expiration":"60000","headers":{"deep":{"list":[1,-2.5,"x",{"y":null}],"yes":true},"n":-1},"message_id":"m","priority":7,"reply_to":"r","timestamp":1764000000,"type":"t","user_id":"guest"}"#;
    let body = format!(r#"{{"routing_key":"q","payload":"p","properties":{properties}}}"#);
    let (code, answer) = api
        .ask("POST", "/api/exchanges/%2F/amq.default/publish", &body)
        .await;
    assert_eq!((code, answer.as_str()), (200, r#"{"routed":true}"#));
    let asked = r#"{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}"#;
    let (code, got) = api.ask("POST", "/api/queues/%2F/q/get", asked).await;
    assert_eq!(code, 200);
    let got: serde_json::Value = serde_json::from_str(&got).expect("JSON");
    let sent: serde_json::Value = serde_json::from_str(properties).expect("JSON");
    assert_eq!(got[0]["properties"], sent);
}
