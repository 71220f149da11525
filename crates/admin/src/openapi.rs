//! `/api/landfall/openapi.json`: the API as a document of OpenAPI 3.1, for programs. It is made of the table of endpoints,
//! and of what is described beside the code that reads requests and writes answers.

mod schema;

use crate::access::Needs;
use crate::described::{Described, Kind};
use crate::endpoint::Endpoint;
use crate::endpoints::ENDPOINTS;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response as Answer};
use bytes::Bytes;
use schema::Schemas;
use std::sync::LazyLock;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Components, ComponentsBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    Paths, Ref, Required, ResponseBuilder,
};

const JSON: &str = "application/json";

/// It is the same for as long as the program runs.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
    let text = document().to_json();
    text.expect("texts and numbers can be written").into()
});

/// `GET /api/landfall/openapi.json`
pub(crate) async fn serve() -> Answer {
    ([(header::CONTENT_TYPE, JSON)], TEXT.clone()).into_response()
}

/// The ways to show who asks.
const LOGINS: [&str; 3] = ["password", "token", "session"];

/// What the parts of paths in braces stand for.
const PARTS: &[(&str, &str)] = &[
    ("vhost", "a virtual host's name"),
    ("name", "a name"),
    ("user", "a user's name"),
    ("limit", "a limit's name"),
    ("component", "a component's name"),
    (
        "source",
        "an exchange's name; `amq.default` for the default one",
    ),
    ("destination", "a queue's or an exchange's name"),
    ("props", "the binding's `properties_key`"),
    ("message", "a message's position"),
    ("node", "a node's name"),
    ("port", "a port"),
    ("protocol", "a protocol's name"),
    ("password", "a password"),
];

pub(crate) fn document() -> OpenApi {
    let mut schemas = Schemas::default();
    let mut paths = Paths::new();
    for endpoint in ENDPOINTS {
        let method = match endpoint.method {
            "GET" => HttpMethod::Get,
            "PUT" => HttpMethod::Put,
            "POST" => HttpMethod::Post,
            _ => HttpMethod::Delete,
        };
        let operation = operation(endpoint, &mut schemas);
        paths.add_path_operation(endpoint.path, vec![method], operation);
    }
    let about = "RabbitMQ's HTTP API, and under `/api/landfall/` what only this server has. \
                 Names in paths are percent-encoded. Whoever came with a session brings its `csrf` in the header \
                 `x-csrf-token` with each change.";
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    let info = InfoBuilder::new()
        .title("Landfall")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components(schemas)))
        .build()
}

fn components(schemas: Schemas) -> Components {
    let mut components = ComponentsBuilder::new();
    for (name, schema) in schemas.finish() {
        components = components.schema(name, schema);
    }
    for code in refusals() {
        let error = Content::new(Some(Ref::from_schema_name(schema::ERROR)));
        let response = ResponseBuilder::new()
            .description(reason(code))
            .content(JSON, error);
        components = components.response(refusal(code), response);
    }
    let cookie = "the cookie of `POST /api/landfall/session`; its name ends with the port of the API, and over TLS begins \
                  with `__Host-`";
    let cookie = ApiKeyValue::with_description("landfall-15672", cookie);
    let logins = [
        SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
    ];
    for (name, login) in LOGINS.into_iter().zip(logins) {
        components = components.security_scheme(name, login);
    }
    components.build()
}

/// All codes with which anything is refused.
fn refusals() -> Vec<u16> {
    let mut all: Vec<u16> = ENDPOINTS.iter().flat_map(Endpoint::all_refusals).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn refusal(code: u16) -> String {
    format!("refused-{code}")
}

/// Why something is answered with that code.
const fn reason(code: u16) -> &'static str {
    match code {
        400 => "it does not make sense, and why",
        401 => "nobody logged in, or that user may not",
        403 => "the page of another site sent it, or without its session's token",
        404 => "something that it names is not there",
        408 => "it did not arrive, or was not answered, in a minute",
        413 => "the body is too large",
        429 => "too many logins have failed: `retry-after` says when to come again",
        _ => "the server is stopping, or waits for something that does not answer",
    }
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Operation {
    let who = endpoint.needs.words();
    let mut operation = OperationBuilder::new()
        .tag(group(endpoint.path))
        .summary(Some(endpoint.does))
        .description(Some(format!("Who may: {who}.")))
        .operation_id(Some(identifier(endpoint)));
    operation = match endpoint.needs {
        Needs::Nobody => operation.securities(Some(Vec::new())),
        _ => {
            let none: [&str; 0] = [];
            let logins = LOGINS.map(|login| SecurityRequirement::new(login, none));
            operation.securities(Some(logins))
        }
    };
    for parameter in path_parameters(endpoint.path) {
        operation = operation.parameter(parameter);
    }
    for parameter in endpoint.query.into_iter().flat_map(query_parameters) {
        operation = operation.parameter(parameter);
    }
    if let Some(body) = endpoint.body {
        let needed = body.keys.iter().any(|key| key.needed);
        let content = ContentBuilder::new()
            .schema(Some(schemas.of(&Kind::Object(body))))
            .example(Some(body.example()))
            .build();
        let body = RequestBodyBuilder::new()
            .content(JSON, content)
            .required(Some(if needed {
                Required::True
            } else {
                Required::False
            }));
        operation = operation.request_body(Some(body.build()));
    }
    for code in endpoint.codes {
        operation = operation.response(code.to_string(), done(endpoint, *code, schemas));
    }
    for code in endpoint.all_refusals() {
        operation = match endpoint.verdict {
            Some(verdict) if code == 503 => {
                let content = Content::new(Some(schemas.of(verdict)));
                let response = ResponseBuilder::new().description("all is not well");
                operation.response("503", response.content(JSON, content))
            }
            _ => operation.response(code.to_string(), Ref::from_response_name(refusal(code))),
        };
    }
    operation.build()
}

/// The first part of a path: what it is about.
pub(crate) fn group(path: &str) -> &str {
    let path = path.strip_prefix("/api/").unwrap_or(&path[1..]);
    path.split('/').next().unwrap_or_default()
}

fn identifier(endpoint: &Endpoint) -> String {
    let path = endpoint
        .path
        .replace(['{', '}'], "")
        .replace(['/', '-', '.'], "_");
    format!("{}{path}", endpoint.method.to_lowercase())
}

fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let stands_for = PARTS.iter().find(|(part, _)| *part == name);
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(stands_for.map(|(_, what)| *what))
            .schema(Some(schema::plain(&Kind::Text)))
            .build()
    })
}

fn query_parameters(query: &'static Described) -> impl Iterator<Item = Parameter> {
    query.keys.iter().map(|key| {
        ParameterBuilder::new()
            .name(key.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(key.does))
            .schema(Some(schema::plain(&key.kind)))
            .build()
    })
}

/// What is answered where it is done.
fn done(endpoint: &Endpoint, code: u16, schemas: &mut Schemas) -> ResponseBuilder {
    let said = StatusCode::from_u16(code)
        .ok()
        .and_then(|code| code.canonical_reason());
    let what = match code {
        201 => "it was made",
        202 => "it is noted and will be done",
        204 if endpoint.method == "PUT" => "it was there, and is now as was asked for",
        204 => "it is done",
        _ => said.unwrap_or_default(),
    };
    let response = ResponseBuilder::new().description(what);
    match endpoint.answer {
        Some(Kind::Stream(of)) => {
            let text = Content::new(Some(schema::plain(&Kind::Text)));
            response.content(*of, text)
        }
        Some(kind) if code != 204 => response.content(JSON, Content::new(Some(schemas.of(kind)))),
        _ => response,
    }
}
