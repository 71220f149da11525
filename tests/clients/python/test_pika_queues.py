"""pika: queues with arguments, time-to-live, limits, dead letters, priorities."""

import time

import pika
import pytest
from pika.exceptions import NackError
from pika_tools import PERSISTENT, channel, connect, connection, get, publish, queue, refused, take, waiting

__all__ = ["channel", "connection", "queue"]


@pytest.fixture
def declare(channel, name):
    """A function that declares a durable queue with arguments; all go after the test."""
    made = []

    def declare_queue(suffix, **arguments):
        arguments = {argument.replace("_", "-"): value for argument, value in arguments.items()}
        made.append(channel.queue_declare(f"{name}-{suffix}", durable=True, arguments=arguments).method.queue)
        return made[-1]

    yield declare_queue
    with connect() as cleaner:
        for queue in made:
            cleaner.channel().queue_delete(queue)


@pytest.fixture
def dead(declare):
    """Where dead letters go, by the default exchange."""
    return declare("dead")


def dying(dead, **arguments):
    return {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": dead, **arguments}


def bodies(channel, queue):
    got = []
    while (delivery := channel.basic_get(queue, auto_ack=True))[0] is not None:
        got.append(delivery[2])
    return got


def test_a_rejected_message_goes_to_the_dead_letter_exchange_with_its_story(channel, declare, name):
    graveyard = f"{name}-graveyard"
    channel.exchange_declare(graveyard, "fanout")
    dead = declare("dead")
    channel.queue_bind(dead, graveyard)
    work = declare("work", x_dead_letter_exchange=graveyard)
    sent = pika.BasicProperties(delivery_mode=2, headers={"mine": 1}, correlation_id="7", content_type="text/plain")
    channel.basic_publish("", work, b"poison", sent, mandatory=True)
    before = int(time.time())
    method, _, _ = channel.basic_get(work)
    channel.basic_reject(method.delivery_tag, requeue=False)
    method, properties, body = get(channel, dead)
    assert (method.exchange, method.routing_key, method.redelivered, body) == (graveyard, work, False, b"poison")
    assert (properties.correlation_id, properties.content_type, properties.delivery_mode) == ("7", "text/plain", 2)
    headers = properties.headers
    assert headers["mine"] == 1
    assert headers["x-first-death-queue"] == work
    assert headers["x-first-death-reason"] == "rejected"
    assert headers["x-first-death-exchange"] == ""
    (death,) = headers["x-death"]
    assert before - 1 <= death.pop("time").timestamp() - local_offset(death) <= time.time() + 1
    assert death == {"count": 1, "reason": "rejected", "queue": work, "exchange": "", "routing-keys": [work]}
    channel.exchange_delete(graveyard)


def local_offset(_death):
    """pika reads times without their zone, so that `timestamp` takes them for local ones."""
    return time.timezone if time.localtime().tm_isdst == 0 else time.altzone


def test_a_message_that_dies_again_is_counted(channel, declare, dead):
    work = declare("work", **dying(dead))
    publish(channel, work, b"again")
    for deaths in [1, 2, 3]:
        method, _, _ = channel.basic_get(work)
        channel.basic_nack(method.delivery_tag, requeue=False)
        _, properties, body = get(channel, dead)
        (death,) = properties.headers["x-death"]
        assert (death["count"], death["reason"], death["queue"]) == (deaths, "rejected", work)
        channel.basic_publish("", work, body, properties, mandatory=True)


def test_a_messages_time_to_live_ends_it(channel, declare, dead):
    work = declare("work", **dying(dead))
    properties = pika.BasicProperties(delivery_mode=2, expiration="150", message_id="m")
    channel.basic_publish("", work, b"short", properties, mandatory=True)
    _, got, body = get(channel, dead)
    assert (body, got.message_id, got.expiration) == (b"short", "m", None)
    (death,) = got.headers["x-death"]
    assert (death["reason"], death["original-expiration"]) == ("expired", "150")
    assert waiting(channel, work) == 0


def test_a_queues_time_to_live_ends_its_messages_in_order(channel, declare, dead):
    work = declare("work", **dying(dead, x_message_ttl=300))
    publish(channel, work, b"1", b"2", b"3")
    assert waiting(channel, work) == 3
    got = [get(channel, dead) for _ in range(3)]
    assert [body for _, _, body in got] == [b"1", b"2", b"3"]
    assert all(properties.headers["x-first-death-reason"] == "expired" for _, properties, _ in got)
    assert waiting(channel, work) == 0


def test_the_shorter_time_to_live_counts(channel, declare):
    work = declare("work", x_message_ttl=100)
    properties = pika.BasicProperties(delivery_mode=2, expiration="600000")
    channel.basic_publish("", work, b"x", properties, mandatory=True)
    channel.connection.sleep(0.4)
    assert waiting(channel, work) == 0


def test_nothing_waits_with_a_time_to_live_of_zero(channel, declare, connection):
    work = declare("work", x_message_ttl=0)
    publish(channel, work, b"nobody listens")
    assert waiting(channel, work) == 0
    got = []
    channel.basic_consume(work, lambda _channel, _method, _properties, body: got.append(body), auto_ack=True)
    publish(channel, work, b"heard")
    connection.process_data_events(time_limit=0.5)
    assert got == [b"heard"]


def test_what_is_unacked_does_not_expire(channel, declare, dead):
    work = declare("work", **dying(dead, x_message_ttl=150))
    publish(channel, work, b"held")
    method, _, _ = channel.basic_get(work)
    channel.connection.sleep(0.5)
    assert waiting(channel, dead) == 0
    channel.basic_nack(method.delivery_tag, requeue=True)
    assert get(channel, dead)[2] == b"held"


def test_a_chain_of_dead_letter_queues_is_a_delay(channel, declare):
    """The usual way to retry later: the dead letters of a queue without consumers come back."""
    work = declare("work")
    wait = declare("wait", **dying(work, x_message_ttl=200))
    start = time.monotonic()
    publish(channel, wait, b"later")
    assert get(channel, work)[2] == b"later"
    assert time.monotonic() - start >= 0.2


def test_a_message_that_expires_in_a_circle_is_dropped(channel, declare, name):
    first, second = f"{name}-first", f"{name}-second"
    declare("first", **dying(second, x_message_ttl=50))
    declare("second", **dying(first, x_message_ttl=50))
    publish(channel, first, b"round")
    channel.connection.sleep(0.6)
    assert waiting(channel, first) == waiting(channel, second) == 0


def test_the_oldest_make_room_in_a_queue_with_a_limit(channel, declare, dead):
    work = declare("work", **dying(dead, x_max_length=3))
    publish(channel, work, *[str(number).encode() for number in range(5)])
    assert bodies(channel, work) == [b"2", b"3", b"4"]
    got = [get(channel, dead) for _ in range(2)]
    assert [body for _, _, body in got] == [b"0", b"1"]
    assert got[0][1].headers["x-first-death-reason"] == "maxlen"


def test_a_limit_of_bytes(channel, declare):
    work = declare("work", x_max_length_bytes=25)
    publish(channel, work, *[str(number).encode() * 10 for number in range(5)])
    assert bodies(channel, work) == [b"3" * 10, b"4" * 10]


def test_a_full_queue_refuses_with_a_nack(channel, declare):
    work = declare("work", x_max_length=2, x_overflow="reject-publish")
    publish(channel, work, b"0", b"1")
    with pytest.raises(NackError):
        publish(channel, work, b"2")
    assert waiting(channel, work) == 2
    assert channel.basic_get(work, auto_ack=True)[2] == b"0"
    publish(channel, work, b"3")
    assert bodies(channel, work) == [b"1", b"3"]


def test_what_a_full_queue_refuses_can_be_a_dead_letter(channel, declare, dead):
    work = declare("work", **dying(dead, x_max_length=1, x_overflow="reject-publish-dlx"))
    publish(channel, work, b"0")
    with pytest.raises(NackError):
        publish(channel, work, b"1")
    _, properties, body = get(channel, dead)
    assert (body, properties.headers["x-first-death-reason"]) == (b"1", "maxlen")


def test_the_more_urgent_comes_first_and_equals_in_order(channel, declare):
    work = declare("work", x_max_priority=5)
    for number, priority in enumerate([1, None, 5, 3, 9, 3, 0]):
        properties = pika.BasicProperties(delivery_mode=2, priority=priority)
        channel.basic_publish("", work, str(number).encode(), properties, mandatory=True)
    # 9 counts as 5, and none as 0.
    assert b"".join(bodies(channel, work)) == b"2435016"


def test_an_unused_queue_expires_and_a_used_one_does_not(connection, channel, declare):
    unused, used = declare("unused", x_expires=400), declare("used", x_expires=400)
    channel.basic_consume(used, print)
    connection.sleep(1.2)
    assert waiting(connection.channel(), used) == 0
    with refused(404, f"no queue '{unused}'"):
        connection.channel().queue_declare(unused, passive=True)


def test_limits_and_dead_letters_outlive_a_restart(channel, declare, dead, restart):
    work = declare("work", **dying(dead, x_message_ttl=1500, x_max_length=3))
    publish(channel, work, *[str(number).encode() for number in range(4)])
    # The confirm does not wait for what a publish makes a dead letter of.
    while waiting(channel, dead) == 0:
        channel.connection.sleep(0.05)
    restart("terminate")
    with connect() as again:
        channel = again.channel()
        channel.queue_declare(work, durable=True, arguments={
            "x-message-ttl": 1500,
            "x-max-length": 3,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        })
        assert [get(channel, dead)[2] for _ in range(4)] == [b"0", b"1", b"2", b"3"]
        assert waiting(channel, work) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"x-message-ttl": -1}, "invalid arg 'x-message-ttl' for queue"),
        ({"x-message-ttl": "soon"}, "invalid arg 'x-message-ttl' for queue"),
        ({"x-expires": 0}, "invalid arg 'x-expires' for queue"),
        ({"x-max-length": -1}, "invalid arg 'x-max-length' for queue"),
        ({"x-overflow": "explode"}, "invalid arg 'x-overflow' for queue"),
        ({"x-dead-letter-routing-key": "k"}, "invalid arg 'x-dead-letter-routing-key' for queue"),
        ({"x-max-priority": 256}, "invalid arg 'x-max-priority' for queue"),
    ],
)
def test_a_wrong_argument_is_refused(channel, name, arguments, text):
    with refused(406, text):
        channel.queue_declare(name, arguments=arguments)


def test_arguments_have_to_agree(connection, declare, name):
    declare("work", x_message_ttl=60_000, x_unknown="kept")
    with refused(406, "inequivalent arg 'x-message-ttl' for queue"):
        connection.channel().queue_declare(f"{name}-work", durable=True, arguments={"x-message-ttl": 1})
    with refused(406, "inequivalent arg 'x-message-ttl' for queue"):
        connection.channel().queue_declare(f"{name}-work", durable=True)
    declare("work", x_message_ttl=60_000, x_unknown="kept")


def test_queues_of_every_kind_work(channel, name):
    for number, arguments in enumerate([
        {"x-queue-type": "classic"},
        {"x-queue-mode": "lazy"},
        {"x-queue-type": "classic", "x-queue-version": 2},
        {"x-queue-type": "quorum"},
    ]):
        queue = f"{name}-{number}"
        channel.queue_declare(queue, durable=True, arguments=arguments)
        publish(channel, queue, b"x")
        ((method, _, body),) = take(channel, queue, 1)
        assert body == b"x"
        channel.basic_ack(method.delivery_tag)
        channel.cancel()
        channel.queue_delete(queue)


def test_a_transient_queue_and_transient_messages(channel, name):
    channel.queue_declare(name, durable=False)
    channel.basic_publish("", name, b"x", pika.BasicProperties(delivery_mode=1), mandatory=True)
    _, properties, body = channel.basic_get(name, auto_ack=True)
    assert (properties.delivery_mode, body) == (1, b"x")
    channel.queue_delete(name)


def test_a_used_or_filled_queue_is_not_deleted_unasked(connection, channel, queue):
    publish(channel, queue, b"x")
    with refused(406, f"queue '{queue}' in vhost '/' not empty"):
        connection.channel().queue_delete(queue, if_empty=True)
    channel.basic_consume(queue, print)
    with refused(406, f"queue '{queue}' in vhost '/' in use"):
        connection.channel().queue_delete(queue, if_unused=True)
