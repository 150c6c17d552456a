// One room as a person sees it: its messages, and what is on its way. Kept while other rooms are shown.
import { avatar, element } from "./dom.js";

const TOGETHER = 5 * 60_000; // messages of one person within so long stand together
const AT_BOTTOM = 60; // pixels

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export class RoomView {
  unread = 0;
  /** Whether it has been entered: only its members may ask who the others are. */
  entered = false;
  /** Called when there is something new to show outside of the messages. */
  onChange = () => {};
  #user;
  /** What was said before one came isn't unread. */
  #base = Infinity;
  #first = null;
  #last = null;
  #pending = new Map();

  /** @param room of the client package @param user who is here @param info the room as listed */
  constructor(room, user, info) {
    this.room = room;
    this.info = info;
    this.#user = user;
    this.more = element("button", { class: "earlier", hidden: true, on: { click: () => this.#earlier() } }, "Earlier messages");
    this.list = element("ol", { role: "log", "aria-label": `Messages in ${info.name}` });
    // Not in the log: they move there, and are read out, once they are stored.
    this.outgoing = element("ol", { "aria-label": "On their way" });
    this.node = element("div", { class: "view", tabindex: "0", role: "region", "aria-label": `Room ${info.name}` },
      this.more, this.list, this.outgoing);
    this.node.addEventListener("scroll", () => this.atBottom && this.onChange());
    room.on("message", (message) => this.#add(message));
    room.on("sending", (sending) => this.#show(sending));
    room.on("here", () => this.onChange());
    room.on("typing", () => this.onChange());
    room.on("live", ({ seq }) => {
      this.entered = true;
      this.#base = Math.min(this.#base, seq);
      this.#refreshWaiting();
    });
    room.on("ended", ({ reason }) => this.onEnded(reason));
  }

  get atBottom() {
    return this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight < AT_BOTTOM;
  }

  toBottom() {
    this.node.scrollTop = this.node.scrollHeight;
  }

  /** The connection came or went: what waits says why. */
  set connected(connected) {
    this.isConnected = connected;
    this.#refreshWaiting();
  }

  #add(message) {
    const follow = this.atBottom || message.userId === this.#user.id;
    const sent = this.#pending.get(message.tempId);
    if (sent && message.userId === this.#user.id) {
      sent.remove();
      this.#pending.delete(message.tempId);
    }
    if (!this.#first) {
      this.#first = message;
      this.more.hidden = message.seq === 1;
    }
    this.#append(this.list, message, this.#last);
    this.#last = message;
    const seen = !this.node.hidden && follow && !document.hidden;
    if (!seen && message.seq > this.#base && message.userId !== this.#user.id) this.unread += 1;
    if (follow) this.toBottom();
    this.onChange();
  }

  #append(list, message, before) {
    const at = new Date(message.createdAt);
    const sameDay = before && new Date(before.createdAt).toDateString() === at.toDateString();
    if (!sameDay) list.append(element("li", { class: "day" }, calendar.format(at)));
    const together = sameDay && before.userId === message.userId && at - new Date(before.createdAt) < TOGETHER;
    const mine = message.userId === this.#user.id;
    const item = this.#item(message.username, message.content, at, mine);
    if (together) item.classList.add("same");
    if (mine) item.querySelector(".line").append(mark("stored", "✓", "stored"));
    list.append(item);
  }

  #item(name, content, at, mine) {
    const time = element("time", { datetime: at.toISOString() }, clock.format(at));
    const by = element("p", { class: "by" }, element("span", {}, name), time);
    const line = element("div", { class: "line" }, element("span", { class: "text" }, content));
    const body = element("div", { class: "body" }, by, line);
    return element("li", { class: mine ? "message mine" : "message" }, avatar(name), body);
  }

  /** A message of one's own on its way. */
  #show(sending) {
    if (sending.state === "stored") return; // the message itself comes in its turn
    const item = this.#item(this.#user.username, sending.content, new Date(), true);
    item.dataset.state = sending.state;
    const line = item.querySelector(".line");
    if (sending.state === "refused") {
      const again = element("button", { on: { click: () => this.room.retry(sending) } }, "Try again");
      const discard = element("button", { on: { click: () => this.#discard(sending.tempId) } }, "Discard");
      line.append(mark("refused", "!", `Not sent: ${sending.reason}`, true));
      line.after(element("div", {}, again, discard));
    } else {
      line.append(mark("pending", "…", this.#waiting(), true));
    }
    const before = this.#pending.get(sending.tempId);
    if (before) before.replaceWith(item);
    else this.outgoing.append(item);
    this.#pending.set(sending.tempId, item);
    this.toBottom();
  }

  #discard(tempId) {
    this.#pending.get(tempId)?.remove();
    this.#pending.delete(tempId);
    this.node.focus();
  }

  #waiting() {
    return this.isConnected ? "Sending" : "Waiting for the connection";
  }

  #refreshWaiting() {
    for (const text of this.outgoing.querySelectorAll(".mark[data-state=pending] .why")) text.textContent = this.#waiting();
  }

  async #earlier() {
    this.more.disabled = true;
    const height = this.node.scrollHeight;
    try {
      const messages = await this.room.earlier();
      const list = element("ol");
      messages.forEach((message, index) => this.#append(list, message, messages[index - 1]));
      this.list.prepend(...list.children);
      this.more.hidden = messages.length === 0;
      this.node.scrollTop += this.node.scrollHeight - height;
    } finally {
      this.more.disabled = false;
    }
  }
}

/** `why` is read out, and seen where `shown`. */
function mark(state, sign, why, shown = false) {
  return element("span", { class: "mark", "data-state": state, title: why },
    element("span", { "aria-hidden": "true" }, `${sign} `), element("span", { class: shown ? "why" : "hidden" }, why));
}
