"""aio-pika, the asynchronous Python client, unmodified. Its channels are in confirm mode unless told otherwise."""

import asyncio

import aio_pika
import pytest
import pytest_asyncio
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError
from aiormq.exceptions import ChannelLockedResource
from conftest import MEBIBYTE, PORT

URL = f"amqp://guest:guest@127.0.0.1:{PORT}/"


@pytest_asyncio.fixture
async def connection():
    connection = await aio_pika.connect(URL)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def channel(connection):
    return await connection.channel()


@pytest_asyncio.fixture
async def queue(channel, name):
    """A durable queue, deleted after the test."""
    yield await channel.declare_queue(name, durable=True)
    async with await aio_pika.connect(URL) as cleaner:
        await (await cleaner.channel()).queue_delete(name)


def persistent(body, **properties):
    return Message(body, delivery_mode=DeliveryMode.PERSISTENT, **properties)


async def publish(channel, queue, *bodies):
    sent = [channel.default_exchange.publish(persistent(body), queue.name) for body in bodies]
    await asyncio.gather(*sent)


async def take(queue, count):
    """The next deliveries of a consumer; none is acknowledged."""
    messages = []
    async with queue.iterator(timeout=20) as deliveries:
        async for message in deliveries:
            messages.append(message)
            if len(messages) == count:
                return messages


async def test_publish_with_confirms_consume_and_ack(channel, queue):
    bodies = [f"message {number}".encode() for number in range(500)]
    await publish(channel, queue, *bodies)
    got = []
    done = asyncio.Event()

    async def receive(message):
        async with message.process():
            got.append((message.body, message.redelivered))
        if len(got) == len(bodies):
            done.set()

    tag = await queue.consume(receive)
    await asyncio.wait_for(done.wait(), 20)
    await queue.cancel(tag)
    assert sorted(got) == sorted((body, False) for body in bodies)
    assert (await queue.declare()).message_count == 0


async def test_one_publisher_is_received_in_order(channel, queue):
    for number in range(50):
        await publish(channel, queue, str(number).encode())
    assert [int(message.body) for message in await take(queue, 50)] == list(range(50))


async def test_prefetch_bounds_what_is_unacked(channel, queue):
    await publish(channel, queue, *[b"x"] * 10)
    await channel.set_qos(prefetch_count=3)
    got = []

    async def receive(message):
        got.append(message)

    await queue.consume(receive)
    await asyncio.sleep(0.5)
    assert len(got) == 3
    for message in got[:2]:
        await message.ack()
    await asyncio.sleep(0.5)
    assert len(got) == 5


async def test_nack_with_requeue_comes_back_marked(channel, queue):
    await publish(channel, queue, b"again")
    message = await queue.get()
    assert not message.redelivered
    await message.nack(requeue=True)
    message = await queue.get()
    assert message.body == b"again" and message.redelivered
    await message.reject(requeue=True)
    message = await queue.get()
    assert message.redelivered
    await message.reject(requeue=False)
    assert await queue.get(fail=False) is None


async def test_get_tells_how_many_are_left(channel, queue):
    await publish(channel, queue, b"first", b"second")
    message = await queue.get(no_ack=True)
    assert message.message_count == 1
    message = await queue.get(no_ack=True)
    assert message.message_count == 0
    with pytest.raises(aio_pika.exceptions.QueueEmpty):
        await queue.get()


async def test_mandatory_returns_what_has_no_queue(connection, name):
    channel = await connection.channel(on_return_raises=True)
    with pytest.raises(DeliveryError) as returned:
        await channel.default_exchange.publish(persistent(b"nobody"), name, mandatory=True)
    message = returned.value.message
    assert message.body == b"nobody" and message.delivery.reply_code == 312
    await channel.default_exchange.publish(persistent(b"nobody minds"), name, mandatory=False)


async def test_a_robust_connection_comes_back_after_a_crash(name, restart):
    connection = await aio_pika.connect_robust(URL, reconnect_interval=0.2)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, durable=True)
        bodies = [f"message {number}".encode() for number in range(200)]
        await publish(channel, queue, *bodies)
        unacked = await queue.get()
        await asyncio.to_thread(restart, "kill")
        channel = await open_channel_again(connection)
        queue = await channel.get_queue(name)
        await publish(channel, queue, b"after")
        messages = await take(queue, 201)
        assert sorted(message.body for message in messages) == sorted([*bodies, b"after"])
        assert messages[0].body == unacked.body
        await messages[-1].ack(multiple=True)
        await queue.delete(if_unused=False, if_empty=False)


async def open_channel_again(connection):
    for _ in range(200):
        try:
            return await asyncio.wait_for(connection.channel(), 5)
        except (AMQPError, RuntimeError, ConnectionError, asyncio.TimeoutError):
            await asyncio.sleep(0.1)
    pytest.fail("the connection does not come back")


@pytest.mark.parametrize("size", [0, 1, 131_065, 10 * MEBIBYTE])
async def test_bodies_of_every_size(channel, queue, size):
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    await publish(channel, queue, body)
    message = await queue.get()
    assert message.body == body
    await message.ack()


async def test_headers_and_properties_come_back_as_they_were(channel, queue, headers):
    sent = dict(
        headers={**headers, "float": 0.5, "bytes": bytearray(headers["bytes"])},
        content_type="text/plain",
        content_encoding="utf-8",
        priority=3,
        correlation_id="correlation",
        reply_to="replies",
        message_id="id",
        type="kind",
        user_id="guest",
        app_id="tests",
    )
    await channel.default_exchange.publish(persistent(b"", **sent), queue.name)
    message = await queue.get(no_ack=True)
    assert {name: getattr(message, name) for name in sent} == sent


async def test_an_unknown_queue_closes_only_the_channel(connection, channel, name):
    other = await connection.channel()
    with pytest.raises(ChannelNotFoundEntity) as told:
        await channel.get_queue(name)
    assert f"NOT_FOUND - no queue '{name}' in vhost '/'" in str(told.value)
    assert channel.is_closed and not other.is_closed and not connection.is_closed
    await other.declare_queue(name, exclusive=True)


async def test_declaring_otherwise_is_refused(connection, queue):
    channel = await connection.channel()
    with pytest.raises(ChannelPreconditionFailed, match="inequivalent arg 'durable'"):
        await channel.declare_queue(queue.name, durable=False)


async def test_a_tag_is_acknowledged_once(connection, channel, queue):
    await publish(channel, queue, b"once")
    message = await queue.get()
    closed = asyncio.Event()
    why = []

    def on_close(_channel, error):
        why.append(error)
        closed.set()

    channel.close_callbacks.add(on_close)
    underlay = await channel.get_underlay_channel()
    await underlay.basic_ack(message.delivery_tag)
    await underlay.basic_ack(message.delivery_tag)
    await asyncio.wait_for(closed.wait(), 20)
    assert isinstance(why[0], ChannelPreconditionFailed)
    assert f"unknown delivery tag {message.delivery_tag}" in str(why[0])
    assert not connection.is_closed


async def test_an_exclusive_queue_is_of_one_connection(channel, name):
    await channel.declare_queue(name, exclusive=True)
    async with await aio_pika.connect(URL) as stranger:
        with pytest.raises(ChannelLockedResource):
            await (await stranger.channel()).get_queue(name)


async def test_many_channels_at_once(connection, name):
    async def one(number):
        channel = await connection.channel()
        queue = await channel.declare_queue(f"{name}-{number}", exclusive=True)
        await publish(channel, queue, *[str(i).encode() for i in range(20)])
        assert len(await take(queue, 20)) == 20
        await channel.close()

    await asyncio.gather(*(one(number) for number in range(50)))
