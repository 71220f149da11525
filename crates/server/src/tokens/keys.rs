//! The keys that sign tokens: from files, as PEM or JWKS.

use crate::config::Oauth;
use anyhow::{Context, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, errors};
use std::fs;

/// A key, and what tokens call it.
pub(super) type Named = (Option<String>, DecodingKey);

/// The keys of files.
pub(super) struct Keys(Vec<Named>);

impl Keys {
    /// Reads all files.
    pub(super) fn read(said: &Oauth) -> anyhow::Result<Self> {
        let mut keys = Vec::new();
        for (name, path) in &said.signing_keys {
            let text = fs::read(path)
                .with_context(|| format!("cannot read the signing key {}", path.display()))?;
            if text.trim_ascii_start().starts_with(b"{") {
                let set = key_set(&text);
                keys.extend(set.with_context(|| format!("{} is no JWKS", path.display()))?);
            } else {
                let key = pem(&text);
                let what = "no public key in PEM of RSA, EC or Ed25519, and no JWKS";
                let key = key.with_context(|| format!("{} is {what}", path.display()))?;
                keys.push((Some(name.clone()), key));
            }
        }
        Ok(Self(keys))
    }

    /// The key of that name.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&DecodingKey> {
        find(&self.0, name)
    }
}

/// The key of that name. A token without one can only mean the key that is alone.
pub(super) fn find<'a>(keys: &'a [Named], name: Option<&str>) -> Option<&'a DecodingKey> {
    match (name, keys) {
        (None, [(_, only)]) => Some(only),
        (None, _) => None,
        (Some(name), keys) => {
            let key = keys
                .iter()
                .find(|(known, _)| known.as_deref() == Some(name));
            key.map(|(_, key)| key)
        }
    }
}

fn pem(text: &[u8]) -> errors::Result<DecodingKey> {
    DecodingKey::from_rsa_pem(text)
        .or_else(|_| DecodingKey::from_ec_pem(text))
        .or_else(|_| DecodingKey::from_ed_pem(text))
}

/// What signs otherwise, or is there to encrypt, is passed over.
pub(super) fn key_set(text: &[u8]) -> anyhow::Result<Vec<Named>> {
    let set: JwkSet = serde_json::from_slice(text)?;
    let usable = set.keys.into_iter().filter(signs);
    let keys = usable.filter_map(|jwk| {
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some((jwk.common.key_id, key))
    });
    let keys: Vec<Named> = keys.collect();
    ensure!(
        !keys.is_empty(),
        "no key in it is a public one for signatures"
    );
    Ok(keys)
}

/// Whether it is a public key for signatures: a shared secret in such a file would let its readers make tokens.
fn signs(jwk: &Jwk) -> bool {
    use jsonwebtoken::jwk::PublicKeyUse;
    let is_public = !matches!(
        jwk.algorithm,
        AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_)
    );
    let is_used = &jwk.common.public_key_use;
    is_public && matches!(is_used, None | Some(PublicKeyUse::Signature))
}
