//! The way to the collector: a thread that sends spans in batches. What it cannot keep up with is left out, counted and
//! told in the log.

use super::span::Span;
use crate::config::Collector;
use admin::instruments::SpanCounts;
use anyhow::Context;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Protocol, SpanExporter as Exporter, WithExportConfig, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use rustls::crypto::ring;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// The most spans that wait to be sent.
const SPANS_MAX: usize = 16_384;

/// The most spans of one request.
const BATCH_MAX: usize = 512;

/// A span waits so long for company.
const COMPANY_WAIT: Duration = Duration::from_millis(500);

/// A collector has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// An answer is no longer than this, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A server that stops waits no longer for its last spans to be sent.
const FAREWELL_MAX: Duration = Duration::from_secs(3);

/// What is left out is told no more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The way to the thread.
pub(super) struct Post {
    sender: Sender<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<SpanCounts>,
    /// When the thread gives up what it has not sent.
    give_up: Arc<OnceLock<Instant>>,
    /// Hears that the thread has ended.
    ended: Receiver<()>,
}

impl Post {
    pub(super) fn start(
        collector: &Collector,
        who: &[(&'static str, String)],
        counts: Arc<SpanCounts>,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = channel();
        let (alive, ended) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let give_up = Arc::new(OnceLock::new());
        let scope = InstrumentationScope::builder("landfall");
        let mut postman = Postman {
            exporter: exporter(collector, who)?,
            runtime: Builder::new_current_thread().build()?,
            scope: scope.with_version(env!("CARGO_PKG_VERSION")).build(),
            url: collector.url.clone(),
            receiver,
            waiting: waiting.clone(),
            counts: counts.clone(),
            give_up: give_up.clone(),
            failing: false,
            told: (Instant::now(), 0, 0),
        };
        std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || {
                postman.run();
                drop(alive);
            })?;
        Ok(Self {
            sender,
            waiting,
            counts,
            give_up,
            ended,
        })
    }

    /// Hands over spans, as many as there is room for; the rest is left out.
    pub(super) fn send(&self, spans: &mut Vec<Span>) {
        let room = SPANS_MAX.saturating_sub(self.waiting.load(Ordering::Relaxed));
        if spans.len() > room {
            self.counts.left_out(spans.len() - room);
            spans.truncate(room);
        }
        if spans.is_empty() {
            return;
        }
        self.waiting.fetch_add(spans.len(), Ordering::Relaxed);
        if let Err(unsent) = self.sender.send(std::mem::take(spans)) {
            // The thread has ended by a defect.
            self.counts.left_out(unsent.0.len());
        }
    }

    /// Waits for the last ones to be sent.
    pub(super) fn end(self) {
        let _ = self.give_up.set(Instant::now() + FAREWELL_MAX);
        drop(self.sender);
        // It says nothing, it goes.
        let ended = self.ended.recv_timeout(FAREWELL_MAX);
        if ended == Err(RecvTimeoutError::Timeout) {
            let spans = self.waiting.load(Ordering::Relaxed);
            warn!(spans, "the last spans were not sent: the collector is slow");
        }
    }
}

fn exporter(collector: &Collector, who: &[(&'static str, String)]) -> anyhow::Result<Exporter> {
    let mut exporter = Exporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(Carrier::new())
        .with_endpoint(collector.url.as_str())
        .with_timeout(ANSWER_MAX)
        .build()
        .context("cannot use the collector of traces")?;
    let who = who
        .iter()
        .map(|(key, value)| KeyValue::new(*key, value.clone()));
    exporter.set_resource(&Resource::builder().with_attributes(who).build());
    Ok(exporter)
}

/// The thread.
struct Postman {
    exporter: Exporter,
    runtime: Runtime,
    scope: InstrumentationScope,
    /// Where the collector is.
    url: String,
    receiver: Receiver<Vec<Span>>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<SpanCounts>,
    give_up: Arc<OnceLock<Instant>>,
    /// The last batch was not taken.
    failing: bool,
    /// When it was told what is left out, and how many spans and messages those were.
    told: (Instant, u64, u64),
}

impl Postman {
    fn run(&mut self) {
        while let Some(spans) = self.gather() {
            for batch in spans.chunks(BATCH_MAX) {
                let is_late = |by: &Instant| Instant::now() >= *by;
                if self.give_up.get().is_some_and(is_late) {
                    self.counts.left_out(batch.len());
                } else {
                    self.export(batch);
                }
                self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            }
            self.tell_left_out();
        }
    }

    /// Waits for spans, and then for some more; `None` when there will be none.
    fn gather(&self) -> Option<Vec<Span>> {
        let mut spans = self.receiver.recv().ok()?;
        let by = Instant::now() + COMPANY_WAIT;
        while spans.len() < BATCH_MAX {
            let wait = by.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(wait) {
                Ok(more) => spans.extend(more),
                Err(_) => break,
            }
        }
        Some(spans)
    }

    fn export(&mut self, batch: &[Span]) {
        let rendered = batch.iter().map(|span| span.render(&self.scope)).collect();
        let sent = self.runtime.block_on(self.exporter.export(rendered));
        match sent {
            Ok(()) => {
                self.counts.sent(batch.len());
                if std::mem::take(&mut self.failing) {
                    info!("the collector takes spans again");
                }
            }
            Err(error) => {
                self.counts.failed(batch.len());
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, url = %self.url, "the collector takes no spans: they are left out until it does");
                }
            }
        }
    }

    fn tell_left_out(&mut self) {
        let (at, told_spans, told_messages) = self.told;
        let all = (self.counts.all_left_out(), self.counts.all_forgotten());
        if all != (told_spans, told_messages) && at.elapsed() >= TOLD_EVERY {
            self.told = (Instant::now(), all.0, all.1);
            let (spans, messages) = (all.0 - told_spans, all.1 - told_messages);
            warn!(
                spans,
                messages,
                "more is traced than there is room for: spans were left out, messages are followed no further"
            );
        }
    }
}

/// Our HTTP client, as the exporter wants it. It blocks: the thread has nothing else to do.
#[derive(Debug)]
struct Carrier(Agent);

impl Carrier {
    fn new() -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self(agent.into())
    }

    fn carry(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Carrier {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(self.carry(request)))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::tests::span;

    #[test]
    fn what_there_is_no_room_for_is_left_out_and_counted() {
        let (sender, receiver) = channel();
        let (_alive, ended) = channel();
        let post = Post {
            sender,
            waiting: Arc::default(),
            counts: Arc::default(),
            give_up: Arc::default(),
            ended,
        };
        let send = |count: usize| post.send(&mut (0..count).map(|_| span()).collect());
        send(SPANS_MAX - 10);
        assert_eq!(post.counts.all_left_out(), 0);
        send(25);
        send(1);
        assert_eq!(post.counts.all_left_out(), 16);
        let waiting: usize = receiver.try_iter().map(|spans| spans.len()).sum();
        assert_eq!(waiting, SPANS_MAX);
        post.waiting.fetch_sub(waiting, Ordering::Relaxed);
        send(3);
        assert_eq!(receiver.try_iter().flatten().count(), 3);
        assert_eq!(post.counts.all_left_out(), 16);
    }
}
