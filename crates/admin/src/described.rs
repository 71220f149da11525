//! What requests may say and what answers tell, as tables beside the code that reads and writes it. The document of the
//! API (`openapi`) is made of them.
//!
//! They cannot drift: whoever reads a key that is not in its table is stopped in every build for tests, and the tests see
//! to it that each key of a table is read, and that answers have the keys of theirs.

use serde_json::{Map, Value as Json};

/// An object: the body of a request, the query of its path, or an answer.
#[derive(Debug)]
pub(crate) struct Described {
    /// What the document calls it.
    pub(crate) name: &'static str,
    /// What may stand in it.
    pub(crate) keys: &'static [Key],
}

/// A key of an object, and what its value is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it is for.
    pub(crate) does: &'static str,
    /// Whether it must be there.
    pub(crate) needed: bool,
    /// Whether it stands in the example of its object, and with which value: JSON.
    pub(crate) example: Option<&'static str>,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    /// True or false.
    Flag,
    /// A whole number, not less than 0.
    Whole,
    /// A whole number.
    Signed,
    /// A number.
    Number,
    /// One of these.
    Words(&'static [&'static str]),
    /// A list of texts, or one text with commas.
    Names,
    /// Keys with values, whatever they are: arguments, headers.
    Map,
    Object(&'static Described),
    List(&'static Kind),
    /// A list; or where the query asks for a page, an object with the list among its `items`.
    Listed(&'static Kind),
    /// That, or null.
    Maybe(&'static Kind),
    /// Not JSON: a text of this type.
    Stream(&'static str),
    Anything,
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, does: &'static str) -> Self {
        Self {
            name,
            kind,
            does,
            needed: false,
            example: None,
        }
    }

    /// It must be there; or in an answer: it always is.
    pub(crate) const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    /// With this value it stands in the example.
    pub(crate) const fn such_as(mut self, json: &'static str) -> Self {
        self.example = Some(json);
        self
    }
}

impl Described {
    pub(crate) const fn new(name: &'static str, keys: &'static [Key]) -> Self {
        Self { name, keys }
    }

    /// The key of that name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// An object that may be sent as it is.
    pub(crate) fn example(&self) -> Json {
        let pairs = self.keys.iter().filter_map(|key| {
            let value = match (key.example, key.kind) {
                (Some(json), _) => serde_json::from_str(json).ok()?,
                (None, Kind::Object(inner)) if key.needed => inner.example(),
                (None, _) => return None,
            };
            Some((key.name.to_owned(), value))
        });
        Json::Object(pairs.collect::<Map<_, _>>())
    }

    /// Somebody reads what is said, whatever it is: its name, if there is such a key.
    pub(crate) fn read(&self, said: &str) -> &'static str {
        let key = self.keys.iter().find(|key| key.name == said);
        key.map_or("", |key| {
            self.note(key.name);
            key.name
        })
    }

    /// Somebody reads a key of it.
    pub(crate) fn note(&self, key: &'static str) {
        debug_assert!(
            self.key(key).is_some(),
            "'{key}' is read and not described in {}",
            self.name
        );
        #[cfg(test)]
        tests::note(self.name, key);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! What was read so far, and whether an answer is what its table says.

    use super::{Described, Kind};
    use serde_json::Value as Json;
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};

    static READ: Mutex<BTreeSet<(&str, &str)>> = Mutex::new(BTreeSet::new());

    pub(super) fn note(object: &'static str, key: &'static str) {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert((object, key));
    }

    /// The keys of an object that nobody has read.
    pub(crate) fn unread(object: &Described) -> Vec<&'static str> {
        let read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let names = object.keys.iter().map(|key| key.name);
        names
            .filter(|key| !read.contains(&(object.name, key)))
            .collect()
    }

    /// What is wrong with a value, if it is not what it should be; `whole` unless columns were asked for.
    pub(crate) fn mismatch(kind: &Kind, json: &Json, whole: bool) -> Option<String> {
        let wrong = |fits: bool| (!fits).then(|| format!("{json} is no {kind:?}"));
        let each =
            |kind: &Kind, list: &[Json]| list.iter().find_map(|one| mismatch(kind, one, whole));
        match kind {
            Kind::Text => wrong(json.is_string()),
            Kind::Flag => wrong(json.is_boolean()),
            Kind::Whole => wrong(json.is_u64()),
            Kind::Signed => wrong(json.is_i64() || json.is_u64()),
            Kind::Number => wrong(json.is_number()),
            Kind::Words(words) => wrong(json.as_str().is_some_and(|word| words.contains(&word))),
            Kind::Names => wrong(json.is_string() || json.is_array()),
            Kind::Map => wrong(json.is_object()),
            Kind::Anything | Kind::Stream(_) => None,
            Kind::Maybe(_) if json.is_null() => None,
            Kind::Maybe(kind) => mismatch(kind, json, whole),
            Kind::Listed(kind) if json["items"].is_array() => {
                each(kind, json["items"].as_array().expect("just looked"))
            }
            Kind::List(kind) | Kind::Listed(kind) => match json.as_array() {
                Some(list) => each(kind, list),
                None => wrong(false),
            },
            Kind::Object(object) => {
                let Some(map) = json.as_object() else {
                    return wrong(false);
                };
                let missing = object
                    .keys
                    .iter()
                    .find(|key| whole && key.needed && !map.contains_key(key.name));
                if let Some(missing) = missing {
                    return Some(format!("{} has no '{}': {json}", object.name, missing.name));
                }
                map.iter().find_map(|(name, value)| match object.key(name) {
                    None => Some(format!(
                        "{} has '{name}', which is not described",
                        object.name
                    )),
                    Some(key) => {
                        let found = mismatch(&key.kind, value, whole);
                        found.map(|found| format!("{}.{name}: {found}", object.name))
                    }
                })
            }
        }
    }
}
