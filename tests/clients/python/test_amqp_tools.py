"""amqp-tools, the command line on top of the C library rabbitmq-c, unmodified. pika looks at what it left."""

import subprocess

import pytest
from conftest import MEBIBYTE, PORT
from pika_tools import channel, connection, get, publish, waiting

__all__ = ["channel", "connection"]


def amqp(tool, *options, stdin=b"", fails=False, password="guest"):
    """What the tool prints. Its login is a URL, as people write it."""
    url = f"amqp://guest:{password}@127.0.0.1:{PORT}"
    done = subprocess.run([f"amqp-{tool}", "-u", url, *options], input=stdin, capture_output=True, timeout=60)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr.decode() if fails else done.stdout


@pytest.fixture
def queue(name):
    """A durable queue that the tools made, and delete after the test."""
    assert amqp("declare-queue", "-q", name, "-d").strip().decode() == name
    yield name
    amqp("delete-queue", "-q", name)


def test_declare_publish_get_delete(name):
    amqp("declare-queue", "-q", name, "-d")
    amqp("publish", "-r", name, "-b", "first", "-p")
    amqp("publish", "-r", name, "-p", stdin=b"from standard input")
    assert amqp("get", "-q", name) == b"first"
    assert amqp("get", "-q", name) == b"from standard input"
    # 2 says that the queue is empty.
    assert amqp("get", "-q", name, fails=True) == ""
    amqp("publish", "-r", name, "-b", "left", "-p")
    # It tells how many messages went with the queue.
    assert amqp("delete-queue", "-q", name).strip() == b"1"


def test_a_queue_named_by_the_server():
    # It is transient, and stays when the tool has gone.
    name = amqp("declare-queue", "-q", "").strip().decode()
    assert name.startswith("amq.gen-")
    assert amqp("delete-queue", "-q", name).strip() == b"0"


def test_consume_runs_a_program_for_each_message(channel, queue):
    publish(channel, queue, b"1\n", b"2\n", b"3\n")
    assert amqp("consume", "-q", queue, "-c", "2", "-p", "1", "cat") == b"1\n2\n"
    assert waiting(channel, queue) == 1


def test_a_program_that_fails_gives_its_message_back(channel, queue):
    publish(channel, queue, b"poison")
    amqp("consume", "-q", queue, "-c", "1", "-p", "1", "grep", "antidote")
    method, _, body = get(channel, queue)
    assert (body, method.redelivered) == (b"poison", True)


def test_consume_without_acks(channel, queue):
    publish(channel, queue, b"1", b"2")
    assert amqp("consume", "-q", queue, "-A", "-c", "2", "cat") == b"12"
    assert waiting(channel, queue) == 0


def test_consume_binds_a_queue_of_its_own():
    listening = subprocess.Popen(
        ["amqp-consume", "-u", f"amqp://127.0.0.1:{PORT}", "-e", "amq.topic", "-r", "tools.#", "-c", "1", "cat"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # It names its queue when the binding is made.
    assert b"Server provided queue name: amq.gen-" in listening.stderr.readline()
    for _ in range(100):
        amqp("publish", "-e", "amq.topic", "-r", "tools.amqp", "-b", "heard")
        try:
            assert listening.wait(timeout=0.1) == 0
            break
        except subprocess.TimeoutExpired:
            continue
    assert listening.stdout.read() == b"heard"


def test_properties_and_headers(channel, queue):
    amqp("publish", "-r", queue, "-b", "x", "-p", "-C", "text/plain", "-E", "utf-8", "-t", "replies",
         "-H", "one: 1", "-H", "two: zwei")
    _, properties, body = get(channel, queue)
    assert body == b"x"
    assert properties.headers == {"one": "1", "two": "zwei"}
    assert (properties.content_type, properties.content_encoding) == ("text/plain", "utf-8")
    assert (properties.reply_to, properties.delivery_mode) == ("replies", 2)


def test_a_message_for_each_line(channel, queue):
    lines = [b"line %d\n" % number for number in range(500)]
    amqp("publish", "-r", queue, "-p", "-l", stdin=b"".join(lines))
    got = amqp("consume", "-q", queue, "-c", "500", "-p", "50", "cat")
    assert got.replace(b"\n", b"") == b"".join(lines).replace(b"\n", b"")


@pytest.mark.parametrize("size", [0, 131_065, 10 * MEBIBYTE])
def test_bodies_of_every_size(channel, queue, size):
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    amqp("publish", "-r", queue, "-p", stdin=body)
    assert amqp("get", "-q", queue) == body


def test_messages_outlive_a_restart(queue, restart):
    amqp("publish", "-r", queue, "-p", "-l", stdin=b"1\n2\n3\n")
    restart("terminate")
    assert amqp("consume", "-q", queue, "-c", "3", "cat").split() == [b"1", b"2", b"3"]


def test_errors_are_told(queue, name):
    assert f"NOT_FOUND - no queue '{name}-missing' in vhost '/'" in amqp("get", "-q", f"{name}-missing", fails=True)
    assert "inequivalent arg 'durable' for queue" in amqp("declare-queue", "-q", queue, fails=True)
    amqp("publish", "-r", queue, "-b", "x", "-p")
    assert "PRECONDITION_FAILED" in amqp("delete-queue", "-q", queue, "-e", fails=True)
    assert "ACCESS_REFUSED" in amqp("get", "-q", queue, fails=True, password="wrong")
