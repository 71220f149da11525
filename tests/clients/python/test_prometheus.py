"""prometheus_client's parser, which is strict, reads what Prometheus is served; pika makes something to see."""

import base64
import os
import time
import urllib.request

import pika
import pytest
from pika_tools import channel, connection
from prometheus_client.openmetrics.parser import text_string_to_metric_families

__all__ = ["channel", "connection"]

# What the official Grafana dashboard "RabbitMQ-Overview" asks for.
DASHBOARD = """
rabbitmq_build_info rabbitmq_identity_info rabbitmq_queue_messages_ready rabbitmq_queue_messages_unacked rabbitmq_queues
rabbitmq_connections rabbitmq_channels rabbitmq_queues_declared_total rabbitmq_queues_created_total
rabbitmq_queues_deleted_total rabbitmq_connections_opened_total rabbitmq_connections_closed_total
rabbitmq_channels_opened_total rabbitmq_channels_closed_total rabbitmq_global_messages_received_total
rabbitmq_global_messages_received_confirm_total rabbitmq_global_messages_confirmed_total
rabbitmq_global_messages_routed_total rabbitmq_global_messages_unroutable_dropped_total
rabbitmq_global_messages_unroutable_returned_total rabbitmq_global_messages_redelivered_total
rabbitmq_global_messages_delivered_consume_manual_ack_total rabbitmq_global_messages_delivered_consume_auto_ack_total
rabbitmq_global_messages_delivered_get_manual_ack_total rabbitmq_global_messages_delivered_get_auto_ack_total
rabbitmq_global_messages_acknowledged_total rabbitmq_global_messages_get_empty_total rabbitmq_global_publishers
rabbitmq_global_consumers rabbitmq_process_resident_memory_bytes rabbitmq_resident_memory_limit_bytes
rabbitmq_disk_space_available_bytes rabbitmq_process_open_fds rabbitmq_process_max_fds
""".split()


def scrape(path, accept=None):
    """The samples by name, each with its labels and its value."""
    request = urllib.request.Request(f"http://127.0.0.1:{os.environ['ADMIN_PORT']}{path}")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    if accept:
        request.add_header("Accept", accept)
    with urllib.request.urlopen(request, timeout=30) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def eventually(path, accept, name, is_so):
    """What is scraped as soon as a sample is so; how things stand is told every second."""
    deadline = time.monotonic() + 10
    while True:
        found = scrape(path, accept)
        if any(is_so(labels, value) for labels, value in found.get(name, [])):
            return found
        assert time.monotonic() < deadline, found.get(name)
        time.sleep(0.2)


@pytest.fixture
def queue(channel, name):
    channel.confirm_delivery()
    channel.queue_declare(name, durable=True)
    for _ in range(3):
        channel.basic_publish("", name, b"counted", pika.BasicProperties(delivery_mode=2))
    yield name
    channel.queue_delete(name)


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text; version=1.0.0", "text/plain; version=0.0.4"])
def test_what_the_dashboard_asks_for_is_there(queue, accept):
    found = eventually("/metrics", accept, "rabbitmq_global_messages_confirmed_total", lambda labels, value: value >= 3)
    assert [name for name in DASHBOARD if name not in found] == []


def test_each_queue_is_told(queue):
    mine = {"queue": queue, "vhost": "/"}
    ready = eventually("/metrics/per-object", None, "rabbitmq_queue_messages_ready", lambda labels, value: labels == mine and value == 3)
    labels = [str(labels) for labels, _ in ready["rabbitmq_queue_messages_ready"]]
    assert len(set(labels)) == len(labels)
