//! What tools ask a server before they use it, over the real heart.

use super::Api;
use super::real::Real;
use expect_test::expect;
use serde_json::Value;

#[tokio::test]
async fn tools_find_what_they_look_for() {
    let transcript = Api::over(Real::new())
        .transcript(
            r#"
            GET /api/feature-flags?columns=name,state
            PUT /api/feature-flags/quorum_queue/enable {"name":"quorum_queue"}
            PUT /api/feature-flags/time_travel/enable {}
            GET /api/deprecated-features
            GET /api/deprecated-features/used
            GET /api/extensions
            GET /api/shovels
            GET /api/shovels/%2F
            GET /api/federation-links
            GET /api/federation-links/none
            GET /api/auth
            GET /api/aliveness-test/%2F
            GET /api/aliveness-test/%2F
            GET /api/aliveness-test/none
            GET /api/queues?columns=name,messages
            POST /api/rebalance/queues
            "#,
        )
        .await;
    expect![[r#"
        GET /api/feature-flags?columns=name,state
          200 [{"name":"classic_queue_type_delivery_support","state":"enabled"},{"name":"implicit_default_bindings","state":"enabled"},{"name":"message_containers","state":"enabled"},{"name":"quorum_queue","state":"enabled"},{"name":"stream_queue","state":"enabled"},{"name":"tracking_records_in_ets","state":"enabled"},{"name":"user_limits","state":"enabled"},{"name":"virtual_host_metadata","state":"enabled"}]
        PUT /api/feature-flags/quorum_queue/enable {"name":"quorum_queue"}
          204
        PUT /api/feature-flags/time_travel/enable {}
          400 {"error":"bad_request","reason":"there is no feature flag 'time_travel'"}
        GET /api/deprecated-features
          200 []
        GET /api/deprecated-features/used
          200 []
        GET /api/extensions
          200 []
        GET /api/shovels
          200 []
        GET /api/shovels/%2F
          200 []
        GET /api/federation-links
          200 []
        GET /api/federation-links/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/auth
          200 {"oauth_enabled":false}
        GET /api/aliveness-test/%2F
          200 {"status":"ok"}
        GET /api/aliveness-test/%2F
          200 {"status":"ok"}
        GET /api/aliveness-test/none
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
        GET /api/queues?columns=name,messages
          200 [{"messages":0,"name":"aliveness-test"}]
        POST /api/rebalance/queues
          204
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn parameters_are_limits_of_vhosts_and_nothing_else() {
    let transcript = Api::over(Real::new())
        .transcript(
            r#"
            GET /api/parameters
            PUT /api/parameters/vhost-limits/%2F/limits {"value":{"max-queues":3,"max-connections":-1}}
            GET /api/parameters
            GET /api/parameters/vhost-limits
            GET /api/parameters/shovel
            GET /api/parameters/vhost-limits/%2F
            GET /api/parameters/vhost-limits/none
            GET /api/parameters/vhost-limits/%2F/limits
            GET /api/parameters/shovel/%2F/mine
            GET /api/vhost-limits
            PUT /api/parameters/shovel/%2F/mine {"value":{"src-uri":"amqp://"}}
            PUT /api/parameters/vhost-limits/%2F/mine {"value":{}}
            PUT /api/parameters/vhost-limits/%2F/limits {}
            DELETE /api/parameters/shovel/%2F/mine
            DELETE /api/parameters/vhost-limits/%2F/limits
            GET /api/parameters
            GET /api/global-parameters
            GET /api/global-parameters/cluster_name
            GET /api/global-parameters/mine
            "#,
        )
        .await;
    expect![[r#"
        GET /api/parameters
          200 []
        PUT /api/parameters/vhost-limits/%2F/limits {"value":{"max-queues":3,"max-connections":-1}}
          204
        GET /api/parameters
          200 [{"component":"vhost-limits","name":"limits","value":{"max-queues":3},"vhost":"/"}]
        GET /api/parameters/vhost-limits
          200 [{"component":"vhost-limits","name":"limits","value":{"max-queues":3},"vhost":"/"}]
        GET /api/parameters/shovel
          200 []
        GET /api/parameters/vhost-limits/%2F
          200 [{"component":"vhost-limits","name":"limits","value":{"max-queues":3},"vhost":"/"}]
        GET /api/parameters/vhost-limits/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/parameters/vhost-limits/%2F/limits
          200 {"component":"vhost-limits","name":"limits","value":{"max-queues":3},"vhost":"/"}
        GET /api/parameters/shovel/%2F/mine
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/vhost-limits
          200 [{"value":{"max-queues":3},"vhost":"/"}]
        PUT /api/parameters/shovel/%2F/mine {"value":{"src-uri":"amqp://"}}
          400 {"error":"bad_request","reason":"Validation failed: component shovel not found"}
        PUT /api/parameters/vhost-limits/%2F/mine {"value":{}}
          400 {"error":"bad_request","reason":"Validation failed: name not recognised: 'mine'"}
        PUT /api/parameters/vhost-limits/%2F/limits {}
          400 {"error":"bad_request","reason":"'value': an object is expected"}
        DELETE /api/parameters/shovel/%2F/mine
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/parameters/vhost-limits/%2F/limits
          204
        GET /api/parameters
          200 []
        GET /api/global-parameters
          200 [{"name":"cluster_name","value":"test"}]
        GET /api/global-parameters/cluster_name
          200 {"name":"cluster_name","value":"test"}
        GET /api/global-parameters/mine
          404 {"error":"Object Not Found","reason":"Not Found"}
    "#]]
    .assert_eq(&transcript);
}

/// What KEDA's scaler of RabbitMQ asks, and what it reads of the answers.
#[tokio::test]
async fn keda_finds_its_queues() {
    let real = Real::new();
    for queue in ["orders-1", "Orders-2", "other"] {
        real.declare(queue, model::FieldTable::new());
    }
    let path =
        "/api/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Eorders-.*%24&page_size=100";
    let answer = Api::over(real).get(path).await;
    let items = answer["items"].as_array().expect("a list");
    let names: Vec<_> = items.iter().map(|item| item["name"].as_str()).collect();
    assert_eq!(names, [Some("Orders-2"), Some("orders-1")]);
    for field in ["messages", "messages_ready", "messages_unacknowledged"] {
        assert!(items.iter().all(|item| item[field] == 0), "{field}");
    }
    assert_eq!(answer["page_count"], 1);
}

/// What Terraform's provider does with its other resources: make, read, change, destroy; and what it finds when somebody
/// else destroyed them.
#[tokio::test]
async fn terraform_keeps_users_rights_and_rules() {
    let transcript = Api::over(Real::new())
        .transcript(
            r#"
            PUT /api/vhosts/tf {"description":"of Terraform","tags":"","default_queue_type":"quorum","tracing":false}
            GET /api/vhosts/tf?columns=name,description,default_queue_type,tracing
            GET /api/vhost-limits/tf
            PUT /api/vhost-limits/tf/max-queues {"value":10}
            GET /api/vhost-limits/tf
            DELETE /api/vhost-limits/tf/max-connections
            DELETE /api/vhost-limits/tf/max-queues
            PUT /api/users/ada {"password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"management,policymaker"}
            GET /api/users/ada
            PUT /api/users/ada {"password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}
            GET /api/users/ada?columns=name,tags
            PUT /api/permissions/tf/ada {"configure":"^mine","write":".*","read":""}
            GET /api/permissions/tf/ada
            PUT /api/topic-permissions/tf/ada {"exchange":"amq.topic","write":"^a","read":".*"}
            GET /api/topic-permissions/tf/ada
            DELETE /api/topic-permissions/tf/ada
            GET /api/topic-permissions/tf/ada
            PUT /api/policies/tf/short {"vhost":"tf","pattern":"^q","apply-to":"queues","name":"short","priority":1,"definition":{"message-ttl":60000}}
            GET /api/policies/tf/short
            PUT /api/operator-policies/tf/bound {"vhost":"tf","pattern":".*","apply-to":"queues","name":"bound","priority":0,"definition":{"max-length":100}}
            GET /api/operator-policies/tf/bound
            PUT /api/parameters/shovel/tf/move {"value":{"src-uri":"amqp:///tf","src-queue":"a","dest-uri":"amqp:///tf","dest-queue":"b"}}
            PUT /api/parameters/federation-upstream/tf/far {"value":{"uri":"amqp://far"}}
            GET /api/parameters/federation-upstream/tf/far
            DELETE /api/operator-policies/tf/bound
            DELETE /api/policies/tf/short
            GET /api/policies/tf/short
            DELETE /api/permissions/tf/ada
            GET /api/permissions/tf/ada
            DELETE /api/users/ada
            GET /api/users/ada
            DELETE /api/vhosts/tf
            GET /api/vhosts/tf
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/vhosts/tf {"description":"of Terraform","tags":"","default_queue_type":"quorum","tracing":false}
          201
        GET /api/vhosts/tf?columns=name,description,default_queue_type,tracing
          200 {"default_queue_type":"quorum","description":"of Terraform","name":"tf","tracing":false}
        GET /api/vhost-limits/tf
          200 []
        PUT /api/vhost-limits/tf/max-queues {"value":10}
          204
        GET /api/vhost-limits/tf
          200 [{"value":{"max-queues":10},"vhost":"tf"}]
        DELETE /api/vhost-limits/tf/max-connections
          204
        DELETE /api/vhost-limits/tf/max-queues
          204
        PUT /api/users/ada {"password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","hashing_algorithm":"rabbit_password_hashing_sha256","tags":"management,policymaker"}
          201
        GET /api/users/ada
          200 {"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"ada","password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","tags":["management","policymaker"]}
        PUT /api/users/ada {"password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","hashing_algorithm":"rabbit_password_hashing_sha256","tags":""}
          204
        GET /api/users/ada?columns=name,tags
          200 {"name":"ada","tags":[]}
        PUT /api/permissions/tf/ada {"configure":"^mine","write":".*","read":""}
          201
        GET /api/permissions/tf/ada
          200 {"configure":"^mine","read":"","user":"ada","vhost":"tf","write":".*"}
        PUT /api/topic-permissions/tf/ada {"exchange":"amq.topic","write":"^a","read":".*"}
          201
        GET /api/topic-permissions/tf/ada
          200 [{"exchange":"amq.topic","read":".*","user":"ada","vhost":"tf","write":"^a"}]
        DELETE /api/topic-permissions/tf/ada
          204
        GET /api/topic-permissions/tf/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        PUT /api/policies/tf/short {"vhost":"tf","pattern":"^q","apply-to":"queues","name":"short","priority":1,"definition":{"message-ttl":60000}}
          201
        GET /api/policies/tf/short
          200 {"apply-to":"queues","definition":{"message-ttl":60000},"name":"short","pattern":"^q","priority":1,"vhost":"tf"}
        PUT /api/operator-policies/tf/bound {"vhost":"tf","pattern":".*","apply-to":"queues","name":"bound","priority":0,"definition":{"max-length":100}}
          201
        GET /api/operator-policies/tf/bound
          200 {"apply-to":"queues","definition":{"max-length":100},"name":"bound","pattern":".*","priority":0,"vhost":"tf"}
        PUT /api/parameters/shovel/tf/move {"value":{"src-uri":"amqp:///tf","src-queue":"a","dest-uri":"amqp:///tf","dest-queue":"b"}}
          400 {"error":"bad_request","reason":"Validation failed: component shovel not found"}
        PUT /api/parameters/federation-upstream/tf/far {"value":{"uri":"amqp://far"}}
          400 {"error":"bad_request","reason":"Validation failed: component federation-upstream not found"}
        GET /api/parameters/federation-upstream/tf/far
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/operator-policies/tf/bound
          204
        DELETE /api/policies/tf/short
          204
        GET /api/policies/tf/short
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/permissions/tf/ada
          204
        GET /api/permissions/tf/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/users/ada
          204
        GET /api/users/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/vhosts/tf
          204
        GET /api/vhosts/tf
          404 {"error":"Object Not Found","reason":"Not Found"}
    "#]].assert_eq(&transcript);
}

/// What Terraform's provider does to make a binding, to read it and to destroy it.
#[tokio::test]
async fn terraform_makes_reads_and_destroys() {
    let api = Api::over(Real::new());
    let overview = api.get("/api/overview").await;
    let version = overview["rabbitmq_version"].as_str().expect("a version");
    let numbers: Vec<u32> = version.split('.').flat_map(str::parse).collect();
    assert!(numbers >= vec![3, 7, 0], "{version}");
    let transcript = api
        .transcript(
            r#"
            PUT /api/vhosts/tf {}
            PUT /api/permissions/tf/guest {"configure":".*","write":".*","read":".*"}
            PUT /api/exchanges/tf/x {"type":"direct","durable":true,"auto_delete":false,"arguments":{}}
            PUT /api/queues/tf/q {"durable":true,"auto_delete":false,"arguments":{"x-queue-type":"quorum","x-delivery-limit":5}}
            POST /api/bindings/tf/e/x/q/q {"routing_key":"k","arguments":{}}
            GET /api/bindings/tf
            GET /api/queues/tf/q?columns=name,vhost,durable,auto_delete,arguments
            GET /api/exchanges/tf/x
            GET /api/exchanges/tf/y
            DELETE /api/bindings/tf/e/x/q/q/k
            DELETE /api/queues/tf/q
            DELETE /api/exchanges/tf/x
            DELETE /api/vhosts/tf
            GET /api/queues/tf/q
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/vhosts/tf {}
          201
        PUT /api/permissions/tf/guest {"configure":".*","write":".*","read":".*"}
          204
        PUT /api/exchanges/tf/x {"type":"direct","durable":true,"auto_delete":false,"arguments":{}}
          201
        PUT /api/queues/tf/q {"durable":true,"auto_delete":false,"arguments":{"x-queue-type":"quorum","x-delivery-limit":5}}
          201
        POST /api/bindings/tf/e/x/q/q {"routing_key":"k","arguments":{}}
          201
        GET /api/bindings/tf
          200 [{"arguments":{},"destination":"q","destination_type":"queue","properties_key":"q","routing_key":"q","source":"","vhost":"tf"},{"arguments":{},"destination":"q","destination_type":"queue","properties_key":"k","routing_key":"k","source":"x","vhost":"tf"}]
        GET /api/queues/tf/q?columns=name,vhost,durable,auto_delete,arguments
          200 {"arguments":{"x-delivery-limit":5,"x-queue-type":"quorum"},"auto_delete":false,"durable":true,"name":"q","vhost":"tf"}
        GET /api/exchanges/tf/x
          200 {"arguments":{},"auto_delete":false,"durable":true,"internal":false,"message_stats":{"publish_in":0,"publish_in_details":{"rate":0.0},"publish_out":0,"publish_out_details":{"rate":0.0}},"name":"x","type":"direct","vhost":"tf"}
        GET /api/exchanges/tf/y
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/bindings/tf/e/x/q/q/k
          204
        DELETE /api/queues/tf/q
          204
        DELETE /api/exchanges/tf/x
          204
        DELETE /api/vhosts/tf
          204
        GET /api/queues/tf/q
          404 {"error":"Object Not Found","reason":"no vhost 'tf'"}
    "#]].assert_eq(&transcript);
}

/// What NServiceBus's transport asks before it uses a server, and of each of its queues.
#[tokio::test]
async fn nservicebus_finds_what_it_needs() {
    let api = Api::over(Real::new());
    let overview = api.get("/api/overview").await;
    assert!(overview["disable_stats"].is_boolean());
    let flags = api.get("/api/feature-flags").await;
    let flags = flags.as_array().expect("a list");
    let is_on = |flag: &&Value| flag["name"] == "stream_queue" && flag["state"] == "enabled";
    assert!(flags.iter().any(|flag| is_on(&flag)));
    let transcript = api
        .transcript(
            r#"
            PUT /api/queues/%2F/orders {"durable":true,"arguments":{"x-queue-type":"quorum"}}
            GET /api/queues/%2F/orders?columns=name,type,arguments,delivery_limit,effective_policy_definition,policy,operator_policy
            PUT /api/policies/%2F/nsb.orders.delivery-limit {"apply-to":"quorum_queues","definition":{"delivery-limit":7},"pattern":"^orders$","priority":0}
            GET /api/queues/%2F/orders?columns=delivery_limit,effective_policy_definition,policy
            GET /api/bindings/%2F/e/amq.default/q/orders?columns=source,destination,properties_key
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/queues/%2F/orders {"durable":true,"arguments":{"x-queue-type":"quorum"}}
          201
        GET /api/queues/%2F/orders?columns=name,type,arguments,delivery_limit,effective_policy_definition,policy,operator_policy
          200 {"arguments":{"x-queue-type":"quorum"},"delivery_limit":"unlimited","effective_policy_definition":{},"name":"orders","operator_policy":null,"policy":null,"type":"quorum"}
        PUT /api/policies/%2F/nsb.orders.delivery-limit {"apply-to":"quorum_queues","definition":{"delivery-limit":7},"pattern":"^orders$","priority":0}
          201
        GET /api/queues/%2F/orders?columns=delivery_limit,effective_policy_definition,policy
          200 {"delivery_limit":7,"effective_policy_definition":{"delivery-limit":7},"policy":"nsb.orders.delivery-limit"}
        GET /api/bindings/%2F/e/amq.default/q/orders?columns=source,destination,properties_key
          200 [{"destination":"orders","properties_key":"orders","source":""}]
    "#]].assert_eq(&transcript);
}

/// What kbudde's exporter for Prometheus asks: lists without an order, in Erlang's own format if that can be had. It
/// counts what is a number, and reads since when a queue is idle by a layout that knows no `Z`.
#[tokio::test]
async fn an_exporter_finds_its_numbers() {
    let real = Real::new();
    real.declare("orders", model::FieldTable::new());
    real.publish("orders", model::Properties::default(), "hello");
    let api = Api::over(real);
    let ask = async |what: &str| {
        let path = format!("/api/{what}?sort=");
        let request = axum::http::Request::get(&path)
            .header("authorization", super::basic("guest:guest"))
            .header("accept", "application/bert, application/json;q=0.1")
            .extension(crate::FromThisMachine(true));
        let response = api.send(request.body("".into()).expect("a request")).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        serde_json::from_str::<Value>(&super::text(response).await).expect("JSON")
    };
    let number = |of: &Value, path: &str| {
        let found = path.split('.').fold(of, |of, part| &of[part]);
        assert!(found.is_number() || found.is_boolean(), "{path} of {of}");
    };
    let overview = ask("overview").await;
    for path in [
        "object_totals.channels",
        "object_totals.connections",
        "object_totals.consumers",
        "object_totals.queues",
        "object_totals.exchanges",
        "queue_totals.messages",
        "queue_totals.messages_ready",
        "queue_totals.messages_unacknowledged",
        "message_stats.publish_details.rate",
        "message_stats.deliver_no_ack_details.rate",
        "message_stats.deliver_details.rate",
    ] {
        number(&overview, path);
    }
    for name in ["node", "rabbitmq_version", "cluster_name"] {
        assert!(overview[name].is_string(), "{name}");
    }
    let queues = ask("queues").await;
    let queue = &queues[0];
    for path in [
        "messages",
        "messages_ready",
        "messages_unacknowledged",
        "consumers",
        "message_stats.publish",
        "message_stats.deliver",
        "message_stats.deliver_no_ack",
        "message_stats.get",
        "message_stats.redeliver",
        "message_stats.ack",
        "durable",
    ] {
        number(queue, path);
    }
    assert_eq!(queue["messages"], 1);
    assert_eq!(queue["state"], "running");
    let since = queue["idle_since"].as_str().expect("a time");
    let layout = since.split(|c: char| !c.is_ascii_digit());
    let digits: Vec<usize> = layout.map(str::len).collect();
    assert_eq!(digits, [4, 2, 2, 2, 2, 2, 3, 2, 2], "{since}");
    assert!(since.ends_with("+00:00"), "{since}");
    let exchanges = ask("exchanges").await;
    for path in ["message_stats.publish_in", "message_stats.publish_out"] {
        number(&exchanges[0], path);
    }
    for empty in ["connections", "federation-links", "shovels"] {
        assert!(ask(empty).await.is_array(), "{empty}");
    }
    let node = &ask("nodes").await[0];
    for path in [
        "uptime",
        "running",
        "mem_used",
        "mem_limit",
        "mem_alarm",
        "disk_free",
        "disk_free_alarm",
        "fd_used",
        "fd_total",
    ] {
        number(node, path);
    }
    assert_eq!(api.get("/api/aliveness-test/%2F").await["status"], "ok");
}
