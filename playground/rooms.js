// One's rooms, those that can be found, and a new one.
import { byId, element, onSubmit } from "./dom.js";

const LIVE = 30; // of so many rooms one hears without opening them
const FIRST = "general";

export function startRooms(chat) {
  return new Rooms(chat);
}

class Rooms {
  #chat;
  #mine = [];
  #asked = 0;
  #drawn = "";

  constructor(chat) {
    this.#chat = chat;
    const search = byId("search");
    search.addEventListener("input", () => this.#find(search.value));
    onSubmit(byId("new-room"), async (fields, form) => {
      const roomType = fields.private ? "private" : "public";
      const room = await chat.client.api.createRoom({ name: fields.name.trim(), description: "", roomType });
      form.reset();
      await this.#enter(room);
    });
  }

  /** Opens the first of one's rooms; somebody who is new here begins in the room that everybody finds. */
  async begin(mine) {
    this.#mine = mine;
    for (const room of this.#mine.slice(0, LIVE)) this.#chat.listen(room);
    const found = await this.#find("");
    const first = this.#mine[0] ?? found.find(({ name }) => name === FIRST);
    if (first) await this.#enter(first);
    else this.refresh();
  }

  refresh() {
    byId("no-rooms").hidden = this.#mine.length > 0;
    const { views, open } = this.#chat;
    // Drawn only where something changed: a press or the keyboard's place isn't lost.
    const drawn = JSON.stringify(this.#mine.map(({ id, name }) => [id, name, views.get(id)?.unread, open?.info.id === id]));
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const unread = [...views.values()].reduce((sum, view) => sum + view.unread, 0);
    byId("show-rooms").textContent = unread > 0 ? `Rooms (${unread})` : "Rooms";
    const focused = document.activeElement?.closest?.("#my-rooms li");
    const place = focused ? [...focused.parentNode.children].indexOf(focused) : -1;
    byId("my-rooms").replaceChildren(...this.#mine.map((room) => this.#item(room)));
    if (place >= 0) byId("my-rooms").children[place]?.querySelector("button").focus();
  }

  forget(id) {
    this.#mine = this.#mine.filter((room) => room.id !== id);
    this.refresh();
    void this.#find(byId("search").value);
  }

  async leave(room) {
    try {
      await this.#chat.client.api.leaveRoom(room.id);
      this.#chat.views.get(room.id)?.room.close();
    } catch (error) {
      byId("room-note").textContent = `You are still a member: ${error.message}`;
    }
  }

  #item(room) {
    const unread = this.#chat.views.get(room.id)?.unread ?? 0;
    const badge = unread > 0 ? [element("span", { class: "unread" }, String(unread))] : [];
    const current = this.#chat.open?.info.id === room.id;
    const label = unread > 0 ? `${room.name}, ${unread} unread` : room.name;
    return roomButton(room, { current, badge, label, press: () => this.#chat.show(room) });
  }

  /** Joining a public room makes one a member. */
  async #enter(room) {
    if (!this.#mine.some(({ id }) => id === room.id)) this.#mine.push(room);
    this.#chat.show(room);
    await this.#find(byId("search").value);
  }

  async #find(search) {
    const asked = ++this.#asked;
    try {
      const { rooms } = await this.#chat.client.api.publicRooms({ search: search.trim(), limit: 20 });
      if (asked !== this.#asked) return [];
      const others = rooms.filter((room) => !this.#mine.some(({ id }) => id === room.id));
      byId("public-rooms").replaceChildren(...others.map((room) => this.#offer(room)));
      byId("none-found").textContent = others.length > 0 ? "" : search ? "No other room of that name." : "You are in all of them.";
      return rooms;
    } catch (error) {
      byId("none-found").textContent = error.message;
      return [];
    }
  }

  #offer(room) {
    const people = room.memberCount === 1 ? "1 member" : `${room.memberCount} members`;
    const badge = [element("span", { class: "count" }, people)];
    return roomButton(room, { badge, label: `Join ${room.name}, ${people}`, press: () => this.#enter(room) });
  }
}

/** How a room is called here. */
export function title(info) {
  return info.roomType === "direct" ? info.name : `# ${info.name}`;
}

/** A room's name in a list, with what else there is to say. */
function roomButton(info, { current, badge, label, press }) {
  const attributes = { type: "button", "aria-current": current ? "true" : undefined, "aria-label": label, on: { click: press } };
  return element("li", {}, element("button", attributes, element("span", { class: "name" }, title(info)), ...badge));
}
