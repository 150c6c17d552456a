// The playground page as a person uses it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  DESKTOP, Laptop, PHONE, closeBrowser, heard, log, logIn, newRoom, openWindow, say, signUp, state, unique, untilLive,
} from "./support.mjs";

after(closeBrowser);

const shots = process.env.BROWSER_SCREENSHOTS;
const shoot = (page, name) => shots && page.screenshot({ path: `${shots}/${name}.png` });

test("somebody new signs up, is in a room at once, and two windows chat", async (t) => {
  const backend = await Laptop.start(t);
  const [a, b] = [await openWindow(t, backend), await openWindow(t, backend, { ...DESKTOP, colorScheme: "dark" })];
  await shoot(a, "welcome");
  const [ada, grace] = [await signUp(a, unique("ada")), await signUp(b, unique("grace"))];
  await a.getByRole("heading", { name: "# general" }).waitFor();
  await a.locator("#members li.here", { hasText: grace }).waitFor();
  await b.locator("#members li.here", { hasText: ada }).waitFor();
  await say(a, "Hello!");
  await heard(b, "Hello!");
  await b.getByLabel("Your message").pressSequentially("Hi");
  await a.getByText(`${grace} is typing…`).waitFor();
  await b.keyboard.press("Enter");
  await heard(a, "Hi");
  await a.locator("#typing:empty").waitFor({ state: "attached" });
  await a.locator(".mine .mark[data-state=stored]").first().waitFor();
  assert.deepEqual(await log(a), ["Hello!", "Hi"]);
  await shoot(a, "chat");
  await shoot(b, "chat-dark");
  await b.close();
  await a.locator("#members li.here", { hasText: grace }).waitFor({ state: "detached" });
});

test("one who was offline misses nothing, and what was written offline is sent once", async (t) => {
  const backend = await Laptop.start(t);
  const [a, b] = [await openWindow(t, backend), await openWindow(t, backend)];
  await signUp(a);
  await signUp(b);
  await newRoom(a, b);
  await say(a, "one");
  await heard(b, "one");
  await b.context().setOffline(true);
  await state(b, "waiting");
  for (const text of ["two", "three"]) {
    await say(a, text);
    await heard(a, text);
  }
  await say(b, "four, from offline");
  await b.getByText("Waiting for the connection").waitFor();
  await shoot(b, "offline");
  assert.deepEqual(await log(b), ["one"]);
  await b.context().setOffline(false);
  await heard(b, "four, from offline");
  await heard(a, "four, from offline");
  await say(a, "five");
  await heard(b, "five");
  for (const page of [a, b]) assert.deepEqual(await log(page), ["one", "two", "three", "four, from offline", "five"]);
  assert.equal(await b.locator(".mark[data-state=pending]").count(), 0);
});

test("a backend that is killed in the middle and started again loses nothing and doubles nothing", async (t) => {
  const backend = await Laptop.start(t);
  const [a, b] = [await openWindow(t, backend), await openWindow(t, backend)];
  await signUp(a);
  await signUp(b);
  await newRoom(a, b);
  await say(a, "before");
  await heard(b, "before");
  await backend.stop("SIGKILL");
  await state(a, "waiting");
  await say(a, "while it is down");
  await backend.start();
  await heard(a, "while it is down");
  await heard(b, "while it is down");
  for (const page of [a, b]) assert.deepEqual(await log(page), ["before", "while it is down"]);
});

test("a message that is refused says why, and can be tried again", async (t) => {
  const backend = await Laptop.start(t, { MESSAGE_RATE_LIMIT_PER_MINUTE: "1" });
  const page = await openWindow(t, backend);
  await signUp(page);
  await say(page, "first");
  await heard(page, "first");
  await say(page, "second");
  await page.getByText(/Not sent: /).waitFor();
  await shoot(page, "refused");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText(/Not sent: /).waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  assert.deepEqual(await page.locator(".view:not([hidden]) .text").allInnerTexts(), ["first"]);
});

test("it can be used on a phone: nothing is cut off, and rooms and people are a tap away", async (t) => {
  const backend = await Laptop.start(t);
  const [phone, other] = [await openWindow(t, backend, PHONE), await openWindow(t, backend)];
  await shoot(phone, "phone-welcome");
  const me = await signUp(phone);
  const them = await signUp(other);
  const name = await newRoom(other, phone);
  await say(phone, `a word that is too long for a phone: ${"x".repeat(200)}`);
  await say(other, "seen");
  await heard(phone, "seen");
  for (const press of [null, /^Rooms/, "People"]) {
    if (press) await phone.getByRole("button", { name: press }).click();
    const [width, viewport] = await phone.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(width <= viewport, `${width} wide on ${viewport} after ${press}`);
    await shoot(phone, `phone-${String(press).replace(/\W/g, "")}`);
    for (const button of await phone.locator("#app button:visible").all()) {
      const { height } = await button.boundingBox();
      assert.ok(height >= 32, `${await button.innerText()} is ${height} high`);
    }
    if (press === "People") for (const user of [me, them]) await phone.locator("#members li", { hasText: user }).waitFor();
    if (String(press).includes("Rooms")) await phone.getByRole("button", { name, exact: true }).waitFor();
    if (press) await phone.getByRole("button", { name: "Back to the room" }).click();
    await phone.locator("#draft").waitFor();
  }
});

test("it can be used by the keyboard alone", async (t) => {
  const backend = await Laptop.start(t);
  const page = await openWindow(t, backend);
  const username = unique("keys");
  const { keyboard } = page;
  await page.locator("#sign-up input:focus").waitFor();
  for (const text of ["Ada", "Lovelace", username, `${username}@example.com`, "correct horse battery"]) {
    await keyboard.type(text);
    await keyboard.press("Tab");
  }
  await keyboard.press("Enter");
  await untilLive(page);
  await page.locator("#draft:focus").waitFor();
  await keyboard.type("by key");
  await keyboard.press("Enter");
  await heard(page, "by key");
  // Backwards to the form for a new room, and into the room it makes.
  await tabTo(page, "#new-room input[name=name]", "Shift+Tab");
  const name = unique("room");
  await keyboard.type(name);
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: `# ${name}` }).waitFor();
  await page.locator("#draft:focus").waitFor();
  // And back to the first one.
  await tabTo(page, "#my-rooms li:first-child button", "Shift+Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "what has the focus can be seen");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "# general" }).waitFor();
  await tabTo(page, "#log-out", "Shift+Tab");
  await keyboard.press("Enter");
  await page.getByText("You are logged out.").waitFor();
});

async function tabTo(page, selector, key) {
  for (let presses = 0; presses < 40; presses++) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${selector} is not reached by ${key}`);
}

test("everything that can be used has a name, and text can be read in both colour schemes", async (t) => {
  const backend = await Laptop.start(t);
  for (const colorScheme of ["light", "dark"]) {
    const page = await openWindow(t, backend, { ...DESKTOP, colorScheme });
    assert.deepEqual(await page.evaluate(unnamed), []);
    assert.deepEqual(await page.evaluate(faint), []);
    await signUp(page);
    await say(page, `to be read by ${colorScheme}`);
    await heard(page, `to be read by ${colorScheme}`);
    assert.deepEqual(await page.evaluate(unnamed), []);
    assert.deepEqual(await page.evaluate(faint), []);
  }
});

/** In the page: what can be used but has no name for those who can't see it. */
function unnamed() {
  const usable = [...document.querySelectorAll("button, input, textarea, a")].filter((it) => it.checkVisibility());
  const name = (it) => it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent;
  return usable.filter((it) => !name(it)?.trim()).map((it) => it.outerHTML);
}

/** In the page: texts whose contrast with what is behind them is below 4.5 to 1. */
function faint() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (it) => {
    for (let at = it; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter(
    (it) => it.checkVisibility() && !it.closest(".hidden, .skip, :disabled") && [...it.childNodes].some((child) => child.nodeType === 3 && child.data.trim()),
  );
  return texts
    .map((it) => {
      const [one, other] = [luminance(channels(getComputedStyle(it).color)), luminance(behind(it))].sort((x, y) => y - x);
      return [it.textContent.trim().slice(0, 40), (one + 0.05) / (other + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
}

test("a reload stays logged in, a session that ends elsewhere asks for the password again", async (t) => {
  const backend = await Laptop.start(t);
  const page = await openWindow(t, backend);
  const username = await signUp(page);
  await say(page, "still here after a reload");
  await heard(page, "still here after a reload");
  await page.reload();
  await heard(page, "still here after a reload");
  const token = await page.evaluate(() => sessionStorage.getItem("aetherconnect.token"));
  assert.ok(token && !page.url().includes(token));
  await fetch(`${backend.url}/api/auth/sessions?all=true`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  await page.getByText("Your session is over.").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem("aetherconnect.token")), null);
  await logIn(page, username);
  await heard(page, "still here after a reload");
});

test("what was said before the last fifty messages can be asked for", async (t) => {
  const backend = await Laptop.start(t);
  const page = await openWindow(t, backend);
  await signUp(page);
  await newRoom(page);
  const texts = Array.from({ length: 60 }, (_, index) => `message ${index + 1}`);
  for (const text of texts) await say(page, text);
  await heard(page, "message 60");
  const name = await page.locator("#room-name").innerText();
  await page.reload();
  await page.getByRole("button", { name: name.slice(2), exact: true }).click();
  await heard(page, "message 60");
  assert.deepEqual(await log(page), texts.slice(10));
  await page.getByRole("button", { name: "Earlier messages" }).click();
  await heard(page, "message 1");
  assert.deepEqual(await log(page), texts);
});

test("looking at the page uses up nothing of what an address may ask for", async (t) => {
  const backend = await Laptop.start(t, { RATE_LIMIT_MAX: "25" });
  const page = await openWindow(t, backend);
  for (let looks = 0; looks < 5; looks++) await page.reload();
  await signUp(page);
});

test("without the Socket.IO client the page says what is missing and how to get it", async (t) => {
  const backend = await Laptop.start(t, { PLAYGROUND_SOCKET_IO: "" });
  const page = await openWindow(t, backend);
  await page.getByRole("heading", { name: "The Socket.IO client is missing" }).waitFor();
  await page.getByText("PLAYGROUND_SOCKET_IO").waitFor();
  await shoot(page, "missing");
});
