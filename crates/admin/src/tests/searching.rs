//! Searching the messages of a queue, over the real heart.

use super::Api;
use super::messages::{of_tenant, plain};
use super::real::Real;
use expect_test::expect;
use model::{FieldTable, PropertiesBuilder, ShortStr, TableBuilder, Value};
use serde_json::json;
use std::fmt::Write;

#[tokio::test]
async fn messages_are_found_by_what_they_say() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    real.publish("q", of_tenant("blue"), "costs 42 €");
    real.publish("q", of_tenant("red"), "costs nothing");
    let numbered = TableBuilder::new().field("shard", Value::I32(7)).build();
    let numbered = PropertiesBuilder::new()
        .headers(&numbered)
        .correlation_id(&ShortStr::from_static("c-1"));
    real.publish("q", numbered.build(), &b"\xff42 \xe2\x82\xac"[..]);
    let api = Api::over(real);
    let mut found = String::new();
    for query in [
        "text=42%20%E2%82%AC",
        "text=42%20%E2%82%AC&body=3",
        "text=43",
        "message_id=id-of-red",
        "correlation_id=c-1",
        "header=tenant:blue",
        "header=shard:7",
        "header=shard:7&header=tenant:blue",
        "routing_key=q&exchange=",
        "routing_key=other",
        "accepted_from=3000&accepted_before=4000",
        "routing_key=q&limit=1",
        "routing_key=q&limit=1&after=5",
        "text=42&limit=1&after=5",
        "text=42&state=parked",
        "header=tenant",
        "accepted_from=now",
    ] {
        let path = format!("/api/landfall/queues/%2F/q/messages?{query}");
        let (code, answer) = api.ask("GET", &path, "").await;
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
        let positions = answer["messages"].as_array().map(|all| {
            let shown = all.iter().map(|one| match one["payload"].as_str() {
                Some(payload) => format!("{} {payload}", one["position"]),
                None => one["position"].to_string(),
            });
            shown.collect::<Vec<_>>().join(", ")
        });
        let told = match positions {
            Some(positions) => format!(
                "[{positions}] of {}, next {}",
                answer["looked_at"], answer["next"]
            ),
            None => format!("{code} {}", answer["reason"]),
        };
        writeln!(found, "{query}: {told}").expect("strings take everything");
    }
    expect![[r#"
        text=42%20%E2%82%AC: [5, 7] of 3, next null
        text=42%20%E2%82%AC&body=3: [5 cos, 7 /zQy] of 3, next null
        text=43: [] of 3, next null
        message_id=id-of-red: [6] of 3, next null
        correlation_id=c-1: [7] of 3, next null
        header=tenant:blue: [5] of 3, next null
        header=shard:7: [7] of 3, next null
        header=shard:7&header=tenant:blue: [] of 3, next null
        routing_key=q&exchange=: [5, 6, 7] of 3, next null
        routing_key=other: [] of 3, next null
        accepted_from=3000&accepted_before=4000: [6] of 3, next null
        routing_key=q&limit=1: [5] of 1, next "5"
        routing_key=q&limit=1&after=5: [6] of 1, next "6"
        text=42&limit=1&after=5: [7] of 2, next null
        text=42&state=parked: [] of 0, next null
        header=tenant: 400 "header=tenant: name:value is expected"
        accepted_from=now: 400 "accepted_from must be milliseconds since 1970"
    "#]]
    .assert_eq(&found);
}

#[tokio::test]
async fn a_search_goes_on_where_it_ended() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    for _ in 0..20_500 {
        real.publish("q", plain(), "hay");
    }
    real.publish("q", plain(), "a needle");
    let api = Api::over(real);
    let path = "/api/landfall/queues/%2F/q/messages?text=needle&body=9";
    let first = api.get(path).await;
    assert_eq!(
        (&first["messages"], &first["looked_at"]),
        (&json!([]), &json!(20_000))
    );
    let next = first["next"].as_str().expect("there is more");
    let second = api.get(&format!("{path}&after={next}")).await;
    assert_eq!(second["messages"][0]["payload"], "a needle");
    assert_eq!(
        (&second["looked_at"], &second["next"]),
        (&json!(501), &json!(null))
    );
}

#[tokio::test]
async fn what_has_a_text_is_acted_on() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    for body in ["a", "bad", "b", "bad too", "c"] {
        real.publish("q", of_tenant(body), body);
    }
    let transcript = Api::over(real)
        .transcript(
            r#"
            DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad","message_id":"id-of-bad"}}
            DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad"}}
            DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad"}}
            DELETE /api/landfall/queues/%2F/q/messages {"filter":{"correlation_id":"none"}}
            "#,
        )
        .await;
    expect![[r#"
        DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad","message_id":"id-of-bad"}}
          200 {"done":1,"looked_at":5,"next":null,"stayed":0,"stayed_because":[]}
        DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad"}}
          200 {"done":1,"looked_at":4,"next":null,"stayed":0,"stayed_because":[]}
        DELETE /api/landfall/queues/%2F/q/messages {"filter":{"text":"bad"}}
          200 {"done":0,"looked_at":3,"next":null,"stayed":0,"stayed_because":[]}
        DELETE /api/landfall/queues/%2F/q/messages {"filter":{"correlation_id":"none"}}
          200 {"done":0,"looked_at":3,"next":null,"stayed":0,"stayed_because":[]}
    "#]].assert_eq(&transcript);
}
