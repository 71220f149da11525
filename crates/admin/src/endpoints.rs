//! The routes, as one table: the router is made of it, and the document `docs/http-api.md` is held to it.

pub(crate) use crate::api::{Api, Pace};
pub(crate) use crate::body::{Body, DocumentBody};

use crate::access::{Guard, Needs, guard};
use crate::answer::Failure;
use crate::bodies::BODY_MAX;
use crate::body::DOCUMENT_MAX;
use crate::described::Kind;
use crate::endpoint::Endpoint;
use crate::entrance::SESSION_PATH;
use crate::journey::{show, told as journeys};
use crate::listing::ONE;
use crate::live::{self, Sampling};
use crate::node::{self, Node};
use crate::operator::{About, Operator};
use crate::queues::told as of_queues;
use crate::{
    audit, bindings, channels, cluster, connections, consumers, declare, definitions, document,
    features, get as got, limits, messages, metrics, moving, openapi, operations, overview,
    parameters, permissions, policies, publish, queues, search, selection, self_test, session,
    settings, summary, topology, users, vhosts,
};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use std::sync::Arc;
use std::time::Duration;

/// A request has so long to arrive and be answered.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// Where documents are taken.
const DOCUMENTS: &str = "/api/definitions";

/// An object of RabbitMQ's, whose keys are not described here, and a list of such.
const OBJECT: Kind = Kind::Map;
const OBJECTS: Kind = Kind::Listed(&OBJECT);

const SESSION: Kind = Kind::Object(&session::SESSION);
const IMPORTED: Kind = Kind::Object(&definitions::IMPORTED);
const QUEUE: Kind = Kind::Object(&of_queues::QUEUE);
const QUEUES: Kind = Kind::Listed(&QUEUE);
const OWN_QUEUE: Kind = Kind::Object(&of_queues::OWN_QUEUE);
const OWN_QUEUES: Kind = Kind::Listed(&OWN_QUEUE);
const GOT: Kind = Kind::List(&Kind::Object(&got::GOT));
const MESSAGES: Kind = Kind::Object(&search::MESSAGES);
const SELF_TEST: Kind = Kind::Object(&self_test::SELF_TEST);
const DONE: Kind = Kind::Object(&messages::DONE);
const PUBLISHED: Kind = Kind::Object(&publish::PUBLISHED);
const JOURNEYS: Kind = Kind::List(&Kind::Object(&journeys::JOURNEY));
const EVENTS: Kind = Kind::Stream("text/event-stream");
const METRICS: Kind = Kind::Stream("application/openmetrics-text");
const HISTORY: Kind = Kind::Object(&live::HISTORY);
const SUMMARY: Kind = Kind::Object(&summary::told::SUMMARY);
const ACCOUNTS: Kind = Kind::Object(&audit::ACCOUNTS);
const OPERATIONS: Kind = Kind::Object(&operations::told::OPERATIONS);
const VERDICT: Kind = Kind::Object(&node::VERDICT);
const SETTINGS: Kind = Kind::Object(&settings::SETTINGS);
const CLUSTER: Kind = Kind::Object(&cluster::told::CLUSTER);

macro_rules! endpoints {
    ($($method:ident $path:literal $needs:ident $does:literal => $handler:path $(, $part:ident $value:expr)*;)*) => {
        /// All routes.
        pub const ENDPOINTS: &[Endpoint] = &[$(
            Endpoint::new(
                stringify!($method),
                $path,
                Needs::$needs,
                $does,
                || endpoints!(@ $method)($handler),
            )$(.$part(&$value))*
        ),*];
    };
    (@ GET) => { get };
    (@ PUT) => { put };
    (@ POST) => { post };
    (@ DELETE) => { delete };
}

endpoints! {
    GET "/api/overview" Management "versions, listeners, how many objects and messages there are, and what goes through" => overview::overview;
    GET "/api/whoami" Management "the user of the request" => overview::whoami;
    POST "/api/landfall/session" Nobody "begins a session: `username`, `password`; answers `name`, `tags`, `csrf`, and a cookie" => session::begin, takes session::LOGIN, tells SESSION, ends [201], refuses [400, 401, 429];
    GET "/api/landfall/session" Management "the session of the cookie: `name`, `tags`, `csrf`" => session::show, tells SESSION;
    DELETE "/api/landfall/session" Management "ends it" => session::end;
    GET "/api/cluster-name" Management "the cluster's name" => overview::cluster_name;
    GET "/api/auth/hash_password/{password}" Administrator "a password's salted hash" => users::hash_password, tells Kind::Object(&users::HASHED);

    GET "/api/vhosts" Management "the virtual hosts that the user may see" => vhosts::list, lists OBJECTS;
    GET "/api/vhosts/{vhost}" Vhost "one virtual host" => vhosts::one, asks ONE;
    PUT "/api/vhosts/{vhost}" Administrator "makes it, or changes description, tags, default_queue_type" => vhosts::set, takes vhosts::VHOST;
    DELETE "/api/vhosts/{vhost}" Administrator "removes it and all in it" => vhosts::remove;
    GET "/api/vhosts/{vhost}/permissions" Administrator "its users' permissions" => permissions::of_vhost, lists OBJECTS;
    GET "/api/vhosts/{vhost}/topic-permissions" Administrator "its users' topic permissions" => permissions::topics_of_vhost, lists OBJECTS;

    GET "/api/users" Administrator "all users, with the hashes of their passwords" => users::list, lists OBJECTS;
    GET "/api/users/without-permissions" Administrator "users without any permission" => users::without_permissions, lists OBJECTS;
    POST "/api/users/bulk-delete" Administrator "removes several: `{\"users\": [name, …]}`" => users::bulk_delete, takes users::BULK_DELETE, ends [204];
    GET "/api/users/{user}" Administrator "one user" => users::one, asks ONE;
    PUT "/api/users/{user}" Administrator "makes or replaces it: `password` or `password_hash` and `hashing_algorithm`, `tags`" => users::set, takes users::USER;
    DELETE "/api/users/{user}" Administrator "removes it" => users::remove;
    GET "/api/users/{user}/permissions" Administrator "its permissions" => permissions::of_user, lists OBJECTS;
    GET "/api/users/{user}/topic-permissions" Administrator "its topic permissions" => permissions::topics_of_user, lists OBJECTS;

    GET "/api/permissions" Administrator "all permissions" => permissions::list, lists OBJECTS;
    GET "/api/permissions/{vhost}/{user}" Administrator "one permission" => permissions::one, asks ONE;
    PUT "/api/permissions/{vhost}/{user}" Administrator "sets `configure`, `write`, `read`" => permissions::set, takes permissions::PERMISSION;
    DELETE "/api/permissions/{vhost}/{user}" Administrator "clears it" => permissions::remove;
    GET "/api/topic-permissions" Administrator "all topic permissions" => permissions::list_topics, lists OBJECTS;
    GET "/api/topic-permissions/{vhost}/{user}" Administrator "one user's in one virtual host" => permissions::one_topics, lists OBJECTS;
    PUT "/api/topic-permissions/{vhost}/{user}" Administrator "sets `exchange`, `write`, `read`" => permissions::set_topic, takes permissions::TOPIC_PERMISSION;
    DELETE "/api/topic-permissions/{vhost}/{user}" Administrator "clears all" => permissions::remove_topics;

    GET "/api/vhost-limits" Management "virtual hosts with limits" => limits::list_vhosts, lists OBJECTS;
    GET "/api/vhost-limits/{vhost}" Vhost "one virtual host's" => limits::one_vhost, lists OBJECTS;
    PUT "/api/vhost-limits/{vhost}/{limit}" Administrator "sets `max-connections` or `max-queues` to `value`" => limits::set_vhost, takes limits::LIMIT, ends [204];
    DELETE "/api/vhost-limits/{vhost}/{limit}" Administrator "lifts it" => limits::lift_vhost;
    GET "/api/user-limits" Administrator "users with limits" => limits::list_users, lists OBJECTS;
    GET "/api/user-limits/{user}" Administrator "one user's" => limits::one_user, lists OBJECTS;
    PUT "/api/user-limits/{user}/{limit}" Administrator "sets `max-connections` or `max-channels` to `value`" => limits::set_user, takes limits::LIMIT, ends [204];
    DELETE "/api/user-limits/{user}/{limit}" Administrator "lifts it" => limits::lift_user;

    GET "/api/policies" Management "the policies that the user may see" => policies::list::<false>, lists OBJECTS;
    GET "/api/policies/{vhost}" Vhost "a virtual host's" => policies::of_vhost::<false>, lists OBJECTS;
    GET "/api/policies/{vhost}/{name}" Vhost "one policy" => policies::one::<false>, asks ONE;
    PUT "/api/policies/{vhost}/{name}" Policymaker "sets `pattern`, `definition`, `priority`, `apply-to`" => policies::set::<false>, takes policies::POLICY;
    DELETE "/api/policies/{vhost}/{name}" Policymaker "removes it" => policies::remove::<false>;

    GET "/api/operator-policies" Management "the operator policies that the user may see" => policies::list::<true>, lists OBJECTS;
    GET "/api/operator-policies/{vhost}" Vhost "a virtual host's" => policies::of_vhost::<true>, lists OBJECTS;
    GET "/api/operator-policies/{vhost}/{name}" Vhost "one operator policy" => policies::one::<true>, asks ONE;
    PUT "/api/operator-policies/{vhost}/{name}" Administrator "sets `pattern`, `definition`, `priority`, `apply-to`: limits that count whatever others say" => policies::set::<true>, takes policies::POLICY;
    DELETE "/api/operator-policies/{vhost}/{name}" Administrator "removes it" => policies::remove::<true>;

    GET "/api/parameters" Management "parameters of virtual hosts: their limits" => parameters::list, lists OBJECTS;
    GET "/api/parameters/{component}" Management "a component's; the one that has any is `vhost-limits`" => parameters::of_component, lists OBJECTS;
    GET "/api/parameters/{component}/{vhost}" Vhost "a virtual host's" => parameters::of_vhost, lists OBJECTS;
    GET "/api/parameters/{component}/{vhost}/{name}" Vhost "one parameter" => parameters::one, asks ONE;
    PUT "/api/parameters/{component}/{vhost}/{name}" Administrator "sets it; 400 for a component that is not there" => parameters::set, takes parameters::PARAMETER, ends [204];
    DELETE "/api/parameters/{component}/{vhost}/{name}" Administrator "clears it" => parameters::remove;
    GET "/api/global-parameters" Management "parameters of the cluster: its name" => parameters::list_global, lists OBJECTS;
    GET "/api/global-parameters/{name}" Management "one of them" => parameters::one_global, asks ONE;

    GET "/api/feature-flags" Management "features that tools ask for; all are on" => features::flags, lists OBJECTS;
    PUT "/api/feature-flags/{name}/enable" Administrator "204, for it is on; 400 for one that is not known" => features::enable, ends [204];
    GET "/api/deprecated-features" Management "none" => features::none, lists OBJECTS;
    GET "/api/deprecated-features/used" Management "none" => features::none, lists OBJECTS;
    GET "/api/extensions" Management "of the management pages: none" => features::none, lists OBJECTS;
    GET "/api/shovels" Management "none" => features::none, lists OBJECTS;
    GET "/api/shovels/{vhost}" Vhost "none" => features::none_of_vhost, lists OBJECTS;
    GET "/api/federation-links" Management "none" => features::none, lists OBJECTS;
    GET "/api/federation-links/{vhost}" Vhost "none" => features::none_of_vhost, lists OBJECTS;
    GET "/api/auth" Nobody "how to log in: with a name and a password, or also with a token" => features::auth;
    GET "/api/aliveness-test/{vhost}" AsClient "sends a message through the queue `aliveness-test`" => features::aliveness;
    POST "/api/rebalance/queues" Administrator "as `/api/landfall/cluster/rebalance`; where there is no cluster there is nothing to do" => features::rebalance, ends [204];

    POST "/api/landfall/self-test/{vhost}" Administrator "sends a message through a queue of its own and looks at clock, disk and memory; answers what each check took and found" => self_test::run, tells SELF_TEST, ends [200];

    GET "/api/definitions" Administrator "everything, as a document" => definitions::export;
    POST "/api/definitions" Administrator "imports a document; answers what was made and what was ignored" => definitions::import, takes document::DOCUMENT, tells IMPORTED;
    GET "/api/definitions/{vhost}" Administrator "a virtual host, as a document without its name" => definitions::export_vhost;
    POST "/api/definitions/{vhost}" Administrator "imports a document into a virtual host" => definitions::import_vhost, takes document::DOCUMENT, tells IMPORTED;

    GET "/api/queues" Management "queues, their arguments, how many messages they have and what goes through them" => topology::queues, lists QUEUES;
    GET "/api/queues/{vhost}" Vhost "a virtual host's" => topology::queues_of_vhost, lists QUEUES;
    GET "/api/queues/{vhost}/{name}" Vhost "one queue and its consumers" => topology::queue, asks ONE, tells QUEUE;
    PUT "/api/queues/{vhost}/{name}" AsClient "declares it: `durable`, `auto_delete`, `arguments`" => declare::put_queue, takes declare::QUEUE;
    DELETE "/api/queues/{vhost}/{name}" AsClient "deletes it; `?if-empty=true`, `?if-unused=true`" => declare::delete_queue, asks declare::QUEUE_CONDITIONS;
    DELETE "/api/queues/{vhost}/{name}/contents" AsClient "purges it: what is ready goes" => declare::purge_queue;
    POST "/api/queues/{vhost}/{name}/get" AsClient "its next messages, to look at or to take: `ackmode`, `count`, `encoding`, `truncate`" => got::get, takes got::GET, tells GOT;
    GET "/api/landfall/queues" Management "queues with what is in them by state, their rules in force, and of those that deduplicate how many messages they remember and how many they have known again since the start" => queues::list, lists OWN_QUEUES;
    GET "/api/landfall/queues/{vhost}" Vhost "a virtual host's" => queues::of_vhost, lists OWN_QUEUES;
    GET "/api/landfall/queues/{vhost}/{name}" Vhost "one queue, and its oldest message" => queues::one, asks ONE, tells OWN_QUEUE;
    PUT "/api/landfall/queues/{vhost}/{name}/pause" Configure "it takes messages and hands none out, until it is resumed" => queues::pause;
    DELETE "/api/landfall/queues/{vhost}/{name}/pause" Configure "it hands messages out again" => queues::resume;
    GET "/api/landfall/queues/{vhost}/{name}/messages" Read "messages in one `state`, all or those that look like something, page by page: `after`, `limit`, `body`, and the words of a search" => search::list, asks search::QUERY, tells MESSAGES;
    DELETE "/api/landfall/queues/{vhost}/{name}/messages" Configure "cancels messages that wait" => messages::cancel, takes selection::SELECTION, tells DONE, ends [200];
    POST "/api/landfall/queues/{vhost}/{name}/redrive" Configure "parked messages are delivered again, dead letters go back to where they died" => messages::redrive, takes selection::SELECTION, tells DONE, ends [200];
    POST "/api/landfall/queues/{vhost}/{name}/fire" Configure "delayed messages are delivered now" => messages::fire, takes selection::SELECTION, tells DONE, ends [200];
    POST "/api/landfall/queues/{vhost}/{name}/move" Configure "messages that wait go to another exchange or queue, for those who may write there; one alone also edited" => moving::send_on, takes moving::MOVE, tells DONE, ends [200];
    GET "/api/exchanges" Management "exchanges, their arguments, and what goes through them" => topology::exchanges, lists OBJECTS;
    GET "/api/exchanges/{vhost}" Vhost "a virtual host's" => topology::exchanges_of_vhost, lists OBJECTS;
    GET "/api/exchanges/{vhost}/{name}" Vhost "one exchange; the default one is `amq.default`" => topology::exchange, asks ONE;
    PUT "/api/exchanges/{vhost}/{name}" AsClient "declares it: `type`, `durable`, `auto_delete`, `internal`, `arguments`" => declare::put_exchange, takes declare::EXCHANGE;
    DELETE "/api/exchanges/{vhost}/{name}" AsClient "deletes it; `?if-unused=true`" => declare::delete_exchange, asks declare::EXCHANGE_CONDITIONS;
    POST "/api/exchanges/{vhost}/{name}/publish" AsClient "publishes a message: `routing_key`, `payload`, `payload_encoding`, `properties`; answers when it has landed" => publish::publish, takes publish::MESSAGE, tells PUBLISHED;
    GET "/api/bindings" Management "bindings" => topology::bindings, lists OBJECTS;
    GET "/api/bindings/{vhost}" Vhost "a virtual host's" => topology::bindings_of_vhost, lists OBJECTS;
    GET "/api/bindings/{vhost}/e/{source}/q/{destination}" Vhost "those between an exchange and a queue" => bindings::list::<false>, lists OBJECTS;
    POST "/api/bindings/{vhost}/e/{source}/q/{destination}" AsClient "binds a queue: `routing_key`, `arguments`" => bindings::make::<false>, takes bindings::BINDING, ends [201];
    GET "/api/bindings/{vhost}/e/{source}/q/{destination}/{props}" Vhost "one of them, by its `properties_key`" => bindings::one::<false>, asks ONE;
    DELETE "/api/bindings/{vhost}/e/{source}/q/{destination}/{props}" AsClient "unbinds it" => bindings::remove::<false>;
    GET "/api/bindings/{vhost}/e/{source}/e/{destination}" Vhost "those between two exchanges" => bindings::list::<true>, lists OBJECTS;
    POST "/api/bindings/{vhost}/e/{source}/e/{destination}" AsClient "binds an exchange: `routing_key`, `arguments`" => bindings::make::<true>, takes bindings::BINDING, ends [201];
    GET "/api/bindings/{vhost}/e/{source}/e/{destination}/{props}" Vhost "one of them, by its `properties_key`" => bindings::one::<true>, asks ONE;
    DELETE "/api/bindings/{vhost}/e/{source}/e/{destination}/{props}" AsClient "unbinds it" => bindings::remove::<true>;
    GET "/api/queues/{vhost}/{name}/bindings" Vhost "those that lead to a queue" => topology::bindings_of_queue, lists OBJECTS;
    GET "/api/exchanges/{vhost}/{name}/bindings/source" Vhost "those that lead away from an exchange" => topology::bindings_from, lists OBJECTS;
    GET "/api/exchanges/{vhost}/{name}/bindings/destination" Vhost "those that lead to an exchange" => topology::bindings_to, lists OBJECTS;

    GET "/api/connections" Management "connections: the user's own; to `monitoring` all" => connections::list, lists OBJECTS;
    GET "/api/connections/{name}" Management "one connection" => connections::one, asks ONE;
    DELETE "/api/connections/{name}" Management "closes it, if it is the user's own, and for `administrator`; its client is told the `X-Reason`" => connections::close;
    GET "/api/connections/{name}/channels" Management "its channels" => channels::of_connection, lists OBJECTS;
    GET "/api/connections/username/{user}" Management "a user's connections" => connections::of_user, lists OBJECTS;
    DELETE "/api/connections/username/{user}" Itself "closes all of them" => connections::close_of_user;
    GET "/api/vhosts/{vhost}/connections" Vhost "those in a virtual host" => connections::of_vhost, lists OBJECTS;
    GET "/api/channels" Management "channels, as connections" => channels::list, lists OBJECTS;
    GET "/api/channels/{name}" Management "one channel" => channels::one, asks ONE;
    GET "/api/vhosts/{vhost}/channels" Vhost "those in a virtual host" => channels::of_vhost, lists OBJECTS;
    GET "/api/consumers" Management "consumers, and what each of them waits for" => consumers::list, lists OBJECTS;
    GET "/api/consumers/{vhost}" Vhost "those of a virtual host's queues" => consumers::of_vhost, lists OBJECTS;

    GET "/api/landfall/messages" Management "what became of messages: by `message_id`, by `publisher` and `publishing_id`, or the last of a `queue` of a `vhost`" => show::some, asks show::QUERY, tells JOURNEYS;
    GET "/api/landfall/messages/{message}" Management "what became of a message, of its copies and of what it is a copy of" => show::one, tells JOURNEYS;
    GET "/api/landfall/live" Monitoring "how things stand, every second, as server-sent events" => live::live, tells EVENTS;
    GET "/api/landfall/history" Monitoring "the same of the last ten minutes, of so many `minutes`, or the last `samples`" => live::history, asks live::HISTORY_QUERY, tells HISTORY;
    GET "/api/landfall/summary" Management "how things stand in what the user may see, and what needs attention: the worst queues of each sort by name" => summary::summary, tells SUMMARY;
    GET "/api/landfall/audit" Management "of each queue that the user may see: what it accepted, how many ended and how, what is here, and any difference" => audit::all, tells ACCOUNTS;
    GET "/api/landfall/audit/{vhost}" Vhost "a virtual host's queues" => audit::of_vhost, tells ACCOUNTS;
    GET "/api/landfall/audit/{vhost}/{name}" Vhost "one queue" => audit::of_queue, tells ACCOUNTS;
    GET "/api/landfall/operations" Administrator "what operators did at this node, and which logins it refused, the newest first: `user`, `path`, `outcome`, `before`, `limit`" => operations::list, asks operations::told::QUERY, tells OPERATIONS, refuses [404];

    GET "/api/landfall/openapi.json" Nobody "this table and what goes with it, as a document of OpenAPI 3.1" => openapi::serve;
    GET "/api/landfall/settings" Administrator "what this node runs with, and where that was said: by default, in the file, in the environment, or as an option; without passwords" => settings::list, tells SETTINGS;

    GET "/metrics" Monitoring "what goes on, for Prometheus; without a login on a port of its own" => metrics::all, tells METRICS;
    GET "/metrics/per-object" Monitoring "the same, queue by queue" => metrics::per_object, tells METRICS;
    GET "/healthz/live" Nobody "200 while the server's loop turns, else 503" => node::live, judges VERDICT;
    GET "/healthz/ready" Nobody "200 while a client that connects is served, by this node or through it, else 503" => node::ready, judges VERDICT;
    GET "/api/health/checks/alarms" Management "503 while publishers wait for memory or disk" => node::alarms, judges VERDICT;
    GET "/api/health/checks/local-alarms" Management "the same, of this node" => node::alarms, judges VERDICT;
    GET "/api/health/checks/is-in-service" Management "as `/healthz/ready`" => node::ready, judges VERDICT;
    GET "/api/health/checks/ready-to-serve-clients" Management "as `/healthz/ready`" => node::ready, judges VERDICT;
    GET "/api/health/checks/port-listener/{port}" Management "503 unless this node listens there" => node::port_listener, judges VERDICT;
    GET "/api/health/checks/protocol-listener/{protocol}" Management "503 unless this node listens for `amqp`, `amqp/ssl`, `http`, `https`, `clustering`" => node::protocol_listener, judges VERDICT;
    GET "/api/health/checks/virtual-hosts" Management "503 unless the virtual hosts are there" => node::virtual_hosts, judges VERDICT;
    GET "/api/health/checks/node-is-quorum-critical" Management "503 if no other node of the cluster could take over" => node::quorum_critical, judges VERDICT;
    GET "/api/nodes" Monitoring "the nodes, of this one with its memory, files and disk" => node::list, lists OBJECTS;
    GET "/api/nodes/{node}" Monitoring "one node" => node::one;

    GET "/api/landfall/cluster" Cluster "members, shards and their owners, ZooKeeper, the database, what is asked for, and what needs attention" => cluster::status, tells CLUSTER, refuses [404];
    POST "/api/landfall/cluster/drain/{node}" Administrator "a node is to give its shards away; 202 when that is noted" => cluster::drain, ends [202];
    DELETE "/api/landfall/cluster/drain/{node}" Administrator "it may have shards again" => cluster::resume, ends [202];
    POST "/api/landfall/cluster/rebalance" Administrator "the shards are to be spread evenly now" => cluster::rebalance, ends [202], refuses [404];
}

/// The endpoint that answers such a request; of several the one that names the most parts of the path itself.
pub(crate) fn answering(method: &str, path: &str) -> Option<&'static Endpoint> {
    let parts = |path: &'static str| path.split('/');
    let asked: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let fits = |endpoint: &&Endpoint| {
        let mut pairs = parts(endpoint.path).zip(&asked);
        endpoint.method == method
            && parts(endpoint.path).count() == asked.len()
            && pairs.all(|(of, asked)| of == *asked || of.starts_with('{'))
    };
    let names = |endpoint: &&Endpoint| endpoint.path.matches('{').count();
    ENDPOINTS.iter().filter(fits).min_by_key(names)
}

/// Whether a path is about the node that is asked, not about what the broker knows.
pub fn is_of_node(path: &str) -> bool {
    const OF_BROKER: [&str; 2] = [
        "/api/health/checks/alarms",
        "/api/health/checks/virtual-hosts",
    ];
    const OF_NODE: [&str; 9] = [
        "/healthz/",
        "/api/health/",
        "/api/nodes",
        "/api/landfall/cluster",
        "/api/landfall/operations",
        "/api/landfall/openapi.json",
        "/api/landfall/settings",
        SESSION_PATH,
        "/api/rebalance/",
    ];
    let path = path.trim_end_matches('/');
    let begins = OF_NODE.iter().any(|beginning| path.starts_with(beginning));
    path == "/metrics" || (begins && !OF_BROKER.contains(&path))
}

/// What is served.
pub struct Served {
    /// The API.
    pub api: Router,
    /// `/metrics` alone, for whoever can reach it: as with RabbitMQ it has a port of its own.
    pub metrics: Router,
    /// What has to run beside both.
    pub sampling: Vec<Sampling>,
}

/// The API over an operator, of a node.
pub fn router(operator: Arc<dyn Operator>, node: Arc<dyn Node>, about: About) -> Served {
    let api = Api::new(operator, node, about);
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let needs = endpoint.needs;
        let body_max = match endpoint.path.starts_with(DOCUMENTS) {
            true => DOCUMENT_MAX,
            false => BODY_MAX,
        };
        let guarded = Guard {
            api: api.clone(),
            needs,
            body_max,
        };
        let handler = (endpoint.handler)().route_layer(from_fn_with_state(guarded, guard));
        // As with RabbitMQ a slash at the end means nothing: Flower puts one there.
        let with_slash = format!("{}/", endpoint.path);
        router = router.route(&with_slash, handler.clone());
        router = router.route(endpoint.path, handler);
    }
    let router = router
        .fallback(async || Failure::NotFound)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        .layer(from_fn(in_time))
        .with_state(api.clone());
    let metrics = Router::new()
        .route("/metrics", get(metrics::all))
        .route("/metrics/per-object", get(metrics::per_object))
        .layer(from_fn(in_time))
        .with_state(api.clone());
    Served {
        api: router,
        metrics,
        sampling: vec![Sampling(api)],
    }
}

async fn in_time(request: Request, next: Next) -> Result<Response, Failure> {
    let answered = tokio::time::timeout(REQUEST_MAX, next.run(request)).await;
    answered.map_err(|_| Failure::TooSlow)
}
