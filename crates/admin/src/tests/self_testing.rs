//! The self-test, over the real heart.

use super::Api;
use super::real::Real;
use serde_json::Value;

async fn run(api: &Api, user: &str, vhost: &str) -> Value {
    let path = format!("/api/landfall/self-test/{vhost}");
    let (code, answer) = api.ask_as(user, "POST", &path, "").await;
    assert_eq!(code, 200, "{answer}");
    serde_json::from_str(&answer).expect("JSON")
}

/// The checks by name, with those that failed marked.
fn names(told: &Value) -> Vec<String> {
    let checks = told["checks"].as_array().expect("a list").iter();
    let name = |check: &Value| {
        let name = check["check"].as_str().unwrap_or_default();
        assert!(check["took_ms"].is_number() && check["says"].is_string());
        match check["ok"] == true {
            true => name.to_owned(),
            false => format!("{name} failed"),
        }
    };
    checks.map(name).collect()
}

#[tokio::test]
async fn a_message_goes_the_whole_way_and_nothing_is_left() {
    let api = Api::over(Real::new());
    let told = run(&api, "guest:guest", "%2F").await;
    // The clock of this broker stands at the beginning of time.
    let expected = [
        "declare",
        "clock failed",
        "publish",
        "read",
        "acknowledge",
        "delete",
        "disk",
        "memory",
    ];
    let mut found = names(&told);
    found.sort_by_key(|name| expected.iter().position(|other| other == name));
    assert_eq!(found, expected);
    assert_eq!(told["ok"], false);
    assert_eq!(
        api.get("/api/queues").await.as_array().map(Vec::len),
        Some(0)
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_and_ends_the_way() {
    let api = Api::over(Real::new());
    api.transcript(
        r#"
        PUT /api/users/ada {"password":"p","tags":"administrator"}
        PUT /api/users/bob {"password":"p","tags":"management"}
        PUT /api/permissions/%2F/ada {"configure":".*","write":"","read":".*"}
        "#,
    )
    .await;
    let told = run(&api, "ada:p", "%2F").await;
    assert_eq!(
        names(&told),
        ["declare", "publish failed", "delete", "disk", "memory"]
    );
    let says = told["checks"][1]["says"].as_str().unwrap_or_default();
    assert!(says.contains("write access to exchange"), "{says}");
    assert_eq!(
        api.get("/api/queues").await.as_array().map(Vec::len),
        Some(0)
    );
    let told = run(&api, "ada:p", "none").await;
    assert_eq!(names(&told), ["declare failed", "disk", "memory"]);
    let path = "/api/landfall/self-test/%2F";
    assert_eq!(api.ask_as("bob:p", "POST", path, "").await.0, 401);
}
