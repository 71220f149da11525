//! What a cluster of several shards needs of the API to put one answer together from several: which virtual host a request
//! is about, and a list that was gathered, as it was asked for.

use crate::answer::Failure;
use crate::endpoints::ENDPOINTS;
use crate::listing::Wanted;
use axum::extract::Query;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::HashMap;

/// The virtual host that a path names, if it names one.
pub fn vhost_in(path: &str) -> Option<String> {
    const VHOST: &str = "{vhost}";
    let said: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let mut templates = ENDPOINTS.iter().map(|endpoint| endpoint.path.split('/'));
    let at = templates.find_map(|template| {
        let template: Vec<&str> = template.collect();
        let fits = template.len() == said.len()
            && (template.iter().zip(&said))
                .all(|(word, said)| word.starts_with('{') || word == said);
        if !fits {
            return None;
        }
        template.iter().position(|word| *word == VHOST)
    })?;
    let vhost = percent_decode_str(said[at]).decode_utf8().ok()?;
    Some(vhost.into_owned())
}

/// A list with all its columns, as the query asks for it: some of them, in some order, page by page.
pub fn listed(uri: &Uri, all: Vec<Value>) -> Response {
    let query = Query::<HashMap<String, String>>::try_from_uri(uri);
    let query = query.map_err(|error| Failure::BadRequest(error.body_text()));
    let listed = query.and_then(|Query(query)| Wanted::new(&query)?.of(all));
    listed.into_response()
}

/// The parts of a query that [`listed`] looks at.
pub const OF_LISTS: [&str; 7] = [
    "columns",
    "name",
    "page",
    "page_size",
    "sort",
    "sort_reverse",
    "use_regex",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_virtual_host_where_its_endpoint_says_so() {
        for (path, vhost) in [
            ("/api/queues/%2F/orders", Some("/")),
            ("/api/queues/shop/", Some("shop")),
            ("/api/parameters/vhost-limits/k%C3%BCrbis", Some("kürbis")),
            ("/api/bindings/a/e/b/q/c/~", Some("a")),
            ("/api/landfall/queues/a/b/messages", Some("a")),
            ("/api/vhosts/a/permissions", Some("a")),
            ("/api/permissions/a/ada", Some("a")),
            ("/api/queues", None),
            ("/api/users/ada/permissions", None),
            ("/api/connections/username/ada", None),
            ("/api/nothing/a", None),
            ("/api/queues/%FF", None),
        ] {
            assert_eq!(vhost_in(path).as_deref(), vhost, "{path}");
        }
    }
}
