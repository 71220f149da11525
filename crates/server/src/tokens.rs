//! Tokens of OAuth 2 instead of passwords: whether they are good ones, until when, and what their scopes say.
//!
//! A signature takes a while to check: that is done beside everything else, one at a time (promise P9). What was good is
//! known again by a keyed hash until it ends. No token, and nothing that a token says beside its user's name, is ever in
//! a log or an answer.

mod claims;
pub(crate) mod issuer;
mod keys;
#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::config::Oauth;
use broker::Bearer;
use issuer::Issuer;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use keys::Keys;
use model::{Password, Timestamp};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Of so many tokens it is known that they are good.
const KNOWN_MAX: usize = 10_000;

/// A longer one is none.
const TOKEN_MAX: usize = 32 * 1024;

/// Clocks may differ by so much, in seconds.
const LEEWAY_S: u64 = 5;

/// A token that is good.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// Whose it is, and what it allows.
    pub(crate) bearer: Arc<Bearer>,
    /// Until when.
    pub(crate) ends: Timestamp,
}

/// Why a token is not taken: for the log, whoever shows it is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefused {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token is too long")]
    TooLong,
    #[error("the token is signed in a way that is not allowed")]
    Algorithm,
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    TooEarly,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token is from somebody else")]
    Issuer,
    #[error("the token lacks a claim, or has one of a wrong type")]
    Claim,
    #[error("the token names no user")]
    Nameless,
    #[error("the token is another user's")]
    OtherUser,
    #[error("nobody looks at tokens any more")]
    Stopping,
}

/// Who looks at tokens.
pub(crate) struct Tokens {
    said: Oauth,
    keys: Keys,
    issuer: Option<Issuer>,
    hash_key: [u8; 32],
    clock: Clock,
    known: Mutex<HashMap<[u8; 32], Verified>>,
    /// Whoever asks the issuer holds it.
    asking: Arc<tokio::sync::Mutex<()>>,
    place: Arc<Semaphore>,
}

/// Whether that is a token, good or not, and no password: three parts between dots, of which the first is a JSON object.
pub(crate) fn is_one(secret: &Password) -> bool {
    let secret = secret.as_str();
    secret.starts_with("ey") && secret.split('.').count() == 3
}

impl Tokens {
    /// Reads the keys.
    ///
    /// # Errors
    /// If a file of keys cannot be read, or holds none.
    pub(crate) fn new(said: &Oauth, clock: Clock) -> anyhow::Result<Self> {
        let mut hash_key = [0; 32];
        getrandom::fill(&mut hash_key).expect("every system that we run on has random numbers");
        Ok(Self {
            keys: Keys::read(said)?,
            issuer: Issuer::of(said)?,
            said: said.clone(),
            hash_key,
            clock,
            known: Mutex::default(),
            asking: Arc::default(),
            place: Arc::new(Semaphore::new(1)),
        })
    }

    /// Looks at a token; the signature is checked on a thread of its own.
    pub(crate) async fn check(self: Arc<Self>, token: Password) -> Result<Verified, TokenRefused> {
        let now = self.clock.now();
        self.check_at(token, now).await
    }

    async fn check_at(
        self: Arc<Self>,
        token: Password,
        now: Timestamp,
    ) -> Result<Verified, TokenRefused> {
        if token.as_str().len() > TOKEN_MAX {
            return Err(TokenRefused::TooLong);
        }
        let hash: [u8; 32] = Sha256::new_with_prefix(self.hash_key)
            .chain_update(token.as_str())
            .finalize()
            .into();
        if let Some(known) = self.known().get(&hash) {
            return known.at(now);
        }
        self.clone().ask_issuer(token.as_str()).await;
        let place = self.place.clone().acquire_owned().await;
        let place = place.map_err(|_| TokenRefused::Stopping)?;
        if let Some(known) = self.known().get(&hash) {
            return known.at(now);
        }
        let looker = self.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let verified = looker.verify(token.as_str());
            // Whoever hangs up meanwhile leaves the place taken until this has ended.
            drop(place);
            verified
        });
        let verified = looking.await.map_err(|_| TokenRefused::Stopping)??;
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, it| it.ends > now);
            let any = known.keys().next().copied();
            if let Some(any) = any.filter(|_| known.len() >= KNOWN_MAX) {
                known.remove(&any);
            }
        }
        known.insert(hash, verified.clone());
        drop(known);
        verified.at(now)
    }

    /// Asks the issuer for its keys, if the token needs that. The issuer may be slow: that is not waited for in the place where
    /// all tokens are looked at, nor by those whose key is known.
    async fn ask_issuer(self: Arc<Self>, token: &str) {
        let Some(issuer) = &self.issuer else {
            return;
        };
        let header = decode_header(token).ok();
        let Some(header) = header.filter(|header| self.takes(header)) else {
            return;
        };
        let kid = header.kid.as_deref();
        let wanted = || self.keys.find(kid).is_none() && issuer.is_to_be_asked(kid);
        if !wanted() {
            return;
        }
        let asking = match issuer.find(kid) {
            Some(_) => self.asking.clone().try_lock_owned().ok(),
            None => Some(self.asking.clone().lock_owned().await),
        };
        // Who had its turn before has asked.
        if asking.is_none() || !wanted() {
            return;
        }
        let asker = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            asker.issuer.as_ref().map(Issuer::ask);
            // Held to here, even if nobody waits any more.
            drop(asking);
        });
        // What came of it shows in the keys.
        let _ = asked.await;
    }

    /// Whether tokens may be signed like that.
    fn takes(&self, header: &Header) -> bool {
        self.said.algorithms.contains(&header.alg) && header.crit.is_none()
    }

    fn verify(&self, token: &str) -> Result<Verified, TokenRefused> {
        let header = decode_header(token).map_err(|error| refused(&error))?;
        if !self.takes(&header) {
            return Err(TokenRefused::Algorithm);
        }
        // Never a key that the token brings along, nor one that it says where to find.
        let kid = header.kid.as_deref();
        let key = self.keys.find(kid).cloned();
        let key = key.or_else(|| self.issuer.as_ref()?.find(kid));
        let key = key.ok_or(TokenRefused::UnknownKey)?;
        if key.family() != header.alg.family() {
            return Err(TokenRefused::Algorithm);
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.validate_aud = self.said.verify_aud;
        let mut required = vec!["exp"];
        if self.said.verify_aud {
            validation.set_audience(&[&self.said.resource_server_id]);
            required.push("aud");
        }
        if let Some(issuer) = &self.said.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        let read = decode::<Map<String, Value>>(token, &key, &validation);
        let claims = read.map_err(|error| refused(&error))?.claims;
        claims::read(&self.said, &claims)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Verified>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verified {
    fn at(&self, now: Timestamp) -> Result<Self, TokenRefused> {
        if self.ends <= now {
            return Err(TokenRefused::Expired);
        }
        Ok(self.clone())
    }
}

/// Says what is wrong without a word of the token.
fn refused(error: &jsonwebtoken::errors::Error) -> TokenRefused {
    match error.kind() {
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenRefused::Algorithm,
        ErrorKind::InvalidSignature => TokenRefused::Signature,
        ErrorKind::ExpiredSignature => TokenRefused::Expired,
        ErrorKind::ImmatureSignature => TokenRefused::TooEarly,
        ErrorKind::InvalidAudience => TokenRefused::Audience,
        ErrorKind::InvalidIssuer => TokenRefused::Issuer,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            TokenRefused::Claim
        }
        _ => TokenRefused::Malformed,
    }
}
