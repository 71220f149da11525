"""What the tests with pika share."""

import contextlib

import pika
import pytest
from conftest import PORT
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker

PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def connect():
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT))


@pytest.fixture
def connection():
    connection = connect()
    yield connection
    if connection.is_open:
        # A test that restarted the server leaves a connection that does not know yet.
        with contextlib.suppress(AMQPConnectionError):
            connection.close()


@pytest.fixture
def channel(connection):
    """A channel in confirm mode: basic_publish returns when the message is confirmed."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def queue(channel, name):
    """A durable queue, deleted after the test."""
    channel.queue_declare(name, durable=True)
    yield name
    with connect() as cleaner:
        cleaner.channel().queue_delete(name)


def publish(channel, queue, *bodies):
    for body in bodies:
        channel.basic_publish("", queue, body, PERSISTENT, mandatory=True)


def take(channel, queue, count, **options):
    """The next deliveries of a consumer that acknowledges nothing by itself."""
    deliveries = []
    for delivery in channel.consume(queue, inactivity_timeout=20, **options):
        assert delivery[0] is not None, f"{len(deliveries)} of {count} deliveries came"
        deliveries.append(delivery)
        if len(deliveries) == count:
            return deliveries


def waiting(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def get(channel, queue, within=10):
    """The next message, acknowledged; waits until there is one."""
    for _ in range(within * 20):
        delivery = channel.basic_get(queue, auto_ack=True)
        if delivery[0] is not None:
            return delivery
        channel.connection.sleep(0.05)
    pytest.fail(f"no message came to {queue}")


@contextlib.contextmanager
def refused(code, text):
    """What is done within closes its channel, with this code and a text that contains this."""
    with pytest.raises(ChannelClosedByBroker) as told:
        yield
    assert told.value.reply_code == code
    assert text in told.value.reply_text
