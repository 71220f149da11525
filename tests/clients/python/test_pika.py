"""pika, the blocking Python client, unmodified: what every application does."""

import datetime
import time

import pika
import pytest
from conftest import MEBIBYTE, PORT
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker, UnroutableError
from pika_tools import PERSISTENT, channel, connect, connection, publish, queue, take, waiting

__all__ = ["channel", "connection", "queue"]


def test_publish_with_confirms_consume_and_ack(channel, queue):
    bodies = [f"message {number}".encode() for number in range(100)]
    publish(channel, queue, *bodies)
    assert waiting(channel, queue) == 100
    deliveries = take(channel, queue, 100)
    assert [body for _, _, body in deliveries] == bodies
    assert not any(method.redelivered for method, _, _ in deliveries)
    for method, _, _ in deliveries:
        channel.basic_ack(method.delivery_tag)
    assert channel.cancel() == 0
    assert waiting(channel, queue) == 0


def test_prefetch_bounds_what_is_unacked(connection, channel, queue):
    publish(channel, queue, *[b"x"] * 10)
    got = []
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume(queue, lambda _channel, method, _properties, _body: got.append(method.delivery_tag))
    connection.process_data_events(time_limit=1)
    assert len(got) == 3
    channel.basic_ack(got[-1], multiple=True)
    connection.process_data_events(time_limit=1)
    assert len(got) == 6
    assert waiting(channel, queue) == 4


def test_nack_with_requeue_comes_back_in_its_place_marked(channel, queue):
    publish(channel, queue, b"first", b"second", b"third")
    deliveries = take(channel, queue, 3)
    channel.basic_nack(deliveries[0][0].delivery_tag, requeue=True)
    channel.basic_reject(deliveries[1][0].delivery_tag, requeue=True)
    again = take(channel, queue, 2)
    assert {body for _, _, body in again} == {b"first", b"second"}
    assert all(method.redelivered for method, _, _ in again)


def test_nack_without_requeue_removes(channel, queue):
    publish(channel, queue, b"unwanted", b"wanted")
    method, _, _ = channel.basic_get(queue)
    channel.basic_nack(method.delivery_tag, requeue=False)
    method, _, body = channel.basic_get(queue)
    assert body == b"wanted" and method.message_count == 0
    channel.basic_ack(method.delivery_tag)
    assert channel.basic_get(queue) == (None, None, None)


def test_what_a_closed_channel_left_unacked_comes_back_in_order(connection, channel, queue):
    publish(channel, queue, b"first", b"second")
    other = connection.channel()
    assert other.basic_get(queue)[2] == b"first"
    other.close()
    method, _, body = channel.basic_get(queue)
    assert body == b"first" and method.redelivered
    method, _, body = channel.basic_get(queue)
    assert body == b"second" and not method.redelivered


def test_get_tells_how_many_are_left(channel, queue):
    publish(channel, queue, b"first", b"second")
    method, _, body = channel.basic_get(queue, auto_ack=True)
    assert (body, method.message_count, method.routing_key) == (b"first", 1, queue)
    assert channel.basic_get(queue, auto_ack=True)[2] == b"second"
    assert channel.basic_get(queue) == (None, None, None)


def test_mandatory_returns_what_has_no_queue(channel, name):
    with pytest.raises(UnroutableError) as returned:
        channel.basic_publish("", name, b"nobody", PERSISTENT, mandatory=True)
    message = returned.value.messages[0]
    assert (message.method.reply_code, message.method.reply_text) == (312, "NO_ROUTE")
    assert (message.method.routing_key, message.body) == (name, b"nobody")
    channel.basic_publish("", name, b"nobody minds", PERSISTENT)


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic", "headers"])
def test_exchanges_route(channel, queue, name, exchange_type):
    exchange = f"{name}-{exchange_type}"
    channel.exchange_declare(exchange, exchange_type, durable=True)
    arguments = {"x-match": "all", "kind": "right"} if exchange_type == "headers" else None
    channel.queue_bind(queue, exchange, "orders.*.paid" if exchange_type == "topic" else "key", arguments)
    key = "orders.7.paid" if exchange_type == "topic" else "key"
    right = pika.BasicProperties(delivery_mode=2, headers={"kind": "right"})
    channel.basic_publish(exchange, key, b"right", right, mandatory=True)
    if exchange_type != "fanout":
        with pytest.raises(UnroutableError):
            channel.basic_publish(exchange, "other", b"wrong", PERSISTENT, mandatory=True)
    assert channel.basic_get(queue, auto_ack=True)[2] == b"right"
    channel.exchange_delete(exchange)


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_messages_outlive_the_server(connection, channel, queue, restart, how):
    bodies = [f"message {number}".encode() for number in range(200)]
    publish(channel, queue, *bodies)
    method, _, _ = channel.basic_get(queue)
    restart(how)
    with pytest.raises(AMQPConnectionError) as told:
        while True:
            connection.process_data_events(time_limit=1)
    if how == "terminate":
        assert isinstance(told.value, ConnectionClosedByBroker) and told.value.reply_code == 320
    with connect() as again:
        channel = again.channel()
        channel.confirm_delivery()
        assert waiting(channel, queue) == 200
        deliveries = take(channel, queue, 200)
        assert [body for _, _, body in deliveries] == bodies
        assert all(properties.delivery_mode == 2 for _, properties, _ in deliveries)
        channel.basic_ack(deliveries[-1][0].delivery_tag, multiple=True)
        publish(channel, queue, b"after")
        assert take(channel, queue, 1)[0][2] == b"after"


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 10 * MEBIBYTE])
def test_bodies_of_every_size(channel, queue, size):
    body = bytes(i * 31 % 251 for i in range(min(size, 251))) * (size // 251 + 1)
    body = body[:size]
    publish(channel, queue, body)
    method, _, got = channel.basic_get(queue)
    assert got == body
    channel.basic_ack(method.delivery_tag)


def test_headers_and_properties_come_back_as_they_were(channel, queue, headers):
    sent = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        headers=headers,
        delivery_mode=2,
        priority=3,
        correlation_id="correlation",
        reply_to="replies",
        message_id="id",
        timestamp=1_700_000_000,
        type="kind",
        user_id="guest",
        app_id="tests",
    )
    channel.basic_publish("", queue, b"", sent, mandatory=True)
    _, got, _ = channel.basic_get(queue, auto_ack=True)
    # pika reads times without their zone.
    got.headers["time"] = got.headers["time"].replace(tzinfo=datetime.timezone.utc)
    assert got.headers == headers
    assert got == sent


def test_an_unknown_queue_closes_only_the_channel(connection, channel, name):
    other = connection.channel()
    with pytest.raises(ChannelClosedByBroker) as told:
        channel.queue_declare(name, passive=True)
    assert told.value.reply_code == 404
    assert told.value.reply_text == f"NOT_FOUND - no queue '{name}' in vhost '/'"
    with pytest.raises(ChannelClosedByBroker) as told:
        connection.channel().basic_consume(name, print)
    assert told.value.reply_code == 404
    assert other.is_open and connection.is_open
    other.queue_declare(name, exclusive=True)


def test_an_unknown_exchange_closes_the_channel_of_the_publish(connection, channel, name):
    with pytest.raises(ChannelClosedByBroker) as told:
        channel.basic_publish(name, "key", b"x", PERSISTENT)
    assert told.value.reply_code == 404
    assert told.value.reply_text == f"NOT_FOUND - no exchange '{name}' in vhost '/'"
    assert connection.is_open


def test_declaring_otherwise_is_refused(connection, queue):
    with pytest.raises(ChannelClosedByBroker) as told:
        connection.channel().queue_declare(queue, durable=False)
    assert told.value.reply_code == 406
    assert told.value.reply_text.startswith("PRECONDITION_FAILED - inequivalent arg 'durable' for queue")
    connection.channel().queue_declare(queue, durable=True)


def test_a_tag_is_acknowledged_once(connection, channel, queue):
    publish(channel, queue, b"once")
    method, _, _ = channel.basic_get(queue)
    channel.basic_ack(method.delivery_tag)
    channel.basic_ack(method.delivery_tag)
    with pytest.raises(ChannelClosedByBroker) as told:
        while True:
            channel.queue_declare(queue, passive=True)
    assert told.value.reply_code == 406
    assert told.value.reply_text == f"PRECONDITION_FAILED - unknown delivery tag {method.delivery_tag}"
    assert connection.is_open


def test_an_exclusive_queue_is_of_one_connection(connection, name):
    connection.channel().queue_declare(name, exclusive=True)
    with connect() as stranger:
        with pytest.raises(ChannelClosedByBroker) as told:
            stranger.channel().queue_declare(name, passive=True)
        assert told.value.reply_code == 405
        assert told.value.reply_text.startswith("RESOURCE_LOCKED - ")
        connection.close()
        for _ in range(50):
            try:
                stranger.channel().queue_declare(name, exclusive=True)
                break
            except ChannelClosedByBroker:
                time.sleep(0.1)
        else:
            pytest.fail("the exclusive queue outlived its connection")


def test_a_queue_named_by_the_server(channel):
    first = channel.queue_declare("", exclusive=True).method.queue
    second = channel.queue_declare("", exclusive=True).method.queue
    assert first.startswith("amq.gen-") and second.startswith("amq.gen-") and first != second


def test_purge_and_delete_count(channel, queue):
    publish(channel, queue, b"1", b"2", b"3")
    assert channel.queue_purge(queue).method.message_count == 3
    publish(channel, queue, b"4")
    assert channel.queue_delete(queue).method.message_count == 1
    assert channel.queue_delete(queue).method.message_count == 0


def test_a_consumer_is_told_when_its_queue_goes(connection, channel, queue):
    told = []
    channel.add_on_cancel_callback(told.append)
    channel.basic_consume(queue, print)
    connection.channel().queue_delete(queue)
    connection.process_data_events(time_limit=2)
    assert len(told) == 1


def test_a_wrong_password_is_refused():
    wrong = pika.PlainCredentials("guest", "wrong")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError) as told:
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT, credentials=wrong))
    assert "ACCESS_REFUSED" in str(told.value)
