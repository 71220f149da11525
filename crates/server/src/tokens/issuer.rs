//! An issuer's keys, as it publishes them: fetched when they are needed, and again when they are old or a token names one
//! that is not among them.

use super::keys::{Named, key_set};
use crate::config::Oauth;
use anyhow::{Context, ensure};
use jsonwebtoken::DecodingKey;
use rustls::crypto::ring;
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Keys that are older than this are fetched again: one that the issuer has withdrawn is not good for much longer.
const OLD: Duration = Duration::from_mins(15);

/// The issuer is asked no more often than this, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// It has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// An answer is no longer than this, in bytes.
const ANSWER_BYTES_MAX: u64 = 512 * 1024;

/// Where an issuer says what it has.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where keys are published.
pub(super) struct Issuer {
    /// Of the keys; `None` if the issuer has to be asked where they are.
    jwks_url: Option<String>,
    issuer: Option<String>,
    agent: Agent,
    fetched: Mutex<Fetched>,
}

#[derive(Default)]
struct Fetched {
    keys: Vec<Named>,
    /// When they came.
    at: Option<Instant>,
    /// When they were asked for last.
    asked: Option<Instant>,
}

impl Issuer {
    /// Nobody is asked yet: the server starts without the issuer, too.
    pub(super) fn of(said: &Oauth) -> anyhow::Result<Option<Self>> {
        if said.jwks_url.is_none() && (said.issuer.is_none() || !said.signing_keys.is_empty()) {
            return Ok(None);
        }
        let roots = match &said.https_authorities {
            None => RootCerts::PlatformVerifier,
            Some(path) => {
                let text = fs::read(path)
                    .with_context(|| format!("cannot read the authorities {}", path.display()))?;
                RootCerts::Specific(Arc::new(certificates(&text)?))
            }
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .timeout_global(Some(ANSWER_MAX))
            .max_redirects(0)
            .build();
        Ok(Some(Self {
            jwks_url: said.jwks_url.clone(),
            issuer: said.issuer.clone(),
            agent: agent.into(),
            fetched: Mutex::default(),
        }))
    }

    /// The key of that name, if it has been fetched.
    pub(super) fn find(&self, name: Option<&str>) -> Option<DecodingKey> {
        super::keys::find(&self.fetched().keys, name).cloned()
    }

    /// Whether the issuer is to be asked before a token is looked at that names this key.
    pub(super) fn is_to_be_asked(&self, name: Option<&str>) -> bool {
        let fetched = self.fetched();
        let found = super::keys::find(&fetched.keys, name);
        let is_older = |at: Option<Instant>, than| at.is_none_or(|at| at.elapsed() > than);
        (found.is_none() || is_older(fetched.at, OLD)) && is_older(fetched.asked, PAUSE)
    }

    /// Asks the issuer, and waits for its answer. Whoever names a key that is known does not wait meanwhile.
    pub(super) fn ask(&self) {
        self.fetched().asked = Some(Instant::now());
        match self.fetch() {
            Ok(keys) => {
                info!(
                    keys = keys.len(),
                    "the keys of the issuer of tokens were fetched"
                );
                let mut fetched = self.fetched();
                fetched.keys = keys;
                fetched.at = Some(Instant::now());
            }
            // Those that are known go on being good: the issuer may be away for a while.
            Err(error) => warn!(
                error = format!("{error:#}"),
                "cannot fetch the keys of the issuer of tokens"
            ),
        }
    }

    fn fetched(&self) -> MutexGuard<'_, Fetched> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn pause_is_over(&self) {
        self.fetched().asked = None;
    }

    fn fetch(&self) -> anyhow::Result<Vec<Named>> {
        let url = match (&self.jwks_url, &self.issuer) {
            (Some(url), _) => url.clone(),
            (None, issuer) => self.discover(issuer.as_deref().unwrap_or_default())?,
        };
        key_set(&self.get(&url)?).with_context(|| format!("{url} is no JWKS"))
    }

    /// Where the issuer says that its keys are.
    fn discover(&self, issuer: &str) -> anyhow::Result<String> {
        let url = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
        let said: Value = serde_json::from_slice(&self.get(&url)?)?;
        ensure!(said["issuer"] == issuer, "{url} is of another issuer");
        let jwks_url = said["jwks_uri"].as_str();
        let jwks_url = jwks_url.with_context(|| format!("{url} has no jwks_uri"))?;
        ensure!(is_safe(jwks_url), "the jwks_uri of {url} is not https");
        Ok(jwks_url.to_owned())
    }

    fn get(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let mut response = self.agent.get(url).call().with_context(|| url.to_owned())?;
        ensure!(
            response.status() == 200,
            "{url} answers {}",
            response.status()
        );
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        Ok(body.read_to_vec()?)
    }
}

/// Keys come over TLS, or from this machine: whoever can change them can be anybody.
pub(crate) fn is_safe(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://[::1]"];
    let is_local = |of: &&str| {
        let rest = url.strip_prefix(*of);
        rest.is_some_and(|rest| rest.starts_with([':', '/']) && !rest.contains('@'))
    };
    url.starts_with("https://") || local.iter().any(is_local)
}

fn certificates(text: &[u8]) -> anyhow::Result<Vec<Certificate<'static>>> {
    let mut all = Vec::new();
    for item in parse_pem(text) {
        if let PemItem::Certificate(certificate) = item? {
            all.push(certificate);
        }
    }
    ensure!(
        !all.is_empty(),
        "auth-oauth2-https-authorities holds no certificate"
    );
    Ok(all)
}
