//! The routes, as one table: the router is made of it, and the document `docs/http-api.md` is held to it.

use crate::access::{Guard, Needs, guard};
use crate::answer::Failure;
use crate::bodies::{BODY_MAX, Bodies};
use crate::entrance::SESSION_PATH;
use crate::journey::{Journey, Wanted, show};
use crate::live::{self, Live, Sampling};
use crate::node::{self, Node};
use crate::operator::{About, Operator, Reading};
use crate::reader::Mistake;
use crate::{
    audit, bindings, channels, cluster, connections, consumers, declare, definitions, features,
    get as got, limits, messages, metrics, operations, overview, parameters, permissions, policies,
    publish, queues, session, topology, users, vhosts,
};
use axum::Router;
use axum::extract::{FromRequest, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use broker::{Answer, Command, Definitions};
use bytes::Bytes;
use model::Position;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// So many requests are worked on at a time; the others wait. They do so after they have come in full.
const TURNS: usize = 4;

/// A request has so long to arrive and be answered.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// The largest document of definitions: RabbitMQ's limit.
const DOCUMENT_MAX: usize = 20_000_000;

/// Where documents are taken.
const DOCUMENTS: &str = "/api/definitions";

/// One route.
pub struct Endpoint {
    /// GET, PUT, POST or DELETE.
    pub method: &'static str,
    /// The path; names in braces stand for what is percent-encoded there.
    pub path: &'static str,
    /// Who may ask for it.
    pub needs: Needs,
    /// What it does, in a few words.
    pub does: &'static str,
    handler: fn() -> MethodRouter<Api>,
}

macro_rules! endpoints {
    ($($method:ident $path:literal $needs:ident $does:literal => $handler:path;)*) => {
        /// All routes.
        pub const ENDPOINTS: &[Endpoint] = &[$(Endpoint {
            method: stringify!($method),
            path: $path,
            needs: Needs::$needs,
            does: $does,
            handler: || endpoints!(@ $method)($handler),
        }),*];
    };
    (@ GET) => { get };
    (@ PUT) => { put };
    (@ POST) => { post };
    (@ DELETE) => { delete };
}

endpoints! {
    GET "/api/overview" Management "versions, listeners, how many objects and messages there are, and what goes through" => overview::overview;
    GET "/api/whoami" Management "the user of the request" => overview::whoami;
    POST "/api/landfall/session" Nobody "begins a session: `username`, `password`; answers `name`, `tags`, `csrf`, and a cookie" => session::begin;
    GET "/api/landfall/session" Management "the session of the cookie: `name`, `tags`, `csrf`" => session::show;
    DELETE "/api/landfall/session" Management "ends it" => session::end;
    GET "/api/cluster-name" Management "the cluster's name" => overview::cluster_name;
    GET "/api/auth/hash_password/{password}" Administrator "a password's salted hash" => users::hash_password;

    GET "/api/vhosts" Management "the virtual hosts that the user may see" => vhosts::list;
    GET "/api/vhosts/{vhost}" Vhost "one virtual host" => vhosts::one;
    PUT "/api/vhosts/{vhost}" Administrator "makes it, or changes description, tags, default_queue_type" => vhosts::set;
    DELETE "/api/vhosts/{vhost}" Administrator "removes it and all in it" => vhosts::remove;
    GET "/api/vhosts/{vhost}/permissions" Administrator "its users' permissions" => permissions::of_vhost;
    GET "/api/vhosts/{vhost}/topic-permissions" Administrator "its users' topic permissions" => permissions::topics_of_vhost;

    GET "/api/users" Administrator "all users, with the hashes of their passwords" => users::list;
    GET "/api/users/without-permissions" Administrator "users without any permission" => users::without_permissions;
    POST "/api/users/bulk-delete" Administrator "removes several: `{\"users\": [name, …]}`" => users::bulk_delete;
    GET "/api/users/{user}" Administrator "one user" => users::one;
    PUT "/api/users/{user}" Administrator "makes or replaces it: `password` or `password_hash` and `hashing_algorithm`, `tags`" => users::set;
    DELETE "/api/users/{user}" Administrator "removes it" => users::remove;
    GET "/api/users/{user}/permissions" Administrator "its permissions" => permissions::of_user;
    GET "/api/users/{user}/topic-permissions" Administrator "its topic permissions" => permissions::topics_of_user;

    GET "/api/permissions" Administrator "all permissions" => permissions::list;
    GET "/api/permissions/{vhost}/{user}" Administrator "one permission" => permissions::one;
    PUT "/api/permissions/{vhost}/{user}" Administrator "sets `configure`, `write`, `read`" => permissions::set;
    DELETE "/api/permissions/{vhost}/{user}" Administrator "clears it" => permissions::remove;
    GET "/api/topic-permissions" Administrator "all topic permissions" => permissions::list_topics;
    GET "/api/topic-permissions/{vhost}/{user}" Administrator "one user's in one virtual host" => permissions::one_topics;
    PUT "/api/topic-permissions/{vhost}/{user}" Administrator "sets `exchange`, `write`, `read`" => permissions::set_topic;
    DELETE "/api/topic-permissions/{vhost}/{user}" Administrator "clears all" => permissions::remove_topics;

    GET "/api/vhost-limits" Management "virtual hosts with limits" => limits::list_vhosts;
    GET "/api/vhost-limits/{vhost}" Vhost "one virtual host's" => limits::one_vhost;
    PUT "/api/vhost-limits/{vhost}/{limit}" Administrator "sets `max-connections` or `max-queues` to `value`" => limits::set_vhost;
    DELETE "/api/vhost-limits/{vhost}/{limit}" Administrator "lifts it" => limits::lift_vhost;
    GET "/api/user-limits" Administrator "users with limits" => limits::list_users;
    GET "/api/user-limits/{user}" Administrator "one user's" => limits::one_user;
    PUT "/api/user-limits/{user}/{limit}" Administrator "sets `max-connections` or `max-channels` to `value`" => limits::set_user;
    DELETE "/api/user-limits/{user}/{limit}" Administrator "lifts it" => limits::lift_user;

    GET "/api/policies" Management "the policies that the user may see" => policies::list::<false>;
    GET "/api/policies/{vhost}" Vhost "a virtual host's" => policies::of_vhost::<false>;
    GET "/api/policies/{vhost}/{name}" Vhost "one policy" => policies::one::<false>;
    PUT "/api/policies/{vhost}/{name}" Policymaker "sets `pattern`, `definition`, `priority`, `apply-to`" => policies::set::<false>;
    DELETE "/api/policies/{vhost}/{name}" Policymaker "removes it" => policies::remove::<false>;

    GET "/api/operator-policies" Management "the operator policies that the user may see" => policies::list::<true>;
    GET "/api/operator-policies/{vhost}" Vhost "a virtual host's" => policies::of_vhost::<true>;
    GET "/api/operator-policies/{vhost}/{name}" Vhost "one operator policy" => policies::one::<true>;
    PUT "/api/operator-policies/{vhost}/{name}" Administrator "sets `pattern`, `definition`, `priority`, `apply-to`: limits that count whatever others say" => policies::set::<true>;
    DELETE "/api/operator-policies/{vhost}/{name}" Administrator "removes it" => policies::remove::<true>;

    GET "/api/parameters" Management "parameters of virtual hosts: their limits" => parameters::list;
    GET "/api/parameters/{component}" Management "a component's; the one that has any is `vhost-limits`" => parameters::of_component;
    GET "/api/parameters/{component}/{vhost}" Vhost "a virtual host's" => parameters::of_vhost;
    GET "/api/parameters/{component}/{vhost}/{name}" Vhost "one parameter" => parameters::one;
    PUT "/api/parameters/{component}/{vhost}/{name}" Administrator "sets it; 400 for a component that is not there" => parameters::set;
    DELETE "/api/parameters/{component}/{vhost}/{name}" Administrator "clears it" => parameters::remove;
    GET "/api/global-parameters" Management "parameters of the cluster: its name" => parameters::list_global;
    GET "/api/global-parameters/{name}" Management "one of them" => parameters::one_global;

    GET "/api/feature-flags" Management "features that tools ask for; all are on" => features::flags;
    PUT "/api/feature-flags/{name}/enable" Administrator "204, for it is on; 400 for one that is not known" => features::enable;
    GET "/api/deprecated-features" Management "none" => features::none;
    GET "/api/deprecated-features/used" Management "none" => features::none;
    GET "/api/extensions" Management "of the management pages: none" => features::none;
    GET "/api/shovels" Management "none" => features::none;
    GET "/api/shovels/{vhost}" Vhost "none" => features::none_of_vhost;
    GET "/api/federation-links" Management "none" => features::none;
    GET "/api/federation-links/{vhost}" Vhost "none" => features::none_of_vhost;
    GET "/api/auth" Nobody "how to log in: with a name and a password, or also with a token" => features::auth;
    GET "/api/aliveness-test/{vhost}" AsClient "sends a message through the queue `aliveness-test`" => features::aliveness;
    POST "/api/rebalance/queues" Administrator "as `/api/landfall/cluster/rebalance`; where there is no cluster there is nothing to do" => features::rebalance;

    GET "/api/definitions" Administrator "everything, as a document" => definitions::export;
    POST "/api/definitions" Administrator "imports a document; answers what was made and what was ignored" => definitions::import;
    GET "/api/definitions/{vhost}" Administrator "a virtual host, as a document without its name" => definitions::export_vhost;
    POST "/api/definitions/{vhost}" Administrator "imports a document into a virtual host" => definitions::import_vhost;

    GET "/api/queues" Management "queues, their arguments, how many messages they have and what goes through them" => topology::queues;
    GET "/api/queues/{vhost}" Vhost "a virtual host's" => topology::queues_of_vhost;
    GET "/api/queues/{vhost}/{name}" Vhost "one queue and its consumers" => topology::queue;
    PUT "/api/queues/{vhost}/{name}" AsClient "declares it: `durable`, `auto_delete`, `arguments`" => declare::put_queue;
    DELETE "/api/queues/{vhost}/{name}" AsClient "deletes it; `?if-empty=true`, `?if-unused=true`" => declare::delete_queue;
    DELETE "/api/queues/{vhost}/{name}/contents" AsClient "purges it: what is ready goes" => declare::purge_queue;
    POST "/api/queues/{vhost}/{name}/get" AsClient "its next messages, to look at or to take: `ackmode`, `count`, `encoding`, `truncate`" => got::get;
    GET "/api/landfall/queues" Management "queues with what is in them by state, their rules in force, and of those that deduplicate how many messages they remember and how many they have known again since the start" => queues::list;
    GET "/api/landfall/queues/{vhost}" Vhost "a virtual host's" => queues::of_vhost;
    GET "/api/landfall/queues/{vhost}/{name}" Vhost "one queue, and its oldest message" => queues::one;
    GET "/api/landfall/queues/{vhost}/{name}/messages" Read "messages in one `state`, page by page: `after`, `limit`, `body`" => messages::list;
    DELETE "/api/landfall/queues/{vhost}/{name}/messages" Configure "cancels messages that wait" => messages::cancel;
    POST "/api/landfall/queues/{vhost}/{name}/redrive" Configure "parked messages are delivered again, dead letters go back to where they died" => messages::redrive;
    POST "/api/landfall/queues/{vhost}/{name}/fire" Configure "delayed messages are delivered now" => messages::fire;
    GET "/api/exchanges" Management "exchanges, their arguments, and what goes through them" => topology::exchanges;
    GET "/api/exchanges/{vhost}" Vhost "a virtual host's" => topology::exchanges_of_vhost;
    GET "/api/exchanges/{vhost}/{name}" Vhost "one exchange; the default one is `amq.default`" => topology::exchange;
    PUT "/api/exchanges/{vhost}/{name}" AsClient "declares it: `type`, `durable`, `auto_delete`, `internal`, `arguments`" => declare::put_exchange;
    DELETE "/api/exchanges/{vhost}/{name}" AsClient "deletes it; `?if-unused=true`" => declare::delete_exchange;
    POST "/api/exchanges/{vhost}/{name}/publish" AsClient "publishes a message: `routing_key`, `payload`, `payload_encoding`, `properties`; answers when it has landed" => publish::publish;
    GET "/api/bindings" Management "bindings" => topology::bindings;
    GET "/api/bindings/{vhost}" Vhost "a virtual host's" => topology::bindings_of_vhost;
    GET "/api/bindings/{vhost}/e/{source}/q/{destination}" Vhost "those between an exchange and a queue" => bindings::list::<false>;
    POST "/api/bindings/{vhost}/e/{source}/q/{destination}" AsClient "binds a queue: `routing_key`, `arguments`" => bindings::make::<false>;
    GET "/api/bindings/{vhost}/e/{source}/q/{destination}/{props}" Vhost "one of them, by its `properties_key`" => bindings::one::<false>;
    DELETE "/api/bindings/{vhost}/e/{source}/q/{destination}/{props}" AsClient "unbinds it" => bindings::remove::<false>;
    GET "/api/bindings/{vhost}/e/{source}/e/{destination}" Vhost "those between two exchanges" => bindings::list::<true>;
    POST "/api/bindings/{vhost}/e/{source}/e/{destination}" AsClient "binds an exchange: `routing_key`, `arguments`" => bindings::make::<true>;
    GET "/api/bindings/{vhost}/e/{source}/e/{destination}/{props}" Vhost "one of them, by its `properties_key`" => bindings::one::<true>;
    DELETE "/api/bindings/{vhost}/e/{source}/e/{destination}/{props}" AsClient "unbinds it" => bindings::remove::<true>;
    GET "/api/queues/{vhost}/{name}/bindings" Vhost "those that lead to a queue" => topology::bindings_of_queue;
    GET "/api/exchanges/{vhost}/{name}/bindings/source" Vhost "those that lead away from an exchange" => topology::bindings_from;
    GET "/api/exchanges/{vhost}/{name}/bindings/destination" Vhost "those that lead to an exchange" => topology::bindings_to;

    GET "/api/connections" Management "connections: the user's own; to `monitoring` all" => connections::list;
    GET "/api/connections/{name}" Management "one connection" => connections::one;
    DELETE "/api/connections/{name}" Management "closes it, if it is the user's own, and for `administrator`; its client is told the `X-Reason`" => connections::close;
    GET "/api/connections/{name}/channels" Management "its channels" => channels::of_connection;
    GET "/api/connections/username/{user}" Management "a user's connections" => connections::of_user;
    DELETE "/api/connections/username/{user}" Itself "closes all of them" => connections::close_of_user;
    GET "/api/vhosts/{vhost}/connections" Vhost "those in a virtual host" => connections::of_vhost;
    GET "/api/channels" Management "channels, as connections" => channels::list;
    GET "/api/channels/{name}" Management "one channel" => channels::one;
    GET "/api/vhosts/{vhost}/channels" Vhost "those in a virtual host" => channels::of_vhost;
    GET "/api/consumers" Management "consumers, and what each of them waits for" => consumers::list;
    GET "/api/consumers/{vhost}" Vhost "those of a virtual host's queues" => consumers::of_vhost;

    GET "/api/landfall/messages" Management "what became of messages: by `message_id`, by `publisher` and `publishing_id`, or the last of a `queue` of a `vhost`" => show::some;
    GET "/api/landfall/messages/{message}" Management "what became of a message, of its copies and of what it is a copy of" => show::one;
    GET "/api/landfall/live" Monitoring "how things stand, every second, as server-sent events" => live::live;
    GET "/api/landfall/history" Monitoring "the same of the last ten minutes, of so many `minutes`, or the last `samples`" => live::history;
    GET "/api/landfall/audit" Management "of each queue that the user may see: what it accepted, how many ended and how, what is here, and any difference" => audit::all;
    GET "/api/landfall/audit/{vhost}" Vhost "a virtual host's queues" => audit::of_vhost;
    GET "/api/landfall/audit/{vhost}/{name}" Vhost "one queue" => audit::of_queue;
    GET "/api/landfall/operations" Administrator "what operators did at this node, and which logins it refused, the newest first: `user`, `path`, `outcome`, `before`, `limit`" => operations::list;

    GET "/metrics" Monitoring "what goes on, for Prometheus; without a login on a port of its own" => metrics::all;
    GET "/metrics/per-object" Monitoring "the same, queue by queue" => metrics::per_object;
    GET "/healthz/live" Nobody "200 while the server's loop turns, else 503" => node::live;
    GET "/healthz/ready" Nobody "200 while a client that connects is served, by this node or through it, else 503" => node::ready;
    GET "/api/health/checks/alarms" Management "503 while publishers wait for memory or disk" => node::alarms;
    GET "/api/health/checks/local-alarms" Management "the same, of this node" => node::alarms;
    GET "/api/health/checks/is-in-service" Management "as `/healthz/ready`" => node::ready;
    GET "/api/health/checks/ready-to-serve-clients" Management "as `/healthz/ready`" => node::ready;
    GET "/api/health/checks/port-listener/{port}" Management "503 unless this node listens there" => node::port_listener;
    GET "/api/health/checks/protocol-listener/{protocol}" Management "503 unless this node listens for `amqp`, `amqp/ssl`, `http`, `https`, `clustering`" => node::protocol_listener;
    GET "/api/health/checks/virtual-hosts" Management "503 unless the virtual hosts are there" => node::virtual_hosts;
    GET "/api/health/checks/node-is-quorum-critical" Management "503 if no other node of the cluster could take over" => node::quorum_critical;
    GET "/api/nodes" Monitoring "the nodes, of this one with its memory, files and disk" => node::list;
    GET "/api/nodes/{node}" Monitoring "one node" => node::one;

    GET "/api/landfall/cluster" Cluster "members, shards and their owners, ZooKeeper, the database, what is asked for, and what needs attention" => cluster::status;
    POST "/api/landfall/cluster/drain/{node}" Administrator "a node is to give its shards away; 202 when that is noted" => cluster::drain;
    DELETE "/api/landfall/cluster/drain/{node}" Administrator "it may have shards again" => cluster::resume;
    POST "/api/landfall/cluster/rebalance" Administrator "the shards are to be spread evenly now" => cluster::rebalance;
}

/// Whether a path is about the node that is asked, not about what the broker knows.
pub fn is_of_node(path: &str) -> bool {
    const OF_BROKER: [&str; 2] = [
        "/api/health/checks/alarms",
        "/api/health/checks/virtual-hosts",
    ];
    const OF_NODE: [&str; 7] = [
        "/healthz/",
        "/api/health/",
        "/api/nodes",
        "/api/landfall/cluster",
        "/api/landfall/operations",
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
    let api = Api(Arc::new(Inner {
        operator,
        node_name: node.status().name,
        node,
        about,
        turns: Semaphore::new(TURNS),
        bodies: Bodies::default(),
        pace: Mutex::new(Pace {
            next: Instant::now(),
        }),
        live: Live::default(),
    }));
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

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    operator: Arc<dyn Operator>,
    node: Arc<dyn Node>,
    node_name: String,
    about: About,
    turns: Semaphore,
    bodies: Bodies,
    pace: Mutex<Pace>,
    live: Live,
}

/// When the broker may be asked for all definitions again: to hand them out takes its time, of which operators get
/// no more than half.
pub(crate) struct Pace {
    next: Instant,
}

/// What takes the broker less needs no pause.
const NOTICED: Duration = Duration::from_millis(5);

/// All definitions as they stood. While somebody has them nobody else gets any: with a hundred thousand queues one
/// copy, and the JSON made of it, is enough to have in memory (promise P9).
pub(crate) struct Snapshot<'a> {
    definitions: Definitions,
    _alone: MutexGuard<'a, Pace>,
}

impl std::ops::Deref for Snapshot<'_> {
    type Target = Definitions;

    fn deref(&self) -> &Definitions {
        &self.definitions
    }
}

impl Snapshot<'_> {
    /// Works on them where nobody waits for it: a large document, or slow hashes of passwords.
    pub(crate) async fn beside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Definitions) -> T + Send + 'static,
    ) -> T {
        let definitions = std::mem::take(&mut self.definitions);
        let worked = tokio::task::spawn_blocking(move || {
            let made = work(&definitions);
            (made, definitions)
        });
        let (made, definitions) = worked.await.expect("a panic ends the process");
        self.definitions = definitions;
        made
    }
}

impl Api {
    /// Asks the broker.
    pub(crate) async fn ask(&self, command: Command) -> Result<Answer, Failure> {
        Ok(self.0.operator.ask(command).await?)
    }

    /// What became of messages.
    pub(crate) async fn journeys(&self, wanted: &Wanted) -> Result<Vec<Journey>, Failure> {
        Ok(self.0.operator.journeys(wanted.clone()).await?)
    }

    /// Has something changed; says whether something was made that had not been there.
    pub(crate) async fn change(&self, command: Command) -> Result<bool, Failure> {
        let answer = self.ask(command).await?;
        Ok(matches!(answer, Answer::Done { made: true }))
    }

    /// All definitions as they stand. Whoever holds them must not ask for them again.
    pub(crate) async fn definitions(&self) -> Result<Snapshot<'_>, Failure> {
        let (answer, alone) = self.paced(Command::Export).await?;
        let definitions = match answer {
            Answer::Definitions(definitions) => *definitions,
            _ => Definitions::default(),
        };
        Ok(Snapshot {
            definitions,
            _alone: alone,
        })
    }

    /// Asks for what may be large: one at a time, and not before its time.
    pub(crate) async fn paced(
        &self,
        command: Command,
    ) -> Result<(Answer, MutexGuard<'_, Pace>), Failure> {
        let mut pace = self.0.pace.lock().await;
        tokio::time::sleep_until(pace.next).await;
        let asked = Instant::now();
        let answer = self.ask(command).await?;
        let took = asked.elapsed();
        if took >= NOTICED {
            pace.next = Instant::now() + took;
        }
        Ok((answer, pace))
    }

    /// Reads messages; see [`Operator::read`].
    pub(crate) async fn read(
        &self,
        positions: Vec<Position>,
        body_most: usize,
    ) -> Result<Vec<Reading>, Failure> {
        Ok(self.0.operator.read(positions, body_most).await?)
    }

    /// To whom the API speaks.
    pub(crate) fn operator(&self) -> &dyn Operator {
        &*self.0.operator
    }

    /// Who watches, and what they see.
    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The node's name.
    pub(crate) fn node_name(&self) -> &str {
        &self.0.node_name
    }

    /// The node, beside its broker.
    pub(crate) fn node(&self) -> &dyn Node {
        &*self.0.node
    }

    /// What the server says about itself.
    pub(crate) fn about(&self) -> &About {
        &self.0.about
    }

    /// Where the bodies of requests are taken in.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }

    /// Waits until the request may be worked on.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.0.turns.acquire().await;
        turn.expect("the turns are never closed")
    }
}

/// The body of a request: JSON; without a word the empty object.
pub(crate) struct Body(pub(crate) Json);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        Self::of(request, BODY_MAX).await
    }
}

impl Body {
    /// The body of a request, if it has no more bytes than that.
    pub(crate) async fn of(request: Request, most: usize) -> Result<Self, Failure> {
        parse(&octets(request, most).await?).map(Self)
    }
}

/// The body of a request that is a whole document, not read yet.
pub(crate) struct DocumentBody(Bytes);

impl DocumentBody {
    /// Reads it.
    pub(crate) fn parse(self) -> Result<Json, Failure> {
        parse(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for DocumentBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        octets(request, DOCUMENT_MAX).await.map(Self)
    }
}

async fn octets(request: Request, most: usize) -> Result<Bytes, Failure> {
    let octets = axum::body::to_bytes(request.into_body(), most).await;
    octets.map_err(|_| Failure::TooLarge)
}

fn parse(octets: &[u8]) -> Result<Json, Failure> {
    if octets.is_empty() {
        return Ok(json!({}));
    }
    let parsed = serde_json::from_slice(octets);
    parsed.map_err(|error| Mistake::new(format!("not_json: {error}")).into())
}
