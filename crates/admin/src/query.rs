//! The query of a path, read key by key, as its table says.

use crate::answer::Failure;
use crate::described::Described;
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use std::collections::HashMap;

/// What stands behind the `?` of a path.
pub(crate) struct Query(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::of_uri(&parts.uri)
    }
}

impl Query {
    /// What stands behind the `?` of an address.
    pub(crate) fn of_uri(uri: &Uri) -> Result<Self, Failure> {
        let read = axum::extract::Query::try_from_uri(uri);
        let axum::extract::Query(read) =
            read.map_err(|error| Failure::BadRequest(error.body_text()))?;
        Ok(Self(read))
    }

    /// This may stand in it.
    pub(crate) fn of(self, described: &'static Described) -> Asked {
        Asked {
            given: self.0,
            described,
        }
    }
}

/// A query of which is known what may stand in it.
pub(crate) struct Asked {
    given: HashMap<String, String>,
    described: &'static Described,
}

impl Asked {
    /// What is said; nothing where the value is empty.
    pub(crate) fn text(&self, key: &'static str) -> Option<&str> {
        self.described.note(key);
        let text = self.given.get(key).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// What is said, also where it is empty.
    pub(crate) fn even_empty(&self, key: &'static str) -> Option<&str> {
        self.described.note(key);
        self.given.get(key).map(String::as_str)
    }

    /// Whether it is `true`.
    pub(crate) fn is_set(&self, key: &'static str) -> bool {
        self.text(key) == Some("true")
    }

    /// A number within these bounds.
    pub(crate) fn number(
        &self,
        key: &'static str,
        default: usize,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, Failure> {
        let Some(text) = self.text(key) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            Failure::BadRequest(format!("{key} must be from {least} to {most}"))
        })
    }

    /// A whole number, if one is said.
    pub(crate) fn whole<N: std::str::FromStr>(
        &self,
        key: &'static str,
    ) -> Result<Option<N>, Failure> {
        let number = self.text(key).map(str::parse).transpose();
        number.map_err(|_| Failure::BadRequest(format!("{key} must be a whole number")))
    }
}
