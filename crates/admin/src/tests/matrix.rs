//! Every endpoint, asked by users of every sort about their own virtual host and a foreign one: who may is said here once
//! more, by hand. And what names and bodies from outside can do: nothing.

use super::real::Real;
use super::{Api, basic, text};
use crate::{ENDPOINTS, Endpoint, FromThisMachine, Needs};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

/// Each has a permission in `own` and none in `foreign`; named like their tags.
const USERS: [&str; 5] = [
    "none",
    "management",
    "policymaker",
    "monitoring",
    "administrator",
];

async fn api() -> Api {
    let api = Api::over(Real::new());
    api.transcript("PUT /api/vhosts/own\nPUT /api/vhosts/foreign")
        .await;
    for user in USERS {
        let tags = if user == "none" { "" } else { user };
        let put = json!({"password": "p", "tags": tags,
                         "hashing_algorithm": "rabbit_password_hashing_sha256"});
        api.ask("PUT", &format!("/api/users/{user}"), &put.to_string())
            .await;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        let path = format!("/api/permissions/own/{user}");
        let (code, said) = api.ask("PUT", &path, all).await;
        assert_eq!(code, 201, "{said}");
    }
    api
}

/// Who is let through to an endpoint of the table.
fn may(needs: Needs, vhost: &str) -> &'static [&'static str] {
    let own = vhost == "own";
    match needs {
        Needs::Nobody => &USERS,
        Needs::Management => &USERS[1..],
        Needs::Monitoring | Needs::Cluster => &["monitoring", "administrator"],
        Needs::Vhost | Needs::AsClient | Needs::Read | Needs::Configure if own => &USERS[1..],
        Needs::AsClient => &[],
        Needs::Vhost => &["monitoring", "administrator"],
        Needs::Policymaker if own => &["policymaker", "administrator"],
        Needs::Read
        | Needs::Configure
        | Needs::Policymaker
        | Needs::Itself
        | Needs::Administrator => &["administrator"],
    }
}

fn path(endpoint: &Endpoint, vhost: &str) -> String {
    let parts = endpoint.path.split('/').map(|part| match part {
        "{vhost}" => vhost,
        part if part.starts_with('{') => "x",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_lets_in_whom_it_should_and_nobody_else() {
    let mut asked = 0;
    let mut wrong = Vec::new();
    for endpoint in ENDPOINTS {
        let vhosts: &[&str] = match endpoint.path.contains("{vhost}") {
            true => &["own", "foreign"],
            false => &["own"],
        };
        for vhost in vhosts {
            let (method, path) = (endpoint.method, path(endpoint, vhost));
            let api = api().await;
            for user in USERS {
                let (code, said) = api.ask_as(&format!("{user}:p"), method, &path, "{}").await;
                let refused = code == 401 && said.contains("not_authorised");
                // Who is let in does it as the user, and may have no permission there.
                let by_permission = *vhost == "foreign" && said.contains("refused for user");
                let expected = !may(endpoint.needs, vhost).contains(&user);
                if refused != expected && !by_permission {
                    wrong.push(format!("{user} {method} {path}: {code} {said}"));
                }
                asked += 1;
            }
            if endpoint.needs != Needs::Nobody {
                let login = "administrator:guess";
                let (code, said) = api.ask_as(login, method, &path, "{}").await;
                assert_eq!(code, 401, "{login} {method} {path}: {said}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 400, "only {asked}");
}

const NAMES: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "'; DROP TABLE users; --",
    "{{constructor.constructor('alert(1)')()}}",
    "${7*7}\u{202e}gpj",
    "line\r\nset-cookie: a=b",
    "../../etc/passwd",
];

#[tokio::test]
async fn names_come_back_as_data() {
    let api = Api::new();
    for name in NAMES {
        let part: String = name.bytes().map(|octet| format!("%{octet:02X}")).collect();
        for (path, body) in [
            (format!("/api/vhosts/{part}"), json!({"description": name})),
            (format!("/api/users/{part}"), json!({"tags": [name]})),
        ] {
            let (code, said) = api.ask("PUT", &path, &body.to_string()).await;
            assert_eq!(code, 201, "{path}: {said}");
            let request = Request::get(&path)
                .header(header::AUTHORIZATION, basic("guest:guest"))
                .extension(FromThisMachine(true))
                .body(Body::empty());
            let response = api.send(request.expect("a request")).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            assert_eq!(
                response.headers()[header::X_CONTENT_TYPE_OPTIONS],
                "nosniff"
            );
            let cookie = response.headers().get(header::SET_COOKIE);
            assert_eq!(cookie, None, "nothing of a name is a header");
            let said: Value = serde_json::from_str(&text(response).await).expect("JSON");
            assert_eq!(said["name"], name);
        }
        // What is not there is named in the refusal, as data too.
        let (_, said) = api
            .ask("PUT", &format!("/api/permissions/none/{part}"), "{}")
            .await;
        assert!(serde_json::from_str::<Value>(&said).is_ok(), "{said}");
    }
}

#[tokio::test]
async fn deep_and_wide_bodies_are_refused_and_nothing_falls_over() {
    let api = Api::new();
    let nested = |depth: usize| {
        let inner = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        format!(r#"{{"pattern":"","definition":{{"max-length":{inner}}}}}"#)
    };
    for depth in [20, 120, 100_000] {
        let (code, said) = api.ask("PUT", "/api/policies/%2F/p", &nested(depth)).await;
        assert_eq!(code, 400, "{depth}: {said}");
    }
    let wide: String = (0..40_000).map(|key| format!("\"k{key}\":1,")).collect();
    let wide = format!(r#"{{{wide}"tags":""}}"#);
    let (code, said) = api.ask("PUT", "/api/users/wide", &wide).await;
    assert!(matches!(code, 201 | 400), "{code} {said}");
    for number in ["1e999", "-1", "99999999999999999999999999", "0.1", "\"9\""] {
        let body = format!(r#"{{"value":{number}}}"#);
        let path = "/api/vhost-limits/%2F/max-queues";
        let (code, said) = api.ask("PUT", path, &body).await;
        assert!(matches!(code, 201 | 204 | 400), "{number}: {code} {said}");
    }
}
