//! `/api/permissions` and `/api/topic-permissions`.

use crate::answer::{Failure, put};
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::Reader;
use crate::vhosts::name;
use crate::{shapes, users, vhosts};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use broker::{Command, Definitions};
use model::record::{PermissionDefinition, TopicPermissionDefinition};
use serde_json::Value;

/// What a user may do in a virtual host.
pub(crate) const PERMISSION: Described = Described::new(
    "PermissionChange",
    &[
        Key::new(
            "configure",
            Kind::Text,
            "which queues and exchanges the user may declare and delete: a regular expression",
        )
        .needed()
        .such_as(r#""^orders""#),
        Key::new(
            "write",
            Kind::Text,
            "which exchanges the user may publish to, and bind to",
        )
        .needed()
        .such_as(r#""^orders""#),
        Key::new(
            "read",
            Kind::Text,
            "which queues the user may consume from, and bind",
        )
        .needed()
        .such_as(r#"".*""#),
    ],
);

/// Which routing keys a user may use.
pub(crate) const TOPIC_PERMISSION: Described = Described::new(
    "TopicPermissionChange",
    &[
        Key::new("exchange", Kind::Text, "the exchange, of type `topic`")
            .needed()
            .such_as(r#""amq.topic""#),
        Key::new(
            "write",
            Kind::Text,
            "with which routing keys the user may publish to it",
        )
        .needed()
        .such_as(r#""^orders\\.""#),
        Key::new("read", Kind::Text, "with which the user may bind to it")
            .needed()
            .such_as(r#"".*""#),
    ],
);

pub(crate) async fn list(State(api): State<Api>, wanted: Wanted) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    wanted.of(definitions.permissions.iter().map(shapes::permission))
}

pub(crate) async fn of_user(
    State(api): State<Api>,
    Path(user): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let user = &users::find(&definitions, &user)?.name;
    let own = definitions.permissions.iter().filter(|of| of.user == *user);
    wanted.of(own.map(shapes::permission))
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    let own = (definitions.permissions.iter()).filter(|of| of.vhost == *vhost);
    wanted.of(own.map(shapes::permission))
}

fn find<'a>(
    definitions: &'a Definitions,
    vhost: &str,
    user: &str,
) -> Result<&'a PermissionDefinition, Failure> {
    let mut permissions = definitions.permissions.iter();
    permissions
        .find(|of| of.vhost == *vhost && of.user == *user)
        .ok_or(Failure::NotFound)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    Ok(wanted.one(&shapes::permission(find(&definitions, &vhost, &user)?)))
}

/// A change that names a user and a virtual host: where one of them is missing RabbitMQ says 400.
async fn change(api: &Api, command: Command) -> Result<StatusCode, Failure> {
    match api.change(command).await {
        Err(Failure::Missing(what)) => Err(Failure::BadRequest(what)),
        made => Ok(put(made?)),
    }
}

pub(crate) async fn set(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let mut body = Reader::of(&PERMISSION, &body)?;
    let asked = PermissionDefinition {
        user: name(&user)?,
        vhost: name(&vhost)?,
        configure: body.required_text("configure")?.to_owned(),
        write: body.required_text("write")?.to_owned(),
        read: body.required_text("read")?.to_owned(),
    };
    change(&api, Command::PutPermission(asked)).await
}

pub(crate) async fn remove(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    find(&*api.definitions().await?, &vhost, &user)?;
    let (user, vhost) = (name(&user)?, name(&vhost)?);
    let asked = Command::RemovePermission { user, vhost };
    api.change(asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn list_topics(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let topics = definitions.topic_permissions.iter();
    wanted.of(topics.map(shapes::topic_permission))
}

pub(crate) async fn topics_of_user(
    State(api): State<Api>,
    Path(user): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let user = &users::find(&definitions, &user)?.name;
    let topics = definitions.topic_permissions.iter();
    let own = topics.filter(|of| of.user == *user);
    wanted.of(own.map(shapes::topic_permission))
}

pub(crate) async fn topics_of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    let topics = definitions.topic_permissions.iter();
    let own = topics.filter(|of| of.vhost == *vhost);
    wanted.of(own.map(shapes::topic_permission))
}

fn find_topics<'a>(
    definitions: &'a Definitions,
    vhost: &str,
    user: &str,
) -> Result<Vec<&'a TopicPermissionDefinition>, Failure> {
    let topics = definitions.topic_permissions.iter();
    let own: Vec<_> = topics
        .filter(|of| of.vhost == *vhost && of.user == *user)
        .collect();
    if own.is_empty() {
        return Err(Failure::NotFound);
    }
    Ok(own)
}

pub(crate) async fn one_topics(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let own = find_topics(&definitions, &vhost, &user)?;
    wanted.of(own.into_iter().map(shapes::topic_permission))
}

pub(crate) async fn set_topic(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let mut body = Reader::of(&TOPIC_PERMISSION, &body)?;
    let asked = TopicPermissionDefinition {
        user: name(&user)?,
        vhost: name(&vhost)?,
        exchange: body.name("exchange")?,
        write: body.required_text("write")?.to_owned(),
        read: body.required_text("read")?.to_owned(),
    };
    change(&api, Command::PutTopicPermission(asked)).await
}

pub(crate) async fn remove_topics(
    State(api): State<Api>,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    find_topics(&*api.definitions().await?, &vhost, &user)?;
    let asked = Command::RemoveTopicPermission {
        user: name(&user)?,
        vhost: name(&vhost)?,
        exchange: None,
    };
    api.change(asked).await?;
    Ok(StatusCode::NO_CONTENT)
}
