//! The document of the API: it is one, it is whole, and it is true. That it is true is seen in every test of this crate:
//! what they are answered is compared with what the document promises.

use super::Api;
use super::real::Real;
use crate::described::tests::{mismatch, unread};
use crate::described::{Described, Key, Kind};
use crate::endpoints::answering;
use crate::{ENDPOINTS, Endpoint};
use model::FieldTable;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

async fn document() -> Json {
    // Nobody has to log in for it.
    let api = Api::new();
    let (code, text) = api
        .ask_as(":", "GET", "/api/landfall/openapi.json", "")
        .await;
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// That the whole is a document of OpenAPI a validator says that is not ours, in the suite `openapi-spec-validator`.
#[tokio::test]
async fn its_schemas_are_schemas() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    assert!(schemas.len() > 30, "{}", schemas.len());
    for (name, schema) in schemas {
        assert!(jsonschema::meta::is_valid(schema), "{name}: {schema}");
    }
}

/// Every name that is referred to is there.
#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn look(whole: &Json, part: &Json) {
        match part {
            Json::Object(map) => {
                if let Some(Json::String(to)) = map.get("$ref") {
                    let to = to.strip_prefix('#').expect("within the document");
                    assert!(whole.pointer(to).is_some(), "{to}");
                }
                map.values().for_each(|part| look(whole, part));
            }
            Json::Array(list) => list.iter().for_each(|part| look(whole, part)),
            _ => {}
        }
    }
    let document = document().await;
    look(&document, &document);
}

#[tokio::test]
async fn every_endpoint_is_in_it() {
    let document = document().await;
    let paths = document["paths"].as_object().expect("paths");
    let told: usize = (paths.values())
        .filter_map(|path| path.as_object())
        .map(Map::len)
        .sum();
    assert_eq!(told, ENDPOINTS.len());
    for endpoint in ENDPOINTS {
        let operation = &paths[endpoint.path][endpoint.method.to_lowercase()];
        assert_eq!(operation["summary"], endpoint.does, "{}", endpoint.path);
        let who = operation["description"].as_str().expect("a text");
        assert!(who.contains(endpoint.needs.words()), "{who}");
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let of_path = parameters.iter().filter(|one| one["in"] == "path");
        for parameter in of_path.clone() {
            assert!(parameter["description"].is_string(), "{parameter}");
        }
        assert_eq!(of_path.count(), endpoint.path.matches('{').count());
    }
    let declare = &paths["/api/queues/{vhost}/{name}"]["put"];
    let body = &declare["requestBody"]["content"]["application/json"];
    let example =
        json!({"arguments": {"x-delivery-limit": 5}, "auto_delete": false, "durable": true});
    assert_eq!(body["example"], example);
    let schema = "#/components/schemas/QueueDeclaration";
    assert_eq!(body["schema"]["$ref"], schema);
    let codes: Vec<&String> = { declare["responses"].as_object() }
        .map(|codes| codes.keys().collect())
        .unwrap_or_default();
    let expected = [
        "201", "204", "400", "401", "403", "404", "408", "413", "429", "503",
    ];
    assert_eq!(codes, expected);
    let probe = &paths["/healthz/live"]["get"];
    assert_eq!(probe["security"], json!([]), "nobody has to log in");
    assert_eq!(declare["security"][0], json!({"password": []}));
}

/// What is answered is what the document says.
pub(super) fn check(method: &str, asked: &str, code: u16, said: &str) {
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let Some(endpoint) = answering(method, path) else {
        return;
    };
    let refused = endpoint.all_refusals().contains(&code);
    let told = endpoint.codes.contains(&code) || refused;
    assert!(
        told,
        "{method} {asked}: {code} {said} is not in the document"
    );
    let answer = match (endpoint.verdict, endpoint.answer) {
        (Some(verdict), _) if code == 503 => Some(verdict),
        (_, answer) => answer.filter(|_| !refused && code != 204),
    };
    let Some(kind) = answer else {
        assert!(refused || said.is_empty(), "{method} {asked}: {said}");
        return;
    };
    if !matches!(kind, Kind::Stream(_)) {
        let json: Json = serde_json::from_str(said).expect("JSON");
        let wrong = mismatch(kind, &json, !query.contains("columns="));
        assert_eq!(wrong, None, "{method} {asked}");
    }
}

/// A value of the kind.
fn some(kind: &Kind) -> Json {
    match kind {
        Kind::Flag => true.into(),
        Kind::Whole | Kind::Signed | Kind::Number => 9.into(),
        Kind::Words(words) => words[0].into(),
        Kind::Names => json!(["x"]),
        Kind::Map => json!({}),
        Kind::List(of) | Kind::Listed(of) => json!([some(of)]),
        Kind::Maybe(of) => some(of),
        Kind::Object(object) => all(object),
        Kind::Text | Kind::Stream(_) | Kind::Anything => "x".into(),
    }
}

/// An object with all of its keys.
fn all(object: &Described) -> Json {
    let pairs = object
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), some(&key.kind)));
    Json::Object(pairs.collect())
}

/// A server on which there is something for each name in a path.
async fn furnished() -> Api {
    let real = Real::new();
    real.declare("x", FieldTable::new());
    let api = Api::over(real);
    for (path, body) in [
        (
            "/api/users/x",
            r#"{"tags":"","password":"p","hashing_algorithm":"rabbit_password_hashing_sha256"}"#,
        ),
        (
            "/api/users/ada",
            r#"{"tags":"","password":"p","hashing_algorithm":"rabbit_password_hashing_sha256"}"#,
        ),
        ("/api/exchanges/%2F/x", "{}"),
    ] {
        let (code, said) = api.ask("PUT", path, body).await;
        assert_eq!(code, 201, "{path}: {said}");
    }
    api
}

fn path(endpoint: &Endpoint) -> String {
    // What is put there is made, not changed.
    let of = (endpoint.method, endpoint.path);
    let made = match of {
        ("PUT", "/api/vhosts/{vhost}") => Some("{vhost}"),
        ("PUT", "/api/queues/{vhost}/{name}" | "/api/exchanges/{vhost}/{name}") => Some("{name}"),
        _ => None,
    };
    let parts = endpoint.path.split('/').map(|part| match part {
        part if made == Some(part) => "new",
        "{vhost}" => "%2F",
        "{limit}" => "max-connections",
        "{component}" => "vhost-limits",
        "{name}" if endpoint.path.contains("{component}") => "limits",
        part if part.starts_with('{') => "x",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Examples can be sent as they are; and each key of a body that stands in the document is one that somebody reads.
#[tokio::test(start_paused = true)]
async fn bodies_are_read_as_they_are_described() {
    let api = furnished().await;
    let mut bodies = BTreeMap::new();
    for endpoint in ENDPOINTS {
        let Some(body) = endpoint.body else { continue };
        let (method, path) = (endpoint.method, path(endpoint));
        let (code, said) = api.ask(method, &path, &body.example().to_string()).await;
        assert!(
            endpoint.codes.contains(&code),
            "{method} {path}: {code} {said}"
        );
        api.ask(method, &path, &all(body).to_string()).await;
        for key in body.keys {
            let alone = |of: &Key| json!({of.name: some(&of.kind)});
            let mut with_example = body.example();
            with_example[key.name] = some(&key.kind);
            api.ask(method, &path, &with_example.to_string()).await;
            api.ask(method, &path, &alone(key).to_string()).await;
        }
        bodies.insert(body.name, body);
    }
    assert!(bodies.len() > 15, "{}", bodies.len());
    for body in bodies.values() {
        assert_eq!(unread(body), [""; 0], "nobody reads these of {}", body.name);
        let inner = body.keys.iter().filter_map(|key| match key.kind {
            Kind::Object(inner) => Some(inner),
            _ => None,
        });
        for inner in inner {
            assert_eq!(
                unread(inner),
                [""; 0],
                "nobody reads these of {}",
                inner.name
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn queries_are_read_as_they_are_described() {
    let api = furnished().await;
    for endpoint in ENDPOINTS {
        let Some(query) = endpoint.query else {
            continue;
        };
        let (method, path) = (endpoint.method, path(endpoint));
        let said = |key: &Key| {
            let value = some(&key.kind);
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{}={value}", key.name)
        };
        let each: Vec<String> = query.keys.iter().map(said).collect();
        for query in each.iter().chain([&each.join("&")]) {
            api.ask(method, &format!("{path}?{query}"), "").await;
        }
    }
    // A node that notes what operators do is asked elsewhere: here nobody does.
    let queries = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.path != "/api/landfall/operations");
    for query in queries.filter_map(|endpoint| endpoint.query) {
        assert_eq!(
            unread(query),
            [""; 0],
            "nobody reads these of {}",
            query.name
        );
    }
}

/// Whoever reads a key that is not described is stopped.
#[test]
#[should_panic(expected = "'b' is read and not described in Body")]
fn what_is_not_described_is_not_read() {
    const BODY: Described = Described::new("Body", &[Key::new("a", Kind::Flag, "")]);
    let json = json!({"a": true, "b": true});
    let mut reader = crate::reader::Reader::of(&BODY, &json).expect("an object");
    reader.flag("a", false).expect("a flag");
    let _ = reader.flag("b", false);
}
