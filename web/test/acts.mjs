// What operators do besides following a message: to several queues at once, to a connection, with a document, for a user
// who may less. And names that would be markup, if a page took them for it.

import assert from "node:assert/strict";
import { connect } from "amqplib";

/** What would run if it were taken for markup, as a name. */
export const MARKUP = `<img src=x onerror=alert(1)>'"<script>alert(2)</script>`;

const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: false });
const row = (page, text) => page.getByRole("row").filter({ hasText: text });

/** Asks the server as a program does. */
export function api(url) {
  const authorization = `Basic ${Buffer.from("guest:guest").toString("base64")}`;
  return async (method, path, body) => {
    const answer = await fetch(`${url}/api/${path}`, { method, headers: { authorization, "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  };
}

/** Gives everything that has a name one that would be markup; returns what lets go of it. */
export async function plantMarkup(url, amqp) {
  const ask = api(url);
  const name = encodeURIComponent(MARKUP);
  await ask("PUT", `vhosts/${name}`, { description: MARKUP, tags: MARKUP });
  await ask("PUT", `users/${name}`, { password: "of markup", tags: "management" });
  for (const user of ["guest", MARKUP]) {
    await ask("PUT", `permissions/${name}/${encodeURIComponent(user)}`, { configure: ".*", write: ".*", read: ".*" });
  }
  await ask("PUT", `exchanges/${name}/${name}`, { type: "topic", arguments: { "alternate-exchange": MARKUP } });
  await ask("PUT", `queues/${name}/${name}`, { arguments: { "x-dead-letter-exchange": MARKUP, "x-delivery-limit": 0 } });
  await ask("POST", `bindings/${name}/e/${name}/q/${name}`, { routing_key: MARKUP, arguments: { [MARKUP]: MARKUP } });
  await ask("PUT", `policies/${name}/${name}`, { pattern: "^nothing$", definition: { "message-ttl": 1000 } });
  await ask("PUT", `topic-permissions/${name}/guest`, { exchange: MARKUP, write: ".*", read: ".*" });
  const connection = await connect(`${amqp}/${name}`, { clientProperties: { connection_name: MARKUP, product: MARKUP } });
  const channel = await connection.createChannel();
  for (let times = 0; times < 3; times += 1) {
    channel.publish(MARKUP, MARKUP, Buffer.from(MARKUP), { headers: { [MARKUP]: MARKUP }, messageId: MARKUP, correlationId: MARKUP, type: MARKUP, appId: MARKUP });
  }
  await channel.prefetch(2);
  await channel.consume(MARKUP, () => {}, { consumerTag: MARKUP });
  return () => connection.close();
}

/** Pages that show one thing with such a name. */
export const markupPages = {
  queue: `/queue?${new URLSearchParams({ vhost: MARKUP, name: MARKUP })}`,
  messages: `/queue?${new URLSearchParams({ vhost: MARKUP, name: MARKUP, tab: "messages" })}`,
  rules: `/queue?${new URLSearchParams({ vhost: MARKUP, name: MARKUP, tab: "rules" })}`,
  bindings: `/queue?${new URLSearchParams({ vhost: MARKUP, name: MARKUP, tab: "bindings" })}`,
  consumers: `/queue?${new URLSearchParams({ vhost: MARKUP, name: MARKUP, tab: "consumers" })}`,
  exchange: `/exchanges?${new URLSearchParams({ vhost: MARKUP, name: MARKUP })}`,
  drawing: `/exchanges?${new URLSearchParams({ vhost: MARKUP, tab: "drawing" })}`,
  found: `/queues?${new URLSearchParams({ name: MARKUP })}`,
};

/** Purges two queues with one click, and deletes them with another. */
export async function actOnSeveral(page, url) {
  const ask = api(url);
  for (const queue of ["several-1", "several-2"]) {
    await ask("PUT", `queues/%2F/${queue}`, {});
    await ask("POST", "exchanges/%2F/amq.default/publish", { routing_key: queue, payload: "x", payload_encoding: "string", properties: {} });
  }
  const choose = async () => {
    await page.goto(`${url}/queues?name=several`);
    for (const queue of ["several-1", "several-2"]) await row(page, queue).getByRole("checkbox").check();
  };
  const waiting = async () => (await (await ask("GET", "queues/%2F?name=several&page=1")).json()).items.map((queue) => queue.messages);

  await choose();
  await page.getByRole("button", { name: "Purge" }).click();
  await page.getByText("2 ready or delayed messages will be gone for good").waitFor();
  assert.deepEqual(await waiting(), [1, 1], "nothing goes before the answer");
  await page.getByRole("dialog").getByRole("button", { name: "Purge" }).click();
  await page.getByText("several-2 is purged.").waitFor();
  assert.deepEqual(await waiting(), [0, 0]);

  await ask("POST", "exchanges/%2F/amq.default/publish", { routing_key: "several-1", payload: "x", payload_encoding: "string", properties: {} });
  await choose();
  await page.getByRole("button", { name: "Delete" }).click();
  const question = page.getByRole("dialog");
  assert.ok(await question.getByRole("button", { name: "Delete" }).isDisabled(), "with messages in them, their number has to be typed");
  await question.getByLabel("Type 2 to go on").fill("2");
  await question.getByRole("button", { name: "Delete" }).click();
  await page.getByText("several-2 is deleted.").waitFor();
  assert.deepEqual(await waiting(), []);
}

/** Closes a client's connection, which hears why. */
export async function disconnect(page, url, amqp) {
  const client = await connect(amqp, { clientProperties: { connection_name: "to be closed" } });
  const told = new Promise((resolve) => client.on("close", resolve));
  await page.goto(`${url}/connections`);
  await row(page, "to be closed").getByRole("button", { name: "Close" }).click();
  await page.getByLabel("Reason").fill("out of the way");
  await page.getByRole("button", { name: "Close it" }).click();
  assert.match(String(await told), /out of the way/);
  await row(page, "to be closed").waitFor({ state: "detached" });
}

/** Imports a document from a file. */
export async function bring(page, url) {
  await page.goto(`${url}/definitions`);
  const document_ = {
    vhosts: [{ name: "brought" }],
    permissions: [{ user: "guest", vhost: "brought", configure: ".*", write: ".*", read: ".*" }],
    queues: [{ name: "brought", vhost: "brought", durable: true, auto_delete: false, arguments: {} }],
  };
  await page.getByLabel("A file").setInputFiles({ name: "definitions.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(document_)) });
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
  await page.getByText(/^Made: .*queues \(1\)/).waitFor();
  await page.getByLabel("A file").setInputFiles({ name: "broken.json", mimeType: "application/json", buffer: Buffer.from('{"queues": 7') });
  await page.getByText("This cannot be imported.").waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as a file" }).click();
  assert.match((await saved).suggestedFilename(), /^landfall-definitions-.*\.json$/);
}

async function makeUser(page, url, name, tag) {
  await page.goto(`${url}/users`);
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill("a password");
  if (tag) await page.getByLabel(new RegExp(`^${tag}`)).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name, exact: true }).waitFor();
}

/** Makes users who may less. */
export async function makeUsers(page, url) {
  await makeUser(page, url, "stranger", undefined);
  await makeUser(page, url, "reader", "management");
  await page.goto(`${url}/users?tab=permissions`);
  await page.getByRole("button", { name: "Set permission" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("User").selectOption("reader");
  await dialog.getByLabel("Virtual host").selectOption("brought");
  await dialog.getByLabel("Configure: declare and delete").fill("");
  await dialog.getByRole("button", { name: "Save" }).click();
  await row(page, "reader").waitFor();
}

async function login(page, user, password) {
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Who has no tag is not let in; who has a permission in one virtual host sees that, and is refused what it may not. */
export async function beRefused(page, url) {
  await page.goto(url);
  await login(page, "stranger", "a password");
  await page.locator(".login .notice").waitFor();
  assert.ok(await page.getByRole("button", { name: "Log in" }).isVisible());

  await login(page, "reader", "a password");
  await heading(page, "Overview").waitFor();
  await page.goto(`${url}/queues`);
  await page.getByRole("link", { name: "brought" }).waitFor();
  assert.equal(await page.getByRole("link", { name: /^walk/ }).count(), 0, "the queues of another virtual host are not shown");
  await page.getByRole("link", { name: "brought" }).click();
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the queue" }).click();
  await page.getByText(/access to queue 'brought'/i).first().waitFor();
  await page.keyboard.press("Escape");
  await page.goto(`${url}/users`);
  await page.getByText("Only an administrator sees users.").waitFor();
}

/** Goes on with Tab until something has the focus. */
async function tabTo(page, what) {
  for (let times = 0; times < 80; times += 1) {
    await page.keyboard.press("Tab");
    if (await what.evaluate((one) => one === document.activeElement)) return;
  }
  assert.fail(`Tab does not lead to ${what}`);
}

/** Logs in, goes to a queue's page and publishes with the keyboard alone. */
export async function useKeysOnly(page, url) {
  await page.goto(url);
  await page.getByLabel("User").waitFor();
  await page.keyboard.type("guest");
  await page.keyboard.press("Tab");
  await page.keyboard.type("guest");
  await page.keyboard.press("Enter");
  await heading(page, "Overview").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("brought");
  await page.getByRole("option", { name: "brought" }).first().waitFor();
  await page.keyboard.press("Enter");
  await heading(page, "brought").waitFor();
  await tabTo(page, page.getByRole("button", { name: "Publish" }));
  await page.keyboard.press("Enter");
  await page.getByLabel("Body").waitFor();
  await tabTo(page, page.getByLabel("Body"));
  await page.keyboard.type("by the keyboard");
  await tabTo(page, page.getByRole("button", { name: "Publish" }));
  await page.keyboard.press("Enter");
  await page.getByText("It has landed.").waitFor();
}

/** Whoever has no session any more logs in, and is on the same page then. */
export async function outliveSession(page, url) {
  await page.goto(`${url}/audit`);
  await login(page, "guest", "guest");
  await heading(page, "Audit").waitFor();
  await page.context().clearCookies();
  await page.reload();
  await login(page, "guest", "guest");
  await heading(page, "Audit").waitFor();
}
