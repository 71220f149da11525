//! Lists as tools ask for them: some columns, in some order, page by page.

use crate::answer::Failure;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value as Json, json};
use std::cmp::Ordering;
use std::collections::HashMap;

/// An entry of a list. Of a long list only what is asked for is shaped.
pub(crate) trait Entry {
    /// What it is called.
    fn name(&self) -> &str;
    /// What stands in a column, where that is known without the whole shape; `a.b` is a column inside of another.
    fn column(&self, column: &str) -> Option<Json>;
    /// All of it.
    fn shape(self) -> Json;
}

/// One that is shaped already.
impl Entry for Json {
    fn name(&self) -> &str {
        self["name"].as_str().unwrap_or_default()
    }

    fn column(&self, column: &str) -> Option<Json> {
        let mut keys = column.split('.');
        let found = keys.try_fold(self, |item, key| item.get(key));
        found.cloned()
    }

    fn shape(self) -> Json {
        self
    }
}

/// The most entries of a page, as with RabbitMQ.
const PAGE_SIZE_MAX: usize = 500;
const PAGE_SIZE: usize = 100;

/// The compiled form of a pattern may take so much memory, in bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// What the query of a list's path asks for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    columns: Option<Vec<String>>,
    sort: Option<String>,
    reverse: bool,
    /// Which page, and how large.
    page: Option<(usize, usize)>,
    /// Of a page: which names are wanted.
    names: Option<Names>,
}

/// Some names; capitals are like small letters, as with RabbitMQ.
#[derive(Debug)]
enum Names {
    /// Those with this in them, in small letters.
    With(String),
    /// Those that match.
    Like(Regex),
}

impl Names {
    /// Whoever asks may send any pattern, so it is matched in linear time.
    fn like(pattern: &str) -> Result<Self, Failure> {
        let compiled = RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(COMPILED_BYTES_MAX)
            .build();
        let compiled = compiled.map_err(|error| {
            let text = format!("'{pattern}' is not a regular expression: {error}");
            Failure::BadRequest(text)
        });
        compiled.map(Self::Like)
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::With(part) => name.to_lowercase().contains(part),
            Self::Like(pattern) => pattern.is_match(name),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|error| Failure::BadRequest(error.body_text()))?;
        Self::new(&query)
    }
}

impl Wanted {
    pub(crate) fn new(query: &HashMap<String, String>) -> Result<Self, Failure> {
        let text = |key: &str| query.get(key).filter(|text| !text.is_empty());
        let number = |key: &str, default: usize, most: usize| match text(key) {
            None => Ok(default),
            Some(text) => (text.parse().ok())
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| Failure::BadRequest(format!("{key} must be from 1 to {most}"))),
        };
        let is_set = |key: &str| text(key).is_some_and(|flag| flag == "true");
        let columns = text("columns").map(|text| text.split(',').map(str::to_owned).collect());
        // KEDA asks for a page with `pagination=false` beside it, and wants the page.
        let page = text("page").map(|_| {
            let page = number("page", 1, usize::MAX)?;
            Ok::<_, Failure>((page, number("page_size", PAGE_SIZE, PAGE_SIZE_MAX)?))
        });
        let page = page.transpose()?;
        let name = text("name").filter(|_| page.is_some());
        let names = name.map(|name| match is_set("use_regex") {
            true => Names::like(name),
            false => Ok(Names::With(name.to_lowercase())),
        });
        Ok(Self {
            columns,
            sort: text("sort").cloned(),
            reverse: is_set("sort_reverse"),
            page,
            names: names.transpose()?,
        })
    }

    /// The list as it is wanted.
    pub(crate) fn of<E: Entry>(
        &self,
        all: impl IntoIterator<Item = E>,
    ) -> Result<axum::Json<Json>, Failure> {
        let mut entries: Vec<E> = all.into_iter().collect();
        let total = entries.len();
        if let Some(names) = &self.names {
            entries.retain(|entry| names.has(entry.name()));
        }
        let filtered = entries.len();
        let pages = self.page.map(|(_, size)| filtered.div_ceil(size).max(1));
        if let (Some((page, _)), Some(pages)) = (self.page, pages)
            && page > pages
        {
            return Err(Failure::BadRequest(format!("there is no page {page}")));
        }
        let sorted = self.sorted(entries).into_iter();
        let (page, page_size) = self.page.unwrap_or((1, usize::MAX));
        let items: Vec<Json> = (sorted.skip((page - 1) * page_size).take(page_size))
            .map(|sorted| self.cut_entry(sorted))
            .collect();
        let Some(pages) = pages else {
            return Ok(axum::Json(items.into()));
        };
        Ok(axum::Json(json!({
            "total_count": total,
            "filtered_count": filtered,
            "item_count": items.len(),
            "page": page,
            "page_count": pages,
            "page_size": page_size,
            "items": items,
        })))
    }

    /// In the order that is wanted. Where an entry has to be shaped for that it is shaped once.
    fn sorted<E: Entry>(&self, entries: Vec<E>) -> Vec<Sorted<E>> {
        let Some(key) = &self.sort else {
            return entries.into_iter().map(Sorted::Entry).collect();
        };
        let keyed = entries.into_iter().map(|entry| match entry.column(key) {
            Some(value) => (value, Sorted::Entry(entry)),
            None => {
                let shape = entry.shape();
                (inner(&shape, key).clone(), Sorted::Shape(shape))
            }
        });
        let mut keyed: Vec<(Json, Sorted<E>)> = keyed.collect();
        keyed.sort_by(|(a, _), (b, _)| compare(a, b));
        if self.reverse {
            keyed.reverse();
        }
        keyed.into_iter().map(|(_, sorted)| sorted).collect()
    }

    /// An entry with the columns that are wanted.
    fn cut_entry<E: Entry>(&self, sorted: Sorted<E>) -> Json {
        let shape = match sorted {
            Sorted::Entry(entry) => match self.few_columns(&entry) {
                Some(few) => return few,
                None => entry.shape(),
            },
            Sorted::Shape(shape) => shape,
        };
        match &self.columns {
            None => shape,
            Some(_) => self.cut(&shape),
        }
    }

    /// The columns that are wanted, if all of them are known without the whole shape.
    fn few_columns<E: Entry>(&self, entry: &E) -> Option<Json> {
        let mut few = json!({});
        for column in self.columns.as_ref()? {
            *inner_mut(&mut few, column)? = entry.column(column)?;
        }
        Some(few)
    }

    /// One thing, with the columns that are wanted.
    pub(crate) fn one(&self, item: &Json) -> axum::Json<Json> {
        axum::Json(self.cut(item))
    }

    fn cut(&self, item: &Json) -> Json {
        let (Some(columns), Some(map)) = (&self.columns, item.as_object()) else {
            return item.clone();
        };
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        Json::Object(cut(map, &columns))
    }
}

/// What is in the columns; `message_stats.ack_details.rate` is one inside of others.
fn cut(map: &Map<String, Json>, columns: &[&str]) -> Map<String, Json> {
    let wanted = map.iter().filter_map(|(key, value)| {
        if columns.contains(&key.as_str()) {
            return Some((key.clone(), value.clone()));
        }
        let inside: Vec<&str> = { columns.iter() }
            .filter_map(|column| column.strip_prefix(key.as_str())?.strip_prefix('.'))
            .collect();
        let inside = cut(value.as_object()?, &inside);
        (!inside.is_empty()).then(|| (key.clone(), Json::Object(inside)))
    });
    wanted.collect()
}

/// An entry of which the shape may be known.
enum Sorted<E> {
    Entry(E),
    Shape(Json),
}

/// The place of a value in an object, also inside of others, which are made.
fn inner_mut<'a>(item: &'a mut Json, key: &str) -> Option<&'a mut Json> {
    key.split('.').try_fold(item, |item, key| {
        if item.is_null() {
            *item = json!({});
        }
        Some(item.as_object_mut()?.entry(key).or_insert(Json::Null))
    })
}

/// A value, also one inside of another: `arguments.x-queue-type`.
fn inner<'a>(item: &'a Json, key: &str) -> &'a Json {
    key.split('.').fold(item, |item, key| &item[key])
}

fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        // What has no value comes last.
        _ => a.is_null().cmp(&b.is_null()),
    }
}
