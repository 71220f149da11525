"""Celery on a cluster: a worker and an application that sends tasks with confirms, both with all nodes as their broker.

`cargo xtask clients --cluster` says in AMQP_NODES where the nodes are, and kills one when this says `at work`. The last
line is what came out, as JSON. The worker runs this file as its application.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from celery import Celery

NODES = os.environ["AMQP_NODES"].split(",")
SECONDS = float(os.environ["CLUSTER_SECONDS"])
PATIENCE = 90
ERRORS = []


def addresses(first):
    nodes = NODES[first:] + NODES[:first]
    return [f"amqp://guest:guest@{node}//" for node in nodes]


app = Celery("cluster")
app.conf.update(
    # The worker begins at another node than the sender.
    broker_url=addresses(1 if "CLUSTER_NOTES" in os.environ else 0),
    broker_failover_strategy="round-robin",
    broker_heartbeat=4,
    broker_connection_timeout=3,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"confirm_publish": True},
    task_publish_retry=True,
    task_publish_retry_policy={
        "max_retries": 200,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.5,
        "errback": lambda error, interval: ERRORS.append(repr(error)),
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue="cluster-celery",
    worker_prefetch_multiplier=10,
)


@app.task(name="note")
def note(number):
    with open(os.environ["CLUSTER_NOTES"], "a", encoding="ascii") as notes:
        notes.write(f"{number} {time.monotonic()}\n")


def arrived(path):
    """The numbers that came, each as often as it came, with the time."""
    with open(path, encoding="ascii") as notes:
        lines = [line.split() for line in notes.read().splitlines()]
    return [(int(number), float(at)) for number, at in lines]


def longest(times):
    return max((after - before for before, after in zip(times, times[1:])), default=0.0)


def send(notes):
    """Sends tasks; returns the times at which they had landed, and the errors of those that were given up."""
    times, given_up = [], []
    until = time.monotonic() + SECONDS
    is_told = False
    while time.monotonic() < until:
        try:
            note.apply_async([len(times)])
            times.append(time.monotonic())
        except Exception as error:  # What Celery raises is the broker's client's: any of it is to be seen.
            given_up.append(repr(error))
        if not is_told and len(arrived(notes)) >= 20:
            print("at work", flush=True)
            is_told = True
        time.sleep(0.02)
    return times, given_up


def main():
    folder = tempfile.mkdtemp()
    notes, log = os.path.join(folder, "notes"), os.path.join(folder, "log")
    open(notes, "w", encoding="ascii").close()
    command = [sys.executable, "-m", "celery", "-A", "cluster_celery", "worker", "-c", "2", "-l", "WARNING"]
    with open(log, "wb") as output:
        worker = subprocess.Popen(
            command,
            cwd=os.path.dirname(os.path.abspath(__file__)),
            env={**os.environ, "CLUSTER_NOTES": notes},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        times, given_up = send(notes)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not set(range(len(times))) <= {number for number, _ in arrived(notes)}:
            time.sleep(0.1)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
    came = arrived(notes)
    numbers = {number for number, _ in came}
    with open(log, encoding="utf-8", errors="replace") as said:
        lost = [line for line in said.read().splitlines() if "onnection to broker lost" in line or "annot connect" in line]
    print(
        json.dumps(
            {
                "sent": len(times),
                "arrived": len(numbers & set(range(len(times)))),
                "invented": len(numbers - set(range(len(times)))),
                "duplicates": len(came) - len(numbers),
                "publisher_errors": ERRORS + given_up,
                "consumer_errors": lost,
                "publisher_longest": longest(times),
                "consumer_longest": longest([at for _, at in came]),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
