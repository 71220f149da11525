// amqplib on a cluster: a publisher with confirms and a consumer. amqplib leaves coming back to its users, so both do it
// here, when their connection says `close`; the publisher sends again what was not confirmed.
//
// `cargo xtask clients --cluster` says in AMQP_NODES where the nodes are, and kills one when this says `at work`. The
// last line is what came out, as JSON.
'use strict';

const amqp = require('amqplib');

const nodes = process.env.AMQP_NODES.split(',');
const seconds = Number(process.env.CLUSTER_SECONDS);
const patience = 90_000;
const queue = 'cluster-amqplib';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Count {
  numbers = new Map();
  errors = [];
  longest = 0;
  last = null;

  note(number) {
    this.numbers.set(number, (this.numbers.get(number) ?? 0) + 1);
    const now = Date.now();
    if (this.last !== null) this.longest = Math.max(this.longest, now - this.last);
    this.last = now;
  }
}

const sent = new Count();
const arrived = new Count();
const confirmed = sent.numbers;
let isOver = false;

// Goes through the nodes, beginning at one of them, until `work` says that it is done. `work` gets a connection, and
// ends when that is lost.
async function stayConnected(first, count, work) {
  for (let at = first; ; at += 1) {
    try {
      const url = `amqp://guest:guest@${nodes[at % nodes.length]}?heartbeat=4`;
      const connection = await amqp.connect(url, { timeout: 3000 });
      connection.on('error', (error) => count.errors.push(String(error)));
      const closed = new Promise((resolve) => connection.on('close', resolve));
      if (await work(connection, closed)) {
        await connection.close().catch(() => {});
        return;
      }
    } catch (error) {
      count.errors.push(String(error));
    }
    await pause(100);
  }
}

async function publish() {
  let next = 0;
  const end = Date.now() + seconds * 1000;
  const waiting = new Set();
  await stayConnected(0, sent, async (connection, closed) => {
    let isClosed = false;
    closed.then(() => (isClosed = true));
    const channel = await connection.createConfirmChannel();
    channel.on('error', (error) => sent.errors.push(String(error)));
    await channel.assertQueue(queue, { durable: true });
    const send = (number) => {
      channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true }, (error) => {
        if (error) return;
        waiting.delete(number);
        sent.note(number);
      });
    };
    for (const number of waiting) send(number);
    while (!isClosed) {
      if (Date.now() < end) {
        waiting.add(next);
        send(next);
        next += 1;
      } else if (waiting.size === 0) {
        return true;
      }
      await pause(10);
    }
    return false;
  });
}

async function consume() {
  await stayConnected(1, arrived, async (connection, closed) => {
    const channel = await connection.createChannel();
    channel.on('error', (error) => arrived.errors.push(String(error)));
    await channel.prefetch(50);
    await channel.assertQueue(queue, { durable: true });
    await channel.consume(queue, (message) => {
      if (message === null) return;
      arrived.note(Number(message.content.toString()));
      channel.ack(message);
    });
    await Promise.race([closed, over]);
    return isOver;
  });
}

let end;
const over = new Promise((resolve) => (end = resolve));

async function main() {
  const publishing = publish();
  const consuming = consume();
  while (arrived.numbers.size < 20) await pause(50);
  console.log('at work');
  await Promise.race([publishing, pause(seconds * 1000 + patience)]);
  const until = Date.now() + patience;
  const isMissing = () => [...confirmed.keys()].some((number) => !arrived.numbers.has(number));
  while (Date.now() < until && isMissing()) await pause(50);
  isOver = true;
  end();
  await Promise.race([consuming, pause(10_000)]);
  const came = [...arrived.numbers.keys()];
  const more = [...arrived.numbers.values()].reduce((sum, times) => sum + times - 1, 0);
  console.log(
    JSON.stringify({
      sent: confirmed.size,
      arrived: came.filter((number) => confirmed.has(number)).length,
      invented: came.filter((number) => !confirmed.has(number)).length,
      duplicates: more,
      publisher_errors: sent.errors,
      consumer_errors: arrived.errors,
      publisher_longest: sent.longest / 1000,
      consumer_longest: arrived.longest / 1000,
    }),
  );
  process.exit(0);
}

main();
