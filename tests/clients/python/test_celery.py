"""Celery, unmodified: workers as processes of their own, and an application that sends tasks to them."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from celery import chain, chord, group
from conftest import PORT
from kombu import Connection
from kombu.exceptions import OperationalError


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("celery")
    (folder / "results").mkdir()
    os.environ["CELERY_FOLDER"] = str(folder)
    return folder


@contextlib.contextmanager
def worker(folder, kind, queues=None, concurrency=2):
    """A worker process, with the processes below it; ends with a signal, as a service does."""
    name = f"{kind}-{queues or ''}-{time.monotonic_ns()}@clients"
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-n", name, "-l", "INFO"]
    command += ["-c", str(concurrency), *(["-Q", queues] if queues else [])]
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=os.path.dirname(__file__),
            env={**os.environ, "CELERY_KIND": kind, "CELERY_FOLDER": str(folder)},
            stdout=log,
            stderr=log,
            # A group of its own, so that it can be killed as a whole.
            start_new_session=True,
        )
    process.worker_name = name
    process.log = folder / f"{name}.log"
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                pytest.fail(f"the worker does not stop:\n{process.log.read_text()[-3000:]}")
        if os.environ.get("CELERY_SHOW_LOGS"):
            print(process.log.read_text())


def wait_for(what, within=60, every=0.1):
    """The first true answer of `what`."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(every)
    pytest.fail(f"waited {within} s in vain")


@pytest.fixture(scope="session")
def workers(folder):
    with contextlib.ExitStack() as stack:
        running = {kind: stack.enter_context(worker(folder, kind)) for kind in ["rpc", "files", "quorum"]}
        for process in running.values():
            wait_for(lambda process=process: "ready." in process.log.read_text())
        yield running


@pytest.fixture(scope="session")
def celery(folder):
    """The module of the application, as the sender has it."""
    import celery_app

    return celery_app


@pytest.fixture
def app(celery, workers):
    return celery.app


def runs(folder, kind):
    """How often each numbered piece of work was done."""
    counted = collections.Counter()
    for path in folder.glob(f"{kind}-*"):
        number = path.name.removeprefix(f"{kind}-")
        if number.isdigit():
            counted[int(number)] = len(path.read_text().splitlines())
    return counted


def test_a_task_answers(celery, app):
    assert celery.add.delay(2, 3).get(timeout=30) == 5


def test_a_group_answers_in_order(celery, app):
    results = group(celery.add.s(number, number) for number in range(40))()
    assert results.get(timeout=30) == [2 * number for number in range(40)]


def test_a_chain_passes_results_on(celery, app):
    assert chain(celery.add.s(1, 2), celery.add.s(4), celery.add.s(8))().get(timeout=30) == 15


def test_a_failure_is_told(celery, app):
    with pytest.raises(ValueError, match="as it should"):
        celery.fails.delay().get(timeout=30)


def test_arguments_of_many_kinds_and_sizes(celery, app):
    value = {"text": "Grüße, 世界", "list": [1, 2.5, None, True], "empty": "", "large": "x" * 2_000_000}
    assert celery.echo.delay(value).get(timeout=30) == value
    compressed = celery.echo.apply_async((value,), compression="zlib")
    assert compressed.get(timeout=30) == value


def test_a_task_that_retries_later(celery, app):
    assert celery.stubborn.delay(3).get(timeout=30) == 3


def test_tasks_with_an_eta_do_not_hold_up_the_others(celery, app, folder):
    """A worker holds tasks whose time has not come, and raises its prefetch for each."""
    start = time.time()
    later = [celery.work.apply_async(("eta", number), countdown=2) for number in range(12)]
    assert celery.add.delay(1, 1).get(timeout=30) == 2
    assert time.time() - start < 2 or not runs(folder, "eta")
    for result in later:
        result.get(timeout=30)
    assert runs(folder, "eta") == {number: 1 for number in range(12)}
    assert all(float((folder / f"eta-{number}").read_text()) >= start + 2 for number in range(12))


def test_a_task_that_expired_is_not_run(celery, app, folder):
    result = celery.work.apply_async(("expired", 0), countdown=0.5, expires=0.2)
    celery.add.apply_async((1, 1), countdown=1).get(timeout=30)
    wait_for(lambda: result.state == "REVOKED", within=10)
    assert not runs(folder, "expired")


def test_chords_on_results_in_files(celery, app, workers, folder):
    application = celery.make("files")
    tasks = {name: application.signature(name) for name in ["add", "total"]}
    header = [tasks["add"].clone((number, number)) for number in range(10)]
    assert chord(header)(tasks["total"].clone()).get(timeout=60) == 90


def test_quorum_queues_and_delays_in_the_broker(celery, app, workers, folder):
    """28 exchanges and queues of falling time-to-live, one for each bit of the delay."""
    application = celery.make("quorum")
    start = time.time()
    application.send_task("work", ("native", 0), countdown=3)
    application.send_task("work", ("native", 1))
    wait_for(lambda: runs(folder, "native") == {0: 1, 1: 1})
    assert float((folder / "native-0").read_text()) >= start + 2
    assert float((folder / "native-1").read_text()) < start + 3
    with Connection(celery.BROKER) as connection:
        connection.default_channel.queue_declare("celery_delayed_0", passive=True)


def test_remote_control(celery, app, workers):
    names = {process.worker_name for process in workers.values()}
    pongs = wait_for(lambda: (got := app.control.inspect(timeout=2).ping()) and len(got) == 3 and got)
    assert pongs == {name: {"ok": "pong"} for name in names}
    name = workers["rpc"].worker_name
    inspect = app.control.inspect([name], timeout=10, limit=1)
    assert {queue["name"] for queue in inspect.active_queues()[name]} == {"rpc", "strict"}
    assert "add" in inspect.registered()[name]
    assert inspect.stats()[name]["broker"]["port"] == PORT


def test_a_revoked_task_is_not_run(celery, app, folder):
    result = celery.work.apply_async(("revoked", 0), countdown=2)
    app.control.revoke(result.id)
    with pytest.raises(Exception, match="revoked"):
        result.get(timeout=30)
    assert not runs(folder, "revoked")


def test_a_queue_added_and_removed_while_the_worker_runs(celery, app, workers):
    name = workers["rpc"].worker_name
    told = app.control.add_consumer("extra", destination=[name], reply=True, timeout=10, limit=1)
    assert told[0][name]["ok"] == "add consumer extra"
    assert celery.add.apply_async((4, 4), queue="extra").get(timeout=30) == 8
    told = app.control.cancel_consumer("extra", destination=[name], reply=True, timeout=10, limit=1)
    assert "ok" in told[0][name]


def test_events(celery, app):
    seen = collections.defaultdict(list)
    listening = threading.Event()

    def on_ready(*_args, **_options):
        listening.set()

    def listen():
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen[event["type"]].append(event)})
            receiver.on_consume_ready = on_ready
            for _ in receiver.itercapture(limit=None, timeout=None):
                if enough():
                    return

    def enough():
        kinds = ["task-sent", "task-received", "task-started", "task-succeeded", "worker-heartbeat"]
        return all(seen[kind] for kind in kinds)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(10)
    result = celery.add.delay(20, 22)
    assert result.get(timeout=30) == 42
    thread.join(30)
    assert enough(), {kind: len(events) for kind, events in seen.items()}
    assert result.id in {event["uuid"] for event in seen["task-succeeded"]}


def test_a_rejected_task_goes_to_the_dead_letters(celery, app):
    with Connection(celery.BROKER) as connection:
        queue = connection.SimpleQueue("rejected")
        sent = celery.refuse.apply_async(queue="strict")
        message = queue.get(timeout=20)
        assert message.headers["id"] == sent.id
        assert message.headers["x-death"][0]["reason"] == "rejected"
        message.ack()
        queue.close()


def test_purge(celery, app):
    with Connection(celery.BROKER) as connection:
        celery.app.send_task("add", (1, 1), queue="nobody", connection=connection)
        celery.app.send_task("add", (1, 1), queue="nobody", connection=connection)
        assert connection.default_channel.queue_purge("nobody") == 2


def test_what_a_killed_worker_held_is_done_by_another(celery, app, folder):
    for number in range(8):
        celery.work.apply_async(("fragile", number, 0.2), queue="fragile")
    with worker(folder, "rpc", queues="fragile") as doomed:
        wait_for(lambda: runs(folder, "fragile"), every=0.01)
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()
    assert len(runs(folder, "fragile")) < 8
    with worker(folder, "rpc", queues="fragile"):
        wait_for(lambda: len(runs(folder, "fragile")) == 8)


@pytest.mark.timeout(200)
def test_every_task_runs_though_the_server_is_killed(celery, app, folder, restart):
    """Three kills while tasks are sent, run, retried and wait for their time."""
    confirmed = []
    stop = threading.Event()

    def send():
        number = 0
        while not stop.is_set():
            countdown = 1 if number % 5 == 0 else None
            # Only what was confirmed is promised.
            with contextlib.suppress(OperationalError, *celery.app.connection_for_write().connection_errors):
                celery.work.apply_async(("survivor", number, 0.01), countdown=countdown, retry=True)
                confirmed.append(number)
            number += 1
            time.sleep(0.01)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for _ in range(3):
        before = len(confirmed)
        wait_for(lambda before=before: len(confirmed) >= before + 30)
        restart("kill")
    before = len(confirmed)
    wait_for(lambda: len(confirmed) >= before + 30)
    stop.set()
    sender.join(60)
    assert not sender.is_alive() and len(confirmed) >= 120
    wait_for(lambda: set(confirmed) <= set(runs(folder, "survivor")), within=90)
    # And the answers come again too.
    assert celery.add.delay(2, 3).get(timeout=60) == 5
