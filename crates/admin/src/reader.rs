//! Reading a JSON object key by key: every mistake says where it is, and what nobody asked for is not forgotten.

use crate::described::Described;
use crate::fields;
use model::{FieldTable, ShortStr};
use serde_json::{Map, Value as Json};

/// What is wrong with JSON from outside, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(String);

impl Mistake {
    /// A mistake in the words of whoever found it.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// An object that is being read. A key that holds `null` counts as absent, as with RabbitMQ.
pub(crate) struct Reader<'a> {
    /// How mistakes name the object; empty for the body of a request.
    place: String,
    map: &'a Map<String, Json>,
    asked: Vec<&'static str>,
    /// What may stand in it, where that is written down.
    described: Option<&'static Described>,
}

impl<'a> Reader<'a> {
    /// Reads `json`, which must be an object.
    pub(crate) fn new(place: impl Into<String>, json: &'a Json) -> Result<Self, Mistake> {
        let place = place.into();
        let Json::Object(map) = json else {
            let place = Some(place).filter(|place| !place.is_empty());
            let place = place.as_deref().unwrap_or("the body");
            return Err(Mistake(format!("{place}: an object is expected")));
        };
        Ok(Self {
            place,
            map,
            asked: Vec::new(),
            described: None,
        })
    }

    /// Reads the body of a request, in which this may stand.
    pub(crate) fn of(described: &'static Described, json: &'a Json) -> Result<Self, Mistake> {
        Ok(Self::new("", json)?.described(described))
    }

    /// This may stand in it.
    pub(crate) fn described(mut self, described: &'static Described) -> Self {
        self.described = Some(described);
        self
    }

    /// The value of a key, if it has one.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Json> {
        self.asked.push(key);
        if let Some(described) = self.described {
            described.note(key);
        }
        self.map.get(key).filter(|json| !json.is_null())
    }

    /// A mistake at this object.
    pub(crate) fn mistake(&self, what: impl std::fmt::Display) -> Mistake {
        if self.place.is_empty() {
            Mistake(what.to_string())
        } else {
            Mistake(format!("{}: {what}", self.place))
        }
    }

    fn missing(&self, key: &str) -> Mistake {
        self.mistake(format_args!("the key '{key}' is missing"))
    }

    fn expected(&self, key: &str, what: &str) -> Mistake {
        self.mistake(format_args!("'{key}' must be {what}"))
    }

    /// A text, if there is one.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<&'a str>, Mistake> {
        match self.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.expected(key, "a text")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, key: &'static str) -> Result<&'a str, Mistake> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// A name that must be there.
    pub(crate) fn name(&mut self, key: &'static str) -> Result<ShortStr, Mistake> {
        let text = self.required_text(key)?;
        self.short(key, text)
    }

    /// A name, or the empty one.
    pub(crate) fn name_or_empty(&mut self, key: &'static str) -> Result<ShortStr, Mistake> {
        let text = self.text(key)?.unwrap_or_default();
        self.short(key, text)
    }

    fn short(&self, key: &str, text: &str) -> Result<ShortStr, Mistake> {
        ShortStr::try_from(text).map_err(|_| self.expected(key, "at most 255 bytes long"))
    }

    /// True or false; also as a text, which old tools write.
    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, Mistake> {
        match self.get(key) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(Json::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            Some(_) => Err(self.expected(key, "true or false")),
        }
    }

    /// A whole number; also as a text, which `rabbitmqadmin` writes.
    pub(crate) fn integer(&mut self, key: &'static str) -> Result<Option<i64>, Mistake> {
        let integer = match self.get(key) {
            None => return Ok(None),
            Some(Json::String(text)) => text.parse().ok(),
            Some(json) => json.as_i64(),
        };
        let integer = integer.map(Some);
        integer.ok_or_else(|| self.expected(key, "a whole number"))
    }

    /// A limit: negative is none, as with RabbitMQ.
    pub(crate) fn limit(&mut self, key: &'static str) -> Result<Option<u64>, Mistake> {
        let integer = self.integer(key)?;
        Ok(integer.and_then(|integer| u64::try_from(integer).ok()))
    }

    /// An object as a field table; where there is none, the empty table. Old tools write the empty one as `[]`.
    pub(crate) fn fields(&mut self, key: &'static str) -> Result<FieldTable, Mistake> {
        match self.get(key) {
            None => Ok(FieldTable::new()),
            Some(Json::Array(list)) if list.is_empty() => Ok(FieldTable::new()),
            Some(json) => fields::from_json(json)
                .map_err(|error| self.mistake(format_args!("'{key}': {error}"))),
        }
    }

    /// Tags: a list, or one text with commas. Both occur in exported definitions.
    pub(crate) fn tags(&mut self, key: &'static str) -> Result<Option<Vec<ShortStr>>, Mistake> {
        let texts: Vec<&str> = match self.get(key) {
            None => return Ok(None),
            Some(Json::String(text)) => text.split(',').collect(),
            Some(Json::Array(list)) => {
                let texts = list.iter().map(Json::as_str).collect::<Option<_>>();
                texts.ok_or_else(|| self.expected(key, "a list of texts"))?
            }
            Some(_) => return Err(self.expected(key, "a text or a list of texts")),
        };
        let tags = texts
            .into_iter()
            .map(str::trim)
            .filter(|tag| !tag.is_empty());
        tags.map(|tag| self.short(key, tag))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A list of objects; where there is none, the empty list.
    pub(crate) fn list(&mut self, key: &'static str) -> Result<&'a [Json], Mistake> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Json::Array(list)) => Ok(list),
            Some(_) => Err(self.expected(key, "a list")),
        }
    }

    /// What nobody asked for, each named.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = String> {
        let unknown = self
            .map
            .keys()
            .filter(|key| !self.asked.contains(&key.as_str()));
        unknown.map(|key| self.mistake(format_args!("unknown key '{key}'")).0)
    }
}
