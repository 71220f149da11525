"""pika on a cluster: a publisher with confirms and a consumer, which come back as pika's documentation says.

`cargo xtask clients --cluster` says in AMQP_NODES where the nodes are, and kills one when this says `at work`. The last
line is what came out, as JSON.
"""

import json
import os
import threading
import time

import pika
from pika.exceptions import AMQPError

QUEUE = "cluster-pika"
NODES = os.environ["AMQP_NODES"].split(",")
SECONDS = float(os.environ["CLUSTER_SECONDS"])
PATIENCE = 90


class Count:
    """What one side has done, and how long it has waited at most."""

    def __init__(self):
        self.numbers = {}
        self.errors = []
        self.longest = 0.0
        self.last = None

    def note(self, number):
        self.numbers[number] = self.numbers.get(number, 0) + 1
        now = time.monotonic()
        if self.last is not None:
            self.longest = max(self.longest, now - self.last)
        self.last = now


def connect(first):
    """Any of the nodes, tried in turn."""
    nodes = NODES[first:] + NODES[:first]
    parameters = []
    for node in nodes:
        host, port = node.rsplit(":", 1)
        parameters.append(
            pika.ConnectionParameters(host, int(port), heartbeat=4, socket_timeout=3, stack_timeout=5, retry_delay=0.1)
        )
    return pika.BlockingConnection(parameters)


def publish(count, until):
    number = 0
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    while time.monotonic() < until or number not in count.numbers:
        try:
            with connect(0) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.queue_declare(QUEUE, durable=True)
                while time.monotonic() < until or number not in count.numbers:
                    if number in count.numbers:
                        number += 1
                    channel.basic_publish("", QUEUE, str(number), persistent, mandatory=True)
                    count.note(number)
                    connection.sleep(0.01)
        except AMQPError as error:
            count.errors.append(repr(error))
            time.sleep(0.1)


def consume(count, is_over):
    while not is_over.is_set():
        try:
            with connect(1) as connection:
                channel = connection.channel()
                channel.basic_qos(prefetch_count=50)
                channel.queue_declare(QUEUE, durable=True)
                for method, _, body in channel.consume(QUEUE, inactivity_timeout=0.2):
                    if is_over.is_set():
                        break
                    if method is not None:
                        count.note(int(body))
                        channel.basic_ack(method.delivery_tag)
        except AMQPError as error:
            count.errors.append(repr(error))
            time.sleep(0.1)


def main():
    sent, arrived, is_over = Count(), Count(), threading.Event()
    publisher = threading.Thread(target=publish, args=(sent, time.monotonic() + SECONDS))
    consumer = threading.Thread(target=consume, args=(arrived, is_over))
    publisher.start()
    consumer.start()
    while len(arrived.numbers) < 20:
        time.sleep(0.05)
    print("at work", flush=True)
    publisher.join(SECONDS + PATIENCE)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not sent.numbers.keys() <= arrived.numbers.keys():
        time.sleep(0.05)
    is_over.set()
    consumer.join(10)
    print(
        json.dumps(
            {
                "sent": len(sent.numbers),
                "arrived": len(arrived.numbers.keys() & sent.numbers.keys()),
                "invented": len(arrived.numbers.keys() - sent.numbers.keys()),
                "duplicates": sum(times - 1 for times in arrived.numbers.values()),
                "publisher_errors": sent.errors,
                "consumer_errors": arrived.errors,
                "publisher_longest": sent.longest,
                "consumer_longest": arrived.longest,
            }
        ),
        flush=True,
    )
    # A thread that hangs is a finding, which the numbers tell, and no reason to stay.
    os._exit(0)


if __name__ == "__main__":
    main()
