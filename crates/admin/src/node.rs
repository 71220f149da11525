//! This server beside its broker: whether it lives, whether it can serve clients, which nodes there are.

use crate::answer::Failure;
use crate::cluster::{Cluster, MemberStatus};
use crate::described::{Described, Key, Kind};
use crate::endpoints::Api;
use crate::listing::Wanted;
use crate::operations::Operations;
use crate::settings::Setting;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// An answer that is waited for.
pub type Answered<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// This server beside its broker.
pub trait Node: Send + Sync {
    /// What it says of itself.
    fn status(&self) -> NodeStatus;

    /// What changes from moment to moment, told at little cost.
    fn vitals(&self) -> Vitals;

    /// Whether its loop turns: one that does not is not brought back by waiting.
    fn is_alive(&self) -> bool;

    /// Whether a client that connects is served, here or by the node that owns what it wants; else why not.
    fn readiness(&self) -> Answered<'_, Result<(), String>>;

    /// The cluster that it is a member of.
    fn cluster(&self) -> Option<&dyn Cluster>;

    /// Where it notes what operators did, if it does.
    fn operations(&self) -> Option<Arc<dyn Operations>>;

    /// Bytes that what has landed takes on this machine's disk; `None` where it is kept elsewhere. Files are looked at for it.
    fn journal_bytes(&self) -> Option<u64>;

    /// What it runs with.
    fn settings(&self) -> &[Setting];
}

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// How long it has been running.
    pub uptime: Duration,
    /// The number of its process.
    pub process: u32,
    /// Files and sockets that it has, and may have.
    pub files: (u64, u64),
    /// Where it listens.
    pub listeners: Vec<Listener>,
}

/// What may become short.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    /// Memory that it has and may have, in bytes.
    pub memory: (u64, u64),
    /// Room on its disk, and how much publishers leave, in bytes; `None` where messages are not kept there.
    pub disk: Option<(u64, u64)>,
    /// Whether publishers wait because memory is short.
    pub memory_short: bool,
    /// Whether publishers wait because the disk is nearly full.
    pub disk_short: bool,
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `amqp`, `http`, or `clustering` for other nodes.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

/// Whether all is well.
pub(crate) const VERDICT: Described = Described::new(
    "Verdict",
    &[
        Key::new(
            "status",
            Kind::Words(&["ok", "failed"]),
            "whether all is well",
        )
        .needed(),
        Key::new("reason", Kind::Text, "why not"),
    ],
);

/// `GET /healthz/live`
pub(crate) async fn live(State(api): State<Api>) -> Response {
    let alive = api.node().is_alive();
    verdict(alive.then_some(()).ok_or("the server's loop does not turn"))
}

/// `GET /healthz/ready` and those of RabbitMQ's checks that mean the same.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    verdict(api.node().readiness().await)
}

pub(crate) async fn alarms(State(api): State<Api>) -> Response {
    let vitals = api.node().vitals();
    verdict(match (vitals.memory_short, vitals.disk_short) {
        (false, false) => Ok(()),
        (true, false) => Err("memory is short: publishers wait"),
        (false, true) => Err("the disk is nearly full: publishers wait"),
        (true, true) => Err("memory is short and the disk nearly full: publishers wait"),
    })
}

pub(crate) async fn port_listener(State(api): State<Api>, Path(port): Path<String>) -> Response {
    let Ok(port) = port.parse::<u16>() else {
        return Failure::BadRequest(format!("'{port}' is no port")).into_response();
    };
    let status = api.node().status();
    let mut ports = status.listeners.iter().map(|one| one.address.port());
    let listens = ports.any(|one| one == port);
    verdict(
        listens
            .then_some(())
            .ok_or(format!("nothing listens on port {port}")),
    )
}

pub(crate) async fn protocol_listener(
    State(api): State<Api>,
    Path(protocol): Path<String>,
) -> Response {
    let wanted = match protocol.as_str() {
        "amqp091" | "amqp0-9-1" => "amqp",
        "management" => "http",
        other => other,
    };
    let status = api.node().status();
    let listens = status.listeners.iter().any(|one| one.protocol == wanted);
    verdict(
        listens
            .then_some(())
            .ok_or(format!("nothing listens for {protocol}")),
    )
}

/// The virtual hosts live with the broker: if it answers, they are there.
pub(crate) async fn virtual_hosts(State(api): State<Api>) -> Result<Response, Failure> {
    api.definitions().await?;
    Ok(verdict(Ok::<_, String>(())))
}

/// Whether somebody could go on without this node.
pub(crate) async fn quorum_critical(State(api): State<Api>) -> Response {
    let Some(cluster) = api.node().cluster() else {
        return verdict(Ok::<_, String>(()));
    };
    let (me, members) = cluster.members();
    let heirs = { members.iter() }.filter(|one| one.is_ready() && one.node != me);
    verdict(match heirs.count() {
        0 => Err("no other node could take over what this one has"),
        _ => Ok(()),
    })
}

/// 200 or 503, with RabbitMQ's fields.
fn verdict(found: Result<(), impl Into<String>>) -> Response {
    match found {
        Ok(()) => Json(json!({"status": "ok"})).into_response(),
        Err(reason) => {
            let body = json!({"status": "failed", "reason": reason.into()});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

pub(crate) async fn list(State(api): State<Api>, wanted: Wanted) -> Result<Json<Value>, Failure> {
    wanted.of(nodes(&api))
}

pub(crate) async fn one(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    let all = nodes(&api);
    let found = all.into_iter().find(|node| node["name"] == name);
    found.map(Json).ok_or(Failure::NotFound)
}

fn nodes(api: &Api) -> Vec<Value> {
    let me = own(api.node(), api.about().version);
    let Some(cluster) = api.node().cluster() else {
        return vec![me];
    };
    let (name, members) = cluster.members();
    let shown = members.iter().map(|member| {
        let mut shown = as_member(member);
        if member.node == name {
            extend(&mut shown, &me);
        }
        shown
    });
    shown.collect()
}

/// What this node knows of itself.
fn own(node: &dyn Node, version: &str) -> Value {
    let (status, vitals) = (node.status(), node.vitals());
    let (fd_used, fd_total) = status.files;
    let (mem_used, mem_limit) = vitals.memory;
    let mut own = json!({
        "name": status.name,
        "type": "disc",
        "running": true,
        "partitions": [],
        "applications": [application(version)],
        "uptime": status.uptime.as_millis(),
        "os_pid": status.process.to_string(),
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "run_queue": 0,
        "rates_mode": "basic",
        "enabled_plugins": [],
        "being_drained": false,
        "fd_used": fd_used,
        "fd_total": fd_total,
        "mem_used": mem_used,
        "mem_limit": mem_limit,
        "mem_alarm": vitals.memory_short,
        "disk_free_alarm": vitals.disk_short,
    });
    if let Some((free, limit)) = vitals.disk {
        own["disk_free"] = free.into();
        own["disk_free_limit"] = limit.into();
    }
    own
}

/// What it knows of a member of its cluster.
fn as_member(member: &MemberStatus) -> Value {
    json!({
        "name": member.node,
        "type": "disc",
        "running": true,
        "partitions": [],
        "applications": [application(&member.program)],
        "being_drained": !member.is_ready(),
    })
}

fn application(version: &str) -> Value {
    json!({"name": "landfall", "description": "Landfall", "version": version})
}

fn extend(one: &mut Value, more: &Value) {
    if let (Some(one), Some(more)) = (one.as_object_mut(), more.as_object()) {
        one.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
