//! What is declared, and lists in columns, in order, page by page.

use super::Api;
use expect_test::expect;

const TOPOLOGY: &str = r#"{
    "queues": [
        {"name": "q/1", "vhost": "/", "arguments": {"x-queue-type": "quorum"}},
        {"name": "q2", "vhost": "/", "durable": false}
    ],
    "exchanges": [{"name": "x", "vhost": "/", "type": "topic"}],
    "bindings": [
        {"source": "x", "vhost": "/", "destination": "q/1", "destination_type": "queue", "routing_key": "a.#"},
        {"source": "x", "vhost": "/", "destination": "q2", "destination_type": "queue", "arguments": {"k": 1}},
        {"source": "amq.fanout", "vhost": "/", "destination": "x", "destination_type": "exchange"}
    ]
}"#;

#[tokio::test]
async fn topology() {
    let api = Api::new();
    let (code, body) = api.ask("POST", "/api/definitions", TOPOLOGY).await;
    assert_eq!(code, 200, "{body}");
    let transcript = api
        .transcript(
            "
            GET /api/queues
            GET /api/queues/%2F/q%2F1
            GET /api/queues/%2F/none
            GET /api/queues/none
            GET /api/queues?columns=name,message_stats.ack_details.rate,message_stats.ack,name.x,none.x
            GET /api/exchanges/%2F?columns=name,type
            GET /api/exchanges/%2F/amq.default
            GET /api/exchanges/%2F/none
            GET /api/bindings/%2F
            GET /api/queues/%2F/q2/bindings
            GET /api/exchanges/%2F/amq.fanout/bindings/source
            GET /api/exchanges/%2F/x/bindings/destination
            ",
        )
        .await;
    expect![[r#"
        GET /api/queues
          200 [{"arguments":{"x-queue-type":"quorum"},"auto_delete":false,"consumers":0,"delivery_limit":"unlimited","durable":true,"effective_policy_definition":{},"exclusive":false,"landfall_paused":false,"message_stats":{"ack":0,"ack_details":{"rate":0.0},"deliver":0,"deliver_details":{"rate":0.0},"deliver_get":0,"deliver_get_details":{"rate":0.0},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"get":0,"get_details":{"rate":0.0},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":0,"publish_details":{"rate":0.0},"redeliver":0,"redeliver_details":{"rate":0.0}},"messages":0,"messages_delayed":0,"messages_details":{"rate":0.0},"messages_leaving":0,"messages_parked":0,"messages_ready":0,"messages_ready_details":{"rate":0.0},"messages_unacknowledged":0,"messages_unacknowledged_details":{"rate":0.0},"name":"q/1","node":"test","operator_policy":null,"policy":null,"state":"running","type":"quorum","vhost":"/"},{"arguments":{},"auto_delete":false,"consumers":0,"delivery_limit":"unlimited","durable":false,"effective_policy_definition":{},"exclusive":false,"landfall_paused":false,"message_stats":{"ack":0,"ack_details":{"rate":0.0},"deliver":0,"deliver_details":{"rate":0.0},"deliver_get":0,"deliver_get_details":{"rate":0.0},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"get":0,"get_details":{"rate":0.0},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":0,"publish_details":{"rate":0.0},"redeliver":0,"redeliver_details":{"rate":0.0}},"messages":0,"messages_delayed":0,"messages_details":{"rate":0.0},"messages_leaving":0,"messages_parked":0,"messages_ready":0,"messages_ready_details":{"rate":0.0},"messages_unacknowledged":0,"messages_unacknowledged_details":{"rate":0.0},"name":"q2","node":"test","operator_policy":null,"policy":null,"state":"running","type":"classic","vhost":"/"}]
        GET /api/queues/%2F/q%2F1
          200 {"arguments":{"x-queue-type":"quorum"},"auto_delete":false,"consumer_details":[],"consumers":0,"delivery_limit":"unlimited","durable":true,"effective_policy_definition":{},"exclusive":false,"landfall_paused":false,"message_stats":{"ack":0,"ack_details":{"rate":0.0},"deliver":0,"deliver_details":{"rate":0.0},"deliver_get":0,"deliver_get_details":{"rate":0.0},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"get":0,"get_details":{"rate":0.0},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":0,"publish_details":{"rate":0.0},"redeliver":0,"redeliver_details":{"rate":0.0}},"messages":0,"messages_delayed":0,"messages_details":{"rate":0.0},"messages_leaving":0,"messages_parked":0,"messages_ready":0,"messages_ready_details":{"rate":0.0},"messages_unacknowledged":0,"messages_unacknowledged_details":{"rate":0.0},"name":"q/1","node":"test","operator_policy":null,"policy":null,"state":"running","type":"quorum","vhost":"/"}
        GET /api/queues/%2F/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/queues/none
          404 {"error":"Object Not Found","reason":"no such vhost"}
        GET /api/queues?columns=name,message_stats.ack_details.rate,message_stats.ack,name.x,none.x
          200 [{"message_stats":{"ack":0,"ack_details":{"rate":0.0}},"name":"q/1"},{"message_stats":{"ack":0,"ack_details":{"rate":0.0}},"name":"q2"}]
        GET /api/exchanges/%2F?columns=name,type
          200 [{"name":"","type":"direct"},{"name":"amq.direct","type":"direct"},{"name":"amq.fanout","type":"fanout"},{"name":"amq.headers","type":"headers"},{"name":"amq.match","type":"headers"},{"name":"amq.rabbitmq.trace","type":"topic"},{"name":"amq.topic","type":"topic"},{"name":"x","type":"topic"}]
        GET /api/exchanges/%2F/amq.default
          200 {"arguments":{},"auto_delete":false,"durable":true,"internal":false,"name":"","type":"direct","vhost":"/"}
        GET /api/exchanges/%2F/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/bindings/%2F
          200 [{"arguments":{},"destination":"q/1","destination_type":"queue","properties_key":"q%2F1","routing_key":"q/1","source":"","vhost":"/"},{"arguments":{},"destination":"q2","destination_type":"queue","properties_key":"q2","routing_key":"q2","source":"","vhost":"/"},{"arguments":{},"destination":"q/1","destination_type":"queue","properties_key":"a.%23","routing_key":"a.#","source":"x","vhost":"/"},{"arguments":{"k":1},"destination":"q2","destination_type":"queue","properties_key":"~4t7BOA","routing_key":"","source":"x","vhost":"/"},{"arguments":{},"destination":"x","destination_type":"exchange","properties_key":"~","routing_key":"","source":"amq.fanout","vhost":"/"}]
        GET /api/queues/%2F/q2/bindings
          200 [{"arguments":{},"destination":"q2","destination_type":"queue","properties_key":"q2","routing_key":"q2","source":"","vhost":"/"},{"arguments":{"k":1},"destination":"q2","destination_type":"queue","properties_key":"~4t7BOA","routing_key":"","source":"x","vhost":"/"}]
        GET /api/exchanges/%2F/amq.fanout/bindings/source
          200 [{"arguments":{},"destination":"x","destination_type":"exchange","properties_key":"~","routing_key":"","source":"amq.fanout","vhost":"/"}]
        GET /api/exchanges/%2F/x/bindings/destination
          200 [{"arguments":{},"destination":"x","destination_type":"exchange","properties_key":"~","routing_key":"","source":"amq.fanout","vhost":"/"}]
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn pages_columns_and_order() {
    let transcript = Api::new()
        .transcript(
            "
            GET /api/exchanges?page=2&page_size=3&columns=name
            GET /api/exchanges?page=1&name=h&columns=name
            GET /api/exchanges?sort=type&sort_reverse=true&columns=type
            GET /api/exchanges?page=9
            GET /api/exchanges?page=0
            GET /api/exchanges?page=1&page_size=501
            GET /api/exchanges?page=1&use_regex=true&name=%5Eamq.(t|M)&columns=name
            GET /api/exchanges?page=1&use_regex=true&name=(
            GET /api/exchanges?page=1&use_regex=true&name=((a%7B99%7D)%7B99%7D)%7B99%7D
            GET /api/exchanges?page=1&name=FAN&columns=name&page_size=5&pagination=false
            GET /api/exchanges?name=fan&pagination=false&columns=name
            ",
        )
        .await;
    expect![[r#"
        GET /api/exchanges?page=2&page_size=3&columns=name
          200 {"filtered_count":7,"item_count":3,"items":[{"name":"amq.headers"},{"name":"amq.match"},{"name":"amq.rabbitmq.trace"}],"page":2,"page_count":3,"page_size":3,"total_count":7}
        GET /api/exchanges?page=1&name=h&columns=name
          200 {"filtered_count":2,"item_count":2,"items":[{"name":"amq.headers"},{"name":"amq.match"}],"page":1,"page_count":1,"page_size":100,"total_count":7}
        GET /api/exchanges?sort=type&sort_reverse=true&columns=type
          200 [{"type":"topic"},{"type":"topic"},{"type":"headers"},{"type":"headers"},{"type":"fanout"},{"type":"direct"},{"type":"direct"}]
        GET /api/exchanges?page=9
          400 {"error":"bad_request","reason":"there is no page 9"}
        GET /api/exchanges?page=0
          400 {"error":"bad_request","reason":"page must be from 1 to 18446744073709551615"}
        GET /api/exchanges?page=1&page_size=501
          400 {"error":"bad_request","reason":"page_size must be from 1 to 500"}
        GET /api/exchanges?page=1&use_regex=true&name=%5Eamq.(t|M)&columns=name
          200 {"filtered_count":2,"item_count":2,"items":[{"name":"amq.match"},{"name":"amq.topic"}],"page":1,"page_count":1,"page_size":100,"total_count":7}
        GET /api/exchanges?page=1&use_regex=true&name=(
          400 {"error":"bad_request","reason":"'(' is not a regular expression: regex parse error:\n    (\n    ^\nerror: unclosed group"}
        GET /api/exchanges?page=1&use_regex=true&name=((a%7B99%7D)%7B99%7D)%7B99%7D
          400 {"error":"bad_request","reason":"'((a{99}){99}){99}' is not a regular expression: Compiled regex exceeds size limit of 1048576 bytes."}
        GET /api/exchanges?page=1&name=FAN&columns=name&page_size=5&pagination=false
          200 {"filtered_count":1,"item_count":1,"items":[{"name":"amq.fanout"}],"page":1,"page_count":1,"page_size":5,"total_count":7}
        GET /api/exchanges?name=fan&pagination=false&columns=name
          200 [{"name":""},{"name":"amq.direct"},{"name":"amq.fanout"},{"name":"amq.headers"},{"name":"amq.match"},{"name":"amq.rabbitmq.trace"},{"name":"amq.topic"}]
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn accounts() {
    let transcript = Api::new()
        .transcript(
            "
            GET /api/landfall/audit
            GET /api/landfall/audit/%2F/none
            ",
        )
        .await;
    expect![[r#"
        GET /api/landfall/audit
          200 {"balanced":false,"queues":[{"acknowledged":4,"dead_lettered":0,"delayed":0,"dropped":1,"ending":0,"expired":0,"here":3,"in":9,"landing":0,"leaving":0,"moved":0,"name":"orders","parked":0,"ready":2,"redriven":0,"surplus":-1,"unacked":1,"vhost":"/"}],"total":{"acknowledged":4,"dead_lettered":0,"delayed":0,"dropped":1,"ending":0,"expired":0,"here":3,"in":9,"landing":0,"leaving":0,"moved":0,"parked":0,"ready":2,"redriven":0,"surplus":-1,"unacked":1}}
        GET /api/landfall/audit/%2F/none
          404 {"error":"Object Not Found","reason":"no queue"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn a_slash_at_the_end_means_nothing() {
    let api = Api::new();
    for path in [
        "/api/queues",
        "/api/queues/%2F",
        "/api/overview",
        "/api/vhosts/%2F",
    ] {
        let (code, body) = api.ask("GET", path, "").await;
        assert_eq!(code, 200, "{path}");
        assert_eq!(api.ask("GET", &format!("{path}/"), "").await, (code, body));
    }
}
