"""What the tests with pika and with aio-pika share: where the server is, and a way to stop and start it.

`cargo xtask clients` starts the server and says where it is in two variables:
AMQP_PORT, and SERVER_CONTROL, a port that takes one line, `kill` (kill -9) or `terminate` (SIGTERM),
starts the server again on the same data, and answers `ok` when it takes connections.
"""

import datetime
import decimal
import os
import socket
import uuid

import pytest

PORT = int(os.environ["AMQP_PORT"])
MEBIBYTE = 1024 * 1024


@pytest.fixture
def name():
    """A queue name that no other test has."""
    return f"clients-{uuid.uuid4()}"


@pytest.fixture
def restart():
    """A function that stops the server in the given way and returns when it runs again."""

    def stop_and_start(how):
        address = ("127.0.0.1", int(os.environ["SERVER_CONTROL"]))
        with socket.create_connection(address, timeout=100) as control:
            control.sendall(f"{how}\n".encode())
            answer = control.makefile().readline()
        assert answer == "ok\n", answer

    return stop_and_start


@pytest.fixture
def headers():
    """A header of every type that both clients can write."""
    return {
        "true": True,
        "false": False,
        "small": 7,
        "negative": -7,
        "32 bits": 2**31 - 1,
        "64 bits": 2**62,
        "64 bits down": -(2**62),
        "text": "Grüße, 世界",
        "long text": "x" * 300,
        "empty": "",
        "bytes": b"\x00\xff\x80",
        "nothing": None,
        "decimal": decimal.Decimal("3.14"),
        "time": datetime.datetime(2026, 11, 23, 12, 30, 45, tzinfo=datetime.timezone.utc),
        "table": {"inner": {"innermost": 1}, "list": [1, "two", {"three": 3}]},
        "list": [],
        "mixed": [True, None, "x", [1, 2], {"a": "b"}],
    }


def pytest_runtest_logreport(report):
    """Notes a line for each test in the file that CLIENT_RESULTS names; xtask/src/clients/results.rs reads it."""
    path = os.environ.get("CLIENT_RESULTS")
    if path is None or (report.when != "call" and report.passed):
        return
    line = f"ok - {report.location[2]}" if not report.failed else f"not ok - {report.location[2]}"
    if report.skipped:
        line += f" # SKIP {report.longrepr[2]}"
    with open(path, "a", encoding="utf-8") as results:
        print(line, file=results)
