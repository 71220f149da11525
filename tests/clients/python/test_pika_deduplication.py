"""pika: queues that deduplicate, across kill -9."""

import time

import pika
import pytest
from pika_tools import channel, connect, connection

__all__ = ["channel", "connection"]


@pytest.fixture
def deduplicating(connection, channel, name):
    """A function that declares a durable queue that deduplicates."""
    if connection._impl.server_properties["product"] == "RabbitMQ":
        pytest.skip("a plugin there, which deduplicates while the message waits")

    def declare(**arguments):
        arguments = {argument.replace("_", "-"): value for argument, value in arguments.items()}
        channel.queue_declare(name, durable=True, arguments={"x-message-deduplication": True, **arguments})
        return name

    yield declare
    with connect() as cleaner:
        cleaner.channel().queue_delete(name)


def bodies(channel, queue):
    got = []
    while (delivery := channel.basic_get(queue, auto_ack=True))[0] is not None:
        got.append(delivery[2])
    return got


def send(channel, queue, body, headers=None, **properties):
    """Returns when it is confirmed, whether it landed or was known."""
    properties = pika.BasicProperties(delivery_mode=2, headers=headers, **properties)
    channel.basic_publish("", queue, body, properties, mandatory=True)


def test_a_known_header_does_not_land_again_though_the_first_is_gone_and_the_server_was_killed(
    channel, deduplicating, restart
):
    queue = deduplicating(x_cache_ttl=60_000)
    send(channel, queue, b"first", {"x-deduplication-header": "a"})
    send(channel, queue, b"again", {"x-deduplication-header": "a"})
    send(channel, queue, b"other", {"x-deduplication-header": "b"})
    send(channel, queue, b"without")
    send(channel, queue, b"without")
    assert bodies(channel, queue) == [b"first", b"other", b"without", b"without"]
    # Until the acknowledgements have landed a crash may forget them.
    channel.close()
    time.sleep(0.2)
    restart("kill")
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        send(channel, queue, b"again", {"x-deduplication-header": "a"})
        send(channel, queue, b"new", {"x-deduplication-header": "c"})
        assert bodies(channel, queue) == [b"new"]


def test_messages_are_told_apart_by_their_id_within_number_and_time(channel, deduplicating):
    queue = deduplicating(x_deduplication_property="message_id", x_cache_size=2, x_cache_ttl=500)
    for id in ["1", "2", "1", "3", "1"]:
        send(channel, queue, id.encode(), message_id=id)
    assert bodies(channel, queue) == [b"1", b"2", b"3", b"1"], "two are remembered"
    time.sleep(0.6)
    send(channel, queue, b"late", message_id="1")
    assert bodies(channel, queue) == [b"late"], "half a second is over"


def test_each_queue_of_a_fanout_decides_for_itself(channel, deduplicating, name):
    queue = deduplicating()
    exchange, other = f"{name}-all", channel.queue_declare("", exclusive=True).method.queue
    channel.exchange_declare(exchange, "fanout", auto_delete=True)
    channel.queue_bind(queue, exchange)
    channel.queue_bind(other, exchange)
    properties = pika.BasicProperties(headers={"x-deduplication-header": 7})
    for body in [b"one", b"two"]:
        channel.basic_publish(exchange, "", body, properties, mandatory=True)
    assert bodies(channel, queue) == [b"one"]
    assert bodies(channel, other) == [b"one", b"two"]
