//! The names of the metrics, and what each is.

use super::{OfNode, OfShard};
use crate::histogram::Counted;
use crate::rates::float;
use broker::snapshot::QueueStatus;
use model::Timestamp;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::borrow::Cow;
use std::fmt::Error;

/// A page that is being written.
pub(super) struct Page<'a, 'b>(pub(super) &'a mut DescriptorEncoder<'b>);

type Labels<'a> = [(&'a str, &'a str)];

/// The only protocol.
const AMQP: &Labels<'static> = &[("protocol", "amqp091")];

/// Histograms of microseconds are shown in seconds.
const MICROSECONDS: f64 = 1e-6;

/// A label's value as it stands between quotation marks: the library writes it as it is.
fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        return value.replace('\n', "\\n").into();
    }
    value.into()
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Page<'_, '_> {
    /// A counter; `_total` is put behind its name.
    fn counter(
        &mut self,
        name: &str,
        help: &str,
        labels: &Labels<'_>,
        value: u64,
    ) -> Result<(), Error> {
        let kind = MetricType::Counter;
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        if labels.is_empty() {
            return metric.encode_counter::<NoLabelSet, u64, f64>(&value, None);
        }
        let mut one = metric.encode_family(&labels)?;
        one.encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        labels: &Labels<'_>,
        value: u64,
    ) -> Result<(), Error> {
        let kind = MetricType::Gauge;
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        if labels.is_empty() {
            return metric.encode_gauge(&whole(value));
        }
        metric.encode_family(&labels)?.encode_gauge(&whole(value))
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let kind = MetricType::Gauge;
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        metric.encode_gauge(&value)
    }

    /// One metric of several things that a label tells apart.
    fn several(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        label: &str,
        values: &[(&str, u64)],
    ) -> Result<(), Error> {
        let counts = matches!(kind, MetricType::Counter);
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (of, value) in values {
            let labels = [(label, *of)];
            let mut one = metric.encode_family(&labels)?;
            if counts {
                one.encode_counter::<NoLabelSet, u64, f64>(value, None)?;
            } else {
                one.encode_gauge(&whole(*value))?;
            }
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: f64,
        counted: &Counted,
    ) -> Result<(), Error> {
        let kind = MetricType::Histogram;
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        let mut buckets: Vec<(f64, u64)> = counted
            .doublings()
            .map(|(upto, count)| (float(upto) * unit, count))
            .collect();
        // The last one holds all that is more.
        if let Some(last) = buckets.last_mut() {
            last.0 = f64::MAX;
        }
        let sum = float(counted.sum()) * unit;
        metric.encode_histogram::<NoLabelSet>(sum, counted.count(), &buckets, None)
    }

    /// What is known of each queue.
    pub(super) fn queues(&mut self, queues: &[QueueStatus]) -> Result<(), Error> {
        type Of = fn(&QueueStatus) -> u64;
        let gauges: [(&str, &str, Of); 7] = [
            ("rabbitmq_queue_messages", "All messages", |of| {
                of.counts.total()
            }),
            (
                "rabbitmq_queue_messages_ready",
                "Messages that are ready",
                |of| of.counts.ready,
            ),
            (
                "rabbitmq_queue_messages_unacked",
                "Messages that are unacked",
                |of| of.counts.unacked,
            ),
            ("rabbitmq_queue_consumers", "Consumers", |of| of.consumers),
            (
                "landfall_queue_paused",
                "1 where it hands nothing out, because an operator says so",
                |of| of.paused.into(),
            ),
            (
                "landfall_queue_messages_delayed",
                "Messages that wait for their time",
                |of| of.counts.delayed,
            ),
            (
                "landfall_queue_messages_parked",
                "Messages that are out of attempts",
                |of| of.counts.parked,
            ),
        ];
        let counters: [(&str, &str, Of); 4] = [
            (
                "rabbitmq_queue_messages_published",
                "Messages that came",
                |of| of.traffic.publish,
            ),
            (
                "rabbitmq_queue_messages_delivered",
                "Messages that went out",
                |of| of.traffic.deliver_get(),
            ),
            (
                "rabbitmq_queue_messages_redelivered",
                "Messages that went out again",
                |of| of.traffic.redeliver,
            ),
            (
                "rabbitmq_queue_messages_acknowledged",
                "Messages that were acknowledged",
                |of| of.traffic.ack,
            ),
        ];
        let gauges = gauges.map(|of| (of, MetricType::Gauge));
        let counters = counters.map(|of| (of, MetricType::Counter));
        for ((name, help, of), kind) in gauges.into_iter().chain(counters) {
            let counts = matches!(kind, MetricType::Counter);
            let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
            for queue in queues {
                let labels = [
                    ("vhost", escaped(&queue.vhost)),
                    ("queue", escaped(&queue.name)),
                ];
                let mut one = metric.encode_family(&labels)?;
                if counts {
                    one.encode_counter::<NoLabelSet, u64, f64>(&of(queue), None)?;
                } else {
                    one.encode_gauge(&whole(of(queue)))?;
                }
            }
        }
        Ok(())
    }
}

impl Page<'_, '_> {
    /// How old the oldest message is that is ready, of each queue that has one.
    pub(super) fn ages(&mut self, queues: &[QueueStatus], now: Timestamp) -> Result<(), Error> {
        let (name, help) = (
            "landfall_queue_oldest_message_seconds",
            "Age of the oldest message that is ready",
        );
        let kind = MetricType::Gauge;
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for queue in queues {
            let Some(came) = queue.oldest_came else {
                continue;
            };
            let labels = [
                ("vhost", escaped(&queue.vhost)),
                ("queue", escaped(&queue.name)),
            ];
            let age = float(now.0.saturating_sub(came.0)) / 1000.0;
            metric.encode_family(&labels)?.encode_gauge(&age)?;
        }
        Ok(())
    }
}

impl OfNode {
    pub(super) fn write(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let build = [
            ("rabbitmq_version", self.rabbitmq_version),
            ("product_name", &*escaped(&self.product)),
            ("product_version", self.version),
        ];
        page.gauge("rabbitmq_build_info", "What this is", &build, 1)?;
        let identity = [
            ("rabbitmq_node", &*escaped(&self.node)),
            ("rabbitmq_cluster", &*escaped(&self.cluster)),
        ];
        page.gauge(
            "rabbitmq_identity_info",
            "Which node of which cluster",
            &identity,
            1,
        )?;
        let help = "Seconds since the start, under the name that dashboards look for";
        page.seconds(
            "rabbitmq_erlang_uptime_seconds",
            help,
            self.uptime.as_secs_f64(),
        )?;
        let (open, most) = self.files;
        let (memory, memory_limit) = self.vitals.memory;
        let mut gauges = vec![
            (
                "rabbitmq_process_open_fds",
                "Files and sockets that are open",
                open,
            ),
            (
                "rabbitmq_process_max_fds",
                "Files and sockets that may be open",
                most,
            ),
            (
                "rabbitmq_process_resident_memory_bytes",
                "Memory in use",
                memory,
            ),
            (
                "rabbitmq_resident_memory_limit_bytes",
                "Memory that may be used",
                memory_limit,
            ),
            (
                "rabbitmq_alarms_memory_used_watermark",
                "1 while publishers wait for memory",
                self.vitals.memory_short.into(),
            ),
            (
                "rabbitmq_alarms_free_disk_space_watermark",
                "1 while publishers wait for room on the disk",
                self.vitals.disk_short.into(),
            ),
        ];
        if let Some((free, limit)) = self.vitals.disk {
            gauges.push((
                "rabbitmq_disk_space_available_bytes",
                "Room on the disk",
                free,
            ));
            let name = "rabbitmq_disk_space_available_limit_bytes";
            gauges.push((name, "Publishers leave so much", limit));
        }
        for (name, help, value) in gauges {
            page.gauge(name, help, &[], value)?;
        }
        match self.kept {
            Some((place, bytes)) => {
                let help = "What has landed and is kept";
                page.gauge("landfall_journal_bytes", help, &[("in", place)], bytes)
            }
            None => Ok(()),
        }
    }
}

impl OfShard {
    pub(super) fn write(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        self.write_objects(page)?;
        self.write_traffic(page)?;
        self.write_own(page)
    }

    fn write_objects(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let of = &self.totals;
        for (name, help, value) in [
            ("rabbitmq_connections", "Connections", of.connections),
            ("rabbitmq_channels", "Channels", of.channels),
            ("rabbitmq_consumers", "Consumers", of.consumers),
            ("rabbitmq_queues", "Queues", of.queues),
            (
                "rabbitmq_queue_messages",
                "All messages",
                of.messages.total(),
            ),
            (
                "rabbitmq_queue_messages_ready",
                "Messages that are ready",
                of.messages.ready,
            ),
            (
                "rabbitmq_queue_messages_unacked",
                "Messages that are unacked",
                of.messages.unacked,
            ),
        ] {
            page.gauge(name, help, &[], value)?;
        }
        let churn = &of.churn;
        for (name, help, value) in [
            (
                "rabbitmq_connections_opened",
                "Connections opened",
                churn.connection_created,
            ),
            (
                "rabbitmq_connections_closed",
                "Connections closed",
                churn.connection_closed,
            ),
            (
                "rabbitmq_channels_opened",
                "Channels opened",
                churn.channel_created,
            ),
            (
                "rabbitmq_channels_closed",
                "Channels closed",
                churn.channel_closed,
            ),
            (
                "rabbitmq_queues_declared",
                "Declarations of queues",
                churn.queue_declared,
            ),
            (
                "rabbitmq_queues_created",
                "Queues made",
                churn.queue_created,
            ),
            (
                "rabbitmq_queues_deleted",
                "Queues removed",
                churn.queue_deleted,
            ),
        ] {
            page.counter(name, help, &[], value)?;
        }
        Ok(())
    }

    fn write_traffic(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let (totals, traffic) = (&self.totals, &self.totals.traffic);
        for (name, help, value) in [
            ("received", "Messages that came", traffic.publish),
            (
                "received_confirm",
                "Messages that came to be confirmed",
                totals.to_confirm,
            ),
            ("confirmed", "Messages that were confirmed", traffic.confirm),
            (
                "routed",
                "Queues that messages were routed to",
                totals.routed,
            ),
            (
                "unroutable_dropped",
                "Messages that no queue wanted",
                traffic.drop_unroutable,
            ),
            (
                "unroutable_returned",
                "Messages that went back",
                traffic.return_unroutable,
            ),
            ("delivered", "Messages that went out", traffic.deliver_get()),
            (
                "delivered_consume_manual_ack",
                "To consumers that acknowledge",
                traffic.deliver,
            ),
            (
                "delivered_consume_auto_ack",
                "To those that do not",
                traffic.deliver_no_ack,
            ),
            (
                "delivered_get_manual_ack",
                "Fetched, to be acknowledged",
                traffic.get,
            ),
            (
                "delivered_get_auto_ack",
                "Fetched, without that",
                traffic.get_no_ack,
            ),
            ("get_empty", "Fetched where nothing was", traffic.get_empty),
            (
                "redelivered",
                "Messages that went out again",
                traffic.redeliver,
            ),
            (
                "acknowledged",
                "Messages that were acknowledged",
                traffic.ack,
            ),
        ] {
            let name = format!("rabbitmq_global_messages_{name}");
            page.counter(&name, help, AMQP, value)?;
        }
        let help = "Connections that have published";
        page.gauge("rabbitmq_global_publishers", help, AMQP, totals.publishers)?;
        page.gauge(
            "rabbitmq_global_consumers",
            "Consumers",
            AMQP,
            totals.consumers,
        )
    }

    fn write_own(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let (totals, here) = (&self.totals, &self.totals.messages);
        let what = ("landfall_messages", "Messages by state", MetricType::Gauge);
        let states = [
            ("ready", here.ready),
            ("unacked", here.unacked),
            ("delayed", here.delayed),
            ("parked", here.parked),
            ("leaving", here.leaving),
        ];
        page.several(what, "state", &states)?;
        let help = "Deliveries that ended without an acknowledgement";
        let what = ("landfall_deliveries_in_vain", help, MetricType::Counter);
        page.several(what, "cause", &totals.in_vain.each())?;
        let help = "For how long something waits that is due";
        let lag = float(totals.due_lag) / 1000.0;
        page.seconds("landfall_due_lag_seconds", help, lag)?;
        let help = "Messages that the audit misses or has too many";
        page.gauge("landfall_audit_imbalance", help, &[], totals.imbalance)?;
        let help = "Spans of traced messages, by what became of them";
        let what = ("landfall_spans", help, MetricType::Counter);
        page.several(what, "outcome", &self.spans)?;
        let help = "Messages that are traced no further, because too many are";
        let name = "landfall_traces_forgotten";
        page.counter(name, help, &[], self.traces_forgotten)?;
        let help = "From the turn that took publishes in until they were confirmed";
        let name = "landfall_confirm_latency_seconds";
        page.histogram(name, help, MICROSECONDS, &self.confirm)?;
        let (name, help) = (
            "landfall_sync_latency_seconds",
            "What a chunk takes to land",
        );
        page.histogram(name, help, MICROSECONDS, &self.sync)?;
        let (name, help) = ("landfall_recovery_seconds", "What the last recovery took");
        page.seconds(name, help, self.recovery.as_secs_f64())?;
        if let Some(oldest) = self.oldest {
            let name = "landfall_oldest_message_seconds";
            let help = "Age of the oldest message that is ready, of all queues";
            page.seconds(name, help, float(oldest) / 1000.0)?;
        }
        let (name, help) = ("landfall_message_bytes", "Bytes of the bodies of messages");
        page.histogram(name, help, 1.0, &self.message_bytes)?;
        page.histogram(
            "landfall_chunk_bytes",
            "Bytes of a chunk",
            1.0,
            &self.chunk_bytes,
        )?;
        let (name, help) = ("landfall_chunk_records", "Records of a chunk");
        page.histogram(name, help, 1.0, &self.chunk_records)
    }
}
