// People in windows of a real browser.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chromium } from "playwright-core";
import { Laptop } from "../tools/laptop.mjs";

export { Laptop };

export const LIMIT = 30_000; // of a machine that does much else
const PASSWORD = "correct horse battery";
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

export const unique = (prefix) => `${prefix}_${randomBytes(4).toString("hex")}`;

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
