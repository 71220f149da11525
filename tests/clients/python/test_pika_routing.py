"""pika: where messages go."""

import pika
import pytest
from pika.exceptions import UnroutableError
from pika_tools import PERSISTENT, channel, connect, connection, get, publish, queue, refused, waiting

__all__ = ["channel", "connection", "queue"]


@pytest.fixture
def exchange(channel, name):
    """A function that declares an exchange of the test's own, which goes with the server's scratch folder."""

    def declare(kind, suffix="exchange", **options):
        channel.exchange_declare(f"{name}-{suffix}", kind, durable=True, **options)
        return f"{name}-{suffix}"

    return declare


def routed(channel, exchange, key, headers=None):
    """Whether a message comes to any queue."""
    try:
        properties = pika.BasicProperties(headers=headers)
        channel.basic_publish(exchange, key, b"x", properties, mandatory=True)
        return True
    except UnroutableError:
        return False


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "a.c", ""]),
        ("*", ["a"], ["a.b", ""]),
        ("*.b", ["a.b", ".b"], ["b", "a.b.c"]),
        ("#", ["", "a", "a.b.c"], []),
        ("a.#", ["a", "a.b", "a.b.c"], ["", "b.a"]),
        ("#.z", ["z", "a.z", "a.b.z"], ["a.z.b", ""]),
        ("a.#.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "z"]),
        ("a.*.#", ["a.b", "a.b.c"], ["a"]),
        ("#.b.#", ["b", "a.b", "a.b.c"], ["a.c"]),
    ],
)
def test_topic_patterns(channel, queue, exchange, pattern, fits, does_not):
    topics = exchange("topic")
    channel.queue_bind(queue, topics, pattern)
    assert [key for key in [*fits, *does_not] if routed(channel, topics, key)] == fits


@pytest.mark.parametrize(
    ("match", "fits", "does_not"),
    [
        ({"x-match": "all", "a": 1, "b": "x"}, [{"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 3}], [{"a": 1}, {}]),
        ({"x-match": "any", "a": 1, "b": "x"}, [{"a": 1}, {"b": "x"}, {"a": 2, "b": "x"}], [{"a": 2}, {"c": 1}, {}]),
        ({"a": None}, [{"a": 7}, {"a": None}], [{"b": 7}]),
        ({"x-match": "all", "x-kind": "k", "a": 1}, [{"a": 1}], [{"x-kind": "k"}]),
        ({"x-match": "all-with-x", "x-kind": "k"}, [{"x-kind": "k"}], [{"a": 1}]),
        ({"x-match": "any-with-x", "x-kind": "k", "a": 1}, [{"x-kind": "k"}, {"a": 1}], [{"b": 1}]),
    ],
)
def test_headers_exchanges_match(channel, queue, exchange, match, fits, does_not):
    headers = exchange("headers")
    channel.queue_bind(queue, headers, "", match)
    assert [sent for sent in [*fits, *does_not] if routed(channel, headers, "", sent)] == fits


def test_one_queue_gets_one_copy_however_many_bindings_fit(channel, queue, exchange):
    topics = exchange("topic")
    for pattern in ["#", "a.*", "a.b", "*.b"]:
        channel.queue_bind(queue, topics, pattern)
    channel.basic_publish(topics, "a.b", b"once", PERSISTENT, mandatory=True)
    assert waiting(channel, queue) == 1


def test_exchanges_bound_to_exchanges_even_in_a_circle(channel, queue, exchange):
    outer, middle, inner = exchange("topic", "outer"), exchange("fanout", "middle"), exchange("direct", "inner")
    channel.exchange_bind(middle, outer, "orders.#")
    channel.exchange_bind(inner, middle)
    channel.exchange_bind(outer, inner, "orders.paid")
    channel.queue_bind(queue, inner, "orders.paid")
    channel.basic_publish(outer, "orders.paid", b"around", PERSISTENT, mandatory=True)
    assert waiting(channel, queue) == 1
    assert not routed(channel, outer, "orders.sent")
    channel.exchange_unbind(middle, outer, "orders.#")
    assert not routed(channel, outer, "orders.paid")


def test_what_no_binding_fits_goes_to_the_alternate_exchange(channel, queue, exchange):
    alternate = exchange("fanout", "alternate")
    main = exchange("direct", "main", arguments={"alternate-exchange": alternate})
    channel.queue_bind(queue, alternate)
    channel.basic_publish(main, "nobody", b"caught", PERSISTENT, mandatory=True)
    method, _, body = get(channel, queue)
    assert (method.exchange, method.routing_key, body) == (main, "nobody", b"caught")


def test_an_internal_exchange_takes_only_what_exchanges_send(channel, queue, exchange):
    internal, outer = exchange("fanout", "internal", internal=True), exchange("fanout", "outer")
    channel.exchange_bind(internal, outer)
    channel.queue_bind(queue, internal)
    channel.basic_publish(outer, "", b"through", PERSISTENT, mandatory=True)
    assert get(channel, queue)[2] == b"through"
    with refused(403, "ACCESS_REFUSED - cannot publish to internal exchange"):
        channel.basic_publish(internal, "", b"direct", PERSISTENT)


def test_carbon_copies(channel, connection, queue, name):
    queues = [queue] + [channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
    properties = pika.BasicProperties(headers={"CC": [queues[1]], "BCC": [queues[2]], "kept": 1})
    channel.basic_publish("", queue, b"copied", properties, mandatory=True)
    for one in queues:
        _, got, body = get(channel, one)
        assert body == b"copied"
        assert got.headers == {"CC": [queues[1]], "kept": 1}


def test_an_auto_delete_exchange_goes_with_its_last_binding(connection, channel, queue, exchange):
    short_lived = exchange("fanout", auto_delete=True)
    channel.queue_bind(queue, short_lived)
    channel.queue_unbind(queue, short_lived)
    with refused(404, f"no exchange '{short_lived}'"):
        connection.channel().exchange_declare(short_lived, passive=True)


def test_a_used_exchange_is_not_deleted_if_unused(connection, channel, queue, exchange):
    used = exchange("fanout")
    channel.queue_bind(queue, used)
    with refused(406, "in use"):
        connection.channel().exchange_delete(used, if_unused=True)
    channel.queue_unbind(queue, used)
    channel.exchange_delete(used, if_unused=True)


def test_the_default_exchange_is_nobodys_to_bind(connection, queue, name):
    with refused(403, "operation not permitted on the default exchange"):
        connection.channel().queue_bind(queue, "", "key")
    with refused(403, "ACCESS_REFUSED"):
        connection.channel().exchange_declare("amq.mine", "direct")
    with refused(406, "inequivalent arg 'type' for exchange 'amq.topic'"):
        connection.channel().exchange_declare("amq.topic", "direct", durable=True)
    connection.channel().exchange_declare("amq.topic", "topic", durable=True)


def test_what_the_server_lays_out(channel, queue):
    channel.queue_bind(queue, "amq.direct", queue)
    channel.queue_bind(queue, "amq.topic", f"{queue}.#")
    channel.queue_bind(queue, "amq.headers", "", {"for": queue})
    channel.queue_bind(queue, "amq.match", "", {"for": queue})
    assert routed(channel, "amq.direct", queue)
    assert routed(channel, "amq.topic", f"{queue}.x")
    assert routed(channel, "amq.headers", "", {"for": queue})
    assert routed(channel, "amq.match", "", {"for": queue})
    assert waiting(channel, queue) == 4


def test_a_user_id_has_to_be_ones_own(channel, queue):
    with refused(406, "user_id property set to 'somebody' but authenticated user was 'guest'"):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(user_id="somebody"))


def test_an_expiration_has_to_be_a_number(channel, queue):
    with refused(406, "invalid expiration 'soon'"):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(expiration="soon"))


def test_bindings_and_exchanges_outlive_a_crash(channel, queue, exchange, restart, name):
    outer, inner = exchange("topic", "outer"), exchange("headers", "inner")
    channel.exchange_bind(inner, outer, "a.*")
    channel.queue_bind(queue, inner, "", {"x-match": "any", "k": "v"})
    restart("kill")
    with connect() as again:
        channel = again.channel()
        channel.confirm_delivery()
        assert routed(channel, outer, "a.b", {"k": "v"})
        assert not routed(channel, outer, "a.b", {"k": "w"})
        assert waiting(channel, queue) == 1
        publish(channel, queue, b"after")
