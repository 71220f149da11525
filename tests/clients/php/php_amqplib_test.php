<?php

// php-amqplib, unmodified, as Debian packages it. How tests learn of their server: ../README.md.

declare(strict_types=1);

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPSocketConnection;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPIOException;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Exception\AMQPProtocolConnectionException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

const PATIENCE = 20;

/** A connection with a channel in confirm mode and a durable queue, which goes after the test. */
final class Fixture
{
    public AMQPStreamConnection $connection;
    public AMQPChannel $channel;
    public string $queue;
    private int $nacks = 0;

    public function __construct()
    {
        $this->queue = 'clients-' . bin2hex(random_bytes(8));
        $this->connect();
        $this->channel->queue_declare($this->queue, false, true, false, false);
    }

    public function connect(): void
    {
        $this->connection = connect();
        $this->channel = $this->connection->channel();
        $this->channel->confirm_select();
        $this->channel->set_nack_handler(function (): void {
            $this->nacks++;
        });
    }

    /** Waits for the confirm; whether it was an ack. */
    public function publish(string $body, array $properties = [], string $exchange = '', ?string $key = null): bool
    {
        $message = new AMQPMessage($body, $properties + ['delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT]);
        $nacks = $this->nacks;
        $this->channel->basic_publish($message, $exchange, $key ?? $this->queue);
        $this->channel->wait_for_pending_acks(PATIENCE);
        return $this->nacks === $nacks;
    }

    public function get(?string $queue = null): AMQPMessage
    {
        $end = microtime(true) + PATIENCE;
        while (microtime(true) < $end) {
            $message = $this->channel->basic_get($queue ?? $this->queue, true);
            if ($message !== null) {
                return $message;
            }
            usleep(20_000);
        }
        throw new Exception('no message came');
    }

    /** Takes in what the server sends until the condition holds. */
    public function drain(AMQPChannel $channel, callable $until): void
    {
        while (!$until()) {
            $channel->wait(null, false, PATIENCE);
        }
    }

    public function waiting(): int
    {
        return $this->channel->queue_declare($this->queue, true)[1];
    }

    public function clean(): void
    {
        try {
            $this->connection->close();
        } catch (Throwable) {
            // A test ended it in its own way.
        }
        $cleaner = connect();
        $cleaner->channel()->queue_delete($this->queue);
        $cleaner->close();
    }
}

function connect(string $password = 'guest', string $class = AMQPStreamConnection::class, string $vhost = '/'): AMQPStreamConnection|AMQPSocketConnection
{
    return new $class('127.0.0.1', getenv('AMQP_PORT'), 'guest', $password, $vhost);
}

function same(mixed $wanted, mixed $got): void
{
    if ($wanted !== $got) {
        throw new Exception('wanted ' . var_export($wanted, true) . ', got ' . var_export($got, true));
    }
}

/** What the server says when it ends a channel or a connection. */
function refused(int $code, string $text, string $class, callable $work): void
{
    try {
        $work();
    } catch (Throwable $error) {
        if ($error instanceof $class && $error->getCode() === $code && str_contains($error->getMessage(), $text)) {
            return;
        }
        throw $error;
    }
    throw new Exception("not refused with $code $text");
}

function restart(string $how): void
{
    $control = stream_socket_client('tcp://127.0.0.1:' . getenv('SERVER_CONTROL'), timeout: 100);
    stream_set_timeout($control, 100);
    fwrite($control, "$how\n");
    same("ok\n", fgets($control));
}

$tests = [
    'publishes with confirms, consumes with a prefetch and acknowledges' => function (Fixture $f): void {
        for ($number = 0; $number < 100; $number++) {
            same(true, $f->publish("$number"));
        }
        $got = [];
        $f->channel->basic_qos(0, 5, false);
        $f->channel->basic_consume($f->queue, 'tag', callback: function (AMQPMessage $message) use (&$got): void {
            same(false, $message->isRedelivered());
            $got[] = (int) $message->getBody();
            $message->ack();
        });
        $f->drain($f->channel, function () use (&$got) {
            return count($got) === 100;
        });
        $f->channel->basic_cancel('tag');
        same(range(0, 99), $got);
        same(0, $f->waiting());
    },
    'publishes in batches and waits for all confirms' => function (Fixture $f): void {
        for ($number = 0; $number < 500; $number++) {
            $f->channel->batch_basic_publish(new AMQPMessage("$number"), '', $f->queue);
        }
        $f->channel->publish_batch();
        $f->channel->wait_for_pending_acks(PATIENCE);
        same(500, $f->waiting());
        same(500, $f->channel->queue_purge($f->queue));
    },
    'gets back what it nacks and loses what it rejects' => function (Fixture $f): void {
        $f->publish('again');
        $f->channel->basic_get($f->queue)->nack(true);
        $message = $f->channel->basic_get($f->queue);
        same(true, $message->isRedelivered());
        $message->reject(false);
        same(null, $f->channel->basic_get($f->queue));
    },
    'gets back what has no queue' => function (Fixture $f): void {
        $returned = [];
        $f->channel->set_return_listener(function ($code, $text, $exchange, $key, $message) use (&$returned): void {
            $returned = [$code, $text, $message->getBody(), $message->get('message_id')];
        });
        $f->channel->basic_publish(new AMQPMessage('nobody', ['message_id' => 'm']), '', "$f->queue-missing", true);
        $f->channel->wait_for_pending_acks_returns(PATIENCE);
        same([312, 'NO_ROUTE', 'nobody', 'm'], $returned);
    },
    'carries bodies of every size' => function (Fixture $f): void {
        foreach ([0, 1, 131_064, 131_065, 10 * 1024 * 1024] as $size) {
            $body = $size > 0 ? random_bytes($size) : '';
            $f->publish($body);
            same(true, $f->get()->getBody() === $body);
        }
    },
    'carries headers of every type and all properties' => function (Fixture $f): void {
        $headers = [
            'yes' => true,
            'no' => false,
            'small' => 7,
            'negative' => -70_000,
            'large' => 2 ** 62,
            'fraction' => 0.5,
            'text' => 'Grüße, 世界',
            'long text' => str_repeat('x', 300),
            'nothing' => null,
            'table' => ['inner' => ['innermost' => 1]],
            'list' => [1, 'two', [3], ['four' => 4]],
        ];
        $sent = [
            'content_type' => 'text/plain',
            'content_encoding' => 'utf-8',
            'priority' => 3,
            'correlation_id' => 'correlation',
            'reply_to' => 'replies',
            'expiration' => '600000',
            'message_id' => 'id',
            'timestamp' => 1_700_000_000,
            'type' => 'kind',
            'user_id' => 'guest',
            'app_id' => 'tests',
        ];
        $time = new DateTime('@1700000000');
        $f->publish('x', $sent + ['application_headers' => new AMQPTable($headers + ['time' => $time])]);
        $message = $f->get();
        $got = $message->get('application_headers')->getNativeData();
        same(1_700_000_000, $got['time']->getTimestamp());
        unset($got['time']);
        // This version writes numbers with a fraction as texts.
        $got['fraction'] = (float) $got['fraction'];
        same($headers, $got);
        foreach ($sent as $name => $value) {
            same((string) $value, (string) $message->get($name));
        }
    },
    'lays out exchanges of every kind' => function (Fixture $f): void {
        [$topic, $headers, $caught] = ["$f->queue-topic", "$f->queue-headers", "$f->queue-caught"];
        $alternate = new AMQPTable(['alternate-exchange' => $caught]);
        $f->channel->exchange_declare($caught, 'fanout', false, false, true);
        $f->channel->exchange_declare($headers, 'headers', false, true, false, true, false, $alternate);
        $f->channel->exchange_declare($topic, 'topic', false, true, false);
        $f->channel->exchange_bind($headers, $topic, 'orders.#');
        $f->channel->queue_bind($f->queue, $headers, '', false, new AMQPTable(['x-match' => 'all', 'kind' => 'paid']));
        [$other] = $f->channel->queue_declare('', false, false, true);
        $f->channel->queue_bind($other, $caught);
        $f->publish('fits', ['application_headers' => new AMQPTable(['kind' => 'paid'])], $topic, 'orders.7');
        $f->publish('does not', ['application_headers' => new AMQPTable(['kind' => 'sent'])], $topic, 'orders.8');
        $f->publish('nowhere', [], $topic, 'invoices');
        same('fits', $f->get()->getBody());
        same('does not', $f->get($other)->getBody());
        $f->channel->exchange_unbind($headers, $topic, 'orders.#');
        $f->channel->exchange_delete($topic);
        $f->channel->exchange_delete($headers);
    },
    'finds dead letters with their story' => function (Fixture $f): void {
        [$work] = $f->channel->queue_declare('', false, false, true, arguments: new AMQPTable([
            'x-dead-letter-exchange' => '',
            'x-dead-letter-routing-key' => $f->queue,
            'x-message-ttl' => 300,
            'x-max-length' => 1,
        ]));
        $f->publish('rejected', key: $work);
        $f->channel->basic_get($work)->reject(false);
        $f->publish('maxlen', key: $work);
        $f->publish('expired', key: $work);
        foreach (['rejected', 'maxlen', 'expired'] as $reason) {
            $dead = $f->get();
            same($reason, $dead->getBody());
            $death = $dead->get('application_headers')->getNativeData()['x-death'][0];
            same(true, abs(time() - $death['time']->getTimestamp()) < 5);
            unset($death['time']);
            ksort($death);
            same(['count' => 1, 'exchange' => '', 'queue' => $work, 'reason' => $reason, 'routing-keys' => [$work]], $death);
        }
    },
    'gets the more urgent first' => function (Fixture $f): void {
        [$urgent] = $f->channel->queue_declare('', false, false, true, arguments: new AMQPTable(['x-max-priority' => 9]));
        foreach ([1, 9, 5] as $priority) {
            $f->publish("$priority", ['priority' => $priority], key: $urgent);
        }
        same(['9', '5', '1'], array_map(fn () => $f->get($urgent)->getBody(), range(1, 3)));
    },
    'is told no by a full queue' => function (Fixture $f): void {
        $arguments = new AMQPTable(['x-max-length' => 1, 'x-overflow' => 'reject-publish']);
        [$full] = $f->channel->queue_declare('', false, false, true, arguments: $arguments);
        same(true, $f->publish('1', key: $full));
        same(false, $f->publish('2', key: $full));
    },
    'asks and is answered by direct reply-to' => function (Fixture $f): void {
        $answer = null;
        $f->channel->basic_consume('amq.rabbitmq.reply-to', '', false, true, callback: function (AMQPMessage $message) use (&$answer): void {
            $answer = [$message->get('correlation_id'), $message->getBody()];
        });
        $f->publish('question', ['reply_to' => 'amq.rabbitmq.reply-to', 'correlation_id' => 'c']);
        $question = $f->get();
        $reply = new AMQPMessage($question->getBody() . '!', ['correlation_id' => $question->get('correlation_id')]);
        $f->connection->channel()->basic_publish($reply, '', $question->get('reply_to'));
        $f->drain($f->channel, function () use (&$answer) {
            return $answer !== null;
        });
        same(['c', 'question!'], $answer);
    },
    'commits and rolls back' => function (Fixture $f): void {
        $tx = $f->connection->channel();
        $tx->tx_select();
        $tx->basic_publish(new AMQPMessage('forgotten'), '', $f->queue);
        $tx->tx_rollback();
        $tx->basic_publish(new AMQPMessage('kept'), '', $f->queue);
        $tx->tx_commit();
        same('kept', $tx->basic_get($f->queue)->getBody());
        $tx->basic_ack(0, true);
        $tx->tx_commit();
        $tx->close();
        same(0, $f->waiting());
    },
    'recovers what is unacked' => function (Fixture $f): void {
        $f->publish('x');
        $seen = [];
        $f->channel->basic_consume($f->queue, callback: function (AMQPMessage $message) use (&$seen): void {
            $seen[] = $message->isRedelivered();
        });
        $f->drain($f->channel, function () use (&$seen) {
            return count($seen) === 1;
        });
        $f->channel->basic_recover(true);
        $f->drain($f->channel, function () use (&$seen) {
            return count($seen) === 2;
        });
        same([false, true], $seen);
    },
    'is told of errors' => function (Fixture $f): void {
        $missing = "NOT_FOUND - no queue '$f->queue-missing' in vhost '/'";
        refused(404, $missing, AMQPProtocolChannelException::class, fn () => $f->connection->channel()->queue_declare("$f->queue-missing", true));
        refused(406, "inequivalent arg 'durable'", AMQPProtocolChannelException::class, fn () => $f->connection->channel()->queue_declare($f->queue));
        $doomed = $f->connection->channel();
        $doomed->basic_ack(99);
        refused(406, 'unknown delivery tag 99', AMQPProtocolChannelException::class, fn () => $doomed->wait(null, false, PATIENCE));
        refused(403, 'ACCESS_REFUSED', AMQPConnectionClosedException::class, fn () => connect('wrong'));
        refused(530, 'vhost', AMQPConnectionClosedException::class, fn () => connect(vhost: 'missing'));
        same(true, $f->publish('still here'));
    },
    'connects by plain sockets too' => function (Fixture $f): void {
        $connection = connect(class: AMQPSocketConnection::class);
        $connection->channel()->basic_publish(new AMQPMessage('by socket'), '', $f->queue);
        $connection->close();
        same('by socket', $f->get()->getBody());
    },
];
foreach (['terminate', 'kill'] as $how) {
    $tests["finds its messages again after the server: $how"] = function (Fixture $f) use ($how): void {
        foreach (['1', '2', '3'] as $body) {
            $f->publish($body);
        }
        restart($how);
        try {
            $f->channel->wait(null, false, PATIENCE);
            throw new Exception('the connection did not end');
        } catch (AMQPConnectionClosedException | AMQPProtocolConnectionException | AMQPIOException) {
            $f->connect();
        }
        same(['1', '2', '3'], array_map(fn () => $f->get()->getBody(), range(1, 3)));
    };
}

$failed = 0;
foreach ($tests as $name => $test) {
    $line = "ok - $name";
    try {
        $fixture = new Fixture();
        try {
            $test($fixture);
        } finally {
            $fixture->clean();
        }
    } catch (Throwable $error) {
        $line = "not $line";
        $failed++;
    }
    echo "$line\n";
    if (isset($error)) {
        echo $error, "\n";
        unset($error);
    }
    if (getenv('CLIENT_RESULTS')) {
        file_put_contents(getenv('CLIENT_RESULTS'), "$line\n", FILE_APPEND);
    }
}
exit($failed > 0 ? 1 : 0);
