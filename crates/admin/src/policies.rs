//! `/api/policies`.

use crate::access::Caller;
use crate::answer::{Failure, put};
use crate::endpoints::{Api, Body};
use crate::listing::Wanted;
use crate::reader::Reader;
use crate::vhosts::name;
use crate::{document, shapes, vhosts};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use broker::{Command, Definitions};
use model::record::PolicyDefinition;
use serde_json::Value;

pub(crate) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let seen =
        (definitions.policies.iter()).filter(|policy| caller.sees(&policy.vhost, &definitions));
    wanted.of(seen.map(shapes::policy))
}

pub(crate) async fn of_vhost(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    let own = (definitions.policies.iter()).filter(|policy| policy.vhost == *vhost);
    wanted.of(own.map(shapes::policy))
}

fn find<'a>(
    definitions: &'a Definitions,
    vhost: &str,
    policy: &str,
) -> Result<&'a PolicyDefinition, Failure> {
    let mut policies = definitions.policies.iter();
    policies
        .find(|of| of.vhost == *vhost && of.name == *policy)
        .ok_or(Failure::NotFound)
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    Ok(wanted.one(&shapes::policy(find(&definitions, &vhost, &policy)?)))
}

pub(crate) async fn set(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let asked = document::policy(&mut Reader::new("", &body)?, name(&vhost)?, name(&policy)?)?;
    Ok(put(api.change(Command::PutPolicy(asked)).await?))
}

pub(crate) async fn remove(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    find(&*api.definitions().await?, &vhost, &policy)?;
    let asked = Command::RemovePolicy {
        vhost: name(&vhost)?,
        name: name(&policy)?,
    };
    api.change(asked).await?;
    Ok(StatusCode::NO_CONTENT)
}
