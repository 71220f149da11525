//! `/api/bindings/{vhost}/e/{source}/q|e/{destination}`: the bindings between two, made and removed one by one.

use crate::access::Caller;
use crate::answer::Failure;
use crate::described::{Described, Key, Kind};
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::on_behalf::{change, exchange_named};
use crate::reader::Reader;
use crate::shapes;
use crate::topology::{all_bindings, binding_shape, find_exchange};
use crate::vhosts::name;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use broker::{Deed, Definitions, NamedBinding};
use model::method::{exchange, queue};
use model::{FieldTable, ShortStr};
use serde_json::Value;

/// A virtual host, a source and a destination.
type Ends = Path<(String, String, String)>;

/// The same, and how the binding is called among those between the two.
type One = Path<(String, String, String, String)>;

/// What a new binding says.
pub(crate) const BINDING: Described = Described::new(
    "NewBinding",
    &[
        Key::new(
            "routing_key",
            Kind::Text,
            "with which key, or what pattern of keys; empty where nothing is said",
        )
        .such_as(r#""orders.#""#),
        Key::new(
            "arguments",
            Kind::Map,
            "headers to match, for an exchange of type `headers`",
        )
        .such_as("{}"),
    ],
);

/// All bindings between two that are there.
fn between<const TO_EXCHANGE: bool>(
    definitions: &Definitions,
    vhost: &str,
    source: &str,
    destination: &str,
) -> Result<Vec<NamedBinding>, Failure> {
    find_exchange(definitions, vhost, source)?;
    if TO_EXCHANGE {
        find_exchange(definitions, vhost, destination)?;
    } else {
        let mut queues = definitions.queues.iter();
        queues
            .find(|of| of.vhost == *vhost && of.name == *destination)
            .ok_or(Failure::NotFound)?;
    }
    let meant = all_bindings(definitions).filter(|binding| {
        binding.vhost == *vhost
            && binding.source == *exchange_named(source)
            && binding.destination == *destination
            && binding.to_exchange == TO_EXCHANGE
    });
    Ok(meant.collect())
}

/// The binding of that name; tools that decode it once too often are understood.
fn find(bindings: Vec<NamedBinding>, props: &str) -> Result<NamedBinding, Failure> {
    let is_called = |binding: &NamedBinding| shapes::properties_key(binding) == props;
    let is_key =
        |binding: &NamedBinding| binding.arguments.is_empty() && binding.routing_key == *props;
    let exact = bindings.iter().position(is_called);
    let at = exact.or_else(|| bindings.iter().position(is_key));
    let found = at.and_then(|at| bindings.into_iter().nth(at));
    found.ok_or(Failure::NotFound)
}

pub(crate) async fn list<const TO_EXCHANGE: bool>(
    State(api): State<Api>,
    Path((vhost, source, destination)): Ends,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let meant = between::<TO_EXCHANGE>(&definitions, &vhost, &source, &destination)?;
    wanted.of(meant.iter().map(binding_shape))
}

pub(crate) async fn one<const TO_EXCHANGE: bool>(
    State(api): State<Api>,
    Path((vhost, source, destination, props)): One,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let meant = between::<TO_EXCHANGE>(&definitions, &vhost, &source, &destination)?;
    Ok(wanted.one(&binding_shape(&find(meant, &props)?)))
}

pub(crate) async fn make<const TO_EXCHANGE: bool>(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, source, destination)): Ends,
    Body(body): Body,
) -> Result<impl IntoResponse, Failure> {
    let mut body = Reader::of(&BINDING, &body)?;
    let binding = NamedBinding {
        vhost: name(&vhost)?,
        source: name(exchange_named(&source))?,
        destination: name(&destination)?,
        to_exchange: TO_EXCHANGE,
        routing_key: body.name_or_empty("routing_key")?,
        arguments: body.fields("arguments")?,
    };
    // Tools take the last part of the location for the binding's name.
    let kind = if TO_EXCHANGE { 'e' } else { 'q' };
    let props = shapes::properties_key(&binding);
    let ends = [&vhost, &source, &destination, &props].map(|part| shapes::path_part(part));
    let [at, from, to, props] = ends;
    let location = format!("/api/bindings/{at}/e/{from}/{kind}/{to}/{props}");
    change(&api, &caller, &vhost, bind(binding)).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]))
}

pub(crate) async fn remove<const TO_EXCHANGE: bool>(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((vhost, source, destination, props)): One,
) -> Result<StatusCode, Failure> {
    let meant = {
        let definitions = api.definitions().await?;
        between::<TO_EXCHANGE>(&definitions, &vhost, &source, &destination)?
    };
    let binding = find(meant, &props)?;
    change(&api, &caller, &vhost, unbind(binding)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn bind(binding: NamedBinding) -> Deed {
    let (source, destination, routing_key, arguments) = parts(binding);
    match destination {
        End::Queue(queue) => Deed::BindQueue(queue::Bind {
            queue,
            exchange: source,
            routing_key,
            arguments,
            ..queue::Bind::default()
        }),
        End::Exchange(destination) => Deed::BindExchange(exchange::Bind {
            destination,
            source,
            routing_key,
            arguments,
            ..exchange::Bind::default()
        }),
    }
}

fn unbind(binding: NamedBinding) -> Deed {
    let (source, destination, routing_key, arguments) = parts(binding);
    match destination {
        End::Queue(queue) => Deed::UnbindQueue(queue::Unbind {
            queue,
            exchange: source,
            routing_key,
            arguments,
            ..queue::Unbind::default()
        }),
        End::Exchange(destination) => Deed::UnbindExchange(exchange::Unbind {
            destination,
            source,
            routing_key,
            arguments,
            ..exchange::Unbind::default()
        }),
    }
}

enum End {
    Queue(ShortStr),
    Exchange(ShortStr),
}

fn parts(binding: NamedBinding) -> (ShortStr, End, ShortStr, FieldTable) {
    let destination = match binding.to_exchange {
        true => End::Exchange(binding.destination),
        false => End::Queue(binding.destination),
    };
    let (source, routing_key) = (binding.source, binding.routing_key);
    (source, destination, routing_key, binding.arguments)
}
