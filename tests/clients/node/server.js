// Where the server is, and how it is stopped and started: `cargo xtask clients` says so in AMQP_PORT and
// SERVER_CONTROL, a port that takes `kill` or `terminate`, starts the server again on the same data and answers `ok`.
'use strict';

const assert = require('node:assert/strict');
const net = require('node:net');

const url = `amqp://guest:guest@127.0.0.1:${process.env.AMQP_PORT}`;

// Stops the server in the given way; resolves when it runs again.
async function restart(how) {
  const control = net.connect(Number(process.env.SERVER_CONTROL), '127.0.0.1');
  control.write(`${how}\n`);
  let answer = '';
  for await (const bytes of control) answer += bytes;
  assert.equal(answer, 'ok\n');
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The first true answer of `what`.
async function until(what, within = 20_000) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await what();
    if (answer) return answer;
    assert.ok(Date.now() < end, `waited ${within} ms in vain`);
    await pause(30);
  }
}

module.exports = { url, restart, pause, until };
