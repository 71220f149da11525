//! Who may ask for what.

use super::{Api, basic};
use axum::body::Body;
use axum::http::{Request, header};
use std::time::Duration;

#[tokio::test]
async fn without_a_login_the_question_is_who_it_is() {
    let api = Api::new();
    for value in ["", "Bearer abc", "Basic ???", "Basic Z3Vlc3Q="] {
        let request = Request::get("/api/whoami")
            .header(header::AUTHORIZATION, value)
            .body(Body::empty())
            .expect("a request");
        let response = api.send(request).await;
        assert_eq!(response.status(), 401, "{value}");
        let asks = &response.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(asks, "Basic realm=\"RabbitMQ Management\"");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_answered_late() {
    let api = Api::new();
    let before = tokio::time::Instant::now();
    let (code, body) = api.ask_as("guest:wrong", "GET", "/api/whoami", "").await;
    assert_eq!(code, 401);
    assert_eq!(
        body,
        r#"{"error":"not_authorized","reason":"Login failed"}"#
    );
    assert!(before.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_guest_comes_from_this_machine_only() {
    let request = Request::get("/api/whoami")
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .body(Body::empty())
        .expect("a request");
    assert_eq!(Api::new().send(request).await.status(), 401);
}

#[tokio::test]
async fn each_tag_opens_its_doors_and_no_others() {
    let api = Api::new();
    api.transcript(
        r#"
        PUT /api/vhosts/secret
        PUT /api/users/plain {"password":"p","tags":""}
        PUT /api/users/manager {"password":"p","tags":"management"}
        PUT /api/users/watcher {"password":"p","tags":"monitoring"}
        PUT /api/users/maker {"password":"p","tags":"policymaker"}
        PUT /api/permissions/%2F/manager {"configure":"","write":"","read":""}
        PUT /api/permissions/%2F/maker {"configure":"","write":"","read":""}
        "#,
    )
    .await;
    let policy = r#"{"pattern":"","definition":{"max-length":1}}"#;
    for (method, path, body, plain, manager, watcher, maker) in [
        ("GET", "/api/whoami", "", 401, 200, 200, 200),
        ("GET", "/api/queues/%2F", "", 401, 200, 200, 200),
        ("GET", "/api/queues/secret", "", 401, 401, 200, 401),
        ("GET", "/api/users", "", 401, 401, 401, 401),
        ("GET", "/api/definitions", "", 401, 401, 401, 401),
        ("PUT", "/api/vhosts/other", "", 401, 401, 401, 401),
        ("PUT", "/api/policies/%2F/p", policy, 401, 401, 401, 201),
        ("PUT", "/api/policies/secret/p", policy, 401, 401, 401, 401),
    ] {
        for (user, expected) in [
            ("plain:p", plain),
            ("manager:p", manager),
            ("watcher:p", watcher),
            ("maker:p", maker),
        ] {
            let (code, said) = api.ask_as(user, method, path, body).await;
            assert_eq!(code, expected, "{user} {method} {path}: {said}");
        }
    }
    let (_, seen) = api
        .ask_as("manager:p", "GET", "/api/vhosts?columns=name", "")
        .await;
    assert_eq!(
        seen, r#"[{"name":"/"}]"#,
        "only where there is a permission"
    );
    let (_, seen) = api
        .ask_as("watcher:p", "GET", "/api/vhosts?columns=name", "")
        .await;
    assert_eq!(seen, r#"[{"name":"/"},{"name":"secret"}]"#);
}
