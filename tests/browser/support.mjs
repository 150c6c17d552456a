// A backend that a test may stop, and people in windows of a real browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const LIMIT = 15_000;
const PASSWORD = "correct horse battery";
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

export const unique = (prefix) => `${prefix}_${randomBytes(4).toString("hex")}`;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** `aetherconnect run`, with its data in a folder of its own; `environment` adds to what it is told. */
export class Backend {
  static async start(t, environment = {}) {
    const backend = new Backend();
    backend.data = await mkdtemp(join(tmpdir(), "aether-browser-"));
    backend.environment = environment;
    backend.port = await freePort();
    // Not by the name of localhost, at which Socket.IO's client doesn't heed what the browser says of the network.
    backend.url = `http://127.0.0.1:${backend.port}`;
    await backend.start();
    t.after(async () => {
      await backend.stop("SIGKILL");
      await rm(backend.data, { recursive: true, force: true });
    });
    return backend;
  }

  async start() {
    const names = ["METRICS_PORT", "AUTH_SERVICE_GRPC_PORT", "AUTH_SERVICE_HTTP_PORT", "MESSAGE_SERVICE_HTTP_PORT", "MESSAGE_SERVICE_GRPC_PORT"];
    const env = {
      ...process.env,
      ...Object.fromEntries(names.map((name) => [name, "0"])),
      API_GATEWAY_PORT: String(this.port),
      LOG_LEVEL: "warn",
      ...this.environment,
    };
    this.process = spawn(process.env.AETHERCONNECT_PROGRAM, ["run", "--data-dir", this.data], { env, stdio: ["ignore", "pipe", "inherit"] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    let printed = "";
    await new Promise((done, fail) => {
      this.process.stdout.on("data", (data) => (printed += data).includes("is ready at") && done());
      this.ended.then((code) => fail(new Error(`aetherconnect run ended with ${code}: ${printed}`)));
    });
  }

  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    await this.ended;
  }
}

let browser;
export async function launch() {
  // Without its sandbox, since tests may run as root in a container; it sees only our own page.
  browser ??= await chromium.launch({ executablePath: process.env.TEST_CHROMIUM, args: ["--no-sandbox"] });
  return browser;
}
export const closeBrowser = () => browser?.close();

/** A window of its own session. Anything that the page's policy refuses, or an uncaught error, fails the test. */
export async function openWindow(t, backend, options = DESKTOP) {
  const context = await (await launch()).newContext({ locale: "en-GB", reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(LIMIT);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => /Content.Security.Policy|TrustedScript/i.test(message.text()) && faults.push(message.text()));
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(backend.url);
  return page;
}

/** Signs up as a new user and waits until the first room is live. */
export async function signUp(page, username = unique("user")) {
  const form = page.locator("#sign-up");
  await form.getByLabel("First name").fill("Test");
  await form.getByLabel("Last name").fill("User");
  await form.getByLabel("User name").fill(username);
  await form.getByLabel("E-mail").fill(`${username}@example.com`);
  await form.getByLabel("Password").fill(PASSWORD);
  await form.getByRole("button", { name: "Sign up" }).click();
  await untilLive(page);
  return username;
}

export async function logIn(page, username) {
  if (await page.locator("#sign-up").isVisible()) await page.getByRole("button", { name: "Log in" }).click();
  const form = page.locator("#log-in");
  await form.getByLabel("E-mail").fill(`${username}@example.com`);
  await form.getByLabel("Password").fill(PASSWORD);
  await form.getByRole("button", { name: "Log in" }).click();
  await untilLive(page);
}

export const state = (page, name) => page.locator(`#state[data-state=${name}]`).waitFor();

export async function untilLive(page) {
  await state(page, "connected");
  await page.locator("#draft:not([disabled])").waitFor();
}

export async function say(page, text) {
  await page.getByLabel("Your message").fill(text);
  await page.keyboard.press("Enter");
}

/** A message in the log of the open room: it is stored, and in its place. */
export const heard = (page, text) => page.locator(".view:not([hidden]) [role=log]").getByText(text, { exact: true }).waitFor();

/** All that stands in the open room's log. */
export const log = (page) => page.locator(".view:not([hidden]) [role=log] .text").allInnerTexts();

/** A room with a name of its own, made by `page` and entered by the others. */
export async function newRoom(page, ...others) {
  const name = unique("room");
  await openPanel(page);
  await page.locator("#new-room").getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: `# ${name}` }).waitFor();
  for (const other of others) {
    await openPanel(other);
    await other.getByLabel("Search public rooms by name").fill(name);
    await other.getByRole("button", { name: `Join ${name}` }).click();
    await other.getByRole("heading", { name: `# ${name}` }).waitFor();
    await page.locator("#members li").nth(1).waitFor({ state: "attached" });
  }
  return name;
}

async function openPanel(page) {
  const button = page.getByRole("button", { name: /^Rooms/ });
  if (await button.isVisible()) await button.click();
}
