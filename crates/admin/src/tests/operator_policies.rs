//! Operator policies, over the real heart.

use super::Api;
use super::real::Real;
use expect_test::expect;
use model::{TableBuilder, Value};

#[tokio::test]
async fn operators_limits_are_set_seen_and_go_out_and_in() {
    let real = Real::new();
    let arguments = TableBuilder::new().field("x-max-length", Value::I64(9));
    real.declare("orders", arguments.build());
    let api = Api::over(real);
    let transcript = api
        .transcript(
            r#"
            PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"max-length":3,"delivery-limit":5},"apply-to":"queues","priority":1}
            PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"max-length":4,"delivery-limit":5},"apply-to":"queues"}
            PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"dead-letter-exchange":"x"}}
            PUT /api/policies/%2F/mine {"pattern":"^ord","definition":{"max-length":7,"delivery-limit":2,"dead-letter-exchange":""},"apply-to":"queues"}
            GET /api/operator-policies
            GET /api/operator-policies/%2F
            GET /api/operator-policies/none
            GET /api/operator-policies/%2F/most
            GET /api/operator-policies/%2F/mine
            GET /api/policies?columns=name
            GET /api/queues/%2F/orders?columns=policy,operator_policy,effective_policy_definition,delivery_limit
            GET /api/landfall/queues/%2F/orders?columns=rules
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"max-length":3,"delivery-limit":5},"apply-to":"queues","priority":1}
          201
        PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"max-length":4,"delivery-limit":5},"apply-to":"queues"}
          204
        PUT /api/operator-policies/%2F/most {"pattern":"^ord","definition":{"dead-letter-exchange":"x"}}
          400 {"error":"bad_request","reason":"'dead-letter-exchange' of operator policy 'most' is not recognised; there are message-ttl, expires, max-length, max-length-bytes, delivery-limit, overflow"}
        PUT /api/policies/%2F/mine {"pattern":"^ord","definition":{"max-length":7,"delivery-limit":2,"dead-letter-exchange":""},"apply-to":"queues"}
          201
        GET /api/operator-policies
          200 [{"apply-to":"queues","definition":{"delivery-limit":5,"max-length":4},"name":"most","pattern":"^ord","priority":0,"vhost":"/"}]
        GET /api/operator-policies/%2F
          200 [{"apply-to":"queues","definition":{"delivery-limit":5,"max-length":4},"name":"most","pattern":"^ord","priority":0,"vhost":"/"}]
        GET /api/operator-policies/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/operator-policies/%2F/most
          200 {"apply-to":"queues","definition":{"delivery-limit":5,"max-length":4},"name":"most","pattern":"^ord","priority":0,"vhost":"/"}
        GET /api/operator-policies/%2F/mine
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/policies?columns=name
          200 [{"name":"mine"}]
        GET /api/queues/%2F/orders?columns=policy,operator_policy,effective_policy_definition,delivery_limit
          200 {"delivery_limit":2,"effective_policy_definition":{"dead-letter-exchange":"","delivery-limit":2,"max-length":4},"operator_policy":"most","policy":"mine"}
        GET /api/landfall/queues/%2F/orders?columns=rules
          200 {"rules":{"x-dead-letter-exchange":"","x-delivery-limit":2,"x-max-length":4}}
    "#]].assert_eq(&transcript);
    let exported = api.get("/api/definitions").await;
    expect![[r#"[{"component":"operator_policy","name":"most","value":{"apply-to":"queues","definition":{"delivery-limit":5,"max-length":4},"pattern":"^ord","priority":0},"vhost":"/"}]"#]].assert_eq(&exported["parameters"].to_string());
    let again = Api::over(Real::new());
    let (code, told) = again
        .ask("POST", "/api/definitions", &exported.to_string())
        .await;
    assert_eq!(code, 200, "{told}");
    assert_eq!(again.get("/api/definitions").await, exported);
    let (code, _) = api
        .ask("DELETE", "/api/operator-policies/%2F/most", "")
        .await;
    assert_eq!(code, 204);
    let queue = api.get("/api/queues/%2F/orders").await;
    assert_eq!(queue["effective_policy_definition"]["max-length"], 7);
    assert_eq!(queue["operator_policy"], serde_json::Value::Null);
}
