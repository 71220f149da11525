//! What needs attention, in what each user may see.

use super::Api;
use super::real::Real;
use model::{FieldTable, Properties};
use serde_json::{Value, json};

#[tokio::test]
async fn everybody_is_told_of_what_they_may_see() {
    let real = Real::new();
    real.declare("orders", FieldTable::new());
    real.publish("orders", Properties::default(), "one");
    real.publish("orders", Properties::default(), "two");
    let api = Api::over(real);
    let user = json!({"password": "p", "tags": "management",
                      "hashing_algorithm": "rabbit_password_hashing_sha256"});
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    for (path, body) in [
        ("/api/vhosts/own", "{}".to_owned()),
        ("/api/users/ada", user.to_string()),
        ("/api/permissions/own/ada", all.to_owned()),
        ("/api/queues/own/mine", "{}".to_owned()),
    ] {
        let (code, said) = api.ask("PUT", path, &body).await;
        assert_eq!(code, 201, "{path}: {said}");
    }
    let summary = api.get("/api/landfall/summary").await;
    assert_eq!(summary["queues"], 2);
    assert_eq!(summary["messages"]["ready"], 2);
    let unread = &summary["unread"];
    assert_eq!(
        (&unread["queues"], &unread["messages"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(unread["worst"][0]["name"], "orders");
    assert_eq!(summary["oldest"]["worst"][0]["oldest"]["accepted"], 2000);

    let (code, own) = api
        .ask_as("ada:p", "GET", "/api/landfall/summary", "")
        .await;
    assert_eq!(code, 200, "{own}");
    let own: Value = serde_json::from_str(&own).expect("JSON");
    assert_eq!(own["queues"], 1);
    assert_eq!(own["messages"]["messages"], 0);
    assert_eq!(own["unread"]["queues"], 0, "what is in / is not for ada");
    assert_eq!(own["backlogs"]["worst"], json!([]));
}
