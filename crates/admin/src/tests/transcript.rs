//! Requests and answers, endpoint by endpoint. Codes and fields are those that RabbitMQ 3.10 gave to the same
//! requests.

use super::Api;
use expect_test::expect;

#[tokio::test]
async fn about_the_server() {
    let transcript = Api::new()
        .transcript(
            "
            GET /api/overview
            GET /api/whoami
            GET /api/cluster-name
            ",
        )
        .await;
    expect![[r#"
        GET /api/overview
          200 {"churn_rates":{"channel_closed":0,"channel_closed_details":{"rate":0.0},"channel_created":0,"channel_created_details":{"rate":0.0},"connection_closed":0,"connection_closed_details":{"rate":0.0},"connection_created":0,"connection_created_details":{"rate":0.0},"queue_created":0,"queue_created_details":{"rate":0.0},"queue_declared":0,"queue_declared_details":{"rate":0.0},"queue_deleted":0,"queue_deleted_details":{"rate":0.0}},"cluster_name":"test","contexts":[{"description":"Landfall Management","ip":"127.0.0.1","node":"test","path":"/","port":15672}],"disable_stats":false,"enable_queue_totals":false,"exchange_types":[{"description":"the routing key is the binding's","enabled":true,"name":"direct"},{"description":"every binding","enabled":true,"name":"fanout"},{"description":"the headers are those of the binding's arguments","enabled":true,"name":"headers"},{"description":"the routing key matches the binding's pattern","enabled":true,"name":"topic"},{"description":"one of the bindings, chosen by a hash of the routing key","enabled":true,"name":"x-consistent-hash"},{"description":"as the type that x-delayed-type names, after x-delay milliseconds","enabled":true,"name":"x-delayed-message"}],"landfall_version":"1.2.3","listeners":[{"ip_address":"127.0.0.1","node":"test","port":5672,"protocol":"amqp"},{"ip_address":"127.0.0.1","node":"test","port":15672,"protocol":"http"}],"management_version":"3.13.7","message_stats":{"ack":0,"ack_details":{"rate":0.0},"confirm":0,"confirm_details":{"rate":0.0},"deliver":0,"deliver_details":{"rate":0.0},"deliver_get":0,"deliver_get_details":{"rate":0.0},"deliver_no_ack":0,"deliver_no_ack_details":{"rate":0.0},"drop_unroutable":0,"drop_unroutable_details":{"rate":0.0},"get":0,"get_details":{"rate":0.0},"get_empty":0,"get_empty_details":{"rate":0.0},"get_no_ack":0,"get_no_ack_details":{"rate":0.0},"publish":0,"publish_details":{"rate":0.0},"redeliver":0,"redeliver_details":{"rate":0.0},"return_unroutable":0,"return_unroutable_details":{"rate":0.0}},"node":"test","object_totals":{"channels":0,"connections":0,"consumers":0,"exchanges":0,"queues":0},"product_name":"Landfall","product_version":"1.2.3","queue_totals":{"messages":0,"messages_details":{"rate":0.0},"messages_ready":0,"messages_ready_details":{"rate":0.0},"messages_unacknowledged":0,"messages_unacknowledged_details":{"rate":0.0}},"rabbitmq_version":"3.13.7","rates_mode":"basic","statistics_db_event_queue":0}
        GET /api/whoami
          200 {"name":"guest","tags":["administrator"]}
        GET /api/cluster-name
          200 {"name":"test"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn vhosts() {
    let transcript = Api::new()
        .transcript(
            r#"
            GET /api/vhosts
            GET /api/vhosts/none
            PUT /api/vhosts/a%2Fb {"description":"d","tags":"x,y","tracing":false}
            PUT /api/vhosts/a%2Fb {"default_queue_type":"quorum"}
            GET /api/vhosts/a%2Fb
            GET /api/vhosts/a%2Fb/permissions
            PUT /api/vhosts/new
            DELETE /api/vhosts/new
            DELETE /api/vhosts/new
            PUT /api/vhosts/new {"tracing":7}
            "#,
        )
        .await;
    expect![[r#"
        GET /api/vhosts
          200 [{"description":"","metadata":{"description":"","tags":[]},"name":"/","tags":[],"tracing":false}]
        GET /api/vhosts/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        PUT /api/vhosts/a%2Fb {"description":"d","tags":"x,y","tracing":false}
          201
        PUT /api/vhosts/a%2Fb {"default_queue_type":"quorum"}
          204
        GET /api/vhosts/a%2Fb
          200 {"default_queue_type":"quorum","description":"d","metadata":{"default_queue_type":"quorum","description":"d","tags":["x","y"]},"name":"a/b","tags":["x","y"],"tracing":false}
        GET /api/vhosts/a%2Fb/permissions
          200 [{"configure":".*","read":".*","user":"guest","vhost":"a/b","write":".*"}]
        PUT /api/vhosts/new
          201
        DELETE /api/vhosts/new
          204
        DELETE /api/vhosts/new
          404 {"error":"Object Not Found","reason":"it is not there"}
        PUT /api/vhosts/new {"tracing":7}
          400 {"error":"bad_request","reason":"'tracing' must be true or false"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn users() {
    let transcript = Api::new()
        .transcript(
            r#"
            GET /api/users/none
            PUT /api/users/ada {"password_hash":"AQIDBA==","tags":"monitoring, management"}
            PUT /api/users/ada {"password_hash":"AQIDBA==","tags":["policymaker"],"hashing_algorithm":"rabbit_password_hashing_sha512"}
            GET /api/users/ada
            PUT /api/users/bob {"password":"secret"}
            PUT /api/users/bob {"tags":""}
            GET /api/users/bob
            PUT /api/users/bob {"tags":"","password_hash":"x"}
            PUT /api/users/bob {"tags":"","password_hash":"","hashing_algorithm":"rot13"}
            PUT /api/users/bob {"tags":
            PUT /api/users/bob []
            GET /api/users/without-permissions
            POST /api/users/bulk-delete {"users":["bob","zed"]}
            POST /api/users/bulk-delete {"userz":["bob"]}
            POST /api/users/bulk-delete {"users":["bob"]}
            DELETE /api/users/bob
            DELETE /api/users/ada
            "#,
        )
        .await;
    expect![[r#"
        GET /api/users/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        PUT /api/users/ada {"password_hash":"AQIDBA==","tags":"monitoring, management"}
          201
        PUT /api/users/ada {"password_hash":"AQIDBA==","tags":["policymaker"],"hashing_algorithm":"rabbit_password_hashing_sha512"}
          204
        GET /api/users/ada
          200 {"hashing_algorithm":"rabbit_password_hashing_sha512","limits":{},"name":"ada","password_hash":"AQIDBA==","tags":["policymaker"]}
        PUT /api/users/bob {"password":"secret"}
          400 {"error":"bad_request","reason":"the key 'tags' is missing"}
        PUT /api/users/bob {"tags":""}
          201
        GET /api/users/bob
          200 {"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"bob","password_hash":"","tags":[]}
        PUT /api/users/bob {"tags":"","password_hash":"x"}
          400 {"error":"bad_request","reason":"'password_hash' is not base64"}
        PUT /api/users/bob {"tags":"","password_hash":"","hashing_algorithm":"rot13"}
          400 {"error":"bad_request","reason":"'rot13' is no hashing_algorithm known here"}
        PUT /api/users/bob {"tags":
          400 {"error":"bad_request","reason":"not_json: EOF while parsing a value at line 1 column 8"}
        PUT /api/users/bob []
          400 {"error":"bad_request","reason":"the body: an object is expected"}
        GET /api/users/without-permissions
          200 [{"hashing_algorithm":"rabbit_password_hashing_sha512","limits":{},"name":"ada","password_hash":"AQIDBA==","tags":["policymaker"]},{"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"bob","password_hash":"","tags":[]}]
        POST /api/users/bulk-delete {"users":["bob","zed"]}
          400 {"error":"bad_request","reason":"no such user: \"zed\""}
        POST /api/users/bulk-delete {"userz":["bob"]}
          400 {"error":"bad_request","reason":"the key 'users' is missing"}
        POST /api/users/bulk-delete {"users":["bob"]}
          204
        DELETE /api/users/bob
          404 {"error":"Object Not Found","reason":"it is not there"}
        DELETE /api/users/ada
          204
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn a_password_is_hashed_with_salt_of_its_own() {
    let api = Api::new();
    for user in ["one", "two"] {
        let path = format!("/api/users/{user}");
        let (code, _) = api
            .ask("PUT", &path, r#"{"password":"secret","tags":"management"}"#)
            .await;
        assert_eq!(code, 201);
    }
    let hash = async |user| api.get(&format!("/api/users/{user}")).await["password_hash"].take();
    assert_ne!(hash("one").await, hash("two").await);
    let (code, who) = api.ask_as("one:secret", "GET", "/api/whoami", "").await;
    assert_eq!(
        (code, who.as_str()),
        (200, r#"{"name":"one","tags":["management"]}"#)
    );
    let hashed = api.get("/api/auth/hash_password/s%2Fecret").await;
    assert!(
        hashed["ok"].as_str().is_some_and(|hash| hash.len() == 48),
        "{hashed}"
    );
}

#[tokio::test]
async fn permissions() {
    let transcript = Api::new()
        .transcript(
            r#"
            PUT /api/users/ada {"tags":""}
            GET /api/permissions
            GET /api/permissions/%2F/ada
            PUT /api/permissions/%2F/ada {"configure":"^a","write":"","read":".*"}
            PUT /api/permissions/%2F/ada {"configure":"^b","write":"","read":".*"}
            GET /api/permissions/%2F/ada
            PUT /api/permissions/%2F/ada {"configure":"^a","write":""}
            PUT /api/permissions/none/ada {"configure":"","write":"","read":""}
            PUT /api/permissions/%2F/none {"configure":"","write":"","read":""}
            GET /api/users/ada/permissions
            GET /api/users/none/permissions
            GET /api/vhosts/none/permissions
            DELETE /api/permissions/%2F/ada
            DELETE /api/permissions/%2F/ada
            PUT /api/topic-permissions/%2F/ada {"exchange":"amq.topic","write":"^a","read":".*"}
            PUT /api/topic-permissions/%2F/ada {"exchange":"amq.topic","write":"^b","read":".*"}
            GET /api/topic-permissions
            GET /api/topic-permissions/%2F/ada
            GET /api/users/ada/topic-permissions
            GET /api/vhosts/%2F/topic-permissions
            DELETE /api/topic-permissions/%2F/ada
            DELETE /api/topic-permissions/%2F/ada
            GET /api/topic-permissions/%2F/ada
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/users/ada {"tags":""}
          201
        GET /api/permissions
          200 [{"configure":".*","read":".*","user":"guest","vhost":"/","write":".*"}]
        GET /api/permissions/%2F/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        PUT /api/permissions/%2F/ada {"configure":"^a","write":"","read":".*"}
          201
        PUT /api/permissions/%2F/ada {"configure":"^b","write":"","read":".*"}
          204
        GET /api/permissions/%2F/ada
          200 {"configure":"^b","read":".*","user":"ada","vhost":"/","write":""}
        PUT /api/permissions/%2F/ada {"configure":"^a","write":""}
          400 {"error":"bad_request","reason":"the key 'read' is missing"}
        PUT /api/permissions/none/ada {"configure":"","write":"","read":""}
          400 {"error":"bad_request","reason":"no user 'ada' or no vhost 'none'"}
        PUT /api/permissions/%2F/none {"configure":"","write":"","read":""}
          400 {"error":"bad_request","reason":"no user 'none' or no vhost '/'"}
        GET /api/users/ada/permissions
          200 [{"configure":"^b","read":".*","user":"ada","vhost":"/","write":""}]
        GET /api/users/none/permissions
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/vhosts/none/permissions
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/permissions/%2F/ada
          204
        DELETE /api/permissions/%2F/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        PUT /api/topic-permissions/%2F/ada {"exchange":"amq.topic","write":"^a","read":".*"}
          201
        PUT /api/topic-permissions/%2F/ada {"exchange":"amq.topic","write":"^b","read":".*"}
          204
        GET /api/topic-permissions
          200 [{"exchange":"amq.topic","read":".*","user":"ada","vhost":"/","write":"^b"}]
        GET /api/topic-permissions/%2F/ada
          200 [{"exchange":"amq.topic","read":".*","user":"ada","vhost":"/","write":"^b"}]
        GET /api/users/ada/topic-permissions
          200 [{"exchange":"amq.topic","read":".*","user":"ada","vhost":"/","write":"^b"}]
        GET /api/vhosts/%2F/topic-permissions
          200 [{"exchange":"amq.topic","read":".*","user":"ada","vhost":"/","write":"^b"}]
        DELETE /api/topic-permissions/%2F/ada
          204
        DELETE /api/topic-permissions/%2F/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/topic-permissions/%2F/ada
          404 {"error":"Object Not Found","reason":"Not Found"}
    "#]]
    .assert_eq(&transcript);
}

#[tokio::test]
async fn limits() {
    let transcript = Api::new()
        .transcript(
            r#"
            GET /api/vhost-limits
            PUT /api/vhost-limits/%2F/max-connections {"value":10}
            PUT /api/vhost-limits/%2F/max-queues {"value":-1}
            PUT /api/vhost-limits/%2F/max-zzz {"value":1}
            PUT /api/vhost-limits/%2F/max-queues {"value":"x"}
            PUT /api/vhost-limits/%2F/max-queues
            PUT /api/vhost-limits/none/max-queues {"value":1}
            GET /api/vhost-limits
            GET /api/vhost-limits/%2F
            GET /api/vhost-limits/none
            DELETE /api/vhost-limits/%2F/max-connections
            GET /api/vhost-limits
            PUT /api/user-limits/guest/max-channels {"value":10}
            PUT /api/user-limits/none/max-channels {"value":10}
            PUT /api/user-limits/guest/max-zzz {"value":10}
            GET /api/user-limits
            GET /api/user-limits/guest
            GET /api/user-limits/none
            GET /api/users/guest?columns=limits
            DELETE /api/user-limits/guest/max-channels
            GET /api/user-limits
            "#,
        )
        .await;
    expect![[r#"
        GET /api/vhost-limits
          200 []
        PUT /api/vhost-limits/%2F/max-connections {"value":10}
          204
        PUT /api/vhost-limits/%2F/max-queues {"value":-1}
          204
        PUT /api/vhost-limits/%2F/max-zzz {"value":1}
          400 {"error":"bad_request","reason":"there is no limit 'max-zzz'"}
        PUT /api/vhost-limits/%2F/max-queues {"value":"x"}
          400 {"error":"bad_request","reason":"'value' must be a whole number"}
        PUT /api/vhost-limits/%2F/max-queues
          400 {"error":"bad_request","reason":"the key 'value' is missing"}
        PUT /api/vhost-limits/none/max-queues {"value":1}
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/vhost-limits
          200 [{"value":{"max-connections":10},"vhost":"/"}]
        GET /api/vhost-limits/%2F
          200 [{"value":{"max-connections":10},"vhost":"/"}]
        GET /api/vhost-limits/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/vhost-limits/%2F/max-connections
          204
        GET /api/vhost-limits
          200 []
        PUT /api/user-limits/guest/max-channels {"value":10}
          204
        PUT /api/user-limits/none/max-channels {"value":10}
          400 {"error":"bad_request","reason":"no such user: 'none'"}
        PUT /api/user-limits/guest/max-zzz {"value":10}
          400 {"error":"bad_request","reason":"there is no limit 'max-zzz'"}
        GET /api/user-limits
          200 [{"user":"guest","value":{"max-channels":10}}]
        GET /api/user-limits/guest
          200 [{"user":"guest","value":{"max-channels":10}}]
        GET /api/user-limits/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/users/guest?columns=limits
          200 {"limits":{"max-channels":10}}
        DELETE /api/user-limits/guest/max-channels
          204
        GET /api/user-limits
          200 []
    "#]]
    .assert_eq(&transcript);
}

#[tokio::test]
async fn policies() {
    let transcript = Api::new()
        .transcript(
            r#"
            PUT /api/policies/%2F/p {"pattern":"^a","definition":{"max-length":10},"priority":1,"apply-to":"queues"}
            GET /api/policies/%2F/p
            PUT /api/policies/%2F/p {"pattern":"^a","definition":{"max-length":10}}
            GET /api/policies
            GET /api/policies/%2F
            PUT /api/policies/%2F/q {"pattern":"","definition":{}}
            PUT /api/policies/%2F/q {"definition":{"max-length":1}}
            PUT /api/policies/%2F/q {"pattern":"","definition":{"max-length":1},"priority":"x"}
            GET /api/policies/%2F/zzz
            GET /api/policies/none
            DELETE /api/policies/%2F/zzz
            DELETE /api/policies/%2F/p
            GET /api/policies
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/policies/%2F/p {"pattern":"^a","definition":{"max-length":10},"priority":1,"apply-to":"queues"}
          201
        GET /api/policies/%2F/p
          200 {"apply-to":"queues","definition":{"max-length":10},"name":"p","pattern":"^a","priority":1,"vhost":"/"}
        PUT /api/policies/%2F/p {"pattern":"^a","definition":{"max-length":10}}
          204
        GET /api/policies
          200 [{"apply-to":"all","definition":{"max-length":10},"name":"p","pattern":"^a","priority":0,"vhost":"/"}]
        GET /api/policies/%2F
          200 [{"apply-to":"all","definition":{"max-length":10},"name":"p","pattern":"^a","priority":0,"vhost":"/"}]
        PUT /api/policies/%2F/q {"pattern":"","definition":{}}
          400 {"error":"bad_request","reason":"'definition' has no rule"}
        PUT /api/policies/%2F/q {"definition":{"max-length":1}}
          400 {"error":"bad_request","reason":"the key 'pattern' is missing"}
        PUT /api/policies/%2F/q {"pattern":"","definition":{"max-length":1},"priority":"x"}
          400 {"error":"bad_request","reason":"'priority' must be a whole number"}
        GET /api/policies/%2F/zzz
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/policies/none
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/policies/%2F/zzz
          404 {"error":"Object Not Found","reason":"Not Found"}
        DELETE /api/policies/%2F/p
          204
        GET /api/policies
          200 []
    "#]].assert_eq(&transcript);
}
