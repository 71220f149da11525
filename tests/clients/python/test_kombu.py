"""kombu, the messaging library below Celery, unmodified: entities, pools, retries, mailboxes."""

import contextlib
import queue as queues
import socket
import threading
import time

import pytest
from conftest import MEBIBYTE, PORT
from kombu import Connection, Consumer, Exchange, Producer, Queue, binding, pools
from kombu.common import Broadcast, collect_replies, eventloop, uuid
from kombu.exceptions import MessageStateError
from kombu.mixins import ConsumerMixin
from kombu.pidbox import Mailbox

URL = f"amqp://guest:guest@127.0.0.1:{PORT}//"


@pytest.fixture
def connection():
    with Connection(URL, heartbeat=10, transport_options={"confirm_publish": True}) as connection:
        yield connection


@pytest.fixture
def declare(connection, name):
    """A function that declares a queue of the test's own; all are deleted after it."""
    made = []

    def declare_queue(suffix, **options):
        queue = Queue(f"{name}-{suffix}", channel=connection.default_channel, **options)
        queue.declare()
        made.append(queue.name)
        return queue

    yield declare_queue
    with Connection(URL) as cleaner:
        for queue in made:
            cleaner.default_channel.queue_delete(queue)


def publish(connection, queue, body, **options):
    Producer(connection).publish(body, routing_key=queue.name, delivery_mode=2, **options)


def take(connection, queue, count, **options):
    """The next messages of a consumer, not acknowledged."""
    messages = []
    with Consumer(connection, [queue], on_message=messages.append, **options):
        deadline = time.monotonic() + 20
        while len(messages) < count:
            assert time.monotonic() < deadline, f"{len(messages)} of {count} came"
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=1)
    return messages


def get(queue):
    for _ in range(200):
        if (message := queue.get(no_ack=True)) is not None:
            return message
        time.sleep(0.05)
    pytest.fail(f"no message came to {queue.name}")


@pytest.mark.parametrize("serializer", ["json", "pickle", "raw"])
@pytest.mark.parametrize("compression", [None, "zlib", "bzip2"])
def test_what_is_serialized_and_compressed_comes_back(connection, declare, serializer, compression):
    value = b"\x00\xff raw" if serializer == "raw" else {"text": "Grüße", "list": [1, 2.5, None], "large": "x" * 200_000}
    queue = declare("work")
    publish(connection, queue, value, serializer=serializer, compression=compression)
    (message,) = take(connection, queue, 1, accept=["json", "pickle", "application/data"])
    assert message.decode() == value
    message.ack()
    with pytest.raises(MessageStateError):
        message.ack()


def test_simple_queues(connection, name):
    with connection.SimpleQueue(name) as queue:
        for number in range(10):
            queue.put({"number": number}, delivery_mode=2)
        assert queue.qsize() == 10
        for number in range(10):
            message = queue.get(timeout=10)
            assert message.payload == {"number": number}
            message.ack()
        with pytest.raises(queues.Empty):
            queue.get(timeout=0.2)
        assert queue.clear() == 0
    connection.default_channel.queue_delete(name)


def test_requeue_and_reject(connection, declare):
    queue = declare("work")
    publish(connection, queue, "again")
    (message,) = take(connection, queue, 1)
    message.requeue()
    (message,) = take(connection, queue, 1)
    assert message.delivery_info["redelivered"]
    message.reject()
    assert queue.get() is None


def test_prefetch_changed_while_the_consumer_runs(connection, declare):
    """What Celery does for tasks with an ETA: qos again, with a larger count, and what comes then is held too."""
    queue = declare("work")
    for number in range(10):
        publish(connection, queue, number)
    held = []
    with Consumer(connection, [queue], on_message=held.append, prefetch_count=2) as consumer:
        def settle_down():
            with contextlib.suppress(socket.timeout):
                while True:
                    connection.drain_events(timeout=0.4)

        settle_down()
        assert len(held) == 2
        # As Celery asks, by what the server says it is: RabbitMQ takes changes only for the whole channel.
        consumer.qos(prefetch_count=5, apply_global=connection.qos_semantics_matches_spec)
        settle_down()
        assert len(held) >= 2
        held[0].ack()
        settle_down()
        assert len(held) >= 3


def test_topology_of_exchanges(connection, declare, name):
    channel = connection.default_channel
    source = Exchange(f"{name}-source", "topic", channel=channel)
    alternate = Exchange(f"{name}-alternate", "fanout", channel=channel)
    target = Exchange(
        f"{name}-target", "direct", channel=channel, arguments={"alternate-exchange": alternate.name}
    )
    for exchange in [source, alternate, target]:
        exchange.declare()
    target.bind_to(source, routing_key="orders.*")
    bound = declare("bound", bindings=[binding(target, routing_key="orders.paid")])
    caught = declare("caught", exchange=alternate)
    producer = Producer(connection, exchange=source)
    producer.publish("paid", routing_key="orders.paid")
    producer.publish("lost", routing_key="invoices")
    producer.publish("sent", routing_key="orders.sent")
    assert get(bound).payload == "paid"
    assert get(caught).payload == "sent"
    target.unbind_from(source, routing_key="orders.*")
    producer.publish("paid", routing_key="orders.paid")
    assert bound.get() is None
    for exchange in [source, target, alternate]:
        exchange.delete()


def test_headers_exchanges(connection, declare, name):
    exchange = Exchange(f"{name}-headers", "headers", channel=connection.default_channel)
    exchange.declare()
    any_of = declare("any", exchange=exchange, binding_arguments={"x-match": "any", "a": 1, "b": "two"})
    Producer(connection, exchange).publish("x", headers={"b": "two"})
    Producer(connection, exchange).publish("y", headers={"b": "three"})
    assert get(any_of).payload == "x" and any_of.get() is None
    exchange.delete()


def test_arguments_of_queues_in_kombus_own_words(connection, declare):
    dead = declare("dead")
    work = declare(
        "work",
        message_ttl=0.3,
        expires=60,
        max_length=2,
        max_length_bytes=1_000_000,
        max_priority=5,
        queue_arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name},
    )
    publish(connection, work, "low", priority=1)
    publish(connection, work, "high", priority=5)
    assert get(work).payload == "high"
    expired = get(dead)
    assert expired.payload == "low"
    (death,) = expired.headers["x-death"]
    assert (death["reason"], death["queue"], death["count"]) == ("expired", work.name, 1)
    publish(connection, work, "brief", expiration=0.05)
    assert get(dead).payload == "brief"


def test_consumer_priorities_and_a_single_active_consumer(connection, declare):
    queue = declare("work", queue_arguments={"x-single-active-consumer": True})
    first, second = [], []
    with Connection(URL) as other:
        one = Consumer(connection, [queue], on_message=first.append, no_ack=True)
        two = Consumer(other, [Queue(queue.name, no_declare=True, consumer_arguments={"x-priority": 5})],
                       on_message=second.append, no_ack=True)
        one.consume(), two.consume()
        publish(connection, queue, "1")
        with contextlib.suppress(socket.timeout):
            connection.drain_events(timeout=1)
        assert ([message.payload for message in first], second) == (["1"], [])
        one.cancel()
        publish(connection, queue, "2")
        other.drain_events(timeout=10)
        assert [message.payload for message in second] == ["2"]


def test_returns(connection, name):
    returned = []

    def on_return(_exception, _exchange, routing_key, message):
        returned.append((routing_key, message.body))

    producer = Producer(connection, on_return=on_return)
    producer.publish("nobody", routing_key=name, mandatory=True, serializer="raw", content_type="text/plain")
    with contextlib.suppress(socket.timeout):
        connection.drain_events(timeout=0.5)
    assert returned == [(name, "nobody")]


def test_broadcast(connection, declare, name):
    heard = []
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(Connection(URL)) for _ in range(3)]
        for other in others:
            consumer = Consumer(other, [Broadcast(name)], on_message=heard.append, no_ack=True)
            stack.enter_context(consumer)
        Producer(connection, Exchange(name, "fanout")).publish("all")
        for other in others:
            other.drain_events(timeout=10)
    assert [message.payload for message in heard] == ["all"] * 3
    Exchange(name, channel=connection.default_channel).delete()


def test_mailboxes(connection, name):
    """Celery's remote control: a fanout exchange, queues that expire, replies to a queue of one's own."""
    mailbox = Mailbox(name, type="fanout", connection=connection)
    stop = threading.Event()
    ready = threading.Event()

    def serve():
        with Connection(URL) as served:
            node = mailbox(served).Node("node", handlers={"add": lambda _state, left, right: left + right}, state=None, channel=served.default_channel)
            with node.listen(callback=node.handle_message):
                ready.set()
                while not stop.is_set():
                    with contextlib.suppress(socket.timeout):
                        served.drain_events(timeout=0.2)

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    try:
        assert mailbox.call(["node"], "add", {"left": 2, "right": 3}, timeout=10) == [{"node": 5}]
        assert mailbox.multi_call("add", {"left": 1, "right": 1}, timeout=5, limit=1) == [{"node": 2}]
    finally:
        stop.set()
        thread.join()


def test_requests_and_replies(connection, declare):
    questions = declare("questions")
    answers = Queue(uuid(), exclusive=True, auto_delete=True)
    with connection.channel() as channel:
        bound = answers(channel)
        bound.declare()
        publish(connection, questions, {"number": 6}, reply_to=bound.name, correlation_id="c")
        (question,) = take(connection, questions, 1)
        answer = {"answer": question.payload["number"] * 7}
        Producer(connection).publish(answer, routing_key=question.properties["reply_to"], correlation_id="c")
        question.ack()
        assert next(collect_replies(connection, channel, answers, limit=1, timeout=10)) == {"answer": 42}


@pytest.mark.parametrize("size", [0, 10 * MEBIBYTE])
def test_bodies_of_every_size(connection, declare, size):
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    queue = declare("work")
    publish(connection, queue, body)
    (message,) = take(connection, queue, 1, accept=["application/data"])
    assert message.body == body if size else not message.body
    message.ack()


def test_headers_of_every_type(connection, declare, headers):
    queue = declare("work")
    # kombu's own library knows neither the sign of a small number nor the zone of a time.
    headers["time"] = headers["time"].replace(tzinfo=None)
    publish(connection, queue, "x", headers=headers)
    (message,) = take(connection, queue, 1)
    headers["bytes"] = bytearray(headers["bytes"])
    assert {key: message.headers[key] for key in headers} == headers
    message.ack()


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_publishers_with_a_retry_policy_outlive_the_server(declare, restart, how):
    queue = declare("work")
    connection = Connection(URL, transport_options={"confirm_publish": True})
    policy = {"max_retries": 100, "interval_start": 0.1, "interval_max": 0.5}
    with pools.producers[connection].acquire(block=True) as producer:
        for number in range(100):
            if number == 50:
                restart(how)
            producer.publish(number, routing_key=queue.name, delivery_mode=2, retry=True, retry_policy=policy)
    with Connection(URL) as other:
        numbers = [message.payload for message in take(other, queue, 100)]
    # One that was confirmed when the connection broke may be there twice.
    assert sorted(set(numbers)) == list(range(100))


def test_a_consumer_mixin_comes_back(connection, declare, restart):
    queue = declare("work")

    class Worker(ConsumerMixin):
        def __init__(self):
            self.connection = Connection(URL)
            self.seen = []

        def get_consumers(self, Consumer, channel):
            return [Consumer([Queue(queue.name, durable=True)], callbacks=[self.receive])]

        def receive(self, body, message):
            self.seen.append(body)
            message.ack()

    worker = Worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        publish(connection, queue, "before")
        wait_for(lambda: "before" in worker.seen)
        restart("kill")
        with Connection(URL) as again:
            publish(again, queue, "after")
        wait_for(lambda: "after" in worker.seen)
    finally:
        worker.should_stop = True
        thread.join(30)
    assert not thread.is_alive()


def wait_for(what, within=40):
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_heartbeats_keep_a_quiet_connection():
    with Connection(URL, heartbeat=1) as connection:
        connection.connect()
        for _ in range(8):
            time.sleep(0.4)
            connection.heartbeat_check(rate=2)
            for _ in eventloop(connection, limit=1, timeout=0.05, ignore_timeouts=True):
                pass
        assert connection.connected


def test_a_wrong_password_is_refused():
    with pytest.raises(Exception, match="ACCESS_REFUSED"):
        Connection(URL.replace("guest@", "wrong@")).connect()
