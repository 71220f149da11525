//! `/api/queues`, `/api/exchanges` and `/api/bindings`: what is declared.

use crate::access::Caller;
use crate::answer::Failure;
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::on_behalf::exchange_named;
use crate::queues::Kind;
use crate::{consumers, queues, rates, shapes, vhosts};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use broker::{Definitions, NamedBinding, NamedExchange};
use model::ShortStr;
use serde_json::Value;
use std::collections::HashMap;

pub(crate) async fn queues(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    queues::seen(&api, &caller, &wanted, Kind::Usual).await
}

pub(crate) async fn queues_of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    queues::those_of(&api, &vhost, &wanted, Kind::Usual).await
}

pub(crate) async fn queue(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let queue = queues::find(&api, &vhost, &name).await?;
    let mut shape = shapes::queue_status(&queue, api.node_name());
    let consumers = consumers::of_queue(&api, queue.vhost, queue.name).await?;
    shape["consumer_details"] = consumers.into();
    Ok(wanted.one(&shape))
}

/// All exchanges, the predeclared ones of each virtual host among them.
fn all_exchanges(definitions: &Definitions) -> impl Iterator<Item = NamedExchange> {
    let predeclared =
        (definitions.vhosts.iter()).flat_map(|vhost| shapes::predeclared(&vhost.name));
    predeclared.chain(definitions.exchanges.iter().cloned())
}

/// What went through exchanges, by virtual host and name.
type Passages = HashMap<(ShortStr, ShortStr), Value>;

/// Asked before the definitions: whoever holds these asks for nothing more.
async fn passages(api: &Api, vhost: Option<ShortStr>) -> Result<Passages, Failure> {
    let exchanges = api.exchanges(vhost).await?;
    let each = exchanges.iter().map(|of| {
        let stats = rates::message_stats_of_exchange(&of.passage, &of.recent, of.over);
        ((of.vhost.clone(), of.name.clone()), stats)
    });
    Ok(each.collect())
}

fn exchange_shape(exchange: &NamedExchange, passages: &Passages) -> Value {
    let mut shape = shapes::exchange(&exchange.vhost, &exchange.definition);
    let of = (exchange.vhost.clone(), exchange.definition.name.clone());
    if let Some(stats) = passages.get(&of) {
        shape["message_stats"] = stats.clone();
    }
    shape
}

pub(crate) async fn exchanges(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let passages = passages(&api, None).await?;
    let definitions = api.definitions().await?;
    let seen = all_exchanges(&definitions).filter(|of| caller.sees(&of.vhost, &definitions));
    wanted.of(seen.map(|exchange| exchange_shape(&exchange, &passages)))
}

pub(crate) async fn exchanges_of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let passages = passages(&api, Some(vhosts::name(&vhost)?)).await?;
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    let own = all_exchanges(&definitions).filter(|of| of.vhost == *vhost);
    wanted.of(own.map(|exchange| exchange_shape(&exchange, &passages)))
}

pub(crate) fn find_exchange(
    definitions: &Definitions,
    vhost: &str,
    name: &str,
) -> Result<NamedExchange, Failure> {
    all_exchanges(definitions)
        .find(|of| of.vhost == *vhost && of.definition.name == *exchange_named(name))
        .ok_or(Failure::NotFound)
}

pub(crate) async fn exchange(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let passages = passages(&api, Some(vhosts::name(&vhost)?)).await?;
    let found = find_exchange(&*api.definitions().await?, &vhost, &name)?;
    Ok(wanted.one(&exchange_shape(&found, &passages)))
}

/// All bindings, those of the default exchange among them.
pub(crate) fn all_bindings(definitions: &Definitions) -> impl Iterator<Item = NamedBinding> {
    let default = definitions.queues.iter().map(shapes::default_binding);
    default.chain(definitions.bindings.iter().cloned())
}

/// A binding, and how it is called among those between the same two.
pub(crate) fn binding_shape(binding: &NamedBinding) -> Value {
    let mut shape = shapes::binding(binding);
    shape["properties_key"] = shapes::properties_key(binding).into();
    shape
}

/// Those that `which` wants.
fn some_bindings(
    definitions: &Definitions,
    wanted: &Wanted,
    which: impl Fn(&NamedBinding) -> bool,
) -> Result<Json<Value>, Failure> {
    let meant = all_bindings(definitions).filter(which);
    wanted.of(meant.map(|binding| binding_shape(&binding)))
}

pub(crate) async fn bindings(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    some_bindings(&definitions, &wanted, |binding| {
        caller.sees(&binding.vhost, &definitions)
    })
}

pub(crate) async fn bindings_of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    some_bindings(&definitions, &wanted, |binding| binding.vhost == *vhost)
}

pub(crate) async fn bindings_of_queue(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let mut queues = definitions.queues.iter();
    queues
        .find(|of| of.vhost == *vhost && of.name == *name)
        .ok_or(Failure::NotFound)?;
    some_bindings(&definitions, &wanted, |binding| {
        binding.vhost == *vhost && binding.destination == *name && !binding.to_exchange
    })
}

pub(crate) async fn bindings_from(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    find_exchange(&definitions, &vhost, &name)?;
    some_bindings(&definitions, &wanted, |binding| {
        binding.vhost == *vhost && binding.source == *exchange_named(&name)
    })
}

pub(crate) async fn bindings_to(
    State(api): State<Api>,
    Path((vhost, name)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    find_exchange(&definitions, &vhost, &name)?;
    some_bindings(&definitions, &wanted, |binding| {
        binding.vhost == *vhost && binding.destination == *name && binding.to_exchange
    })
}
