"""Asks a server whether it is what an exported file of definitions says: users, permissions, topology.

    check.py AMQP_PORT EXPORTED_DEFINITIONS USERS

It passes against the RabbitMQ that exported the file, which shows that it asks for nothing else.
"""

import json
import sys
import time
import uuid

import pika
from pika import exceptions

PORT = int(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    DEFINITIONS = json.load(file)
with open(sys.argv[3], encoding="utf-8") as file:
    USERS = json.load(file)

# Users of the file whose passwords no command set: hashed with SHA-512 and with MD5.
HASHED = {"guest": "guest", "long": "five-twelve", "old": "five"}
PATIENCE = 10

asked = 0


def check(right, what):
    global asked
    asked += 1
    if not right:
        sys.exit(f"FAILED: {what}")


def connect(user, password, vhost):
    credentials = pika.PlainCredentials(user, password)
    parameters = pika.ConnectionParameters(
        "127.0.0.1", PORT, vhost, credentials, connection_attempts=1
    )
    return pika.BlockingConnection(parameters)


def let_in(user, password, vhost):
    try:
        connect(user, password, vhost).close()
        return True
    except (
        exceptions.ProbableAuthenticationError,
        exceptions.ProbableAccessDeniedError,
        exceptions.ConnectionClosedByBroker,
    ):
        return False


def check_logins():
    passwords = HASHED | {user["name"]: user["password"] for user in USERS}
    allowed = {(row["user"], row["vhost"]) for row in DEFINITIONS["permissions"]}
    for user, password in passwords.items():
        for vhost in (row["name"] for row in DEFINITIONS["vhosts"]):
            expected = (user, vhost) in allowed
            got = let_in(user, password, vhost)
            check(got == expected, f"{user} in {vhost}: expected {expected}, got {got}")
    check(not let_in("ada", "wrong", "shop"), "a wrong password is refused")
    check(not let_in("certificate only", "", "/"), "a user without a password is refused")


def may(connection, asked_for):
    """Does what the right is about; false if it was refused with 403."""
    channel = connection.channel()
    channel.confirm_delivery()
    name = asked_for["name"]
    try:
        if asked_for["right"] == "configure":
            channel.queue_declare(name, durable=True)
            channel.queue_delete(name)
        elif asked_for["right"] == "write":
            channel.basic_publish(name, asked_for["key"], b"permitted")
        else:
            channel.basic_get(name, auto_ack=True)
    except exceptions.ChannelClosedByBroker as closed:
        check(closed.reply_code == 403, f"{asked_for}: {closed}")
        return False
    channel.close()
    return True


def check_permissions():
    for user in USERS:
        for asked_for in user["may"]:
            connection = connect(user["name"], user["password"], asked_for["vhost"])
            got = may(connection, asked_for)
            connection.close()
            check(got == asked_for["allowed"], f"{user['name']}: {asked_for}: {got}")


def of(section, vhost):
    return [row for row in DEFINITIONS[section] if row["vhost"] == vhost]


def check_declared(connection, vhost):
    for queue in of("queues", vhost):
        connection.channel().queue_declare(queue["name"], passive=True)
        # The same once more is no change, so every argument arrived.
        connection.channel().queue_declare(
            queue["name"],
            durable=queue["durable"],
            auto_delete=queue["auto_delete"],
            arguments=queue["arguments"],
        )
        check(True, queue["name"])
    for exchange in of("exchanges", vhost):
        connection.channel().exchange_declare(exchange["name"], passive=True)
        connection.channel().exchange_declare(
            exchange["name"],
            exchange["type"],
            durable=exchange["durable"],
            auto_delete=exchange["auto_delete"],
            arguments=exchange["arguments"],
        )
        check(True, exchange["name"])


def arrives(channel, vhost, queue, body):
    declared = next(row for row in of("queues", vhost) if row["name"] == queue)
    if declared["arguments"].get("x-single-active-consumer"):
        # basic.get is refused there, by some versions and kinds of queue at least.
        for _, _, got in channel.consume(queue, True, inactivity_timeout=PATIENCE):
            channel.cancel()
            return got == body
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        method, _, got = channel.basic_get(queue, auto_ack=True)
        if got == body:
            return True
        if method is None:
            time.sleep(0.01)
    return False


def ends(binding, vhost):
    """The queues that a message comes to by a binding."""
    if binding["destination_type"] == "queue":
        return [binding["destination"]]
    further = [
        row for row in of("bindings", vhost) if row["source"] == binding["destination"]
    ]
    return [queue for row in further for queue in ends(row, vhost)]


def exported(name, vhost):
    """RabbitMQ exports no internal exchanges, and yet their bindings."""
    own = {row["name"] for row in of("exchanges", vhost)}
    return name.startswith("amq.") or name in own


def check_routing(connection, vhost):
    channel = connection.channel()
    channel.confirm_delivery()
    for binding in of("bindings", vhost):
        if not exported(binding["source"], vhost):
            continue
        if binding["destination_type"] == "exchange" and not exported(
            binding["destination"], vhost
        ):
            continue
        key = binding["routing_key"].replace("*", "one").replace("#", "two.words")
        headers = {
            name: value
            for name, value in binding["arguments"].items()
            if name != "x-match"
        }
        body = uuid.uuid4().bytes
        properties = pika.BasicProperties(headers=headers, delivery_mode=2)
        channel.basic_publish(binding["source"], key, body, properties, mandatory=True)
        for queue in ends(binding, vhost):
            check(arrives(channel, vhost, queue, body), f"{binding}: nothing in {queue}")
    for exchange in of("exchanges", vhost):
        alternate = exchange["arguments"].get("alternate-exchange")
        if alternate is not None:
            body = uuid.uuid4().bytes
            channel.basic_publish(exchange["name"], "nobody.wants.it", body)
            for binding in of("bindings", vhost):
                if binding["source"] == alternate:
                    got = arrives(channel, vhost, binding["destination"], body)
                    check(got, f"nothing by the alternate exchange of {exchange}")


def main():
    check_logins()
    check_permissions()
    for vhost in (row["name"] for row in DEFINITIONS["vhosts"]):
        connection = connect("guest", "guest", vhost)
        check_declared(connection, vhost)
        check_routing(connection, vhost)
        connection.close()
    print(f"{asked} answers as the definitions say")


main()
