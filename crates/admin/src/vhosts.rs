//! `/api/vhosts`.

use crate::access::Caller;
use crate::answer::{Failure, put};
use crate::described::{Described, Key, Kind};
use crate::document;
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::Reader;
use crate::shapes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::{Command, Definitions};
use model::ShortStr;
use model::record::{PermissionDefinition, VhostDefinition};
use serde_json::Value;

/// What may be said of a virtual host.
pub(crate) const VHOST: Described = Described::new(
    "VhostChange",
    &[
        Key::new(
            "description",
            Kind::Text,
            "in words; as it was where nothing is said",
        )
        .such_as(r#""orders of the shop""#),
        Key::new("tags", Kind::Names, "marks for tools").such_as(r#"["shop"]"#),
        Key::new(
            "default_queue_type",
            Kind::Text,
            "the type of queues that are declared without one: `classic`, `quorum`",
        ),
        Key::new(
            "tracing",
            Kind::Flag,
            "kept for tools; nothing is traced for it",
        ),
    ],
);

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let seen = (definitions.vhosts.iter()).filter(|vhost| caller.sees(&vhost.name, &definitions));
    wanted.of(seen.map(shapes::vhost))
}

/// The virtual host of that name, or 404.
pub(crate) fn find<'a>(
    definitions: &'a Definitions,
    name: &str,
) -> Result<&'a VhostDefinition, Failure> {
    let mut vhosts = definitions.vhosts.iter();
    vhosts
        .find(|vhost| vhost.name == *name)
        .ok_or(Failure::NotFound)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path(name): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    Ok(wanted.one(&shapes::vhost(find(&definitions, &name)?)))
}

/// A name from a path.
pub(crate) fn name(text: &str) -> Result<ShortStr, Failure> {
    ShortStr::try_from(text)
        .map_err(|_| Failure::BadRequest("a name is at most 255 bytes long".into()))
}

pub(crate) async fn set(
    State(api): State<Api>,
    Extension(Caller { user, bearer }): Extension<Caller>,
    Path(text): Path<String>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let vhost = name(&text)?;
    // Held until the change has landed: between them nobody else changes it through the API.
    let there = api.definitions().await?;
    let known = find(&there, &text).cloned();
    let known = known.unwrap_or_else(|_| VhostDefinition::new(vhost.clone()));
    let asked = document::vhost(&mut Reader::of(&VHOST, &body)?, known)?;
    let made = api.change(Command::PutVhost(asked)).await?;
    // Whoever makes a virtual host may use it: RabbitMQ's rule. What a token allows only the token says.
    if made && bearer.is_none() {
        let everything = PermissionDefinition::everything(user.name, vhost);
        api.change(Command::PutPermission(everything)).await?;
    }
    Ok(put(made))
}

pub(crate) async fn remove(
    State(api): State<Api>,
    Path(text): Path<String>,
) -> Result<StatusCode, Failure> {
    let vhost = name(&text)?;
    api.change(Command::RemoveVhost { vhost }).await?;
    Ok(StatusCode::NO_CONTENT)
}
