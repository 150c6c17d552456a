// Who belongs to the open room, and who is there now.
import { avatar, byId, element, onSubmit } from "./dom.js";

const MOST = 100;

export function startPeople(chat) {
  return new People(chat);
}

class People {
  #chat;
  #members = [];
  #drawn = "";

  constructor(chat) {
    this.#chat = chat;
    onSubmit(byId("let-in"), async (fields, form) => {
      await chat.client.api.addMember(chat.open.info.id, { username: fields.username.trim() });
      form.reset();
      await this.load(chat.open);
    });
  }

  show(view) {
    this.#members = [];
    byId("let-in").hidden = view?.info.roomType !== "private" || view.info.createdBy !== this.#chat.user.id;
    this.refresh(view);
    void this.load(view);
  }

  refresh(view) {
    const here = new Map(view?.room.here);
    if (view) here.set(this.#chat.user.id, this.#chat.user.username);
    const known = new Set(this.#members.map(({ userId }) => userId));
    // Seen here, but not among those that were asked for: they came since.
    const newcomers = [...here].filter(([id]) => !known.has(id)).map(([userId, username]) => ({ userId, username, role: "member" }));
    const all = [...this.#members, ...newcomers].map((member) => ({ ...member, here: here.has(member.userId) }));
    all.sort((one, other) => other.here - one.here || one.username.localeCompare(other.username));
    // Drawn only where something changed: a reader's place in the list is kept.
    const drawn = JSON.stringify(all);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    byId("here-count").textContent = view ? `· ${here.size} here` : "";
    byId("members").replaceChildren(...all.map((member) => this.#item(member)));
    if (newcomers.length > 0) void this.load(view);
  }

  #item({ userId, username, role, here }) {
    const roles = [role === "owner" && "owner", userId === this.#chat.user.id && "you"].filter(Boolean).join(", ");
    const name = element("span", { class: "name", title: username }, username, roles ? element("span", { class: "role" }, roles) : "");
    const dot = element("span", { class: "dot", title: "here now" }, "●", element("span", { class: "hidden" }, " here now"));
    return element("li", { class: here ? "here" : "" }, avatar(username), name, here ? dot : "");
  }

  /** Asks who belongs to the room, if it is the open one. */
  async load(view) {
    if (!view?.entered || view !== this.#chat.open) return;
    try {
      const { members } = await this.#chat.client.api.members(view.info.id, { limit: MOST });
      if (view !== this.#chat.open) return;
      this.#members = members;
      this.refresh(view);
    } catch {
      // Nobody answers: it is asked again as soon as the feed is live.
    }
  }
}
