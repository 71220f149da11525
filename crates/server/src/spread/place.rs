//! Where a request is answered.

use admin::gathered::vhost_in;
use axum::http::{Method, Uri};

/// Where a request is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By the first shard, or by any node.
    Home,
    /// By the shard of this virtual host.
    Of(String),
    /// By all, put together so.
    All(Gather),
    /// By all, every second anew.
    Live,
    /// By what this node serves.
    Metrics,
}

/// How one answer is made of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gather {
    /// A list of what all have, as it is asked for.
    List,
    /// What the first one answers that has it.
    Found,
    /// What is asked for all are to do.
    Done,
    /// Numbers are added.
    Overview,
    /// Accounts are added.
    Audit,
    /// What happened in the same second is added.
    History,
    /// One document.
    Export,
    /// Each takes of a document what it has.
    Import,
}

/// Where a request is answered.
pub(super) fn place(method: &Method, uri: &Uri) -> Place {
    let path = uri.path().trim_end_matches('/');
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let gets = matches!(*method, Method::GET | Method::HEAD);
    match words.as_slice() {
        ["metrics", ..] => Place::Metrics,
        ["api", "landfall", "live"] => Place::Live,
        ["api", "landfall", "history"] => Place::All(Gather::History),
        ["api", "landfall", "audit"] => Place::All(Gather::Audit),
        ["api", "landfall", "messages"] => match vhost_of_query(uri) {
            Some(vhost) => Place::Of(vhost),
            None => Place::All(Gather::List),
        },
        ["api", "landfall", "messages", _] | ["api", "landfall", "queues"] => {
            Place::All(Gather::List)
        }
        ["api", "health", "checks", "alarms" | "virtual-hosts"] => Place::All(Gather::Done),
        _ if admin::is_of_node(path) => Place::Home,
        ["api", "overview"] => Place::All(Gather::Overview),
        ["api", "definitions"] if gets => Place::All(Gather::Export),
        ["api", "definitions"] => Place::All(Gather::Import),
        [
            "api",
            "queues" | "exchanges" | "bindings" | "policies" | "operator-policies" | "consumers"
            | "connections" | "channels",
        ] => Place::All(Gather::List),
        ["api", "connections", "username", _] if gets => Place::All(Gather::List),
        ["api", "connections", "username", _] => Place::All(Gather::Done),
        ["api", "connections" | "channels", _] | ["api", "connections", _, "channels"] => {
            Place::All(Gather::Found)
        }
        ["api", "vhosts", vhost, "connections" | "channels"] => of_path(path, vhost),
        // What is said of virtual hosts and of who may enter them all shards know, and the first one has it changed.
        [
            "api",
            "vhosts" | "permissions" | "topic-permissions" | "vhost-limits" | "parameters",
            ..,
        ] => Place::Home,
        _ => vhost_in(path).map_or(Place::Home, Place::Of),
    }
}

fn of_path(path: &str, said: &str) -> Place {
    Place::Of(vhost_in(path).unwrap_or_else(|| said.to_owned()))
}

fn vhost_of_query(uri: &Uri) -> Option<String> {
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let mut pairs = query.0.into_iter();
    pairs.find_map(|(key, value)| (key == "vhost").then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_place() {
        let of = |vhost: &str| Place::Of(vhost.to_owned());
        for (request, expected) in [
            ("GET /api/overview", Place::All(Gather::Overview)),
            ("GET /api/whoami", Place::Home),
            ("GET /api/users", Place::Home),
            ("PUT /api/vhosts/shop", Place::Home),
            ("GET /api/vhosts/shop/connections", of("shop")),
            ("PUT /api/permissions/shop/ada", Place::Home),
            ("PUT /api/vhost-limits/shop/max-queues", Place::Home),
            ("GET /api/queues", Place::All(Gather::List)),
            ("GET /api/queues/", Place::All(Gather::List)),
            ("GET /api/queues?page=1", Place::All(Gather::List)),
            ("GET /api/queues/%2F", of("/")),
            ("PUT /api/queues/%2F/orders", of("/")),
            ("POST /api/exchanges/shop/x/publish", of("shop")),
            ("PUT /api/policies/shop/p", of("shop")),
            ("GET /api/definitions", Place::All(Gather::Export)),
            ("POST /api/definitions", Place::All(Gather::Import)),
            ("POST /api/definitions/shop", of("shop")),
            ("GET /api/connections/a:1", Place::All(Gather::Found)),
            ("DELETE /api/connections/a:1", Place::All(Gather::Found)),
            (
                "GET /api/connections/username/ada",
                Place::All(Gather::List),
            ),
            (
                "DELETE /api/connections/username/ada",
                Place::All(Gather::Done),
            ),
            ("GET /api/landfall/messages?vhost=a%20b&queue=q", of("a b")),
            (
                "GET /api/landfall/messages?message_id=7",
                Place::All(Gather::List),
            ),
            ("GET /api/landfall/audit/shop", of("shop")),
            ("GET /api/landfall/cluster", Place::Home),
            ("GET /api/health/checks/alarms", Place::All(Gather::Done)),
            ("GET /api/health/checks/local-alarms", Place::Home),
            ("GET /api/aliveness-test/shop", of("shop")),
            ("GET /metrics/per-object", Place::Metrics),
            ("GET /api/nothing", Place::Home),
        ] {
            let (method, uri) = request.split_once(' ').expect("a method and a path");
            let method = method.parse().expect("a method");
            let found = place(&method, &uri.parse().expect("a path"));
            assert_eq!(found, expected, "{request}");
        }
    }
}
