//! Queues, exchanges and bindings, made and removed over the real heart.

use super::Api;
use super::real::Real;
use axum::body::Body;
use axum::http::{Request, header};
use expect_test::expect;
use model::FieldTable;

#[tokio::test]
async fn queues_are_declared_emptied_and_deleted() {
    let real = Real::new();
    let transcript = Api::over(real)
        .transcript(
            r#"
            PUT /api/queues/%2F/work {"durable":true,"auto_delete":false,"arguments":{"x-max-length":9},"node":"any"}
            PUT /api/queues/%2F/work {"durable":true,"arguments":{"x-max-length":9}}
            PUT /api/queues/%2F/work {"durable":true,"arguments":{"x-max-length":8}}
            PUT /api/queues/%2F/work {"durable":"perhaps"}
            PUT /api/queues/%2F/work {"arguments":{"x-max-length":"many"},"durable":true}
            PUT /api/queues/%2F/amq.mine {}
            PUT /api/queues/none/work {}
            GET /api/queues/%2F/work?columns=name,durable,arguments
            POST /api/exchanges/%2F/amq.default/publish {"routing_key":"work","payload":"a"}
            DELETE /api/queues/%2F/work?if-empty=true
            DELETE /api/queues/%2F/work/contents
            DELETE /api/queues/%2F/none/contents
            GET /api/queues/%2F/work?columns=messages
            DELETE /api/queues/%2F/work?if-empty=true&if-unused=true
            DELETE /api/queues/%2F/work
            GET /api/queues/%2F/work
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/queues/%2F/work {"durable":true,"auto_delete":false,"arguments":{"x-max-length":9},"node":"any"}
          201
        PUT /api/queues/%2F/work {"durable":true,"arguments":{"x-max-length":9}}
          204
        PUT /api/queues/%2F/work {"durable":true,"arguments":{"x-max-length":8}}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'work' in vhost '/': received '8' but current is '9'"}
        PUT /api/queues/%2F/work {"durable":"perhaps"}
          400 {"error":"bad_request","reason":"'durable' must be true or false"}
        PUT /api/queues/%2F/work {"arguments":{"x-max-length":"many"},"durable":true}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'work' in vhost '/': expected an integer of at least 0, got the value 'many' of type 'longstr'"}
        PUT /api/queues/%2F/amq.mine {}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"}
        PUT /api/queues/none/work {}
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
        GET /api/queues/%2F/work?columns=name,durable,arguments
          200 {"arguments":{"x-max-length":9},"durable":true,"name":"work"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"work","payload":"a"}
          200 {"routed":true}
        DELETE /api/queues/%2F/work?if-empty=true
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - queue 'work' in vhost '/' not empty"}
        DELETE /api/queues/%2F/work/contents
          204
        DELETE /api/queues/%2F/none/contents
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no queue 'none' in vhost '/'"}
        GET /api/queues/%2F/work?columns=messages
          200 {"messages":0}
        DELETE /api/queues/%2F/work?if-empty=true&if-unused=true
          204
        DELETE /api/queues/%2F/work
          404 {"error":"Object Not Found","reason":"no such queue"}
        GET /api/queues/%2F/work
          404 {"error":"Object Not Found","reason":"no queue 'work' in vhost '/'"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn exchanges_are_declared_and_deleted() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let transcript = Api::over(real)
        .transcript(
            r#"
            PUT /api/exchanges/%2F/x {"type":"topic","durable":true,"internal":false,"arguments":[]}
            PUT /api/exchanges/%2F/x {"type":"topic","durable":true}
            PUT /api/exchanges/%2F/x {"type":"fanout","durable":true}
            PUT /api/exchanges/%2F/y {"type":"round-robin"}
            PUT /api/exchanges/%2F/plain {}
            PUT /api/exchanges/%2F/amq.default {}
            PUT /api/exchanges/%2F/amq.mine {"type":"direct"}
            GET /api/exchanges/%2F/plain
            POST /api/bindings/%2F/e/x/q/q {"routing_key":"a"}
            DELETE /api/exchanges/%2F/x?if-unused=true
            DELETE /api/exchanges/%2F/x
            DELETE /api/exchanges/%2F/x
            DELETE /api/exchanges/%2F/amq.topic
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/exchanges/%2F/x {"type":"topic","durable":true,"internal":false,"arguments":[]}
          201
        PUT /api/exchanges/%2F/x {"type":"topic","durable":true}
          204
        PUT /api/exchanges/%2F/x {"type":"fanout","durable":true}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'topic'"}
        PUT /api/exchanges/%2F/y {"type":"round-robin"}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - unknown exchange type 'round-robin'"}
        PUT /api/exchanges/%2F/plain {}
          201
        PUT /api/exchanges/%2F/amq.default {}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - operation not permitted on the default exchange"}
        PUT /api/exchanges/%2F/amq.mine {"type":"direct"}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"}
        GET /api/exchanges/%2F/plain
          200 {"arguments":{},"auto_delete":false,"durable":false,"internal":false,"message_stats":{"publish_in":0,"publish_in_details":{"rate":0.0},"publish_out":0,"publish_out_details":{"rate":0.0}},"name":"plain","type":"direct","vhost":"/"}
        POST /api/bindings/%2F/e/x/q/q {"routing_key":"a"}
          201
        DELETE /api/exchanges/%2F/x?if-unused=true
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - exchange 'x' in vhost '/' in use"}
        DELETE /api/exchanges/%2F/x
          204
        DELETE /api/exchanges/%2F/x
          404 {"error":"Object Not Found","reason":"no such exchange"}
        DELETE /api/exchanges/%2F/amq.topic
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn bindings_are_made_seen_and_removed_one_by_one() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let transcript = Api::over(real)
        .transcript(
            r#"
            PUT /api/exchanges/%2F/x {"type":"headers"}
            POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a/b c","arguments":{}}
            POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a/b c"}
            POST /api/bindings/%2F/e/amq.topic/q/q {}
            POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a","arguments":{"n":1}}
            POST /api/bindings/%2F/e/amq.topic/e/x {"routing_key":"a.#"}
            POST /api/bindings/%2F/e/x/q/q {"arguments":{"x-match":"some"}}
            POST /api/bindings/%2F/e/none/q/q {}
            POST /api/bindings/%2F/e/amq.topic/q/none {}
            POST /api/bindings/%2F/e/amq.default/q/q {}
            GET /api/bindings/%2F/e/amq.topic/q/q?columns=routing_key,properties_key
            GET /api/bindings/%2F/e/amq.topic/q/q/a%252Fb%2520c
            GET /api/bindings/%2F/e/amq.topic/q/q/a%2Fb%20c?columns=routing_key
            GET /api/bindings/%2F/e/amq.topic/q/q/~?columns=routing_key
            GET /api/bindings/%2F/e/amq.topic/q/q/none
            GET /api/bindings/%2F/e/amq.topic/e/x
            GET /api/bindings/%2F/e/amq.topic/e/x/a.%23?columns=properties_key
            GET /api/bindings/%2F/e/amq.default/q/q?columns=routing_key
            GET /api/bindings/%2F/e/amq.topic/q/none
            DELETE /api/bindings/%2F/e/amq.topic/q/q/~
            DELETE /api/bindings/%2F/e/amq.topic/q/q/~
            DELETE /api/bindings/%2F/e/amq.topic/q/q/a~2AfO8Q
            DELETE /api/bindings/%2F/e/amq.topic/e/x/a.%2523
            GET /api/bindings/%2F/e/amq.topic/q/q?columns=routing_key
            GET /api/bindings/%2F/e/amq.topic/e/x
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/exchanges/%2F/x {"type":"headers"}
          201
        POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a/b c","arguments":{}}
          201
        POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a/b c"}
          201
        POST /api/bindings/%2F/e/amq.topic/q/q {}
          201
        POST /api/bindings/%2F/e/amq.topic/q/q {"routing_key":"a","arguments":{"n":1}}
          201
        POST /api/bindings/%2F/e/amq.topic/e/x {"routing_key":"a.#"}
          201
        POST /api/bindings/%2F/e/x/q/q {"arguments":{"x-match":"some"}}
          400 {"error":"bad_request","reason":"PRECONDITION_FAILED - Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"}
        POST /api/bindings/%2F/e/none/q/q {}
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no exchange 'none' in vhost '/'"}
        POST /api/bindings/%2F/e/amq.topic/q/none {}
          404 {"error":"Object Not Found","reason":"NOT_FOUND - no queue 'none' in vhost '/'"}
        POST /api/bindings/%2F/e/amq.default/q/q {}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - operation not permitted on the default exchange"}
        GET /api/bindings/%2F/e/amq.topic/q/q?columns=routing_key,properties_key
          200 [{"properties_key":"~","routing_key":""},{"properties_key":"a~2AfO8Q","routing_key":"a"},{"properties_key":"a%2Fb%20c","routing_key":"a/b c"}]
        GET /api/bindings/%2F/e/amq.topic/q/q/a%252Fb%2520c
          200 {"arguments":{},"destination":"q","destination_type":"queue","properties_key":"a%2Fb%20c","routing_key":"a/b c","source":"amq.topic","vhost":"/"}
        GET /api/bindings/%2F/e/amq.topic/q/q/a%2Fb%20c?columns=routing_key
          200 {"routing_key":"a/b c"}
        GET /api/bindings/%2F/e/amq.topic/q/q/~?columns=routing_key
          200 {"routing_key":""}
        GET /api/bindings/%2F/e/amq.topic/q/q/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/bindings/%2F/e/amq.topic/e/x
          200 [{"arguments":{},"destination":"x","destination_type":"exchange","properties_key":"a.%23","routing_key":"a.#","source":"amq.topic","vhost":"/"}]
        GET /api/bindings/%2F/e/amq.topic/e/x/a.%23?columns=properties_key
          200 {"properties_key":"a.%23"}
        GET /api/bindings/%2F/e/amq.default/q/q?columns=routing_key
          200 [{"routing_key":"q"}]
        GET /api/bindings/%2F/e/amq.topic/q/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/bindings/%2F/e/amq.topic/q/q/~
          204
        DELETE /api/bindings/%2F/e/amq.topic/q/q/~
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/bindings/%2F/e/amq.topic/q/q/a~2AfO8Q
          204
        DELETE /api/bindings/%2F/e/amq.topic/e/x/a.%2523
          204
        GET /api/bindings/%2F/e/amq.topic/q/q?columns=routing_key
          200 [{"routing_key":"a/b c"}]
        GET /api/bindings/%2F/e/amq.topic/e/x
          200 []
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn the_last_part_of_a_new_bindings_location_is_its_name() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    let api = Api::over(real);
    let request = Request::builder()
        .method("POST")
        .uri("/api/bindings/%2F/e/amq.topic/q/q")
        .header(header::AUTHORIZATION, super::basic("guest:guest"))
        .extension(crate::FromThisMachine(true))
        .body(Body::from(r#"{"routing_key":"a/b"}"#))
        .expect("a request");
    let response = api.send(request).await;
    assert_eq!(response.status(), 201);
    let location = response.headers()[header::LOCATION].to_str();
    let location = location.expect("it is a path").to_owned();
    assert_eq!(location, "/api/bindings/%2F/e/amq.topic/q/q/a%252Fb");
    let binding = api.get(&location).await;
    assert_eq!(binding["routing_key"], "a/b");
    assert_eq!(binding["properties_key"], "a%2Fb");
}

#[tokio::test]
async fn the_permissions_of_the_caller_count_and_of_administrators_too() {
    let api = Api::over(Real::new());
    let made = api
        .transcript(
            r#"
            PUT /api/users/ada {"password":"a","tags":"management"}
            PUT /api/users/root {"password":"r","tags":"administrator"}
            PUT /api/permissions/%2F/ada {"configure":"^ada","write":"^ada","read":"^$"}
            "#,
        )
        .await;
    assert_eq!(made.matches("  201").count(), 3, "{made}");
    let lines = r#"
        PUT /api/queues/%2F/ada {}
        PUT /api/queues/%2F/other {}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"ada","payload":"a"}
        POST /api/queues/%2F/ada/get {"ackmode":"ack_requeue_true"}
        POST /api/bindings/%2F/e/amq.topic/q/ada {}
        DELETE /api/queues/%2F/ada/contents
        DELETE /api/queues/%2F/ada
        "#;
    expect![[r#"
        PUT /api/queues/%2F/ada {}
          201
        PUT /api/queues/%2F/other {}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - configure access to queue 'other' in vhost '/' refused for user 'ada'"}
        POST /api/exchanges/%2F/amq.default/publish {"routing_key":"ada","payload":"a"}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'ada'"}
        POST /api/queues/%2F/ada/get {"ackmode":"ack_requeue_true"}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - read access to queue 'ada' in vhost '/' refused for user 'ada'"}
        POST /api/bindings/%2F/e/amq.topic/q/ada {}
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - read access to exchange 'amq.topic' in vhost '/' refused for user 'ada'"}
        DELETE /api/queues/%2F/ada/contents
          401 {"error":"not_authorised","reason":"ACCESS_REFUSED - read access to queue 'ada' in vhost '/' refused for user 'ada'"}
        DELETE /api/queues/%2F/ada
          204
    "#]].assert_eq(&api.transcript_as("ada:a", lines).await);
    let transcript = api
        .transcript_as("root:r", "PUT /api/queues/%2F/q {}")
        .await;
    expect![[r#"
        PUT /api/queues/%2F/q {}
          401 {"error":"not_authorised","reason":"access to vhost '/' refused for user 'root'"}
    "#]]
    .assert_eq(&transcript);
}
