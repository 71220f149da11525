//! `/api/definitions`: everything, or one virtual host, as a document out and in.

use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::document::{self, Document};
use crate::endpoints::{Api, DocumentBody};
use crate::vhosts;
use axum::Json;
use axum::extract::{Path, State};
use broker::{Command, Definitions};
use model::ShortStr;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::hash::Hash;

/// What was made of a document.
pub(crate) const IMPORTED: Described = Described::new(
    "Imported",
    &[
        Key::new("made", Kind::Map, "of each section how many were made").needed(),
        Key::new("there_already", Kind::Map, "and how many were there").needed(),
        Key::new(
            "ignored",
            Kind::List(&Kind::Text),
            "what has no place here, each named",
        )
        .needed(),
    ],
);

pub(crate) async fn export(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    Ok(Json(document::write(
        &*api.definitions().await?,
        api.about(),
    )))
}

pub(crate) async fn export_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    vhosts::find(&definitions, &vhost)?;
    Ok(Json(document::write_vhost(
        &definitions,
        &vhost,
        api.about(),
    )))
}

pub(crate) async fn import(
    State(api): State<Api>,
    body: DocumentBody,
) -> Result<Json<Value>, Failure> {
    // First: one document at a time is in memory.
    let mut there = api.definitions().await?;
    let document = there.beside(|there| read(body, there, None)).await?;
    land(&api, &there, document).await
}

pub(crate) async fn import_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    body: DocumentBody,
) -> Result<Json<Value>, Failure> {
    let mut there = api.definitions().await?;
    let vhost = vhosts::find(&there, &vhost)?.name.clone();
    let document = there.beside(move |there| read(body, there, Some(&vhost)));
    let document = document.await?;
    land(&api, &there, document).await
}

fn read(
    body: DocumentBody,
    there: &Definitions,
    vhost: Option<&ShortStr>,
) -> Result<Document, Failure> {
    Ok(document::read(&body.parse()?, there, vhost)?)
}

/// Has it made, and tells what was made by it.
async fn land(api: &Api, there: &Definitions, document: Document) -> Result<Json<Value>, Failure> {
    let told = tell(there, &document);
    let asked = Command::Import(Box::new(document.definitions));
    // What is missing is not what the path names, but something that the document speaks of.
    match api.ask(asked).await {
        Ok(_) => Ok(Json(told)),
        Err(Failure::Missing(what)) => Err(Failure::BadRequest(what)),
        Err(failure) => Err(failure),
    }
}

/// How many of each were made, how many were there already, and what was ignored.
fn tell(there: &Definitions, document: &Document) -> Value {
    let new = &document.definitions;
    let mut told = Told::default();
    told.section("vhosts", &there.vhosts, &new.vhosts, |of| &of.name);
    told.section("users", &there.users, &new.users, |of| &of.name);
    told.section("permissions", &there.permissions, &new.permissions, |of| {
        (&of.user, &of.vhost)
    });
    told.section(
        "topic_permissions",
        &there.topic_permissions,
        &new.topic_permissions,
        |of| (&of.user, &of.vhost, &of.exchange),
    );
    told.section("policies", &there.policies, &new.policies, |of| {
        (&of.vhost, &of.name)
    });
    let (known, made) = (&there.operator_policies, &new.operator_policies);
    told.section("operator_policies", known, made, |of| (&of.vhost, &of.name));
    told.section("queues", &there.queues, &new.queues, |of| {
        (&of.vhost, &of.name)
    });
    told.section("exchanges", &there.exchanges, &new.exchanges, |of| {
        (&of.vhost, &of.definition.name)
    });
    told.section("bindings", &there.bindings, &new.bindings, |of| {
        let ends: (&ShortStr, &ShortStr, bool) = (&of.source, &of.destination, of.to_exchange);
        (&of.vhost, ends, &of.routing_key, &of.arguments)
    });
    json!({"made": told.made, "there_already": told.there, "ignored": document.ignored})
}

#[derive(Default)]
struct Told {
    made: Map<String, Value>,
    there: Map<String, Value>,
}

impl Told {
    fn section<'a, T, K: Eq + Hash>(
        &mut self,
        name: &str,
        there: &'a [T],
        new: &'a [T],
        key: impl Fn(&'a T) -> K,
    ) {
        let there: HashSet<K> = there.iter().map(&key).collect();
        let new: HashSet<K> = new.iter().map(&key).collect();
        let made = new.difference(&there).count();
        self.made.insert(name.into(), made.into());
        self.there.insert(name.into(), (new.len() - made).into());
    }
}
