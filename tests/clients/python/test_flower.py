"""Flower, Celery's monitor: its page about the broker asks the HTTP API."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


@pytest.fixture
def flower(tmp_path):
    """A running Flower; a function that fetches a page of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://guest:guest@127.0.0.1:{os.environ['ADMIN_PORT']}/api/"
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "flower", "--address=127.0.0.1", f"--port={port}", f"--broker_api={api}"]
    environment = {**os.environ, "CELERY_FOLDER": str(tmp_path), "FLOWER_UNAUTHENTICATED_API": "true"}
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def page(path):
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                assert time.monotonic() < deadline and process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)

    yield page
    process.terminate()
    process.wait(30)


def test_the_page_about_the_broker_tells_what_waits(flower, tmp_path, monkeypatch):
    monkeypatch.setenv("CELERY_FOLDER", str(tmp_path))
    from celery_app import app

    waiting = app.conf.task_default_queue
    for number in range(3):
        app.send_task("nobody.does", args=[number])
    deadline = time.monotonic() + 30
    while True:
        row = re.search(rf"<tr[^>]*>\s*<td>{re.escape(waiting)}</td>\s*<td[^>]*>(\d+)</td>", flower("/broker"))
        if row and int(row[1]) >= 3:
            break
        assert time.monotonic() < deadline, flower("/broker")
        time.sleep(0.5)
    app.control.purge()
