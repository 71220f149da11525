//! What a token says whose signature was right: the user's name, the end, and the scopes.

use super::{TokenRefused, Verified};
use crate::config::Oauth;
use broker::Bearer;
use model::{ShortStr, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;

type Claims = Map<String, Value>;

/// The end of all time, in milliseconds.
const NEVER: u64 = u64::MAX / 4;

pub(super) fn read(said: &Oauth, claims: &Claims) -> Result<Verified, TokenRefused> {
    let names = said.username_claims.iter();
    let name = names.filter_map(|claim| claims.get(claim)?.as_str()).next();
    let name = name.filter(|name| !name.is_empty());
    let name = name.and_then(|name| ShortStr::try_from(name).ok());
    let user = name.ok_or(TokenRefused::Nameless)?;
    let ends_s = claims.get("exp").and_then(Value::as_f64);
    let ends_s = ends_s.ok_or(TokenRefused::Claim)?;
    // Of a number that is too large the cast makes the largest.
    let ends = Timestamp(((ends_s * 1000.0) as u64).min(NEVER));
    let scopes = scopes(said, claims);
    let own = scopes.iter();
    let own = own.filter_map(|scope| scope.strip_prefix(&*said.scope_prefix));
    Ok(Verified {
        bearer: Arc::new(Bearer::new(user, own)),
        ends,
    })
}

/// All scopes, those that an alias stands for in its place.
fn scopes<'a>(said: &'a Oauth, claims: &'a Claims) -> Vec<&'a str> {
    let mut found = Vec::new();
    if let Some(scope) = claims.get("scope") {
        collect(said, scope, &mut found);
    }
    for key in &said.additional_scopes_keys {
        if let Some(more) = claims.get(key) {
            collect(said, more, &mut found);
        }
    }
    let mut scopes = Vec::new();
    for scope in found {
        match said.scope_aliases.get(scope) {
            Some(others) => scopes.extend(others.iter().map(|other| &**other)),
            None => scopes.push(scope),
        }
    }
    scopes
}

/// A text of scopes with spaces between, a list of such, or an object that has this server's under its name.
fn collect<'a>(said: &Oauth, value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.extend(text.split_whitespace()),
        Value::Array(texts) => {
            let texts = texts.iter().filter_map(Value::as_str);
            found.extend(texts.flat_map(str::split_whitespace));
        }
        Value::Object(of) => {
            let own = of.get(&said.resource_server_id);
            if let Some(inner @ (Value::String(_) | Value::Array(_))) = own {
                collect(said, inner, found);
            }
        }
        _ => {}
    }
}
