"""The Celery application that test_celery.py runs: `celery -A celery_app worker`, told by CELERY_KIND which kind.

`rpc` answers through the broker, `files` keeps results in a folder (chords need that), `quorum` asks for quorum queues,
with which Celery delays tasks in the broker itself.
"""

import os
import pathlib
import time

from celery import Celery
from celery.exceptions import Reject
from kombu import Exchange, Queue

FOLDER = pathlib.Path(os.environ["CELERY_FOLDER"])
BROKER = f"amqp://guest:guest@127.0.0.1:{os.environ['AMQP_PORT']}//"


def make(kind):
    app = Celery("clients", broker=BROKER)
    app.conf.update(
        result_backend=f"file://{FOLDER}/results" if kind == "files" else "rpc://",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        worker_proc_alive_timeout=60,
        task_send_sent_event=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"confirm_publish": True},
        task_default_queue=kind,
        task_default_exchange=kind,
        task_default_routing_key=kind,
    )
    if kind == "quorum":
        app.conf.task_default_queue_type = "quorum"
        app.conf.task_default_exchange_type = "topic"
    if kind == "rpc":
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "rejected"}
        app.conf.task_queues = [
            Queue(kind, Exchange(kind), routing_key=kind),
            Queue("strict", Exchange("strict"), routing_key="strict", queue_arguments=dead),
        ]
    return app


app = make(os.environ.get("CELERY_KIND", "rpc"))


def note(kind, number):
    """Leaves a trace of a run: a line in a file, which outlives everything."""
    with open(FOLDER / f"{kind}-{number}", "a", encoding="utf-8") as trace:
        print(time.time(), file=trace)


@app.task(name="add")
def add(left, right):
    return left + right


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="work")
def work(kind, number, seconds=0):
    time.sleep(seconds)
    note(kind, number)
    return number


@app.task(name="stubborn", bind=True, max_retries=5)
def stubborn(self, succeeds_at):
    """Fails until its attempt of this number."""
    if self.request.retries < succeeds_at:
        raise self.retry(countdown=0.3)
    return self.request.retries


@app.task(name="fails")
def fails():
    raise ValueError("as it should")


@app.task(name="refuse")
def refuse():
    raise Reject("nobody wants it", requeue=False)


@app.task(name="echo")
def echo(value):
    return value
