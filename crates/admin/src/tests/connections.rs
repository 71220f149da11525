//! Who is connected and what goes through, over the real heart.

use super::real::Real;
use super::{Api, basic, text};
use crate::FromThisMachine;
use axum::body::Body;
use axum::http::{Request, header};
use expect_test::expect;
use model::method::{basic as method, confirm};
use model::{FieldTable, Properties, ShortStr};

/// The name of the only connection, as a part of a path.
const NAME: &str = "10.0.0.7:40001%20-%3E%2010.0.0.1:5672";

fn busy() -> (Api, Real) {
    let real = Real::new();
    real.declare("orders", FieldTable::new());
    real.call(confirm::Select { no_wait: true });
    real.call(method::Qos {
        prefetch_count: 2,
        ..Default::default()
    });
    for _ in 0..4 {
        real.publish("orders", Properties::default(), "hello");
    }
    real.get("orders");
    real.call(method::Consume {
        queue: ShortStr::from_static("orders"),
        consumer_tag: ShortStr::from_static("worker"),
        no_wait: true,
        ..Default::default()
    });
    real.call(method::Ack {
        delivery_tag: model::DeliveryTag(1),
        multiple: false,
    });
    real.pass(5_000);
    (Api::over(real.clone()), real)
}

#[tokio::test]
async fn who_is_connected() {
    let (api, _) = busy();
    let lines = format!(
        "
        GET /api/connections
        GET /api/connections/{NAME}?columns=name,user
        GET /api/connections/none
        GET /api/connections/{NAME}/channels?columns=name,number
        GET /api/connections/username/guest?columns=name
        GET /api/connections/username/ada
        GET /api/vhosts/%2F/connections?columns=name
        GET /api/channels
        GET /api/channels/{NAME}%20(1)?columns=number
        GET /api/channels/{NAME}%20(2)
        GET /api/vhosts/%2F/channels?columns=number
        GET /api/consumers
        GET /api/consumers/%2F?columns=consumer_tag
        GET /api/consumers/none
        "
    );
    expect![[r#"
        GET /api/connections
          200 [{"channel_max":2047,"channels":1,"client_properties":{"product":"test"},"connected_at":500,"frame_max":131072,"host":"10.0.0.1","name":"10.0.0.7:40001 -> 10.0.0.1:5672","node":"test","peer_host":"10.0.0.7","peer_port":40001,"port":5672,"protocol":"AMQP 0-9-1","recv_oct":0,"send_oct":0,"state":"running","timeout":60,"type":"network","user":"guest","user_provided_name":null,"user_who_performed_action":"guest","vhost":"/"}]
        GET /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672?columns=name,user
          200 {"name":"10.0.0.7:40001 -> 10.0.0.1:5672","user":"guest"}
        GET /api/connections/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672/channels?columns=name,number
          200 [{"name":"10.0.0.7:40001 -> 10.0.0.1:5672 (1)","number":1}]
        GET /api/connections/username/guest?columns=name
          200 [{"name":"10.0.0.7:40001 -> 10.0.0.1:5672"}]
        GET /api/connections/username/ada
          200 []
        GET /api/vhosts/%2F/connections?columns=name
          200 [{"name":"10.0.0.7:40001 -> 10.0.0.1:5672"}]
        GET /api/channels
          200 [{"acks_uncommitted":0,"confirm":true,"connection_details":{"name":"10.0.0.7:40001 -> 10.0.0.1:5672","peer_host":"10.0.0.7","peer_port":40001},"consumer_count":1,"global_prefetch_count":0,"message_stats":{"ack":1,"ack_details":{"rate":0.1111111111111111},"confirm":4,"confirm_details":{"rate":0.4444444444444444},"deliver":2,"deliver_details":{"rate":0.2222222222222222},"deliver_get":3,"deliver_get_details":{"rate":0.3333333333333333},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"drop_unroutable":0,"drop_unroutable_details":{"rate":0.0},"get":1,"get_details":{"rate":0.1111111111111111},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":4,"publish_details":{"rate":0.4444444444444444},"redeliver":0,"redeliver_details":{"rate":0.0},"return_unroutable":0,"return_unroutable_details":{"rate":0.0}},"messages_unacknowledged":2,"messages_uncommitted":0,"messages_unconfirmed":0,"name":"10.0.0.7:40001 -> 10.0.0.1:5672 (1)","node":"test","number":1,"prefetch_count":2,"state":"running","transactional":false,"user":"guest","user_who_performed_action":"guest","vhost":"/"}]
        GET /api/channels/10.0.0.7:40001%20-%3E%2010.0.0.1:5672%20(1)?columns=number
          200 {"number":1}
        GET /api/channels/10.0.0.7:40001%20-%3E%2010.0.0.1:5672%20(2)
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/vhosts/%2F/channels?columns=number
          200 [{"number":1}]
        GET /api/consumers
          200 [{"ack_required":true,"active":true,"activity_status":"up","arguments":{},"channel_details":{"connection_name":"10.0.0.7:40001 -> 10.0.0.1:5672","name":"10.0.0.7:40001 -> 10.0.0.1:5672 (1)","node":"test","number":1,"peer_host":"10.0.0.7","peer_port":40001,"user":"guest"},"consumer_tag":"worker","consumer_timeout":1800000,"exclusive":false,"landfall_waiting_for":"Its prefetch count is reached: it has 2 messages that it did not acknowledge.","messages_unacknowledged":2,"prefetch_count":2,"queue":{"name":"orders","vhost":"/"}}]
        GET /api/consumers/%2F?columns=consumer_tag
          200 [{"consumer_tag":"worker"}]
        GET /api/consumers/none
          404 {"error":"Object Not Found","reason":"no vhost 'none'"}
    "#]].assert_eq(&api.transcript(&lines).await);
}

#[tokio::test]
async fn what_goes_through() {
    let (api, _) = busy();
    let transcript = api
        .transcript(
            "
            GET /api/overview?columns=queue_totals
            GET /api/queues/%2F/orders
            GET /api/exchanges/%2F/amq.default?columns=message_stats
            GET /api/exchanges/%2F/amq.topic?columns=message_stats
            ",
        )
        .await;
    expect![[r#"
        GET /api/overview?columns=queue_totals
          200 {"churn_rates":{"channel_closed":0,"channel_closed_details":{"rate":0.0},"channel_created":1,"channel_created_details":{"rate":0.1111111111111111},"connection_closed":0,"connection_closed_details":{"rate":0.0},"connection_created":1,"connection_created_details":{"rate":0.1111111111111111},"queue_created":1,"queue_created_details":{"rate":0.1111111111111111},"queue_declared":1,"queue_declared_details":{"rate":0.1111111111111111},"queue_deleted":0,"queue_deleted_details":{"rate":0.0}},"cluster_name":"test","contexts":[{"description":"Landfall Management","ip":"127.0.0.1","node":"test","path":"/","port":15672}],"disable_stats":false,"enable_queue_totals":false,"exchange_types":[{"description":"the routing key is the binding's","enabled":true,"name":"direct"},{"description":"every binding","enabled":true,"name":"fanout"},{"description":"the headers are those of the binding's arguments","enabled":true,"name":"headers"},{"description":"the routing key matches the binding's pattern","enabled":true,"name":"topic"},{"description":"one of the bindings, chosen by a hash of the routing key","enabled":true,"name":"x-consistent-hash"},{"description":"as the type that x-delayed-type names, after x-delay milliseconds","enabled":true,"name":"x-delayed-message"}],"landfall_version":"1.2.3","listeners":[{"ip_address":"127.0.0.1","node":"test","port":5672,"protocol":"amqp"},{"ip_address":"127.0.0.1","node":"test","port":15672,"protocol":"http"}],"management_version":"3.13.7","message_stats":{"ack":1,"ack_details":{"rate":0.1111111111111111},"confirm":4,"confirm_details":{"rate":0.4444444444444444},"deliver":2,"deliver_details":{"rate":0.2222222222222222},"deliver_get":3,"deliver_get_details":{"rate":0.3333333333333333},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"drop_unroutable":0,"drop_unroutable_details":{"rate":0.0},"get":1,"get_details":{"rate":0.1111111111111111},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":4,"publish_details":{"rate":0.4444444444444444},"redeliver":0,"redeliver_details":{"rate":0.0},"return_unroutable":0,"return_unroutable_details":{"rate":0.0}},"node":"test","object_totals":{"channels":1,"connections":1,"consumers":1,"exchanges":7,"queues":1},"product_name":"Landfall","product_version":"1.2.3","queue_totals":{"messages":3,"messages_details":{"rate":0.3333333333333333},"messages_ready":1,"messages_ready_details":{"rate":0.1111111111111111},"messages_unacknowledged":2,"messages_unacknowledged_details":{"rate":0.2222222222222222}},"rabbitmq_version":"3.13.7","rates_mode":"basic","statistics_db_event_queue":0}
        GET /api/queues/%2F/orders
          200 {"arguments":{},"auto_delete":false,"consumer_details":[{"ack_required":true,"active":true,"activity_status":"up","arguments":{},"channel_details":{"connection_name":"10.0.0.7:40001 -> 10.0.0.1:5672","name":"10.0.0.7:40001 -> 10.0.0.1:5672 (1)","node":"test","number":1,"peer_host":"10.0.0.7","peer_port":40001,"user":"guest"},"consumer_tag":"worker","consumer_timeout":1800000,"exclusive":false,"landfall_waiting_for":"Its prefetch count is reached: it has 2 messages that it did not acknowledge.","messages_unacknowledged":2,"prefetch_count":2,"queue":{"name":"orders","vhost":"/"}}],"consumers":1,"delivery_limit":"unlimited","durable":true,"effective_policy_definition":{},"exclusive":false,"idle_since":"1970-01-01T00:00:10.000+00:00","landfall_paused":false,"message_stats":{"ack":1,"ack_details":{"rate":0.1111111111111111},"deliver":2,"deliver_details":{"rate":0.2222222222222222},"deliver_get":3,"deliver_get_details":{"rate":0.3333333333333333},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"get":1,"get_details":{"rate":0.1111111111111111},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":4,"publish_details":{"rate":0.4444444444444444},"redeliver":0,"redeliver_details":{"rate":0.0}},"messages":3,"messages_delayed":0,"messages_details":{"rate":0.3333333333333333},"messages_leaving":0,"messages_parked":0,"messages_ready":1,"messages_ready_details":{"rate":0.1111111111111111},"messages_unacknowledged":2,"messages_unacknowledged_details":{"rate":0.2222222222222222},"name":"orders","node":"test","operator_policy":null,"policy":null,"state":"running","type":"classic","vhost":"/"}
        GET /api/exchanges/%2F/amq.default?columns=message_stats
          200 {"message_stats":{"publish_in":4,"publish_in_details":{"rate":0.4444444444444444},"publish_out":4,"publish_out_details":{"rate":0.4444444444444444}}}
        GET /api/exchanges/%2F/amq.topic?columns=message_stats
          200 {"message_stats":{"publish_in":0,"publish_in_details":{"rate":0.0},"publish_out":0,"publish_out_details":{"rate":0.0}}}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn others_see_only_what_is_theirs() {
    let (api, _) = busy();
    for (user, tags) in [("ada", "management"), ("max", "monitoring")] {
        let made = format!(r#"{{"password":"secret","tags":"{tags}"}}"#);
        api.ask("PUT", &format!("/api/users/{user}"), &made).await;
        let rights = r#"{"configure":"","write":"","read":""}"#;
        let path = format!("/api/permissions/%2F/{user}");
        api.ask("PUT", &path, rights).await;
    }
    let mut seen = String::new();
    for user in ["ada", "max"] {
        for (method, path) in [
            ("GET", "/api/connections?columns=name".to_owned()),
            ("GET", format!("/api/connections/{NAME}?columns=name")),
            ("DELETE", format!("/api/connections/{NAME}")),
            ("DELETE", "/api/connections/username/guest".to_owned()),
            ("GET", "/api/channels?columns=number".to_owned()),
            ("GET", "/api/consumers?columns=consumer_tag".to_owned()),
            ("GET", "/api/overview?columns=node".to_owned()),
        ] {
            let login = format!("{user}:secret");
            let (code, body) = api.ask_as(&login, method, &path, "").await;
            let short: String = body.chars().take(120).collect();
            seen.push_str(&format!("{user} {method} {path}\n  {code} {short}\n"));
        }
    }
    expect![[r#"
        ada GET /api/connections?columns=name
          200 []
        ada GET /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672?columns=name
          401 {"error":"not_authorised","reason":"User not authorised to access object"}
        ada DELETE /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672
          401 {"error":"not_authorised","reason":"User not authorised to access object"}
        ada DELETE /api/connections/username/guest
          401 {"error":"not_authorised","reason":"Not administrator user"}
        ada GET /api/channels?columns=number
          200 []
        ada GET /api/consumers?columns=consumer_tag
          200 []
        ada GET /api/overview?columns=node
          200 {"cluster_name":"test","contexts":[{"description":"Landfall Management","ip":"127.0.0.1","node":"test","path":"/","port"
        max GET /api/connections?columns=name
          200 [{"name":"10.0.0.7:40001 -> 10.0.0.1:5672"}]
        max GET /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672?columns=name
          200 {"name":"10.0.0.7:40001 -> 10.0.0.1:5672"}
        max DELETE /api/connections/10.0.0.7:40001%20-%3E%2010.0.0.1:5672
          401 {"error":"not_authorised","reason":"Not administrator user"}
        max DELETE /api/connections/username/guest
          401 {"error":"not_authorised","reason":"Not administrator user"}
        max GET /api/channels?columns=number
          200 [{"number":1}]
        max GET /api/consumers?columns=consumer_tag
          200 [{"consumer_tag":"worker"}]
        max GET /api/overview?columns=node
          200 {"churn_rates":{"channel_closed":0,"channel_closed_details":{"rate":0.0},"channel_created":1,"channel_created_details":{
    "#]].assert_eq(&seen);
}

#[tokio::test]
async fn a_connection_is_closed_with_a_reason() {
    let (api, real) = busy();
    let request = Request::builder()
        .method("DELETE")
        .uri(format!("/api/connections/{NAME}"))
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .header("X-Reason", "maintenance")
        .extension(FromThisMachine(true))
        .body(Body::empty())
        .expect("a request");
    let response = api.send(request).await;
    assert_eq!(response.status().as_u16(), 204, "{}", text(response).await);
    assert_eq!(real.farewells(), ["CONNECTION_FORCED - maintenance"]);
    let gone = api
        .ask("GET", &format!("/api/connections/{NAME}"), "")
        .await;
    assert_eq!(gone.0, 404);
    let none = api
        .ask("DELETE", "/api/connections/username/guest", "")
        .await;
    assert_eq!(none.0, 204);
}
