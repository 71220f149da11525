"""py-amqp, the client below kombu, unmodified and used by itself."""

import socket

import amqp
import pytest
from amqp.exceptions import AccessRefused, ChannelError, ConsumerCancelled, MessageNacked, NotFound, PreconditionFailed
from conftest import MEBIBYTE, PORT


def connect(**options):
    connection = amqp.Connection(f"127.0.0.1:{PORT}", **options)
    connection.connect()
    return connection


@pytest.fixture
def connection():
    connection = connect(confirm_publish=True)
    yield connection
    try:
        connection.close()
    except (OSError, ConsumerCancelled):
        # A test restarted the server, or its queue was deleted under a consumer.
        connection.collect()


@pytest.fixture
def channel(connection):
    return connection.channel()


@pytest.fixture
def queue(channel, name):
    channel.queue_declare(name, durable=True, auto_delete=False)
    yield name
    with connect() as cleaner:
        cleaner.channel().queue_delete(name)


def publish(channel, queue, *bodies, **properties):
    for body in bodies:
        message = amqp.Message(body, delivery_mode=2, **properties)
        channel.basic_publish(message, routing_key=queue)


def drain(channel, until):
    """Takes events in until the condition holds."""
    while not until():
        channel.connection.drain_events(timeout=20)


def test_publish_with_confirms_consume_and_ack(channel, queue):
    publish(channel, queue, *[str(number) for number in range(100)])
    got = []
    channel.basic_qos(0, 10, False)
    tag = channel.basic_consume(queue, callback=got.append)
    acked = 0
    while acked < 100:
        drain(channel, lambda acked=acked: len(got) > acked)
        channel.basic_ack(got[acked].delivery_tag)
        acked += 1
    channel.basic_cancel(tag)
    assert [int(message.body) for message in got] == list(range(100))
    assert channel.queue_declare(queue, passive=True).message_count == 0


def test_get_and_requeue(channel, queue):
    publish(channel, queue, "1", "2")
    first = channel.basic_get(queue)
    assert (first.body, first.delivery_info["message_count"], first.delivery_info["redelivered"]) == ("1", 1, False)
    channel.basic_reject(first.delivery_tag, requeue=True)
    again = channel.basic_get(queue)
    assert again.body == "1" and again.delivery_info["redelivered"]
    channel.basic_ack(again.delivery_tag)
    assert channel.basic_get(queue, no_ack=True).body == "2"
    assert channel.basic_get(queue) is None


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 10 * MEBIBYTE])
def test_bodies_of_every_size(channel, queue, size):
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    publish(channel, queue, body, content_encoding="binary")
    got = channel.basic_get(queue, no_ack=True)
    assert bytes(got.body) == body if size else not got.body


def test_headers_and_properties_come_back_as_they_were(channel, queue, headers):
    headers["time"] = headers["time"].replace(tzinfo=None)
    sent = {
        "content_type": "text/plain",
        "content_encoding": "utf-8",
        "priority": 3,
        "correlation_id": "correlation",
        "reply_to": "replies",
        "expiration": "600000",
        "message_id": "id",
        "type": "kind",
        "user_id": "guest",
        "app_id": "tests",
    }
    publish(channel, queue, "x", application_headers=headers, **sent)
    got = channel.basic_get(queue, no_ack=True)
    headers["bytes"] = bytearray(headers["bytes"])
    assert got.headers == headers
    assert {name: got.properties[name] for name in sent} == sent


def test_returns_and_their_confirm(channel, name):
    returned = []
    channel.events["basic_return"].add(lambda *told: returned.append(told))
    channel.basic_publish(amqp.Message("nobody"), routing_key=name, mandatory=True)
    ((_, exchange, key, message),) = returned
    assert (exchange, key, message.body) == ("", name, "nobody")


def test_a_full_queue_says_no(channel, name):
    channel.queue_declare(name, auto_delete=False, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    publish(channel, name, "1")
    with pytest.raises(MessageNacked):
        publish(channel, name, "2")
    channel.queue_delete(name)


def test_transactions(queue):
    with connect() as connection:
        channel = connection.channel()
        channel.tx_select()
        publish(channel, queue, "1", "2")
        channel.tx_rollback()
        publish(channel, queue, "3")
        channel.tx_commit()
        got = channel.basic_get(queue)
        assert (got.body, got.delivery_info["message_count"]) == ("3", 0)
        channel.basic_ack(got.delivery_tag)
        channel.tx_commit()
        assert channel.basic_get(queue) is None


def test_recover(channel, queue):
    publish(channel, queue, "x")
    got = []
    channel.basic_consume(queue, callback=got.append)
    drain(channel, lambda: len(got) == 1)
    channel.basic_recover(requeue=True)
    drain(channel, lambda: len(got) == 2)
    assert [message.delivery_info["redelivered"] for message in got] == [False, True]


def test_exchanges_bound_to_exchanges(channel, queue, name):
    channel.exchange_declare(f"{name}-a", "topic", durable=True, auto_delete=False)
    channel.exchange_declare(f"{name}-b", "fanout", durable=True, auto_delete=False)
    channel.exchange_bind(f"{name}-b", f"{name}-a", "x.#")
    channel.queue_bind(queue, f"{name}-b")
    channel.basic_publish(amqp.Message("through"), exchange=f"{name}-a", routing_key="x.y")
    assert channel.basic_get(queue, no_ack=True).body == "through"
    channel.exchange_unbind(f"{name}-b", f"{name}-a", "x.#")
    channel.basic_publish(amqp.Message("not through"), exchange=f"{name}-a", routing_key="x.y")
    assert channel.basic_get(queue) is None
    channel.exchange_delete(f"{name}-a")
    channel.exchange_delete(f"{name}-b")


def test_methods_without_an_answer(channel, name):
    """nowait: the server says nothing, and the next answer belongs to the next question."""
    channel.queue_declare(name, durable=True, auto_delete=False, nowait=True)
    channel.exchange_declare(f"{name}-x", "direct", auto_delete=False, nowait=True)
    channel.queue_bind(name, f"{name}-x", "key", nowait=True)
    channel.basic_publish(amqp.Message("x"), exchange=f"{name}-x", routing_key="key")
    assert channel.basic_get(name, no_ack=True).body == "x"
    channel.queue_purge(name, nowait=True)
    channel.exchange_delete(f"{name}-x", nowait=True)
    channel.queue_delete(name, nowait=True)
    with pytest.raises(NotFound):
        channel.queue_declare(name, passive=True)


def test_flow(channel):
    channel.flow(True)


def test_a_consumer_is_told_when_its_queue_goes(connection, channel, queue):
    channel.basic_consume(queue, callback=print)
    with pytest.raises(ConsumerCancelled):
        connection.channel().queue_delete(queue)
        connection.drain_events(timeout=20)


def test_errors_close_the_channel_with_code_and_method(connection, queue, name):
    with pytest.raises(NotFound) as told:
        connection.channel().queue_bind(queue, f"{name}-missing")
    assert (told.value.code, told.value.method_name) == (404, "Queue.bind")
    assert told.value.reply_text == f"NOT_FOUND - no exchange '{name}-missing' in vhost '/'"
    with pytest.raises(PreconditionFailed) as told:
        connection.channel().queue_declare(queue, durable=False, auto_delete=False)
    assert (told.value.code, told.value.method_name) == (406, "Queue.declare")
    with pytest.raises(AccessRefused) as told:
        connection.channel().queue_bind(queue, "")
    assert told.value.code == 403
    channel = connection.channel()
    channel.basic_ack(99)
    with pytest.raises(ChannelError):
        channel.queue_declare(queue, passive=True)
    assert connection.connected


@pytest.mark.parametrize("method", ["PLAIN", "AMQPLAIN"])
def test_ways_to_log_in(method):
    with connect(login_method=method) as connection:
        assert connection.channel().is_open


def test_refused_logins_and_vhosts():
    with pytest.raises(AccessRefused):
        connect(password="wrong")
    with pytest.raises(amqp.exceptions.NotAllowed, match="vhost"):
        connect(virtual_host="missing")


def test_a_channel_number_is_used_again_at_once(connection):
    for _ in range(20):
        channel = connection.channel(7)
        name = channel.queue_declare("", exclusive=True).queue
        channel.basic_consume(name, callback=print)
        channel.close()


def test_what_the_server_says_it_can(connection):
    capabilities = connection.server_properties["capabilities"]
    assert all(capabilities[name] is True for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ])


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_messages_outlive_the_server(channel, queue, restart, how):
    publish(channel, queue, *[str(number) for number in range(50)])
    restart(how)
    with pytest.raises((OSError, amqp.exceptions.ConnectionForced)):
        while True:
            channel.connection.drain_events(timeout=20)
    with connect() as connection:
        got = []
        channel = connection.channel()
        channel.basic_consume(queue, callback=got.append)
        drain(channel, lambda: len(got) == 50)
        assert [int(message.body) for message in got] == list(range(50))
        channel.basic_ack(0, multiple=True)


def test_heartbeats():
    with connect(heartbeat=1) as connection:
        for _ in range(10):
            with pytest.raises(socket.timeout):
                connection.drain_events(timeout=0.3)
            connection.heartbeat_tick()
        assert connection.channel().is_open
