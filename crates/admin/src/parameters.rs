//! `/api/parameters` and `/api/global-parameters`: what RabbitMQ keeps for its parts. Of those there are the limits of
//! virtual hosts, and the name of the cluster.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::document;
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::{Mistake, Reader};
use crate::{limits, vhosts};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::Definitions;
use serde_json::{Value, json};

/// The one component that has parameters, and the name of its one parameter.
const COMPONENT: &str = "vhost-limits";
const NAME: &str = "limits";

/// A parameter: the limits of a virtual host.
pub(crate) const PARAMETER: Described = Described::new(
    "ParameterChange",
    &[Key::new(
        "value",
        Kind::Object(&LIMITS),
        "the limits; what is not said is lifted",
    )
    .needed()],
);

/// Limits of a virtual host.
pub(crate) const LIMITS: Described = Described::new(
    "VhostLimits",
    &[
        Key::new(
            "max-connections",
            Kind::Signed,
            "connections at a time; less than 0 is no limit",
        )
        .such_as("100"),
        Key::new(
            "max-queues",
            Kind::Signed,
            "queues; less than 0 is no limit",
        )
        .such_as("50"),
    ],
);

fn of_vhosts<'a>(
    definitions: &'a Definitions,
    which: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Value> + 'a {
    let meant = (definitions.vhosts.iter()).filter(move |vhost| which(&vhost.name));
    meant.filter_map(document::limits_parameter)
}

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    wanted.of(of_vhosts(&definitions, |vhost| {
        caller.sees(vhost, &definitions)
    }))
}

pub(crate) async fn of_component(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(component): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let is_there = component == COMPONENT;
    wanted.of(of_vhosts(&definitions, |vhost| {
        is_there && caller.sees(vhost, &definitions)
    }))
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path((component, vhost)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    vhosts::find(&definitions, &vhost)?;
    let is_there = component == COMPONENT;
    wanted.of(of_vhosts(&definitions, |of| is_there && of == vhost))
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path((component, vhost, name)): Path<(String, String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let is_there = component == COMPONENT && name == NAME;
    let mut found = of_vhosts(&definitions, |of| is_there && of == vhost);
    let found = found.next().ok_or(Failure::NotFound)?;
    Ok(wanted.one(&found))
}

pub(crate) async fn set(
    State(api): State<Api>,
    Path((component, vhost, name)): Path<(String, String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    check(&component, &name)?;
    let mut body = Reader::of(&PARAMETER, &body)?;
    let value = body.get("value").unwrap_or(&Value::Null);
    let mut value = Reader::new("'value'", value)?.described(&LIMITS);
    let connections = value.limit("max-connections")?;
    let queues = value.limit("max-queues")?;
    if let Some(unknown) = value.unknown().next() {
        // What is left out is lifted: a slip must not lift anything.
        return Err(Mistake::new(unknown).into());
    }
    limits::replace_vhosts(&api, &vhost, connections, queues).await
}

pub(crate) async fn remove(
    State(api): State<Api>,
    Path((component, vhost, name)): Path<(String, String, String)>,
) -> Result<StatusCode, Failure> {
    check(&component, &name).map_err(|_| Failure::NotFound)?;
    limits::replace_vhosts(&api, &vhost, None, None).await
}

fn check(component: &str, name: &str) -> Result<(), Failure> {
    if component != COMPONENT {
        let text = format!("Validation failed: component {component} not found");
        return Err(Failure::BadRequest(text));
    }
    if name != NAME {
        let text = format!("Validation failed: name not recognised: '{name}'");
        return Err(Failure::BadRequest(text));
    }
    Ok(())
}

fn globals(api: &Api) -> [Value; 1] {
    [json!({"name": "cluster_name", "value": api.about().cluster_name})]
}

pub(crate) async fn list_global(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    wanted.of(globals(&api))
}

pub(crate) async fn one_global(
    State(api): State<Api>,
    Path(name): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let mut globals = globals(&api).into_iter();
    let found = globals.find(|one| one["name"] == name.as_str());
    Ok(wanted.one(&found.ok_or(Failure::NotFound)?))
}
