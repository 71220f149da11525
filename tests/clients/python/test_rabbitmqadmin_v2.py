"""rabbitmqadmin v2, RabbitMQ's command line in Rust, unmodified: it refuses answers that are not as RabbitMQ's. pika looks
at what it left."""

import json
import os
import subprocess

import pytest
from pika_tools import channel, connection, get, publish, waiting

__all__ = ["channel", "connection"]


def admin(*words, stdin="", fails=False):
    """What the tool prints."""
    command = [os.environ["PROGRAM_UNDER_TEST"], "--host", "127.0.0.1", "--port", os.environ["ADMIN_PORT"], "--table-style", "psql", *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(*words):
    """The rows of a table that it prints."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in admin(*words).splitlines() if "|" in line]
    titles = lines[0]
    return [dict(zip(titles, line)) for line in lines[1:]]


def named(name, *words):
    return [row for row in rows(*words) if row["name"] == name]


@pytest.fixture
def queue(name):
    """A queue that the tool made, and deletes after the test."""
    admin("declare", "queue", "--name", name, "--type", "classic", "--arguments", '{"x-max-length": 100}')
    yield name
    admin("delete", "queue", "--name", name)


def test_queues(channel, queue):
    publish(channel, queue, b"1", b"2")
    [row] = named(queue, "list", "queues")
    assert (row["queue_type"], row["durable"]) == ("classic", "true")
    [row] = named(queue, "queues", "show", "--name", queue)
    assert "x-max-length: 100" in row["arguments"]
    admin("purge", "queue", "--name", queue)
    assert waiting(channel, queue) == 0
    assert "404" in admin("delete", "queue", "--name", f"{queue}-missing", fails=True)
    admin("delete", "queue", "--name", f"{queue}-missing", "--idempotently")


def test_pages_and_many_at_once(name):
    for number in range(5):
        admin("declare", "queue", "--name", f"{name}-{number}", "--type", "quorum")
    assert len(rows("list", "queues", "--page", "1", "--page-size", "3")) == 3
    admin("queues", "delete_multiple", "--name-pattern", f"^{name}-", "--approve")
    assert not [row for row in rows("list", "queues") if row["name"].startswith(name)]


def test_exchanges_and_bindings(channel, queue, name):
    source, between = f"{name}-x", f"{name}-y"
    admin("declare", "exchange", "--name", source, "--type", "topic")
    admin("declare", "exchange", "--name", between, "--type", "fanout")
    to_queue = ["--source", source, "--destination-type", "queue", "--destination", queue, "--routing-key", "a/b.#"]
    admin("declare", "binding", *to_queue)
    admin("declare", "binding", "--source", source, "--destination-type", "exchange", "--destination", between, "--routing-key", "c")
    channel.basic_publish(source, "a/b.c", b"by the topic")
    assert get(channel, queue)[2] == b"by the topic"
    found = {(row["source"], row["destination"]): row["properties_key"] for row in rows("list", "bindings")}
    assert found[source, queue] == "a%2Fb.%23"
    assert (source, between) in found
    admin("delete", "binding", *to_queue)
    assert (source, queue) not in [(row["source"], row["destination"]) for row in rows("list", "bindings")]
    for exchange in (source, between):
        admin("delete", "exchange", "--name", exchange)
        assert not named(exchange, "list", "exchanges")


def test_publish_and_get(channel, queue):
    properties = json.dumps({"type": "t", "headers": {"n": 1}})
    assert "routed successfully" in admin("publish", "message", "-k", queue, "-m", "hello", "-p", properties)
    _, got, body = get(channel, queue)
    assert (body, got.type, got.headers) == (b"hello", "t", {"n": 1})
    admin("publish", "message", "-k", queue, "-f", "-", stdin="from standard input")
    kept = rows("get", "messages", "--queue", queue, "--ack-mode", "ack_requeue_true")
    assert [row["payload"] for row in kept] == ["from standard input"]
    taken = rows("get", "messages", "--queue", queue, "--count", "5")
    assert [row["payload"] for row in taken] == ["from standard input"]
    assert waiting(channel, queue) == 0
    assert "not routed" in admin("publish", "message", "-k", f"{queue}-missing", "-m", "lost").lower()


def test_users_vhosts_and_limits(name):
    admin("declare", "vhost", "--name", name, "--description", "a place")
    admin("declare", "user", "--name", name, "--password", "secret", "--tags", "management")
    admin("declare", "permissions", "--vhost", name, "--user", name, "--configure", ".*", "--write", ".*", "--read", ".*")
    assert named(name, "list", "vhosts") and named(name, "list", "users")
    # Whoever makes a virtual host may use it.
    assert sorted(row["user"] for row in rows("list", "permissions") if row["vhost"] == name) == [name, "guest"]
    admin("declare", "vhost_limit", "--vhost", name, "--name", "max-queues", "--value", "1")
    admin("declare", "user_limit", "--user", name, "--name", "max-channels", "--value", "9")
    assert [row for row in rows("list", "user_limits") if row["username"] == name]
    theirs = ["--vhost", name, "--username", name, "--password", "secret"]
    admin(*theirs, "declare", "queue", "--name", "first", "--type", "classic")
    assert "queue limit" in admin(*theirs, "declare", "queue", "--name", "second", "--type", "classic", fails=True)
    admin("delete", "vhost_limit", "--vhost", name, "--name", "max-queues")
    admin("delete", "user_limit", "--user", name, "--name", "max-channels")
    admin("delete", "permissions", "--vhost", name, "--user", name)
    assert "refused for user" in admin(*theirs, "declare", "queue", "--name", "third", "--type", "classic", fails=True)
    admin("delete", "user", "--name", name)
    admin("delete", "vhost", "--name", name)


def test_policies(queue, name):
    policy = ["--name", name, "--pattern", f"^{queue}$", "--apply-to", "queues"]
    admin("declare", "policy", *policy, "--priority", "5", "--definition", '{"message-ttl": 60000}')
    admin("policies", "update_definition", "--name", name, "--definition-key", "message-ttl", "--new-value", "70000")
    admin("policies", "patch", "--name", name, "--definition", '{"max-length": 3}')
    [row] = named(name, "policies", "list_matching_object", "--name", queue, "--type", "queues")
    assert row["apply_to"] == "queues"
    assert "70000" in admin("policies", "list") and "max-length" in admin("policies", "list")
    admin("policies", "declare_override", "--name", name, "--override-name", f"{name}-over", "--definition", '{"max-length": 2}')
    [shown] = named(queue, "queues", "show", "--name", queue)
    assert shown["policy"] == f"{name}-over"
    admin("delete", "policy", "--name", f"{name}-over")
    admin("policies", "delete_definition_keys", "--name", name, "--definition-keys", "max-length")
    admin("declare", "operator_policy", *policy, "--priority", "1", "--definition", '{"max-length": 7}')
    assert named(name, "list", "operator_policies")
    admin("delete", "operator_policy", "--name", name)
    admin("delete", "policy", "--name", name)
    assert not named(name, "list", "policies")


def test_definitions_go_out_and_in(queue, tmp_path):
    file = tmp_path / "definitions.json"
    admin("definitions", "export", "--file", str(file))
    assert queue in [one["name"] for one in json.loads(file.read_text())["queues"]]
    admin("definitions", "import", "--file", str(file))
    own = admin("definitions", "export_from_vhost", "--vhost", "/", "--stdout")
    admin("definitions", "import_into_vhost", "--vhost", "/", "--stdin", stdin=own[own.index("{") :])


def test_connections(channel, queue):
    channel.basic_consume(queue, lambda *_: None)
    assert [row for row in rows("list", "consumers") if queue in row.values()]
    for what in ("connections", "channels"):
        assert rows("list", what)
    assert rows("list", "user_connections", "--username", "guest")


def test_what_there_is_to_show():
    assert "landfall" in admin("show", "overview").lower()
    for what in ("nodes", "users", "vhosts", "permissions", "exchanges", "bindings", "policies", "feature_flags", "deprecated_features"):
        admin("list", what)
    for of in (["show", "churn"], ["plugins", "list_all"], ["global_parameters", "list"], ["parameters", "list_all"], ["feature_flags", "enable_all"]):
        admin(*of)
    for of in (["shovels", "list_all"], ["federation", "list_all_links"], ["federation", "list_all_upstreams"], ["rebalance", "queues"]):
        admin(*of)


def test_health():
    for check in (["local_alarms"], ["cluster_wide_alarms"], ["node_is_quorum_critical"], ["port_listener", "--port", os.environ["AMQP_PORT"]], ["protocol_listener", "--protocol", "amqp"]):
        assert "passed" in admin("health_check", *check)
    admin("health_check", "port_listener", "--port", "1", fails=True)
