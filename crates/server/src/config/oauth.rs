//! Whose tokens are taken instead of passwords, and how they are read.

use super::Decided;
use crate::tokens::issuer::is_safe;
use anyhow::{Context, ensure};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What stands for nothing in an option.
const NONE: &str = "none";

/// How tokens of OAuth 2 are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oauth {
    /// What this server is called in tokens: in their audience, and before their scopes.
    pub resource_server_id: String,
    /// Who has to have issued them, if that matters.
    pub issuer: Option<String>,
    /// The keys that sign them: the name that a token gives, and the file. A file of JWKS has names of its own.
    pub signing_keys: Vec<(String, PathBuf)>,
    /// Where the issuer publishes its keys, if that is said.
    pub jwks_url: Option<String>,
    /// The authorities that sign the issuer's certificate; `None` for those of the system.
    pub https_authorities: Option<PathBuf>,
    /// Whether a token has to be meant for this server.
    pub verify_aud: bool,
    /// What stands before the scopes that are this server's.
    pub scope_prefix: String,
    /// Claims that hold scopes beside `scope`.
    pub additional_scopes_keys: Vec<String>,
    /// Claims that may be the user's name, the best first.
    pub username_claims: Vec<String>,
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Scopes that stand for others.
    pub scope_aliases: BTreeMap<String, Vec<String>>,
}

impl Oauth {
    /// The server's name in tokens, and keys, make tokens possible; neither makes none.
    pub(super) fn of(decided: &Decided) -> anyhow::Result<Option<Self>> {
        let named = |text: &str| (text != NONE).then(|| text.to_owned());
        let id = named(&decided.auth_oauth2_resource_server_id);
        let keys = words(&decided.auth_oauth2_signing_keys);
        let issuer = named(&decided.auth_oauth2_issuer);
        let jwks_url = named(&decided.auth_oauth2_jwks_url);
        let has_keys = !keys.is_empty() || issuer.is_some() || jwks_url.is_some();
        let id = match (id, has_keys) {
            (None, false) => return Ok(None),
            (Some(id), true) => id,
            _ => anyhow::bail!(
                "tokens need auth-oauth2-resource-server-id, and auth-oauth2-signing-keys, auth-oauth2-jwks-url or auth-oauth2-issuer"
            ),
        };
        let is_asked = keys.is_empty() && jwks_url.is_none();
        for url in issuer.iter().filter(|_| is_asked).chain(&jwks_url) {
            ensure!(is_safe(url), "keys of tokens come over https: '{url}'");
        }
        ensure!(!id.is_empty(), "auth-oauth2-resource-server-id is empty");
        let prefix = named(&decided.auth_oauth2_scope_prefix);
        let mut username_claims = words(&decided.auth_oauth2_preferred_username_claims);
        username_claims.extend(["sub".to_owned(), "client_id".to_owned()]);
        Ok(Some(Self {
            scope_prefix: prefix.unwrap_or_else(|| format!("{id}.")),
            resource_server_id: id,
            issuer,
            jwks_url,
            https_authorities: named(&decided.auth_oauth2_https_authorities).map(PathBuf::from),
            signing_keys: (keys.iter().map(|text| key_file(text))).collect::<Result<_, _>>()?,
            verify_aud: decided.auth_oauth2_verify_aud,
            additional_scopes_keys: words(&decided.auth_oauth2_additional_scopes_key),
            username_claims,
            algorithms: algorithms(&decided.auth_oauth2_algorithms)?,
            scope_aliases: aliases(&decided.auth_oauth2_scope_aliases)?,
        }))
    }
}

/// Words between commas.
fn words(text: &str) -> Vec<String> {
    let words = text.split(',').filter(|word| !matches!(*word, "" | NONE));
    words.map(str::to_owned).collect()
}

/// `name=FILE`, or a file that is named like its key.
fn key_file(text: &str) -> anyhow::Result<(String, PathBuf)> {
    if let Some((name, path)) = text.split_once('=') {
        return Ok((name.to_owned(), path.into()));
    }
    let path = PathBuf::from(text);
    let name = path.file_stem().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("auth-oauth2-signing-keys: '{text}' is no file"))?;
    Ok((name.to_owned(), path))
}

/// Only those whose keys may be known to everybody: who can check a signature of HMAC can make one.
fn algorithms(text: &str) -> anyhow::Result<Vec<Algorithm>> {
    let each = words(text).into_iter().map(|name| {
        let known = name.parse::<Algorithm>().ok();
        let known = known.filter(|it| it.family() != AlgorithmFamily::Hmac);
        known.with_context(|| format!("auth-oauth2-algorithms: '{name}' is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"))
    });
    each.collect()
}

/// `alias=scope scope,alias=scope`.
fn aliases(text: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let each = words(text).into_iter().map(|alias| {
        let (name, scopes) = alias.split_once('=').with_context(|| {
            format!("auth-oauth2-scope-aliases: '{alias}' is not ALIAS=SCOPE SCOPE")
        })?;
        let scopes = scopes.split_whitespace().map(str::to_owned);
        Ok((name.to_owned(), scopes.collect()))
    });
    each.collect()
}
