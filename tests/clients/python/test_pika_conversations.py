"""pika: transactions, and requests with replies."""

import pika
import pytest
from pika_tools import PERSISTENT, channel, connect, connection, get, publish, queue, refused, take, waiting

__all__ = ["channel", "connection", "queue"]

REPLY_TO = "amq.rabbitmq.reply-to"


@pytest.fixture
def transaction(connection):
    channel = connection.channel()
    channel.tx_select()
    return channel


def test_a_commit_publishes_all_and_a_rollback_nothing(transaction, channel, queue):
    transaction.basic_publish("", queue, b"1", PERSISTENT)
    transaction.basic_publish("", queue, b"2", PERSISTENT)
    assert waiting(transaction, queue) == 0
    transaction.tx_commit()
    assert waiting(channel, queue) == 2
    transaction.basic_publish("", queue, b"3", PERSISTENT)
    transaction.tx_rollback()
    transaction.tx_commit()
    assert waiting(channel, queue) == 2


def test_acks_belong_to_the_transaction(transaction, channel, queue):
    publish(channel, queue, b"1", b"2")
    first, second = (transaction.basic_get(queue)[0].delivery_tag for _ in range(2))
    transaction.basic_ack(first)
    transaction.tx_commit()
    transaction.basic_ack(second)
    transaction.tx_rollback()
    # Rolled back means not settled, and still unacked.
    assert waiting(channel, queue) == 0
    transaction.close()
    method, _, body = get(channel, queue)
    assert (body, method.redelivered, method.message_count) == (b"2", True, 0)


def test_a_transaction_moves_a_message(transaction, channel, queue):
    target = channel.queue_declare("", exclusive=True).method.queue
    publish(channel, queue, b"moved")
    method, _, body = transaction.basic_get(queue)
    transaction.basic_publish("", target, body, PERSISTENT)
    transaction.basic_ack(method.delivery_tag)
    transaction.tx_commit()
    assert (waiting(channel, queue), waiting(channel, target)) == (0, 1)


def test_what_was_committed_outlives_a_crash(transaction, channel, queue, restart):
    publish(channel, queue, b"taken")
    transaction.basic_ack(transaction.basic_get(queue)[0].delivery_tag)
    for number in range(50):
        transaction.basic_publish("", queue, str(number).encode(), PERSISTENT)
    transaction.tx_commit()
    transaction.basic_publish("", queue, b"not committed", PERSISTENT)
    restart("kill")
    with connect() as again:
        deliveries = take(again.channel(), queue, 50)
        assert [int(body) for _, _, body in deliveries] == list(range(50))
        assert waiting(again.channel(), queue) == 0


def test_a_transaction_and_confirms_exclude_each_other(connection, transaction, channel):
    with refused(406, "cannot switch from tx to confirm mode"):
        transaction.confirm_delivery()
    with refused(406, "cannot switch from confirm to tx mode"):
        channel.tx_select()
    with refused(406, "channel is not transactional"):
        connection.channel().tx_commit()


def test_a_returned_message_of_a_transaction_comes_with_its_commit(transaction, name):
    returned = []
    transaction.add_on_return_callback(lambda _channel, method, _properties, body: returned.append((method.reply_code, body)))
    transaction.basic_publish("", name, b"nobody", PERSISTENT, mandatory=True)
    transaction.tx_commit()
    transaction.connection.process_data_events(time_limit=0.2)
    assert returned == [(312, b"nobody")]


def test_direct_replies(connection, queue):
    """A client asks with amq.rabbitmq.reply-to; a worker on another connection answers."""
    asking = connection.channel()
    replies = []
    asking.basic_consume(REPLY_TO, lambda _channel, _method, properties, body: replies.append((properties.correlation_id, body)), auto_ack=True)
    for number in range(3):
        properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=str(number))
        asking.basic_publish("", queue, b"%d" % number, properties)
    with connect() as elsewhere:
        worker = elsewhere.channel()
        worker.confirm_delivery()
        for method, properties, body in take(worker, queue, 3):
            assert properties.reply_to.startswith(f"{REPLY_TO}.")
            # A worker may ask whether somebody still waits.
            worker.queue_declare(properties.reply_to, passive=True)
            answer = pika.BasicProperties(correlation_id=properties.correlation_id)
            worker.basic_publish("", properties.reply_to, body * 2, answer)
            worker.basic_ack(method.delivery_tag)
    connection.process_data_events(time_limit=1)
    assert replies == [("0", b"00"), ("1", b"11"), ("2", b"22")]


def test_a_reply_to_nobody(connection, channel, queue):
    asking = connection.channel()
    asking.basic_consume(REPLY_TO, print, auto_ack=True)
    asking.basic_publish("", queue, b"?", pika.BasicProperties(reply_to=REPLY_TO))
    _, properties, _ = get(channel, queue)
    asking.close()
    channel.basic_publish("", properties.reply_to, b"too late")
    with refused(404, "NOT_FOUND - no queue 'amq.rabbitmq.reply-to."):
        channel.queue_declare(properties.reply_to, passive=True)


def test_rules_of_direct_replies(connection, queue):
    with refused(406, "reply consumer cannot acknowledge"):
        connection.channel().basic_consume(REPLY_TO, print)
    channel = connection.channel()
    channel.basic_publish("", queue, b"?", pika.BasicProperties(reply_to=REPLY_TO))
    with refused(406, "fast reply consumer does not exist"):
        channel.queue_declare("", exclusive=True)
    channel = connection.channel()
    channel.basic_consume(REPLY_TO, print, auto_ack=True)
    with refused(406, "reply consumer already set"):
        channel.basic_consume(REPLY_TO, print, auto_ack=True)
    connection.channel().queue_declare(REPLY_TO, passive=True)


def test_requests_with_a_reply_queue_of_ones_own(connection, channel, queue):
    replies = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
    properties = pika.BasicProperties(reply_to=replies, correlation_id="c")
    channel.basic_publish("", queue, b"question", properties, mandatory=True)
    _, asked, body = get(channel, queue)
    channel.basic_publish("", asked.reply_to, body + b" answered", pika.BasicProperties(correlation_id=asked.correlation_id), mandatory=True)
    _, answer, body = get(channel, replies)
    assert (answer.correlation_id, body) == ("c", b"question answered")
