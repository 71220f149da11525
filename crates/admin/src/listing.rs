//! Lists as tools ask for them: some columns, in some order, page by page.

use crate::answer::Failure;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde_json::{Value as Json, json};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The most entries of a page, as with RabbitMQ.
const PAGE_SIZE_MAX: usize = 500;
const PAGE_SIZE: usize = 100;

/// What the query of a list's path asks for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    columns: Option<Vec<String>>,
    sort: Option<String>,
    reverse: bool,
    /// Which page, and how large.
    page: Option<(usize, usize)>,
    /// A part of the names wanted.
    name: Option<String>,
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
    fn new(query: &HashMap<String, String>) -> Result<Self, Failure> {
        let text = |key: &str| query.get(key).filter(|text| !text.is_empty());
        let number = |key: &str, default: usize, most: usize| match text(key) {
            None => Ok(default),
            Some(text) => (text.parse().ok())
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| Failure::BadRequest(format!("{key} must be from 1 to {most}"))),
        };
        if text("use_regex").is_some_and(|flag| flag == "true") {
            return Err(Failure::BadRequest("use_regex is not supported".into()));
        }
        let columns = text("columns").map(|text| text.split(',').map(str::to_owned).collect());
        let page = text("page").is_some() && text("pagination").is_none_or(|flag| flag != "false");
        Ok(Self {
            columns,
            sort: text("sort").cloned(),
            reverse: text("sort_reverse").is_some_and(|flag| flag == "true"),
            page: match page {
                true => Some((
                    number("page", 1, usize::MAX)?,
                    number("page_size", PAGE_SIZE, PAGE_SIZE_MAX)?,
                )),
                false => None,
            },
            name: text("name").cloned(),
        })
    }

    /// The list as it is wanted.
    pub(crate) fn of(
        &self,
        all: impl IntoIterator<Item = Json>,
    ) -> Result<axum::Json<Json>, Failure> {
        let mut items: Vec<Json> = all.into_iter().collect();
        if let Some(key) = &self.sort {
            items.sort_by(|a, b| compare(inner(a, key), inner(b, key)));
            if self.reverse {
                items.reverse();
            }
        }
        let Some((page, page_size)) = self.page else {
            return Ok(axum::Json(
                items.iter().map(|item| self.cut(item)).collect(),
            ));
        };
        let total = items.len();
        if let Some(part) = &self.name {
            items.retain(|item| {
                item["name"]
                    .as_str()
                    .is_some_and(|name| name.contains(part))
            });
        }
        let filtered = items.len();
        let pages = filtered.div_ceil(page_size).max(1);
        if page > pages {
            return Err(Failure::BadRequest(format!("there is no page {page}")));
        }
        let items: Vec<Json> = (items.iter().skip((page - 1) * page_size).take(page_size))
            .map(|item| self.cut(item))
            .collect();
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

    /// One thing, with the columns that are wanted.
    pub(crate) fn one(&self, item: &Json) -> axum::Json<Json> {
        axum::Json(self.cut(item))
    }

    fn cut(&self, item: &Json) -> Json {
        let (Some(columns), Some(map)) = (&self.columns, item.as_object()) else {
            return item.clone();
        };
        let wanted = map.iter().filter(|(key, _)| columns.contains(key));
        Json::Object(
            wanted
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }
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
