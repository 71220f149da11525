//! `/metrics`: for Prometheus, with RabbitMQ's names, so that dashboards made for it show this server; what it has no
//! name for begins with `landfall_`.
//!
//! Of the shard is told what it has shown last, a second ago at the most. One thing is asked of it, with little patience: how
//! old the oldest message is. `/metrics/per-object` asks for the queues, like a list of them.

mod page;

use crate::answer::Failure;
use crate::endpoints::Api;
use crate::histogram::Counted;
use crate::node::Vitals;
use crate::summary;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use broker::snapshot::{QueueStatus, Totals};
use model::Timestamp;
use page::Page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use std::fmt;
use std::time::Duration;

/// The queues of one answer: a page of a few megabytes.
const QUEUES_MOST: usize = 10_000;

/// What the text is.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this node is, and how it is.
#[derive(Debug)]
struct OfNode {
    node: String,
    cluster: String,
    product: String,
    version: &'static str,
    rabbitmq_version: &'static str,
    uptime: Duration,
    files: (u64, u64),
    vitals: Vitals,
    /// Where what has landed is kept, and how many bytes it takes there.
    kept: Option<(&'static str, u64)>,
}

/// What its shard has shown.
#[derive(Debug)]
struct OfShard {
    totals: Totals,
    confirm: Counted,
    sync: Counted,
    chunk_bytes: Counted,
    chunk_records: Counted,
    message_bytes: Counted,
    recovery: Duration,
    /// Milliseconds; `None` where nothing is ready, or the shard did not answer in time.
    oldest: Option<u64>,
    spans: [(&'static str, u64); 3],
    traces_forgotten: u64,
}

#[derive(Debug)]
struct Everything {
    node: OfNode,
    /// Not where another node has the shard.
    shard: Option<OfShard>,
}

impl Collector for Everything {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut page = Page(&mut encoder);
        self.node.write(&mut page)?;
        match &self.shard {
            Some(shard) => shard.write(&mut page),
            None => Ok(()),
        }
    }
}

/// The shard, and the database of a cluster, have so long to answer. What they do not tell by then is left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of what has landed.
async fn kept(api: &Api) -> Option<(&'static str, u64)> {
    let Some(cluster) = api.node().cluster() else {
        return Some(("disk", api.node().journal_bytes()?));
    };
    let status = tokio::time::timeout(PATIENCE, cluster.status()).await;
    let databases = status.ok()?.databases.into_iter();
    let bytes: Option<u64> = databases.map(|one| one.health.ok()?.bytes).sum();
    Some(("database", bytes?))
}

/// The age of the oldest message that is ready.
async fn oldest(api: &Api) -> Option<u64> {
    let asked = tokio::time::timeout(PATIENCE, summary::oldest(api)).await;
    asked.ok()?.ok()?
}

/// `GET /metrics`
pub(crate) async fn all(State(api): State<Api>) -> Response {
    let (status, about) = (api.node().status(), api.about());
    let node = OfNode {
        node: status.name,
        cluster: about.cluster_name.clone(),
        product: about.product.clone(),
        version: about.version,
        rabbitmq_version: about.rabbitmq_version(),
        uptime: status.uptime,
        files: status.files,
        vitals: api.node().vitals(),
        kept: kept(&api).await,
    };
    let instruments = api.operator().instruments();
    let oldest = match instruments {
        Some(_) => oldest(&api).await,
        None => None,
    };
    let shard = instruments.map(|of| OfShard {
        totals: of.totals(),
        confirm: of.confirm.counted(),
        sync: of.sync.counted(),
        chunk_bytes: of.chunk_bytes.counted(),
        chunk_records: of.chunk_records.counted(),
        message_bytes: of.message_bytes.counted(),
        recovery: of.recovery(),
        oldest,
        spans: of.spans.each(),
        traces_forgotten: of.spans.all_forgotten(),
    });
    written(Everything { node, shard })
}

/// Some queues, and how many were left out.
#[derive(Debug)]
struct Queues {
    shown: Vec<QueueStatus>,
    left_out: usize,
    /// What their ages count to.
    now: Timestamp,
}

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut page = Page(&mut encoder);
        let help = "Queues that have no series here, because there are too many";
        page.gauge("landfall_queues_left_out", help, &[], self.left_out as u64)?;
        page.queues(&self.shown)?;
        page.ages(&self.shown, self.now)
    }
}

/// `GET /metrics/per-object`
pub(crate) async fn per_object(State(api): State<Api>) -> Result<Response, Failure> {
    let all = api.queues(None).await?;
    let shown: Vec<QueueStatus> = all.iter().take(QUEUES_MOST).cloned().collect();
    let left_out = all.len() - shown.len();
    drop(all);
    let now = api.totals().await?.at;
    Ok(written(Queues {
        shown,
        left_out,
        now,
    }))
}

fn written(what: impl Collector) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(what));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TEXT)], body).into_response(),
        Err(error) => Failure::Unreadable(error.to_string()).into_response(),
    }
}
