"""pika: what becomes of messages that are not acknowledged. The waits are measured; only Landfall has them."""

import contextlib
import socket
import time

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ConnectionWrongStateError
from pika_tools import channel, connect, connection, publish, refused, waiting

__all__ = ["channel", "connection"]

UNIT = 1.0
"""Seconds of the shortest wait: long enough for a tenth of it to be seen on a busy machine."""


@pytest.fixture(autouse=True)
def only_landfall(connection):
    product = connection._impl.server_properties["product"]
    if product != "Landfall":
        pytest.skip(f"{product} has no waits of growing length")


@pytest.fixture
def declare(channel, name):
    """Declares the test's queue; its arguments are given as policies are written, in seconds or as they are."""

    def declare(queue=name, **rules):
        arguments = {
            "x-" + rule.replace("_", "-"): round(value * 1000) if isinstance(value, float) else value
            for rule, value in rules.items()
        }
        channel.queue_declare(queue, durable=True, arguments=arguments)
        return queue

    yield declare
    with connect() as cleaner:
        cleaner.channel().queue_delete(name)


class Watcher:
    """A consumer on a connection of its own that notes when what came, and settles as it is told."""

    def __init__(self, queue, settle=None, prefetch=0, arguments=None):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.channel.basic_qos(prefetch_count=prefetch)
        self.settle = settle
        self.came = []
        self.channel.basic_consume(queue, self.receive, arguments=arguments)

    def receive(self, channel, method, properties, body):
        headers = properties.headers or {}
        counts = headers.get("x-delivery-count", 0), headers.get("x-acquired-count", 0)
        self.came.append((time.monotonic(), method, counts, body))
        if self.settle:
            self.settle(channel, method.delivery_tag)

    def wait(self, count, within=30):
        end = time.monotonic() + within
        while len(self.came) < count:
            assert time.monotonic() < end, f"{len(self.came)} of {count} deliveries came"
            self.connection.process_data_events(time_limit=0.05)
        return self.came

    def stay_silent(self, seconds):
        """Still reads: what should not come would be seen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.connection.process_data_events(time_limit=max(0, end - time.monotonic()))

    def close(self):
        # A test that kills the server, or this connection, leaves one that may not know yet.
        with contextlib.suppress(AMQPConnectionError, ConnectionWrongStateError):
            self.connection.close()


@pytest.fixture
def watch():
    """Makes watchers, and closes them."""
    with contextlib.ExitStack() as watchers:
        yield lambda *args, **options: watchers.enter_context(
            contextlib.closing(Watcher(*args, **options))
        )


def waits(came):
    times = [at for at, *_ in came]
    return [later - earlier for earlier, later in zip(times, times[1:])]


def assert_waits(came, expected):
    for got, nominal in zip(waits(came), expected, strict=True):
        assert nominal * 0.98 <= got <= nominal * 1.1, (waits(came), expected)


BACKING_OFF = {
    "delayed_retry_type": "all",
    "delayed_retry_min": UNIT,
    "delayed_retry_max": 4 * UNIT,
    "delayed_retry_jitter": 0,
}


def test_a_silent_consumer_gets_it_again_later_and_later_and_its_late_ack_is_accepted(
    channel, declare, watch
):
    queue = declare(consumer_timeout=UNIT, **BACKING_OFF)
    publish(channel, queue, b"patience")
    silent = watch(queue)
    came = silent.wait(5)
    assert_waits(came, [UNIT, 2 * UNIT, 4 * UNIT, 4 * UNIT])
    assert [counts for _, _, counts, _ in came] == [(n, n) for n in range(5)]
    assert [method.redelivered for _, method, _, _ in came] == [False] + 4 * [True]
    tags = [method.delivery_tag for _, method, _, _ in came]
    assert tags == [1, 2, 3, 4, 5]
    # The very first tag: its time ran out long ago.
    silent.channel.basic_ack(tags[0])
    silent.stay_silent(6 * UNIT)
    assert len(silent.came) == 5, "it is done"
    assert silent.channel.is_open
    # The others are nothing by now, and no error.
    for tag in tags[1:]:
        silent.channel.basic_ack(tag)
    publish(channel, queue, b"next")
    silent.wait(6)
    assert silent.channel.is_open and waiting(channel, queue) == 0


def test_only_the_message_whose_time_is_over_goes_back(channel, declare, watch):
    queue = declare(consumer_timeout=2 * UNIT)
    publish(channel, queue, b"forgotten")
    busy = watch(queue, prefetch=2)
    busy.wait(1)
    busy.stay_silent(UNIT)
    publish(channel, queue, b"worked on")
    busy.wait(2)
    # The room of the one whose time is over is free for it again; the other one is not touched.
    busy.wait(3)
    assert [body for *_, body in busy.came] == [b"forgotten", b"worked on", b"forgotten"]
    busy.channel.basic_ack(busy.came[1][1].delivery_tag)
    busy.channel.basic_ack(busy.came[2][1].delivery_tag)
    busy.stay_silent(3 * UNIT)
    assert len(busy.came) == 3 and busy.channel.is_open


def test_a_consumers_own_time_counts_before_the_queues(channel, declare, watch):
    queue = declare(consumer_timeout=60 * UNIT)
    publish(channel, queue, b"x")
    silent = watch(queue, arguments={"x-consumer-timeout": round(UNIT * 1000)})
    assert_waits(silent.wait(2), [UNIT])


def test_what_is_given_back_waits_longer_each_time(channel, declare, watch):
    queue = declare(**BACKING_OFF)
    publish(channel, queue, b"x")
    nacks = watch(queue, settle=lambda channel, tag: channel.basic_nack(tag, requeue=True))
    came = nacks.wait(4)
    assert_waits(came, [UNIT, 2 * UNIT, 4 * UNIT])
    assert [counts for _, _, counts, _ in came] == [(n, n) for n in range(4)]


def test_what_waits_holds_up_nothing_and_takes_no_room(channel, declare, watch):
    queue = declare(**BACKING_OFF)
    publish(channel, queue, b"bad", *[str(number).encode() for number in range(50)])

    def settle(channel, tag):
        if watcher.came[-1][3] == b"bad" and len(watcher.came) == 1:
            channel.basic_reject(tag, requeue=True)
        else:
            channel.basic_ack(tag)

    watcher = watch(queue, settle=settle, prefetch=1)
    came = watcher.wait(52)
    assert came[50][0] - came[0][0] < UNIT, "the good ones passed it"
    assert came[51][3] == b"bad"
    assert UNIT <= came[51][0] - came[0][0] <= UNIT * 1.1


def test_the_death_of_a_connection_counts_as_lost_and_waits_too(channel, declare, watch):
    queue = declare(**BACKING_OFF)
    publish(channel, queue, b"x")
    dying = watch(queue)
    dying.wait(1)
    died = time.monotonic()
    # No goodbye: the socket is gone.
    dying.connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(AMQPConnectionError):
        dying.connection.process_data_events()
    heir = watch(queue)
    at, method, counts, _ = heir.wait(1)[0]
    assert UNIT * 0.98 <= at - died <= UNIT * 1.1
    assert method.redelivered and counts == (0, 1)


def test_without_rules_it_comes_back_at_once(channel, declare, watch):
    queue = declare()
    publish(channel, queue, b"x")
    nacks = watch(queue, settle=lambda channel, tag: channel.basic_nack(tag, requeue=True))
    nacks.wait(100, within=10)
    assert nacks.came[99][2] == (99, 99)


def test_out_of_attempts_it_is_parked_in_its_queue(channel, declare, watch):
    queue = declare(delivery_limit=2)
    publish(channel, queue, b"x", b"good")

    def settle(channel, tag):
        if watcher.came[-1][3] == b"x":
            channel.basic_nack(tag, requeue=True)
        else:
            channel.basic_ack(tag)

    watcher = watch(queue, settle=settle, prefetch=1)
    watcher.wait(4)
    watcher.stay_silent(UNIT)
    bodies = [body for *_, body in watcher.came]
    assert sorted(bodies) == [b"good", b"x", b"x", b"x"]
    assert waiting(channel, queue) == 0, "parked is not ready"


def test_out_of_attempts_it_goes_to_the_dead_letters_where_there_are_any(channel, declare, watch, name):
    dead = channel.queue_declare("", exclusive=True).method.queue
    queue = declare(
        delivery_limit=1, dead_letter_exchange="", dead_letter_routing_key=dead, consumer_timeout=UNIT
    )
    publish(channel, queue, b"x")
    silent = watch(queue)
    silent.wait(2)
    last = silent.came[1][0]
    for method, properties, body in channel.consume(dead, inactivity_timeout=5 * UNIT):
        assert method is not None, "the dead letter comes"
        break
    assert UNIT * 0.98 <= time.monotonic() - last <= UNIT * 1.2
    death = properties.headers["x-death"][0]
    assert (death["queue"], death["reason"], death["count"]) == (name, "delivery_limit", 1)
    assert body == b"x" and silent.channel.is_open


def more_time(channel, delivery_tag, milliseconds=0):
    headers = {"x-delivery-tag": delivery_tag, "x-extend-ms": milliseconds}
    properties = pika.BasicProperties(headers=headers)
    channel.basic_publish("", "amq.landfall.extend", b"", properties)


def test_a_consumer_that_works_long_asks_for_more_time(channel, declare, watch):
    queue = declare(consumer_timeout=UNIT)
    publish(channel, queue, b"long work", b"forgotten")
    working = watch(queue)
    working.wait(2)
    tag = working.came[0][1].delivery_tag
    for _ in range(3):
        working.stay_silent(UNIT * 0.6)
        more_time(working.channel, tag)
    more_time(working.channel, tag, round(3 * UNIT * 1000))
    asked = time.monotonic()
    working.stay_silent(UNIT * 2.5)
    assert b"long work" not in [body for *_, body in working.came[2:]]
    again = next_of(working, b"long work", after=2)
    assert 3 * UNIT * 0.98 <= again - asked <= 3 * UNIT * 1.1, "but not for ever"
    working.channel.basic_ack(tag)
    assert working.channel.is_open


def next_of(watcher, body, after):
    """When that body came again, behind so many deliveries."""
    for _ in range(100):
        for at, _, _, one in watcher.came[after:]:
            if one == body:
                return at
        watcher.connection.process_data_events(time_limit=0.1)
    pytest.fail("it does not come")


def test_more_time_for_a_tag_that_was_never_given_is_an_error(declare, watch):
    watcher = watch(declare(consumer_timeout=UNIT))
    more_time(watcher.channel, 7)
    with refused(406, "unknown delivery tag 7"):
        watcher.channel.basic_qos(prefetch_count=1)


def test_a_retry_that_waits_survives_kill_9_with_its_count_and_its_time(
    channel, declare, watch, restart
):
    queue = declare(**{**BACKING_OFF, "delayed_retry_min": 6 * UNIT, "delayed_retry_max": 60 * UNIT})
    publish(channel, queue, b"x")
    watcher = watch(queue)
    watcher.wait(1)
    watcher.channel.basic_nack(1, requeue=True)
    back = time.monotonic()
    # An answer behind it: the server has heard it, and what it wrote then has had its moment.
    watcher.channel.queue_declare(queue, passive=True)
    watcher.stay_silent(UNIT)
    restart("kill")
    heir = watch(queue)
    at, _, counts, _ = heir.wait(1)[0]
    assert 6 * UNIT * 0.98 <= at - back <= 6 * UNIT * 1.1
    assert counts == (1, 1)


