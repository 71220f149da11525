// @cloudamqp/amqp-client, unmodified: its channels, and its sessions that come back by themselves.
'use strict';

const { AMQPClient, AMQPSession } = require('@cloudamqp/amqp-client');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { afterEach, beforeEach, describe, it } = require('node:test');
const { pause, restart, until, url } = require('./server.js');

let connection;
let channel;
let name;

describe('@cloudamqp/amqp-client', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    name = `clients-${crypto.randomUUID()}`;
    connection = await new AMQPClient(url).connect();
    connection.onerror = () => {};
    channel = await connection.channel();
    await channel.confirmSelect();
    await channel.queueDeclare(name, { durable: true });
  });

  afterEach(async () => {
    if (!connection.closed) await connection.close().catch(() => {});
    const cleaner = await new AMQPClient(url).connect();
    await (await cleaner.channel()).queueDelete(name);
    await cleaner.close();
  });

  const publish = (...bodies) =>
    Promise.all(bodies.map((body) => channel.basicPublish('', name, body, { deliveryMode: 2 })));

  const get = (queue = name) => until(() => channel.basicGet(queue, { noAck: true }));

  it('publishes with confirms, consumes with a prefetch and acknowledges', async () => {
    const bodies = Array.from({ length: 300 }, (_, number) => `message ${number}`);
    await publish(...bodies);
    await channel.prefetch(10);
    const got = [];
    const consumer = await channel.basicConsume(name, { noAck: false }, async (message) => {
      got.push(message.bodyString());
      await message.ack();
    });
    await until(() => got.length === 300);
    await consumer.cancel();
    assert.deepEqual(got, bodies);
    assert.equal((await channel.queueDeclare(name, { passive: true })).messageCount, 0);
  });

  it('holds no more than its prefetch', async () => {
    await publish(...Array(10).fill('x'));
    await channel.prefetch(3);
    const got = [];
    await channel.basicConsume(name, { noAck: false }, (message) => got.push(message));
    await until(() => got.length === 3);
    await pause(300);
    assert.equal(got.length, 3);
    await got[2].ack(true);
    await until(() => got.length === 6);
  });

  it('gets back what it nacks, and loses what it rejects', async () => {
    await publish('x');
    const first = await channel.basicGet(name, { noAck: false });
    assert.equal(first.redelivered, false);
    await first.nack(true);
    const again = await until(() => channel.basicGet(name, { noAck: false }));
    assert.equal(again.redelivered, true);
    await again.reject(false);
    assert.equal(await channel.basicGet(name), null);
  });

  it('gets back what has no queue', async () => {
    const returned = [];
    channel.onReturn = (message) => returned.push(message);
    await channel.basicPublish('', `${name}-missing`, 'nobody', {}, true);
    assert.equal(returned.length, 1);
    assert.deepEqual([returned[0].replyCode, returned[0].replyText], [312, 'NO_ROUTE']);
    assert.equal(returned[0].bodyString(), 'nobody');
  });

  for (const size of [0, 1, 131_065, 10 * 1024 * 1024]) {
    it(`carries a body of ${size} bytes`, async () => {
      const body = crypto.randomBytes(size);
      await publish(body);
      const message = await get();
      assert.equal(message.bodySize, size);
      if (size > 0) assert.ok(Buffer.from(message.body).equals(body));
    });
  }

  it('carries headers of every type and all properties', async () => {
    const properties = {
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      headers: {
        yes: true,
        no: false,
        small: 7,
        negative: -7,
        large: 2 ** 31 - 1,
        fraction: 0.5, // it writes single precision
        text: 'Grüße, 世界',
        'long text': 'x'.repeat(300),
        time: new Date(1_700_000_000_000),
        list: [1, 'two', [3], { four: 4 }],
        table: { inner: { innermost: 1 } },
        nothing: null,
      },
      deliveryMode: 2,
      priority: 3,
      correlationId: 'correlation',
      replyTo: 'replies',
      expiration: '600000',
      messageId: 'id',
      timestamp: new Date(1_700_000_000_000),
      type: 'kind',
      userId: 'guest',
      appId: 'tests',
    };
    await channel.basicPublish('', name, 'x', properties);
    assert.deepEqual({ ...(await get()).properties }, properties);
  });

  it('lays out exchanges and bindings of every kind', async () => {
    const [topic, headers, fanout] = ['topic', 'headers', 'fanout'].map((kind) => `${name}-${kind}`);
    await channel.exchangeDeclare(fanout, 'fanout', { autoDelete: true });
    await channel.exchangeDeclare(headers, 'headers', { autoDelete: true }, { 'alternate-exchange': fanout });
    await channel.exchangeDeclare(topic, 'topic', { durable: true });
    await channel.exchangeBind(headers, topic, 'orders.#');
    await channel.queueBind(name, headers, '', { 'x-match': 'any', kind: 'paid' });
    const other = await channel.queueDeclare('', { exclusive: true });
    await channel.queueBind(other.name, fanout, '');
    await channel.basicPublish(topic, 'orders.7', 'fits', { headers: { kind: 'paid' } });
    await channel.basicPublish(topic, 'orders.8', 'does not', { headers: { kind: 'sent' } });
    await channel.basicPublish(topic, 'invoices', 'nowhere');
    assert.equal((await get()).bodyString(), 'fits');
    assert.equal((await get(other.name)).bodyString(), 'does not');
    await channel.exchangeUnbind(headers, topic, 'orders.#');
    await channel.exchangeDelete(topic);
    await channel.queueUnbind(name, headers, '', { 'x-match': 'any', kind: 'paid' });
  });

  it('finds the dead letters of a rejection, of time and of length', async () => {
    const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': name };
    const work = await channel.queueDeclare('', { exclusive: true }, { ...dead, 'x-max-length': 2 });
    const send = (body, properties) => channel.basicPublish('', work.name, body, properties);
    await send('rejected');
    await (await channel.basicGet(work.name, { noAck: false })).reject(false);
    await send('expired', { expiration: '50' });
    await pause(200);
    for (const body of ['maxlen', '2', '3']) await send(body);
    for (const reason of ['rejected', 'expired', 'maxlen']) {
      const message = await get();
      assert.equal(message.bodyString(), reason);
      assert.equal(message.properties.headers['x-death'][0].reason, reason);
      assert.equal(message.properties.headers['x-first-death-queue'], work.name);
    }
  });

  it('commits and rolls back', async () => {
    const tx = await connection.channel();
    await tx.txSelect();
    await tx.basicPublish('', name, 'kept');
    await tx.txCommit();
    await tx.basicPublish('', name, 'forgotten');
    await tx.txRollback();
    assert.equal((await channel.queueDeclare(name, { passive: true })).messageCount, 1);
  });

  it('is told that its queue is gone', async () => {
    const consumer = await channel.basicConsume(name, { noAck: true }, () => {});
    const ended = assert.rejects(consumer.wait());
    await (await connection.channel()).queueDelete(name);
    await ended;
  });

  it('loses only the channel with an error', async () => {
    const doomed = await connection.channel();
    await assert.rejects(
      doomed.queueDeclare(`${name}-missing`, { passive: true }),
      new RegExp(`NOT_FOUND - no queue '${name}-missing' in vhost '/'`),
    );
    assert.equal(connection.closed, false);
    assert.equal((await channel.queueDeclare(name, { passive: true })).name, name);
  });

  it('is refused with a wrong password', async () => {
    await assert.rejects(new AMQPClient(url.replace('guest@', 'wrong@')).connect(), /ACCESS_REFUSED/);
  });

  it('changes its secret while connected', async () => {
    await connection.updateSecret('guest', 'a new token');
    await publish('after');
  });

  for (const how of ['terminate', 'kill']) {
    it(`has a session that goes on after the server: ${how}`, async () => {
      const session = await AMQPSession.connect(url, { reconnectInterval: 100 });
      const queue = await session.queue(name, { durable: true });
      for (let i = 0; i < 50; i++) await queue.publish(`${i}`, { deliveryMode: 2 });
      const got = new Set();
      await restart(how);
      const receive = async (message) => {
        got.add(message.bodyString());
        await message.ack().catch(() => {});
      };
      await until(() => queue.subscribe({ noAck: false, prefetch: 5 }, receive).catch(() => null));
      await until(() => got.size === 50);
      await restart(how);
      await until(() => queue.publish('after', { deliveryMode: 2 }).then(() => true, () => false));
      await until(() => got.has('after'));
      await session.stop();
    });
  }

  it('asks and is answered by direct reply-to', async () => {
    const session = await AMQPSession.connect(url);
    const server = await session.rpcServer(name, (message) => `${message.bodyString()}!`);
    const answers = await Promise.all(['a', 'b', 'c'].map((question) => session.rpcCall(name, question, { timeout: 5000 })));
    assert.deepEqual(answers.map((answer) => answer.bodyString()), ['a!', 'b!', 'c!']);
    await server.close();
    await session.stop();
  });
});
