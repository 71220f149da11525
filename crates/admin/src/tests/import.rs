//! Documents of definitions through the API: in, out, and what is refused.

use super::Api;
use expect_test::expect;
use serde_json::{Value, json};

/// What `rabbitmqctl export_definitions` of RabbitMQ 3.10.8 writes, with something of everything.
const EXPORTED: &str = include_str!("rabbitmq-3.10.json");

#[tokio::test]
async fn what_rabbitmq_exports_comes_in_and_goes_out_again() {
    let api = Api::new();
    let (code, told) = api.ask("POST", "/api/definitions", EXPORTED).await;
    assert_eq!(code, 200, "{told}");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    expect![[r#"
        {
          "ignored": [
            "global_parameters[0]: no place for global parameter 'internal_cluster_id'",
            "bindings: 'events' to 'internal' in vhost 'shop': one of them is not there",
            "bindings: 'internal' to 'orders' in vhost 'shop': one of them is not there"
          ],
          "made": {
            "bindings": 3,
            "exchanges": 2,
            "operator_policies": 0,
            "permissions": 1,
            "policies": 1,
            "queues": 2,
            "topic_permissions": 1,
            "users": 1,
            "vhosts": 1
          },
          "there_already": {
            "bindings": 0,
            "exchanges": 0,
            "operator_policies": 0,
            "permissions": 1,
            "policies": 0,
            "queues": 0,
            "topic_permissions": 0,
            "users": 1,
            "vhosts": 1
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&told).expect("JSON"));

    let mut theirs: Value = serde_json::from_str(EXPORTED).expect("JSON");
    let ours = api.get("/api/definitions").await;
    for section in [
        "users",
        "permissions",
        "topic_permissions",
        "policies",
        "queues",
        "exchanges",
        "bindings",
    ] {
        let mut expected = theirs[section].take();
        let rows = expected.as_array_mut().expect("a list");
        // RabbitMQ exports no internal exchanges, and yet their bindings: those are told as ignored.
        rows.retain(|row| row["source"] != "internal" && row["destination"] != "internal");
        let ours = ours[section].as_array().expect("a list");
        for row in rows {
            assert!(ours.contains(row), "{section}: no {row:#} in {ours:#?}");
        }
    }
    let limits = json!({"component": "vhost-limits", "name": "limits", "vhost": "shop", "value": {"max-queues": 50}});
    assert_eq!(ours["parameters"], json!([limits]));
    let shop = ours["vhosts"]
        .as_array()
        .and_then(|all| all.iter().find(|of| of["name"] == "shop"));
    assert_eq!(
        shop,
        Some(&json!({
            "name": "shop",
            "description": "the shop",
            "tags": ["a", "b"],
            "default_queue_type": "quorum",
            "metadata": {"description": "the shop", "tags": ["a", "b"], "default_queue_type": "quorum"},
        }))
    );
}

#[tokio::test]
async fn a_virtual_host_goes_out_and_into_another() {
    let api = Api::new();
    api.ask("POST", "/api/definitions", EXPORTED).await;
    api.ask("PUT", "/api/vhosts/copy", "").await;
    let document = api.get("/api/definitions/shop").await;
    assert!(
        !document["queues"].to_string().contains("vhost"),
        "{document:#}"
    );
    let (code, told) = api
        .ask("POST", "/api/definitions/copy", &document.to_string())
        .await;
    assert_eq!(code, 200, "{told}");
    assert_eq!(
        api.get("/api/definitions/copy").await,
        document_of("copy", document)
    );
}

/// The same document for another virtual host: limits name it.
fn document_of(vhost: &str, mut document: Value) -> Value {
    for parameter in document["parameters"].as_array_mut().expect("a list") {
        if let Some(named) = parameter.get_mut("vhost") {
            *named = vhost.into();
        }
    }
    document
}

#[tokio::test]
async fn what_does_not_make_sense_is_named() {
    let transcript = Api::new()
        .transcript(
            r#"
            POST /api/definitions []
            POST /api/definitions {"users":[{"nam":"imp","tags":""}]}
            POST /api/definitions {"users":{}}
            POST /api/definitions {"queues":[{"name":"q","vhost":"/","arguments":{"x":18446744073709551615}}]}
            POST /api/definitions {"queues":[{"name":"q"}]}
            POST /api/definitions {"queues":[{"name":"q","vhost":"none"}]}
            POST /api/definitions {"bindings":[{"source":"x","vhost":"/","destination":"q","destination_type":"planet"}]}
            POST /api/definitions {"vhosts":[{"name":"/","limits":"none"}]}
            POST /api/definitions/none {}
            GET /api/definitions/none
            "#,
        )
        .await;
    expect![[r#"
        POST /api/definitions []
          400 {"error":"bad_request","reason":"the body: an object is expected"}
        POST /api/definitions {"users":[{"nam":"imp","tags":""}]}
          400 {"error":"bad_request","reason":"users[0]: the key 'name' is missing"}
        POST /api/definitions {"users":{}}
          400 {"error":"bad_request","reason":"'users' must be a list"}
        POST /api/definitions {"queues":[{"name":"q","vhost":"/","arguments":{"x":18446744073709551615}}]}
          400 {"error":"bad_request","reason":"queues[0]: 'arguments': 18446744073709551615 does not fit 64 bits"}
        POST /api/definitions {"queues":[{"name":"q"}]}
          400 {"error":"bad_request","reason":"queues[0]: the key 'vhost' is missing"}
        POST /api/definitions {"queues":[{"name":"q","vhost":"none"}]}
          400 {"error":"bad_request","reason":"no vhost 'none'"}
        POST /api/definitions {"bindings":[{"source":"x","vhost":"/","destination":"q","destination_type":"planet"}]}
          400 {"error":"bad_request","reason":"bindings[0]: 'planet' is no destination_type: queue or exchange"}
        POST /api/definitions {"vhosts":[{"name":"/","limits":"none"}]}
          400 {"error":"bad_request","reason":"vhosts[0]: 'limits' must be pairs of a limit's name and a number"}
        POST /api/definitions/none {}
          404 {"error":"Object Not Found","reason":"Not Found"}
        GET /api/definitions/none
          404 {"error":"Object Not Found","reason":"Not Found"}
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn what_has_no_place_is_told() {
    let transcript = Api::new()
        .transcript(
            r#"
            POST /api/definitions {"zzz":1,"users":[{"name":"u","tags":"","password_hash":"","shoe_size":42}]}
            POST /api/definitions {"parameters":[{"component":"shovel","name":"s","vhost":"/","value":{}}]}
            POST /api/definitions {"parameters":[{"component":"vhost-limits","name":"limits","vhost":"none","value":{"max-queues":1}}]}
            POST /api/definitions {"global_parameters":[{"name":"cluster_name","value":"x"}]}
            POST /api/definitions {"exchanges":[{"name":"","vhost":"/","type":"direct"}],"queues":[{"name":"q","vhost":"/","exclusive":true}]}
            POST /api/definitions {"bindings":[{"source":"","vhost":"/","destination":"q","destination_type":"queue","routing_key":"q"}]}
            POST /api/definitions/%2F {"users":[{"name":"u"}],"queues":[{"name":"q","vhost":"elsewhere","durable":true}]}
            GET /api/queues?columns=name,vhost
            "#,
        )
        .await;
    expect![[r#"
        POST /api/definitions {"zzz":1,"users":[{"name":"u","tags":"","password_hash":"","shoe_size":42}]}
          200 {"ignored":["users[0]: unknown key 'shoe_size'","unknown key 'zzz'"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":1,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions {"parameters":[{"component":"shovel","name":"s","vhost":"/","value":{}}]}
          200 {"ignored":["parameters[0]: no place for parameter 's' of component 'shovel'"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions {"parameters":[{"component":"vhost-limits","name":"limits","vhost":"none","value":{"max-queues":1}}]}
          200 {"ignored":["parameters: limits of 'none', a virtual host that is not there"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions {"global_parameters":[{"name":"cluster_name","value":"x"}]}
          200 {"ignored":["global_parameters[0]: no place for global parameter 'cluster_name'"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions {"exchanges":[{"name":"","vhost":"/","type":"direct"}],"queues":[{"name":"q","vhost":"/","exclusive":true}]}
          200 {"ignored":["queues[0]: queue 'q' is exclusive: it ended with its connection","exchanges[0]: every virtual host has the default exchange"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions {"bindings":[{"source":"","vhost":"/","destination":"q","destination_type":"queue","routing_key":"q"}]}
          200 {"ignored":["bindings[0]: every queue is bound to the default exchange"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        POST /api/definitions/%2F {"users":[{"name":"u"}],"queues":[{"name":"q","vhost":"elsewhere","durable":true}]}
          200 {"ignored":["users: not of one virtual host"],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":1,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0}}
        GET /api/queues?columns=name,vhost
          200 [{"name":"q","vhost":"/"}]
    "#]].assert_eq(&transcript);
}

#[tokio::test]
async fn limits_alone_leave_the_rest_of_a_virtual_host_as_it_was() {
    let transcript = Api::new()
        .transcript(
            r#"
            PUT /api/vhosts/%2F {"description":"ours"}
            POST /api/definitions {"parameters":[{"component":"vhost-limits","name":"limits","vhost":"/","value":{"max-queues":3}}]}
            GET /api/vhosts/%2F?columns=description
            GET /api/vhost-limits
            POST /api/definitions {"vhosts":[{"name":"/"}]}
            GET /api/vhosts/%2F?columns=description
            GET /api/vhost-limits
            "#,
        )
        .await;
    expect![[r#"
        PUT /api/vhosts/%2F {"description":"ours"}
          204
        POST /api/definitions {"parameters":[{"component":"vhost-limits","name":"limits","vhost":"/","value":{"max-queues":3}}]}
          200 {"ignored":[],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":1}}
        GET /api/vhosts/%2F?columns=description
          200 {"description":"ours"}
        GET /api/vhost-limits
          200 [{"value":{"max-queues":3},"vhost":"/"}]
        POST /api/definitions {"vhosts":[{"name":"/"}]}
          200 {"ignored":[],"made":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":0},"there_already":{"bindings":0,"exchanges":0,"operator_policies":0,"permissions":0,"policies":0,"queues":0,"topic_permissions":0,"users":0,"vhosts":1}}
        GET /api/vhosts/%2F?columns=description
          200 {"description":"ours"}
        GET /api/vhost-limits
          200 [{"value":{"max-queues":3},"vhost":"/"}]
    "#]].assert_eq(&transcript);
}
