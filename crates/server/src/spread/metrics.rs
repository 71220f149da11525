//! What Prometheus is told of a node that serves several shards: of the node once, and of its shards the sums.

use super::{ANSWER_MAX, Spread};
use crate::attending::Asked;
use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Request, header};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::fmt::Write;
use tower::Service as _;

/// What ends a text of OpenMetrics.
const END: &str = "# EOF";

impl Spread {
    pub(super) async fn tell_metrics(&self, head: &Parts) -> Response {
        let Some((kind, of_node)) = ask(&self.node_metrics, head).await else {
            let none = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            return (none, "nothing is measured").into_response();
        };
        let mut page = Page::default();
        page.take_in(&of_node, |_| true);
        let is_of_node: Vec<String> = page.families.iter().map(|of| of.name.clone()).collect();
        for (asked, router) in self.asked.iter().zip(&self.metrics) {
            if !matches!(&*asked.borrow(), Asked::Here(_)) {
                continue;
            }
            if let Some((_, of_shard)) = ask(router, head).await {
                page.take_in(&of_shard, |family| {
                    !is_of_node.iter().any(|of| of == family)
                });
            }
        }
        ([(header::CONTENT_TYPE, kind)], page.write()).into_response()
    }
}

/// The text, and what it is; nothing of what is not there.
async fn ask(router: &Router, head: &Parts) -> Option<(String, String)> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = head.uri.clone();
    let Ok(response) = router.clone().call(request).await;
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)?
        .to_str()
        .ok()?;
    let kind = kind.to_owned();
    let is_there = response.status().is_success();
    let text = axum::body::to_bytes(response.into_body(), ANSWER_MAX)
        .await
        .ok()?;
    let text = String::from_utf8(text.into()).ok()?;
    Some((kind, if is_there { text } else { String::new() }))
}

/// Families of metrics, in the order in which they came.
#[derive(Default)]
struct Page {
    families: Vec<Family>,
    places: HashMap<String, usize>,
}

/// One of them: what is said of it, and its series with their values.
#[derive(Default)]
struct Family {
    name: String,
    said: Vec<String>,
    series: Vec<(String, f64)>,
    places: HashMap<String, usize>,
}

impl Page {
    /// Adds the values of families that are wanted to those that are there.
    fn take_in(&mut self, text: &str, wanted: impl Fn(&str) -> bool) {
        let mut at = None;
        for line in text.lines().filter(|line| *line != END) {
            if let Some(said) = line.strip_prefix("# ") {
                let mut words = said.split(' ').skip(1);
                at = words.next().filter(|name| wanted(name)).map(|name| {
                    let (families, places) = (&mut self.families, &mut self.places);
                    *places.entry(name.to_owned()).or_insert_with(|| {
                        families.push(Family {
                            name: name.to_owned(),
                            ..Family::default()
                        });
                        families.len() - 1
                    })
                });
                let family = at.and_then(|at| self.families.get_mut(at));
                if let Some(family) = family.filter(|of| !of.said.iter().any(|one| one == line)) {
                    family.said.push(line.to_owned());
                }
            } else if let Some(family) = at.and_then(|at| self.families.get_mut(at)) {
                family.add(line);
            }
        }
    }

    fn write(&self) -> String {
        let mut text = String::new();
        for family in &self.families {
            for said in &family.said {
                text.push_str(said);
                text.push('\n');
            }
            for (series, value) in &family.series {
                // Writing to a String does not fail.
                let _ = writeln!(text, "{series} {value}");
            }
        }
        text.push_str(END);
        text.push('\n');
        text
    }
}

impl Family {
    fn add(&mut self, line: &str) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            return;
        };
        let Ok(value) = value.parse::<f64>() else {
            return;
        };
        match self.places.get(series) {
            Some(at) => self.series[*at].1 += value,
            None => {
                self.places.insert(series.to_owned(), self.series.len());
                self.series.push((series.to_owned(), value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_once_and_its_shards_in_sum() {
        let node = "# HELP up Of the node.\n# TYPE up gauge\nup{node=\"a b\"} 1\n# EOF\n";
        let shard = |count: u32, more: &str| {
            format!(
                "# HELP up Of the node.\n# TYPE up gauge\nup{{node=\"a b\"}} 1\n\
                 # HELP confirm How long.\n# TYPE confirm histogram\n\
                 confirm_sum 0.5\nconfirm_bucket{{le=\"+Inf\"}} {count}\n{more}# EOF\n"
            )
        };
        let mut page = Page::default();
        page.take_in(node, |_| true);
        page.take_in(&shard(2, ""), |family| family != "up");
        page.take_in(&shard(3, "# TYPE ready gauge\nready 7\n"), |family| {
            family != "up"
        });
        assert_eq!(
            page.write(),
            "# HELP up Of the node.\n# TYPE up gauge\nup{node=\"a b\"} 1\n\
             # HELP confirm How long.\n# TYPE confirm histogram\n\
             confirm_sum 1\nconfirm_bucket{le=\"+Inf\"} 5\n# TYPE ready gauge\nready 7\n# EOF\n"
        );
    }
}
