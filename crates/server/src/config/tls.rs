//! What TLS is made with.

use super::Decided;
use anyhow::ensure;
use serde::Deserialize;
use std::path::PathBuf;
use std::str::FromStr;

/// What stands for nothing in an option.
const NONE: &str = "none";

/// The files that TLS is made with, and what is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities that sign clients' certificates.
    pub authorities: Option<PathBuf>,
    /// Whether clients are to show one.
    pub verify: Verify,
    /// What of it is the user's name.
    pub login_from: LoginFrom,
}

/// What is asked of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Verify {
    /// No certificate.
    None,
    /// A certificate if it has one; a wrong one is refused.
    Optional,
    /// A certificate.
    Required,
}

/// What of a client's certificate is the name of the user that it logs in as by EXTERNAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LoginFrom {
    /// The common name of its subject.
    CommonName,
    /// The subject's alternative name that is a host's.
    Dns,
    /// The one that is an address of mail.
    Email,
    /// The one that is a URI.
    Uri,
}

/// A word that is none of those that are possible.
#[derive(Clone, Debug, thiserror::Error)]
#[error("'{0}' is not {1}")]
pub struct UnknownWord(String, &'static str);

impl FromStr for Verify {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "none" => Ok(Self::None),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            other => Err(UnknownWord(other.to_owned(), "none, optional or required")),
        }
    }
}

impl FromStr for LoginFrom {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "common-name" => Ok(Self::CommonName),
            "dns" => Ok(Self::Dns),
            "email" => Ok(Self::Email),
            "uri" => Ok(Self::Uri),
            other => Err(UnknownWord(
                other.to_owned(),
                "common-name, dns, email or uri",
            )),
        }
    }
}

impl TryFrom<String> for Verify {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl TryFrom<String> for LoginFrom {
    type Error = UnknownWord;

    fn try_from(word: String) -> Result<Self, UnknownWord> {
        word.parse()
    }
}

impl TlsFiles {
    /// A certificate and its key make TLS; neither makes none.
    pub(super) fn of(decided: &Decided) -> anyhow::Result<Option<Self>> {
        let named = |text: &String| (text != NONE).then(|| PathBuf::from(text));
        let authorities = named(&decided.tls_authorities);
        let verify = decided.tls_verify;
        ensure!(
            verify == Verify::None || authorities.is_some(),
            "tls-verify asks clients for certificates: tls-authorities must say who signs them"
        );
        match (named(&decided.tls_certificate), named(&decided.tls_key)) {
            (Some(certificate), Some(key)) => Ok(Some(Self {
                certificate,
                key,
                authorities,
                verify,
                login_from: decided.tls_login_from,
            })),
            (None, None) => {
                let wanted = [&decided.listen_tls, &decided.admin_listen_tls];
                let wanted = wanted.iter().any(|list| {
                    let addresses = list.as_deref().unwrap_or_default();
                    addresses.iter().any(|address| address != NONE)
                });
                ensure!(
                    !wanted && verify == Verify::None,
                    "TLS is asked for, tls-certificate and tls-key are missing"
                );
                Ok(None)
            }
            _ => anyhow::bail!("TLS needs both tls-certificate and tls-key"),
        }
    }
}
