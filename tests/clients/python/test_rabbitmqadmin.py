"""rabbitmqadmin, RabbitMQ's own command line over the HTTP API, unmodified. pika looks at what it left."""

import json
import os
import subprocess

import pytest
from pika_tools import channel, connection, get, publish, waiting

__all__ = ["channel", "connection"]


def admin(*words, stdin="", fails=False):
    """What the tool prints."""
    command = ["rabbitmqadmin", "--port", os.environ["ADMIN_PORT"], *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def listed(what, *columns):
    """The rows of a list."""
    return json.loads(admin("--format", "raw_json", "list", what, *columns))


@pytest.fixture
def queue(name):
    """A queue that the tool made, and deletes after the test."""
    admin("declare", "queue", f"name={name}", 'arguments={"x-max-length": 100}')
    yield name
    admin("delete", "queue", f"name={name}")


def test_queues(queue):
    found = [row for row in listed("queues", "name", "durable", "arguments", "messages") if row["name"] == queue]
    assert found == [{"name": queue, "durable": True, "arguments": {"x-max-length": 100}, "messages": 0}]
    # Again the same is fine, something else is not.
    admin("declare", "queue", f"name={queue}", 'arguments={"x-max-length": 100}')
    assert "inequivalent arg 'x-max-length'" in admin("declare", "queue", f"name={queue}", fails=True)
    assert "Not found" in admin("delete", "queue", f"name={queue}-missing", fails=True)
    assert "Access refused" in admin("declare", "queue", "name=amq.mine", fails=True)


def test_a_queue_type(name):
    admin("declare", "queue", f"name={name}", "queue_type=quorum")
    found = [row for row in listed("queues", "name", "type") if row["name"] == name]
    assert found == [{"name": name, "type": "quorum"}]
    admin("delete", "queue", f"name={name}")


def test_exchanges_and_bindings(channel, queue, name):
    source, between = f"{name}-x", f"{name}-y"
    admin("declare", "exchange", f"name={source}", "type=topic")
    admin("declare", "exchange", f"name={between}", "type=headers", "auto_delete=true")
    admin("declare", "binding", f"source={source}", f"destination={queue}", "routing_key=a/b.#")
    admin("declare", "binding", f"source={source}", f"destination={between}", "destination_type=exchange", "routing_key=c")
    admin("declare", "binding", f"source={between}", f"destination={queue}", 'arguments={"x-match": "any"}')
    channel.basic_publish(source, "a/b.c", b"by the topic")
    assert get(channel, queue)[2] == b"by the topic"
    rows = listed("bindings", "source", "destination", "destination_type", "properties_key")
    key = {(row["source"], row["destination"]): row["properties_key"] for row in rows}
    assert key[source, queue] == "a%2Fb.%23"
    for one, other, kind in [(source, queue, "queue"), (source, between, "exchange"), (between, queue, "queue")]:
        words = [f"source={one}", f"destination={other}", f"destination_type={kind}", f"properties_key={key[one, other]}"]
        admin("delete", "binding", *words)
    # It went with its last binding.
    assert between not in [row["name"] for row in listed("exchanges", "name")]
    admin("delete", "exchange", f"name={source}")


def test_publish(channel, queue):
    properties = {"delivery_mode": 2, "type": "t", "headers": {"n": 1, "deep": {"list": ["a", True]}}}
    words = [f"routing_key={queue}", "payload=hello", f"properties={json.dumps(properties)}"]
    assert "NOT routed" not in admin("publish", *words)
    _, got, body = get(channel, queue)
    assert (body, got.delivery_mode, got.type) == (b"hello", 2, "t")
    assert got.headers == {"n": 1, "deep": {"list": ["a", True]}}
    admin("publish", f"routing_key={queue}", stdin="from standard input")
    assert get(channel, queue)[2] == b"from standard input"
    assert "NOT routed" in admin("publish", f"routing_key={queue}-missing", "payload=lost")
    assert "Not found" in admin("publish", "exchange=missing", "routing_key=x", "payload=lost", fails=True)


def test_get(channel, queue, tmp_path):
    publish(channel, queue, b"1", b"2", b"3", b"4")

    def got(*words):
        messages = json.loads(admin("--format", "raw_json", "get", f"queue={queue}", *words))
        return [message["payload"] for message in messages]

    # Without a word they stay.
    assert got() == got() == ["1"]
    assert got("count=3") == ["1", "2", "3"]
    assert got("ackmode=ack_requeue_false", "count=2") == ["1", "2"]
    assert got("ackmode=reject_requeue_true") == ["3"]
    assert got("ackmode=reject_requeue_false") == ["3"]
    file = tmp_path / "payload"
    admin("get", f"queue={queue}", f"payload_file={file}", "ackmode=ack_requeue_false")
    assert file.read_bytes() == b"4"
    assert waiting(channel, queue) == 0


def test_purge(channel, queue):
    publish(channel, queue, b"1", b"2")
    admin("purge", "queue", f"name={queue}")
    assert waiting(channel, queue) == 0


def test_what_was_made_outlives_a_crash(queue, restart):
    admin("publish", f"routing_key={queue}", "payload=kept")
    admin("declare", "binding", "source=amq.fanout", f"destination={queue}")
    restart("kill")
    messages = json.loads(admin("--format", "raw_json", "get", f"queue={queue}", "ackmode=ack_requeue_false"))
    assert [message["payload"] for message in messages] == ["kept"]
    assert queue in [row["destination"] for row in listed("bindings", "source", "destination") if row["source"] == "amq.fanout"]


def test_definitions_go_out_and_in(queue, tmp_path):
    file = tmp_path / "definitions.json"
    admin("export", str(file))
    exported = json.loads(file.read_text())
    assert queue in [one["name"] for one in exported["queues"]]
    admin("import", str(file))


def test_what_there_is_to_show():
    assert "rabbitmq_version" in admin("show", "overview")
    for what in ["exchanges", "queues", "bindings", "users", "vhosts", "permissions", "nodes", "policies", "operator_policies", "vhost_limits"]:
        assert listed(what) is not None


def test_users_vhosts_and_rules(name):
    admin("declare", "vhost", f"name={name}")
    admin("declare", "user", f"name={name}", "password=secret", "tags=management")
    admin("declare", "permission", f"vhost={name}", f"user={name}", "configure=.*", "write=.*", "read=.*")
    admin("declare", "policy", f"name={name}", "pattern=^s", 'definition={"max-length": 9}', "apply-to=queues")
    admin("declare", "vhost_limit", f"vhost={name}", "name=max-queues", "value=1")
    theirs = ["--vhost", name, "--username", name, "--password", "secret"]
    admin(*theirs, "declare", "queue", "name=first")
    assert "queue limit" in admin(*theirs, "declare", "queue", "name=second", fails=True)
    admin("delete", "vhost_limit", f"vhost={name}", "name=max-queues")
    admin("delete", "policy", f"name={name}")
    admin("delete", "permission", f"vhost={name}", f"user={name}")
    assert "Access refused" in admin(*theirs, "declare", "queue", "name=third", fails=True)
    admin("delete", "user", f"name={name}")
    admin("delete", "vhost", f"name={name}")
