"""pika: several consumers of one queue, and what ends them."""

import socket

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker
from pika_tools import channel, connect, connection, publish, queue, refused, take, waiting

__all__ = ["channel", "connection", "queue"]


class Listener:
    """A consumer on a channel of its own that collects bodies and tags."""

    def __init__(self, connection, queue, **options):
        self.connection = connection
        self.channel = connection.channel()
        self.prefetch = options.pop("prefetch", None)
        if self.prefetch is not None:
            self.channel.basic_qos(prefetch_count=self.prefetch)
        self.bodies, self.tags, self.redelivered = [], [], []
        self.tag = self.channel.basic_consume(queue, self.receive, **options)

    def receive(self, _channel, method, _properties, body):
        self.bodies.append(body)
        self.tags.append(method.delivery_tag)
        self.redelivered.append(method.redelivered)

    def wait(self, count, within=10):
        for _ in range(within * 20):
            if len(self.bodies) >= count:
                return self.bodies
            self.connection.process_data_events(time_limit=0.05)
        pytest.fail(f"{len(self.bodies)} of {count} deliveries came")


def settle_down(connection):
    """Time for deliveries that should not come."""
    connection.process_data_events(time_limit=0.3)


def test_consumers_take_turns(connection, channel, queue):
    listeners = [Listener(connection, queue, prefetch=10) for _ in range(3)]
    publish(channel, queue, *[str(number).encode() for number in range(9)])
    settle_down(connection)
    assert [len(listener.bodies) for listener in listeners] == [3, 3, 3]


def test_the_consumer_of_higher_priority_comes_first(connection, channel, queue):
    low = Listener(connection, queue, prefetch=2, arguments={"x-priority": -1})
    middle = Listener(connection, queue, prefetch=2)
    high = Listener(connection, queue, prefetch=2, arguments={"x-priority": 10})
    publish(channel, queue, *[str(number).encode() for number in range(5)])
    high.wait(2), middle.wait(2), low.wait(1)
    assert (high.bodies, middle.bodies, low.bodies) == ([b"0", b"1"], [b"2", b"3"], [b"4"])
    high.channel.basic_ack(0, multiple=True)
    # What other channels do next may overtake an ack, but not its channel's next answer.
    waiting(high.channel, queue)
    publish(channel, queue, b"5")
    assert high.wait(3)[-1] == b"5"


def test_a_single_active_consumer_and_its_successor(connection, channel, name):
    channel.queue_declare(name, durable=True, arguments={"x-single-active-consumer": True})
    first, second = Listener(connection, name, prefetch=10), Listener(connection, name, prefetch=10)
    publish(channel, name, b"1", b"2")
    first.wait(2)
    settle_down(connection)
    assert second.bodies == []
    first.channel.close()
    assert second.wait(2) == [b"1", b"2"] and second.redelivered == [True, True]
    publish(channel, name, b"3")
    assert second.wait(3)[-1] == b"3"
    channel.queue_delete(name)


def test_an_exclusive_consumer_is_alone(connection, channel, queue):
    alone = Listener(connection, queue, exclusive=True)
    with refused(403, f"queue '{queue}' in vhost '/' in exclusive use"):
        connection.channel().basic_consume(queue, print)
    alone.channel.basic_cancel(alone.tag)
    other = Listener(connection, queue)
    with refused(403, f"queue '{queue}' in vhost '/' in exclusive use"):
        connection.channel().basic_consume(queue, print, exclusive=True)
    publish(channel, queue, b"x")
    other.wait(1)


def test_a_tag_is_used_once_in_a_channel(queue):
    with connect() as connection:
        channel = connection.channel()
        channel._impl.basic_consume(queue, consumer_tag="twice", on_message_callback=print)
        # pika itself would refuse the second.
        channel._impl._consumers.pop("twice")
        channel._impl.basic_consume(queue, consumer_tag="twice", on_message_callback=print)
        with pytest.raises(ConnectionClosedByBroker) as told:
            connection.process_data_events(time_limit=5)
        assert told.value.reply_code == 530
        assert "attempt to reuse consumer tag 'twice'" in told.value.reply_text


def test_after_a_cancel_nothing_more_comes_and_the_unacked_stay(connection, channel, queue):
    listener = Listener(connection, queue, prefetch=1)
    publish(channel, queue, b"held", b"left")
    listener.wait(1)
    # pika gives back what it had received and not yet handed over: nothing here.
    listener.channel.basic_cancel(listener.tag)
    listener.channel.basic_ack(listener.tags[0])
    settle_down(connection)
    assert listener.bodies == [b"held"] and waiting(channel, queue) == 1


def test_a_channels_limit_is_shared_by_its_consumers(connection, channel, queue, name):
    other = channel.queue_declare("", exclusive=True).method.queue
    shared = connection.channel()
    shared.basic_qos(prefetch_count=3, global_qos=True)
    got = []
    for one in [queue, other]:
        shared.basic_consume(one, lambda _channel, method, _properties, _body: got.append(method.delivery_tag))
    publish(channel, queue, *[b"x"] * 5)
    publish(channel, other, *[b"y"] * 5)
    settle_down(connection)
    assert len(got) == 3
    shared.basic_ack(got[-1], multiple=True)
    settle_down(connection)
    assert len(got) == 6


def test_automatic_acks_know_no_prefetch(connection, channel, queue):
    listener = Listener(connection, queue, prefetch=1, auto_ack=True)
    publish(channel, queue, *[b"x"] * 20)
    listener.wait(20)
    listener.channel.close()
    assert waiting(channel, queue) == 0


def test_recover_brings_back_what_is_unacked(connection, channel, queue):
    listener = Listener(connection, queue)
    publish(channel, queue, b"1", b"2")
    listener.wait(2)
    listener.channel.basic_ack(listener.tags[0])
    listener.channel.basic_recover(requeue=True)
    assert listener.wait(3)[2:] == [b"2"]
    assert listener.redelivered == [False, False, True]


def test_an_auto_delete_queue_goes_with_its_last_consumer(connection, channel, name):
    channel.queue_declare(name, auto_delete=True)
    first, second = Listener(connection, name), Listener(connection, name)
    first.channel.close()
    assert channel.queue_declare(name, passive=True).method.consumer_count == 1
    second.channel.basic_cancel(second.tag)
    with refused(404, f"no queue '{name}'"):
        channel.queue_declare(name, passive=True)


def test_a_lost_connection_gives_back_what_it_held(channel, queue):
    publish(channel, queue, b"1", b"2", b"3")
    careless = connect()
    held = careless.channel()
    assert [held.basic_get(queue)[2] for _ in range(2)] == [b"1", b"2"]
    careless._impl._transport._sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        while True:
            careless.process_data_events(time_limit=5)
    deliveries = take(channel, queue, 3)
    assert [body for _, _, body in deliveries] == [b"1", b"2", b"3"]
    assert [method.redelivered for method, _, _ in deliveries] == [True, True, False]


def test_counts_of_a_passive_declaration(connection, channel, queue):
    listeners = [Listener(connection, queue, prefetch=1) for _ in range(2)]
    publish(channel, queue, *[b"x"] * 5)
    for listener in listeners:
        listener.wait(1)
    told = channel.queue_declare(queue, passive=True).method
    assert (told.message_count, told.consumer_count) == (3, 2)


def test_a_consumers_unknown_queue_and_a_strangers_tag(connection, name):
    with refused(404, f"no queue '{name}' in vhost '/'"):
        connection.channel().basic_consume(name, print)
    channel = connection.channel()
    channel.basic_nack(7)
    with refused(406, "unknown delivery tag 7"):
        connection.process_data_events(time_limit=5)
        channel.queue_declare("", exclusive=True)
