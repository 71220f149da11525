"""pika: messages that wait for their time, as the delayed message exchange has them. Measured; RabbitMQ needs its plugin."""

import time

import pika
import pytest
from pika_tools import channel, connect, connection, get, waiting

__all__ = ["channel", "connection"]


@pytest.fixture(autouse=True)
def only_where_it_is_part_of_the_server(connection):
    product = connection._impl.server_properties["product"]
    if product != "Landfall":
        pytest.skip(f"{product} has no delayed message exchange without its plugin")


@pytest.fixture
def delayed(channel, name):
    """An exchange that puts off, with a queue behind it; both have the test's name."""
    arguments = {"x-delayed-type": "topic"}
    channel.exchange_declare(name, "x-delayed-message", durable=True, arguments=arguments)
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name, "work.#")
    yield name
    with connect() as cleaner:
        cleaner.channel().queue_delete(name)
        cleaner.channel().exchange_delete(name)


def put_off(channel, exchange, milliseconds, body, **properties):
    headers = {"x-delay": milliseconds}
    properties = pika.BasicProperties(delivery_mode=2, headers=headers, **properties)
    channel.basic_publish(exchange, "work.now", body, properties, mandatory=True)


def arrivals(channel, queue, count):
    """When each of the next messages came, and what it says."""
    came = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=15, auto_ack=True):
        assert method is not None, f"{len(came)} of {count} came"
        came.append((time.monotonic(), properties, body))
        if len(came) == count:
            return came


def test_each_comes_when_its_time_has_come(channel, delayed):
    sent = time.monotonic()
    for milliseconds in [3000, 1000, 2000, 0]:
        # Confirmed at once: it has landed, and waits.
        put_off(channel, delayed, milliseconds, str(milliseconds).encode())
    assert time.monotonic() - sent < 1
    came = arrivals(channel, delayed, 4)
    assert [body for *_, body in came] == [b"0", b"1000", b"2000", b"3000"]
    for at, properties, body in came[1:]:
        due = int(body) / 1000
        assert due * 0.99 <= at - sent <= due * 1.1, (at - sent, due)
        assert properties.headers["x-delay"] == -int(body)


def test_what_waits_is_not_ready_and_survives_kill_9_with_its_time(channel, delayed, restart):
    sent = time.monotonic()
    put_off(channel, delayed, 6000, b"later", priority=3)
    assert waiting(channel, delayed) == 0
    assert channel.basic_get(delayed)[0] is None
    restart("kill")
    with connect() as again:
        at, properties, body = arrivals(again.channel(), delayed, 1)[0]
    assert (body, properties.priority) == (b"later", 3)
    assert 6 * 0.99 <= at - sent <= 6 * 1.1


def test_without_a_delay_it_routes_as_its_type_does(channel, delayed):
    channel.basic_publish(delayed, "work.now", b"plain", mandatory=True)
    assert get(channel, delayed)[2] == b"plain"
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish(delayed, "play", b"nobody's", mandatory=True)


def test_a_queue_of_its_own_puts_off_all_that_comes(channel, name):
    channel.queue_declare(name, durable=True, arguments={"x-delivery-delay": 1500})
    sent = time.monotonic()
    channel.basic_publish("", name, b"x", mandatory=True)
    [(at, *_)] = arrivals(channel, name, 1)
    assert 1.5 * 0.99 <= at - sent <= 1.5 * 1.1
    channel.queue_delete(name)
