// Everything around the messages: connection, rooms, people, and the line to write in.
import { byId } from "./dom.js";
import { startPeople } from "./people.js";
import { startRooms, title } from "./rooms.js";
import { RoomView } from "./view.js";

/** The chat of whoever `client` is logged in as. */
export function startChat(client, logOut) {
  const chat = new Chat(client, logOut);
  // A token that is refused ends the session: whoever listens to the client's state says so.
  chat.start().catch((error) => {
    if (error.status !== 401) throw error;
  });
}

class Chat {
  views = new Map(); // by room id
  open = null;

  constructor(client, logOut) {
    this.client = client;
    this.logOut = logOut;
  }

  async start() {
    byId("app").hidden = false;
    byId("log-out").addEventListener("click", this.logOut);
    byId("try-now").addEventListener("click", () => this.client.retryNow());
    this.client.on("state", (state) => this.#state(state));
    this.client.connect();
    this.user = await this.#untilThere(() => this.client.api.profile());
    const mine = await this.#untilThere(() => this.client.api.rooms());
    byId("me").textContent = this.user.username;
    this.#panels();
    this.#composer();
    this.people = startPeople(this);
    this.rooms = startRooms(this);
    await this.rooms.begin(mine);
  }

  /** A backend that is away now will be back: what the page needs to begin is asked for until then. */
  async #untilThere(ask) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!error.isTemporary) throw error;
        await new Promise((done) => setTimeout(done, (error.retryAfter ?? 1) * 1000));
      }
    }
  }

  #state(state) {
    const texts = {
      closed: "Closed", connecting: "Connecting…", connected: "Connected", signed_out: "Logged out",
      waiting: "Offline, trying again",
    };
    byId("state").dataset.state = state.name;
    byId("state").textContent = texts[state.name];
    byId("try-now").hidden = state.name !== "waiting";
    for (const view of this.views.values()) view.connected = state.name === "connected";
  }

  /** A room's live feed, from now on. */
  listen(info) {
    const known = this.views.get(info.id);
    if (known) return known;
    const view = new RoomView(this.client.join(info.id), this.user, info);
    view.connected = this.client.state.name === "connected";
    view.node.hidden = true;
    view.room.on("live", () => this.people.load(view));
    view.onChange = () => this.#changed(view);
    view.onEnded = (reason) => this.#ended(view, reason);
    this.views.set(info.id, view);
    byId("views").append(view.node);
    return view;
  }

  show(info) {
    const view = this.listen(info);
    this.open?.room.stopTyping();
    if (this.open) this.open.node.hidden = true;
    this.open = view;
    view.node.hidden = false;
    view.toBottom();
    byId("room-name").textContent = title(info);
    const kinds = { public: "Public: anybody may join", private: "Private: only who is let in", direct: "The two of you" };
    byId("room-note").textContent = info.description || kinds[info.roomType] || "";
    byId("leave").hidden = info.roomType === "direct";
    for (const id of ["draft", "send"]) byId(id).disabled = false;
    this.panel("room");
    byId("draft").focus();
    this.people.show(view);
    this.#changed(view);
  }

  #changed(view) {
    if (view === this.open) {
      if (view.atBottom && !document.hidden) view.unread = 0;
      byId("to-newest").hidden = view.unread === 0 || view.atBottom;
      const names = [...view.room.typing.values()];
      byId("typing").textContent =
        names.length === 0 ? "" : names.length > 2 ? "Several people are typing…" : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…`;
      this.people.refresh(view);
    }
    this.rooms.refresh();
    const unread = [...this.views.values()].reduce((sum, { unread }) => sum + unread, 0);
    document.title = unread > 0 ? `(${unread}) AetherConnect playground` : "AetherConnect playground";
  }

  #ended(view, reason) {
    this.views.delete(view.info.id);
    view.node.remove();
    this.rooms.forget(view.info.id);
    if (view !== this.open) return;
    this.open = null;
    byId("room-name").textContent = "No room open";
    byId("room-note").textContent = reason;
    byId("leave").hidden = true;
    for (const id of ["draft", "send"]) byId(id).disabled = true;
    this.people.show(null);
    this.panel("rooms");
  }

  #composer() {
    const draft = byId("draft");
    const grow = () => {
      draft.style.height = "auto";
      draft.style.height = `${draft.scrollHeight + 2}px`;
    };
    draft.addEventListener("input", () => {
      grow();
      if (draft.value) this.open?.room.type();
      else this.open?.room.stopTyping();
    });
    draft.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      byId("composer").requestSubmit();
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const content = draft.value.trim();
      if (!content || !this.open) return;
      this.open.room.send(content);
      draft.value = "";
      grow();
      draft.focus();
    });
    byId("to-newest").addEventListener("click", () => {
      this.open?.toBottom();
      draft.focus();
    });
    byId("leave").addEventListener("click", () => this.rooms.leave(this.open.info));
    document.addEventListener("visibilitychange", () => this.open && this.#changed(this.open));
  }

  /** On a narrow screen one panel is seen at a time. */
  panel(name) {
    byId("app").dataset.panel = name;
    for (const panel of ["rooms", "people"]) byId(`show-${panel}`).setAttribute("aria-expanded", name === panel);
  }

  #panels() {
    for (const name of ["rooms", "people"]) {
      byId(`show-${name}`).addEventListener("click", () => {
        this.panel(byId("app").dataset.panel === name ? "room" : name);
      });
    }
    const back = () => {
      const name = byId("app").dataset.panel;
      if (name === "room") return;
      this.panel("room");
      byId(`show-${name}`).focus();
    };
    for (const button of document.querySelectorAll(".back")) button.addEventListener("click", back);
    document.addEventListener("keydown", (event) => event.key === "Escape" && back());
  }
}
