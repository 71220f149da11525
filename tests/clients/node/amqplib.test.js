// amqplib, the Node client, unmodified.
'use strict';

const amqp = require('amqplib');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { once } = require('node:events');
const { afterEach, beforeEach, describe, it } = require('node:test');
const { pause, restart, until, url } = require('./server.js');

const persistent = { persistent: true };

let connection;
let channel;
let name;

// A connection that ends with a test's own provocation must not end the process.
async function connect() {
  const made = await amqp.connect(url);
  made.on('error', () => {});
  return made;
}

async function openConfirmChannel(on = connection) {
  const made = await on.createConfirmChannel();
  made.on('error', () => {});
  return made;
}

async function publish(...bodies) {
  for (const body of bodies) channel.sendToQueue(name, Buffer.from(body), persistent);
  await channel.waitForConfirms();
}

// The next deliveries of a consumer; none is acknowledged.
async function take(count, from = channel) {
  const messages = [];
  let enough;
  const done = new Promise((resolve) => (enough = resolve));
  const { consumerTag } = await from.consume(name, (message) => {
    messages.push(message);
    if (messages.length === count) enough();
  });
  await done;
  await from.cancel(consumerTag);
  return messages;
}

const text = (message) => message.content.toString();
const waiting = async (on = channel) => (await on.checkQueue(name)).messageCount;

describe('amqplib', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    name = `clients-${crypto.randomUUID()}`;
    connection = await connect();
    channel = await openConfirmChannel();
    await channel.assertQueue(name, { durable: true });
  });

  const tidyUp = async () => {
    await connection.close().catch(() => {});
    const cleaner = await connect();
    await (await cleaner.createChannel()).deleteQueue(name);
    await cleaner.close();
  };

  afterEach(tidyUp);

  it('publishes with confirms, consumes and acknowledges', async () => {
    const bodies = Array.from({ length: 500 }, (_, number) => `message ${number}`);
    await publish(...bodies);
    assert.equal(await waiting(), 500);
    const messages = await take(500);
    assert.deepEqual(messages.map(text), bodies);
    assert.ok(messages.every((message) => !message.fields.redelivered));
    for (const message of messages) channel.ack(message);
    assert.equal(await waiting(), 0);
    await connection.close();
    connection = await connect();
    channel = await openConfirmChannel();
    assert.equal(await waiting(), 0);
  });

  it('gets no more than its prefetch', async () => {
    await publish(...Array(10).fill('x'));
    await channel.prefetch(3);
    const got = [];
    await channel.consume(name, (message) => got.push(message));
    await pause(500);
    assert.equal(got.length, 3);
    channel.ack(got[0]);
    channel.ack(got[1]);
    await pause(500);
    assert.equal(got.length, 5);
    channel.ackAll();
    await pause(500);
    assert.equal(got.length, 8);
  });

  it('gets back, marked and in its place, what it nacks with requeue', async () => {
    await publish('first', 'second', 'third');
    const messages = await take(3);
    channel.nack(messages[0]);
    channel.reject(messages[1]);
    const again = await take(2);
    assert.deepEqual(again.map(text).sort(), ['first', 'second']);
    assert.ok(again.every((message) => message.fields.redelivered));
  });

  it('removes what it nacks without requeue', async () => {
    await publish('unwanted', 'wanted');
    channel.nack(await channel.get(name), false, false);
    assert.equal(text(await channel.get(name)), 'wanted');
    assert.equal(await channel.get(name), false);
  });

  it('gets one by one', async () => {
    await publish('first', 'second');
    const first = await channel.get(name, { noAck: true });
    assert.equal(text(first), 'first');
    assert.equal(first.fields.messageCount, 1);
    assert.equal(first.fields.routingKey, name);
    assert.equal(text(await channel.get(name, { noAck: true })), 'second');
    assert.equal(await channel.get(name), false);
  });

  it('gets a mandatory message back before its confirm', async () => {
    const order = [];
    channel.on('return', (message) => order.push(message));
    await new Promise((resolve) => {
      channel.publish('', `${name}-missing`, Buffer.from('nobody'), { mandatory: true, persistent: true }, (error) => {
        assert.equal(error, null);
        order.push('confirmed');
        resolve();
      });
    });
    assert.equal(order.length, 2);
    assert.equal(text(order[0]), 'nobody');
    assert.equal(order[0].fields.replyCode, 312);
    assert.equal(order[0].fields.replyText, 'NO_ROUTE');
    assert.equal(order[1], 'confirmed');
  });

  for (const how of ['terminate', 'kill']) {
    it(`finds its messages again after the server: ${how}`, async () => {
      const bodies = Array.from({ length: 200 }, (_, number) => `message ${number}`);
      await publish(...bodies);
      assert.equal(text(await channel.get(name)), 'message 0');
      const closed = new Promise((resolve) => connection.once('close', resolve));
      await restart(how);
      await closed;
      connection = await connect();
      channel = await openConfirmChannel();
      assert.equal(await waiting(), 200);
      const messages = await take(200);
      assert.deepEqual(messages.map(text), bodies);
      channel.ackAll();
      await publish('after');
      assert.equal(text(await channel.get(name)), 'after');
    });
  }

  for (const size of [0, 1, 131_064, 131_065, 10 * 1024 * 1024]) {
    it(`carries a body of ${size} bytes`, async () => {
      const body = crypto.randomBytes(size);
      await publish(body);
      const message = await channel.get(name);
      assert.ok(message.content.equals(body));
      channel.ack(message);
    });
  }

  it('carries headers of every type and all properties', async () => {
    const headers = {
      yes: true,
      no: false,
      'one byte': 7,
      'two bytes': -300,
      'four bytes': 2 ** 31 - 1,
      'eight bytes': 2 ** 52,
      'eight bytes down': -(2 ** 52),
      double: 0.1,
      float: { '!': 'float', value: 0.5 },
      byte: { '!': 'byte', value: -1 },
      short: { '!': 'short', value: 1234 },
      int: { '!': 'int', value: 70000 },
      long: { '!': 'long', value: 5 },
      decimal: { '!': 'decimal', value: { digits: 314, places: 2 } },
      time: { '!': 'timestamp', value: 1_700_000_000 },
      text: 'Grüße, 世界',
      'long text': 'x'.repeat(300),
      bytes: Buffer.from([0, 255, 128]),
      nothing: null,
      list: [1, 'two', [3], { four: 4 }],
      table: { inner: { innermost: 1 } },
    };
    // What a client reads back: numbers as numbers, the rest with its type.
    const expected = { ...headers, float: 0.5, byte: -1, short: 1234, int: 70000, long: 5 };
    const properties = {
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      deliveryMode: 2,
      priority: 3,
      correlationId: 'correlation',
      replyTo: 'replies',
      expiration: '600000',
      messageId: 'id',
      timestamp: 1_700_000_000,
      type: 'kind',
      userId: 'guest',
      appId: 'tests',
    };
    channel.sendToQueue(name, Buffer.alloc(0), { ...properties, headers });
    await channel.waitForConfirms();
    const got = (await channel.get(name, { noAck: true })).properties;
    assert.deepEqual(got.headers, expected);
    for (const [property, value] of Object.entries(properties)) assert.equal(got[property], value, property);
  });

  it('loses only the channel when a queue is unknown', async () => {
    const other = await openConfirmChannel();
    await assert.rejects(channel.checkQueue(`${name}-missing`), (error) => {
      assert.equal(error.code, 404);
      assert.match(error.message, new RegExp(`NOT_FOUND - no queue '${name}-missing' in vhost '/'`));
      return true;
    });
    assert.equal((await other.checkQueue(name)).queue, name);
  });

  it('is refused another declaration of the same queue', async () => {
    await assert.rejects(channel.assertQueue(name, { durable: false }), (error) => {
      assert.equal(error.code, 406);
      assert.match(error.message, /PRECONDITION_FAILED - inequivalent arg 'durable' for queue/);
      return true;
    });
    channel = await openConfirmChannel();
    await channel.assertQueue(name, { durable: true });
  });

  it('may acknowledge a tag once', async () => {
    await publish('once');
    const message = await channel.get(name);
    const failed = once(channel, 'error');
    channel.ack(message);
    channel.ack(message);
    const [error] = await failed;
    assert.equal(error.code, 406);
    assert.match(error.message, /PRECONDITION_FAILED - unknown delivery tag 1/);
    await connection.createChannel();
  });

  it('finds the exclusive queue of another connection locked', async () => {
    const exclusive = `${name}-exclusive`;
    await channel.assertQueue(exclusive, { exclusive: true });
    const stranger = await connect();
    const refused = await stranger.createChannel();
    refused.on('error', () => {});
    await assert.rejects(refused.checkQueue(exclusive), (error) => error.code === 405);
    await stranger.close();
  });

  it('routes through exchanges, and from exchange to exchange', async () => {
    const outer = `${name}-outer`;
    const inner = `${name}-inner`;
    await channel.assertExchange(outer, 'topic', { durable: true });
    await channel.assertExchange(inner, 'fanout', { durable: true, autoDelete: true });
    await channel.bindExchange(inner, outer, 'orders.#');
    await channel.bindQueue(name, inner, '');
    channel.publish(outer, 'orders.7.paid', Buffer.from('routed'), persistent);
    channel.publish(outer, 'invoices.7', Buffer.from('not routed'), persistent);
    await channel.waitForConfirms();
    assert.equal(await waiting(), 1);
    assert.equal(text(await channel.get(name, { noAck: true })), 'routed');
    await channel.deleteExchange(outer);
    await channel.deleteExchange(inner);
  });

  // Queues of this test beside its own one; they go with their last consumer or their connection.
  async function extraQueue(suffix, options = {}) {
    return (await channel.assertQueue(`${name}-${suffix}`, { exclusive: true, ...options })).queue;
  }

  const next = (queue) => until(() => channel.get(queue, { noAck: true }));

  it('finds what it rejects among the dead letters, with its story', async () => {
    const work = await extraQueue('work', { deadLetterExchange: '', deadLetterRoutingKey: name });
    channel.sendToQueue(work, Buffer.from('poison'), { persistent: true, messageId: 'm' });
    channel.nack(await until(() => channel.get(work)), false, false);
    const dead = await next(name);
    assert.equal(text(dead), 'poison');
    assert.equal(dead.properties.messageId, 'm');
    const [death] = dead.properties.headers['x-death'];
    assert.ok(Math.abs(death.time.value * 1000 - Date.now()) < 10_000);
    assert.deepEqual(
      { ...death, time: undefined },
      { count: 1, reason: 'rejected', queue: work, exchange: '', 'routing-keys': [work], time: undefined },
    );
    assert.equal(dead.properties.headers['x-first-death-reason'], 'rejected');
    assert.equal(dead.properties.headers['x-first-death-queue'], work);
    assert.equal(dead.properties.headers['x-first-death-exchange'], '');
  });

  it('finds what expired among the dead letters', async () => {
    const work = await extraQueue('work', { messageTtl: 200, deadLetterExchange: '', deadLetterRoutingKey: name });
    channel.sendToQueue(work, Buffer.from('by the message'), { persistent: true, expiration: 50 });
    assert.equal(text(await next(name)), 'by the message');
    channel.sendToQueue(work, Buffer.from('by the queue'), persistent);
    const dead = await next(name);
    assert.equal(text(dead), 'by the queue');
    assert.equal(dead.properties.headers['x-death'][0].reason, 'expired');
  });

  it('gets the more urgent first', async () => {
    const work = await extraQueue('work', { maxPriority: 3 });
    for (const priority of [0, 2, 1, 3]) channel.sendToQueue(work, Buffer.from(`${priority}`), { priority });
    await channel.waitForConfirms();
    const order = [];
    for (let i = 0; i < 4; i++) order.push(text(await next(work)));
    assert.deepEqual(order, ['3', '2', '1', '0']);
  });

  it('is told no by a full queue', async () => {
    const work = await extraQueue('work', { maxLength: 1, overflow: 'reject-publish', arguments: { 'x-overflow': 'reject-publish' } });
    const outcome = () =>
      new Promise((resolve) => channel.sendToQueue(work, Buffer.from('x'), persistent, (error) => resolve(error === null)));
    assert.equal(await outcome(), true);
    assert.equal(await outcome(), false);
  });

  it('drops the oldest beyond the length of a queue', async () => {
    const work = await extraQueue('work', { maxLength: 2 });
    for (const body of ['1', '2', '3']) channel.sendToQueue(work, Buffer.from(body), persistent);
    await channel.waitForConfirms();
    assert.equal(text(await next(work)), '2');
    assert.equal(text(await next(work)), '3');
  });

  it('asks and is answered by direct reply-to', async () => {
    const answers = [];
    await channel.consume('amq.rabbitmq.reply-to', (message) => answers.push(message), { noAck: true });
    const worker = await openConfirmChannel();
    await worker.consume(name, (message) => {
      const { correlationId, replyTo } = message.properties;
      worker.sendToQueue(replyTo, Buffer.from(`${text(message)}!`), { correlationId });
      worker.ack(message);
    });
    for (const question of ['a', 'b']) {
      channel.sendToQueue(name, Buffer.from(question), { replyTo: 'amq.rabbitmq.reply-to', correlationId: question });
    }
    await until(() => answers.length === 2);
    assert.deepEqual(answers.map((answer) => [answer.properties.correlationId, text(answer)]), [['a', 'a!'], ['b', 'b!']]);
  });

  it('gives what no binding fits to the alternate exchange', async () => {
    const alternate = `${name}-alternate`;
    const main = `${name}-main`;
    await channel.assertExchange(alternate, 'fanout', { autoDelete: true });
    await channel.assertExchange(main, 'direct', { alternateExchange: alternate });
    await channel.bindQueue(name, alternate, '');
    channel.publish(main, 'nobody', Buffer.from('caught'), persistent);
    assert.equal(text(await next(name)), 'caught');
    await channel.deleteExchange(main);
  });

  it('copies to CC and BCC', async () => {
    const [cc, bcc] = [await extraQueue('cc'), await extraQueue('bcc')];
    channel.sendToQueue(name, Buffer.from('copied'), { CC: cc, BCC: [bcc] });
    await channel.waitForConfirms();
    for (const queue of [name, cc, bcc]) assert.deepEqual((await next(queue)).properties.headers, { CC: [cc] });
  });

  it('recovers what is unacked', async () => {
    await publish('x');
    const got = [];
    await channel.consume(name, (message) => got.push(message));
    await until(() => got.length === 1);
    await channel.recover();
    await until(() => got.length === 2);
    assert.equal(got[1].fields.redelivered, true);
  });

  it('is told with null that its queue is gone', async () => {
    const told = new Promise((resolve) => channel.consume(name, resolve));
    await (await openConfirmChannel()).deleteQueue(name);
    assert.equal(await told, null);
  });

  it('consumes alone, by priority, and one after the other', async () => {
    const single = await extraQueue('single', { arguments: { 'x-single-active-consumer': true } });
    const [first, second] = [[], []];
    const one = await channel.consume(single, (message) => first.push(text(message)), { noAck: true });
    await channel.consume(single, (message) => second.push(text(message)), { noAck: true, priority: 10 });
    channel.sendToQueue(single, Buffer.from('1'));
    await until(() => first.length === 1);
    await channel.cancel(one.consumerTag);
    channel.sendToQueue(single, Buffer.from('2'));
    await until(() => second.length === 1);
    assert.deepEqual([first, second], [['1'], ['2']]);
    const exclusive = await openConfirmChannel();
    await assert.rejects(exclusive.consume(single, () => {}, { exclusive: true }), (error) => error.code === 403);
  });

  it('confirms thousands, some of them at once', async () => {
    let confirmed = 0;
    for (let i = 0; i < 5000; i++) channel.sendToQueue(name, Buffer.from(`${i}`), persistent, () => confirmed++);
    await channel.waitForConfirms();
    assert.equal(confirmed, 5000);
    assert.equal(await waiting(), 5000);
    assert.equal((await channel.purgeQueue(name)).messageCount, 5000);
  });

  it('gets what it is silent about again, later and later, and acknowledges late', async (test) => {
    const { product } = connection.connection.serverProperties;
    if (product !== 'Landfall') {
      // Nobody tidies up after a test that skips itself, and a connection that is left keeps the program alive.
      await tidyUp();
      return test.skip(`${product} has no waits of growing length`);
    }
    const unit = 1000;
    const silent = await extraQueue('silent', {
      arguments: {
        'x-consumer-timeout': unit,
        'x-delayed-retry-type': 'all',
        'x-delayed-retry-min': unit,
        'x-delayed-retry-max': 4 * unit,
        'x-delayed-retry-jitter': 0,
      },
    });
    channel.sendToQueue(silent, Buffer.from('patience'), persistent);
    const came = [];
    await channel.consume(silent, (message) => came.push({ at: performance.now(), message }));
    await until(() => came.length === 4);
    const waits = came.slice(1).map(({ at }, earlier) => at - came[earlier].at);
    for (const [index, nominal] of [unit, 2 * unit, 4 * unit].entries()) {
      assert.ok(waits[index] >= nominal * 0.98 && waits[index] <= nominal * 1.1, `${waits}`);
    }
    const counts = came.map(({ message }) => message.properties.headers['x-delivery-count'] ?? 0);
    assert.deepEqual(counts, [0, 1, 2, 3]);
    channel.ack(came[0].message);
    await pause(6 * unit);
    assert.equal(came.length, 4);
    assert.equal((await channel.checkQueue(silent)).messageCount, 0);
  });

  it('is refused with a wrong password', async () => {
    await assert.rejects(amqp.connect(url.replace('guest@', 'wrong@')), /ACCESS[_-]REFUSED/);
  });
});
