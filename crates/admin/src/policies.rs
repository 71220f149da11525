//! `/api/policies` and `/api/operator-policies`.

use crate::access::Caller;
use crate::answer::{Failure, put};
use crate::described::{Described, Key, Kind};
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

/// What a policy says.
pub(crate) const POLICY: Described = Described::new(
    "PolicyChange",
    &[
        Key::new(
            "pattern",
            Kind::Text,
            "names of queues and exchanges that it is for: a regular expression",
        )
        .needed()
        .such_as(r#""^orders""#),
        Key::new("definition", Kind::Map, "what it says")
            .needed()
            .such_as(r#"{"max-length": 100000}"#),
        Key::new(
            "priority",
            Kind::Signed,
            "of several that match the highest counts",
        )
        .such_as("1"),
        Key::new(
            "apply-to",
            Kind::Words(&[
                "all",
                "queues",
                "classic_queues",
                "quorum_queues",
                "streams",
                "exchanges",
            ]),
            "what it is for; `all` where nothing is said",
        )
        .such_as(r#""queues""#),
    ],
);

/// The operators' policies, or the others.
fn all<const OPERATORS: bool>(definitions: &Definitions) -> &[PolicyDefinition] {
    if OPERATORS {
        &definitions.operator_policies
    } else {
        &definitions.policies
    }
}

pub(crate) async fn list<const OPERATORS: bool>(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let all = all::<OPERATORS>(&definitions).iter();
    let seen = all.filter(|policy| caller.sees(&policy.vhost, &definitions));
    wanted.of(seen.map(shapes::policy))
}

pub(crate) async fn of_vhost<const OPERATORS: bool>(
    State(api): State<Api>,
    Path(vhost): Path<String>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let vhost = &vhosts::find(&definitions, &vhost)?.name;
    let all = all::<OPERATORS>(&definitions).iter();
    let own = all.filter(|policy| policy.vhost == *vhost);
    wanted.of(own.map(shapes::policy))
}

fn find<'a, const OPERATORS: bool>(
    definitions: &'a Definitions,
    vhost: &str,
    policy: &str,
) -> Result<&'a PolicyDefinition, Failure> {
    let mut policies = all::<OPERATORS>(definitions).iter();
    policies
        .find(|of| of.vhost == *vhost && of.name == *policy)
        .ok_or(Failure::NotFound)
}

pub(crate) async fn one<const OPERATORS: bool>(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
    wanted: Wanted,
) -> Result<Json<Value>, Failure> {
    let definitions = api.definitions().await?;
    let found = find::<OPERATORS>(&definitions, &vhost, &policy)?;
    Ok(wanted.one(&shapes::policy(found)))
}

pub(crate) async fn set<const OPERATORS: bool>(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Failure> {
    let asked = document::policy(
        &mut Reader::of(&POLICY, &body)?,
        name(&vhost)?,
        name(&policy)?,
    )?;
    let command = match OPERATORS {
        true => Command::PutOperatorPolicy(asked),
        false => Command::PutPolicy(asked),
    };
    Ok(put(api.change(command).await?))
}

pub(crate) async fn remove<const OPERATORS: bool>(
    State(api): State<Api>,
    Path((vhost, policy)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    find::<OPERATORS>(&*api.definitions().await?, &vhost, &policy)?;
    let (vhost, name) = (name(&vhost)?, name(&policy)?);
    let command = match OPERATORS {
        true => Command::RemoveOperatorPolicy { vhost, name },
        false => Command::RemovePolicy { vhost, name },
    };
    api.change(command).await?;
    Ok(StatusCode::NO_CONTENT)
}
