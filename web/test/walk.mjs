// Walks through all pages of a running server, as a person with a browser does:
//   node test/walk.mjs URL AMQP-URL FOLDER-FOR-PICTURES
// Every page in light and dark, wide and on a phone; a message on its way: published, given back by a consumer until it
// is parked, looked at, redriven, acknowledged; and what else operators do (acts.mjs). Whatever a page complains about in the
// browser's console is a failure, and so is a name or a body that becomes more than text.

import assert from "node:assert/strict";
import { connect } from "amqplib";
import { chromium } from "playwright-core";
import * as acts from "./acts.mjs";

const [url, amqp, folder] = process.argv.slice(2);
const QUEUE = "walk <b>&amp;</b> ünï/code";
const MESSAGE = '{"walk":"<img src=x onerror=alert(1)>"}';

const pages = {
  overview: "/",
  queues: "/queues",
  queue: `/queue?${new URLSearchParams({ vhost: "/", name: QUEUE })}`,
  messages: `/queue?${new URLSearchParams({ vhost: "/", name: QUEUE, tab: "messages" })}`,
  rules: `/queue?${new URLSearchParams({ vhost: "/", name: QUEUE, tab: "rules" })}`,
  bindings: `/queue?${new URLSearchParams({ vhost: "/", name: QUEUE, tab: "bindings" })}`,
  message: "/message",
  dead: "/dead",
  delayed: "/delayed",
  publish: "/publish",
  receive: "/publish?tab=get",
  connections: "/connections",
  channels: "/channels",
  consumers: "/consumers",
  exchanges: "/exchanges",
  drawing: "/exchanges?tab=drawing",
  exchange: "/exchanges?vhost=%2F&name=walk",
  users: "/users",
  permissions: "/users?tab=permissions",
  "topic-permissions": "/users?tab=topics",
  vhosts: "/vhosts",
  policies: "/policies",
  "operator-policies": "/policies?tab=operator-policies",
  definitions: "/definitions",
  cluster: "/cluster",
  audit: "/audit",
  operations: "/operations",
  api: "/reference?of=put_api_queues_vhost_name",
  settings: "/settings",
  nowhere: "/nowhere",
};

const looks = [
  { name: "light", viewport: { width: 1360, height: 860 }, colorScheme: "light" },
  { name: "dark", viewport: { width: 1360, height: 860 }, colorScheme: "dark" },
  { name: "phone-light", viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true },
  { name: "phone-dark", viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true },
];

// Root may not have Chromium's sandbox; the only site that is visited is ours.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
const complaints = [];

async function open(look) {
  const context = await browser.newContext(look);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.stack}`));
  page.on("console", (said) => {
    // A browser tells of every 401 and 404; whether these are right the pages themselves decide.
    if (said.type() === "error" && !/status of (401|404)/.test(said.text())) complaints.push(`${page.url()}: ${said.text()}`);
  });
  page.on("dialog", () => complaints.push(`${page.url()}: something of a message was run`));
  return page;
}

async function login(page, password = "guest") {
  await page.goto(url);
  await page.getByLabel("User").fill("guest");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

const shoot = (page, name) => page.screenshot({ path: `${folder}/${name}.png` });
const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: false });

/** Follows a message through the pages. */
async function follow(page) {
  await page.goto(`${url}/queues`);
  await page.getByRole("button", { name: "New queue" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill(QUEUE);
  await dialog.getByLabel(/^Retry with growing waits/).uncheck();
  for (const [name, value] of Object.entries({ "x-delivery-limit": 2, "x-delayed-retry-min": 1500 })) {
    await dialog.getByRole("button", { name: "Add argument" }).click();
    await dialog.getByLabel("name", { exact: true }).last().fill(name);
    await dialog.getByLabel("value", { exact: true }).last().fill(String(value));
  }
  await dialog.getByRole("button", { name: "Declare" }).click();
  await heading(page, QUEUE).waitFor();

  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByLabel("Body").fill(MESSAGE);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("It has landed.").waitFor();

  const consumer = await connect(amqp);
  const channel = await consumer.createChannel();
  await channel.consume(QUEUE, (message) => message && channel.nack(message));
  await page.goto(url + pages.queue);
  const parked = page.getByRole("link", { name: /^Parked\s*1/ });
  await page.getByRole("link", { name: /^Delayed\s*1/ }).waitFor();
  await shoot(page, "walk-0-retried");
  await parked.waitFor();
  await consumer.close();

  await page.goto(`${url}/dead`);
  await page.getByRole("button", { name: "Out of attempts" }).click();
  await shoot(page, "walk-1-parked");
  await page.locator(".line .opener").first().click();
  await page.getByRole("link", { name: "Journey" }).click();
  await page.getByText(/^Parked/).first().waitFor();
  await page.getByText("onerror=alert(1)").first().waitFor();
  await shoot(page, "walk-2-journey");

  await page.getByRole("button", { name: "Redrive" }).click();
  await page.getByText("1 message redriven.").waitFor();
  await page.getByText(/^Redriven/).first().waitFor();
  const journey = page.url();

  await page.goto(`${url}/publish?tab=get`);
  await page.getByLabel("Queue", { exact: true }).fill(QUEUE);
  await page.getByLabel("And then").selectOption("ack_requeue_false");
  await page.getByRole("button", { name: "Receive" }).click();
  await page.getByRole("button", { name: "Take them out" }).click();
  await page.getByText("Message 1 of 1").waitFor();
  await page.goto(journey);
  await page.getByText(/^Acknowledged/).first().waitFor();
  await page.getByText("It is gone: acknowledged.").waitFor();
  await shoot(page, "walk-3-acknowledged");
}

/** What else operators do: an exchange that leads somewhere, a user, a policy; and the question before the end. */
async function administer(page) {
  await page.goto(`${url}/exchanges`);
  await page.getByRole("button", { name: "New exchange" }).click();
  await page.getByLabel("Name", { exact: true }).fill("walk");
  await page.getByLabel("Type").selectOption("topic");
  await page.getByRole("button", { name: "Declare" }).click();
  await page.getByRole("link", { name: "walk", exact: true }).click();
  await page.getByRole("button", { name: "Bind" }).click();
  await page.getByLabel("called").fill(QUEUE);
  await page.getByLabel("Routing key").fill("walk.#");
  await page.getByRole("dialog").getByRole("button", { name: "Bind" }).click();
  await page.getByRole("cell", { name: "walk.#" }).waitFor();

  await page.goto(`${url}/users`);
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByLabel("Name", { exact: true }).fill("walker");
  await page.getByLabel("Password").fill("a long walk");
  await page.getByLabel(/^monitoring/).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "walker" }).waitFor();

  await page.goto(`${url}/policies`);
  await page.getByRole("button", { name: "New policy" }).click();
  await page.getByLabel("Name", { exact: true }).fill("walks");
  await page.getByLabel("Pattern").fill("^walk");
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.getByLabel("name", { exact: true }).last().fill("message-ttl");
  await page.getByLabel("value", { exact: true }).fill("86400000");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "walks" }).waitFor();

  await page.goto(url + pages.queue);
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Purge" }).click();
  await page.getByText("will be gone for good").waitFor();
  await shoot(page, "walk-4-question");
  await page.getByRole("button", { name: "Cancel" }).click();
}

/** The keyboard alone. */
async function press(page) {
  await page.goto(url);
  await heading(page, "Overview").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await shoot(page, "keys");
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await heading(page, "Queues").waitFor();
  await page.keyboard.press("/");
  await page.getByRole("combobox").fill("walk");
  await page.getByRole("option", { name: QUEUE }).waitFor();
  await shoot(page, "search");
  await page.keyboard.press("Enter");
  await heading(page, QUEUE).waitFor();
}

async function everyPage(look, all, says = "") {
  const page = await open(look);
  await login(page);
  await page.locator(".shell").waitFor();
  for (const [name, to] of Object.entries(all)) {
    await page.goto(url + to);
    await page.locator(".page h1, .page h2").first().waitFor();
    await page.waitForLoadState("load");
    await page.waitForTimeout(250);
    const { wide, made } = await page.evaluate(() => ({
      wide:
        document.documentElement.scrollWidth > window.innerWidth &&
        [...document.querySelectorAll(".page *")].filter((one) => one.getBoundingClientRect().right > window.innerWidth).map((one) => `${one.tagName}.${one.getAttribute("class")}`),
      made: document.querySelectorAll("img[src=x], body script").length,
    }));
    if (wide) complaints.push(`${name} in ${look.name} is too wide: ${wide.slice(0, 6).join(" ")}`);
    assert.equal(made, 0, `${name}: a name became markup`);
    await page.getByText(says).and(page.locator(":visible")).first().waitFor();
    await shoot(page, `${name}-${look.name}`);
  }
  await page.context().close();
}

/** What is done while nobody else is logged in with this browser. */
async function apart(act) {
  const page = await open(looks[0]);
  await act(page, url);
  await page.context().close();
}

try {
  const page = await open(looks[0]);
  await login(page, "wrong");
  await page.getByText("That user or password is not right.").waitFor();
  await shoot(page, "login-light");
  await login(page);
  await heading(page, "Overview").waitFor();
  await follow(page);
  await administer(page);
  await press(page);
  await acts.actOnSeveral(page, url);
  await acts.disconnect(page, url, amqp);
  await acts.bring(page, url);
  await acts.makeUsers(page, url);
  for (const act of [acts.beRefused, acts.useKeysOnly, acts.outliveSession]) await apart(act);
  const letGo = await acts.plantMarkup(url, amqp);
  await everyPage({ ...looks[0], name: "markup" }, acts.markupPages, "<img src=x");
  for (const look of looks) await everyPage(look, pages);
  await letGo();
  await page.getByRole("button", { name: "guest" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.getByRole("button", { name: "Log in" }).waitFor();
  assert.deepEqual(complaints, []);
  console.log(`${Object.keys(pages).length} pages in ${looks.length} looks; a message went all its way; queues purged and deleted together, a connection closed, definitions imported, users refused, markup shown as text`);
} catch (failure) {
  for (const [place, page] of browser.contexts().flatMap((context) => context.pages()).entries()) await shoot(page, `failed-${place}`);
  throw failure;
} finally {
  await browser.close();
}
