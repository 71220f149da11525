//! `POST /api/exchanges/{vhost}/{name}/publish`: one message, answered when it has landed.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::on_behalf::{ask, exchange_named};
use crate::properties;
use crate::reader::{Mistake, Reader};
use crate::vhosts::name;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::{Answer, Deed};
use bytes::Bytes;
use model::{Properties, Publish};
use serde_json::{Value, json};

/// The most bytes of properties: they go out in one frame, and clients take frames of 128 KiB.
const PROPERTIES_MAX: usize = 128 * 1024 - 64;

/// A message that is to be published.
pub(crate) const MESSAGE: Described = Described::new(
    "NewMessage",
    &[
        Key::new(
            "routing_key",
            Kind::Text,
            "with which key; empty where nothing is said",
        )
        .such_as(r#""orders""#),
        Key::new("payload", Kind::Text, "the body")
            .needed()
            .such_as(r#""hello""#),
        Key::new(
            "payload_encoding",
            Kind::Words(&["string", "base64"]),
            "how `payload` stands for bytes; `string` where nothing is said",
        )
        .such_as(r#""string""#),
        Key::new(
            "properties",
            Kind::Object(&properties::PROPERTIES),
            "the properties of the message",
        )
        .such_as("{}"),
    ],
);

/// What became of a message that was published.
pub(crate) const PUBLISHED: Described = Described::new(
    "Published",
    &[Key::new("routed", Kind::Flag, "whether a queue has taken it").needed()],
);

pub(crate) async fn publish(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, exchange)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Json<Value>, Failure> {
    let mut body = Reader::of(&MESSAGE, &body)?;
    let message = Publish {
        exchange: name(exchange_named(&exchange))?,
        routing_key: body.name_or_empty("routing_key")?,
        properties: message_properties(&mut body)?,
        body: payload(&mut body)?,
        ..Publish::default()
    };
    match ask(&api, &caller, &vhost, Deed::Publish(message)).await? {
        Answer::Published { routed } => Ok(Json(json!({ "routed": routed }))),
        _ => Err(Failure::NotFound),
    }
}

pub(crate) fn message_properties(body: &mut Reader<'_>) -> Result<Properties, Mistake> {
    let properties = match body.get("properties") {
        None => Properties::default(),
        Some(json) => properties::read(json)?,
    };
    if properties.as_bytes().len() > PROPERTIES_MAX {
        let text = format_args!("'properties' take more than {PROPERTIES_MAX} bytes");
        return Err(body.mistake(text));
    }
    Ok(properties)
}

pub(crate) fn payload(body: &mut Reader<'_>) -> Result<Bytes, Mistake> {
    let text = body.required_text("payload")?;
    match body.text("payload_encoding")?.unwrap_or("string") {
        "string" => Ok(text.to_owned().into()),
        "base64" => {
            let decoded = STANDARD.decode(text);
            let decoded = decoded.map_err(|error| body.mistake(format_args!("'payload': {error}")));
            Ok(decoded?.into())
        }
        other => {
            let text = format_args!("'payload_encoding' is '{other}'; it must be string or base64");
            Err(body.mistake(text))
        }
    }
}
