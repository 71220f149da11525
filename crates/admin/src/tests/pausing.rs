//! Pausing a queue, over the real heart.

use super::Api;
use super::messages::plain;
use super::real::Real;
use expect_test::expect;
use model::method::basic;
use model::{FieldTable, ShortStr};

#[tokio::test]
async fn a_queue_is_paused_and_resumed() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    real.call(basic::Consume {
        queue: ShortStr::from_static("q"),
        consumer_tag: ShortStr::from_static("c"),
        ..basic::Consume::default()
    });
    let api = Api::over(real.clone());
    let pause = "/api/landfall/queues/%2F/q/pause";
    let mut transcript = api
        .transcript(&format!(
            "PUT {pause}\nPUT {pause}\nPUT /api/landfall/queues/%2F/none/pause"
        ))
        .await;
    real.publish("q", plain(), "waits");
    transcript += &api
        .transcript(&format!(
            r#"
            GET /api/queues/%2F/q?columns=messages_ready,landfall_paused
            GET /api/queues?columns=landfall_paused
            GET /api/landfall/queues/%2F/q?columns=landfall_paused
            GET /api/consumers?columns=landfall_waiting_for
            POST /api/queues/%2F/q/get {{"ackmode":"ack_requeue_true","truncate":1}}
            POST /api/queues/%2F/q/get {{"ackmode":"ack_requeue_false"}}
            DELETE {pause}
            DELETE {pause}
            GET /api/queues/%2F/q?columns=messages_ready,messages_unacknowledged,landfall_paused
            "#
        ))
        .await;
    expect![[r#"
        PUT /api/landfall/queues/%2F/q/pause
          201
        PUT /api/landfall/queues/%2F/q/pause
          204
        PUT /api/landfall/queues/%2F/none/pause
          404 {"error":"Object Not Found","reason":"no queue 'none' in vhost '/'"}
        GET /api/queues/%2F/q?columns=messages_ready,landfall_paused
          200 {"landfall_paused":true,"messages_ready":1}
        GET /api/queues?columns=landfall_paused
          200 [{"landfall_paused":true}]
        GET /api/landfall/queues/%2F/q?columns=landfall_paused
          200 {"landfall_paused":true}
        GET /api/consumers?columns=landfall_waiting_for
          200 [{"landfall_waiting_for":"The queue is paused: it hands nothing out until an operator resumes it."}]
        POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_true","truncate":1}
          200 [{"exchange":"","message_count":0,"payload":"w","payload_bytes":5,"payload_encoding":"string","properties":{},"redelivered":false,"routing_key":"q"}]
        POST /api/queues/%2F/q/get {"ackmode":"ack_requeue_false"}
          400 {"error":"bad_request","reason":"queue 'q' in vhost '/' is paused"}
        DELETE /api/landfall/queues/%2F/q/pause
          204
        DELETE /api/landfall/queues/%2F/q/pause
          204
        GET /api/queues/%2F/q?columns=messages_ready,messages_unacknowledged,landfall_paused
          200 {"landfall_paused":false,"messages_ready":0,"messages_unacknowledged":1}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn to_pause_is_to_configure() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let api = Api::over(real);
    api.transcript(
        r#"
        PUT /api/users/owner {"password":"p","tags":"management"}
        PUT /api/users/reader {"password":"p","tags":"monitoring"}
        PUT /api/permissions/%2F/owner {"configure":"^q$","write":"","read":""}
        PUT /api/permissions/%2F/reader {"configure":"","write":".*","read":".*"}
        "#,
    )
    .await;
    for method in ["PUT", "DELETE"] {
        let path = "/api/landfall/queues/%2F/q/pause";
        let (code, said) = api.ask_as("reader:p", method, path, "").await;
        assert_eq!(code, 401, "{said}");
        let (code, said) = api.ask_as("owner:p", method, path, "").await;
        assert!(matches!(code, 201 | 204), "{said}");
    }
}
