import { byId, clock, el, milliseconds, svg } from "./dom.js";

const points = 40; // round trips in the picture

// Link shows the connection under the room: its state, its transport, its
// round trips, and what becomes of it when it is killed.
export class Link {
  constructor(manager) {
    this.manager = manager;
    this.trips = [];
    this.log = byId("log");
    this.status = byId("status");
    for (const b of document.querySelectorAll("[data-drop]")) {
      b.addEventListener("click", () => this.drop(Number(b.dataset.drop)));
    }
    manager.on("open", () => this.opened());
    manager.on("close", (reason) => this.closed(reason));
    manager.on("error", () => this.state("offline", "no answer"));
    manager.on("reconnect_attempt", (n) => this.state("connecting", n > 1 ? `attempt ${n}` : ""));
    this.state("connecting");
  }

  attach(room) {
    this.room = room;
    room.addEventListener("entered", ({ detail }) => this.entered(detail));
    room.addEventListener("caughtup", ({ detail: { missed } }) => {
      this.note(missed === 0 ? "nothing was missed" : `${missed} missed ${missed === 1 ? "message" : "messages"} replayed`, "good");
    });
    room.addEventListener("refused", ({ detail }) => {
      this.state("offline", detail.code);
      this.note(`refused, ${detail.code}: ${detail.message}`, "bad");
    });
    room.addEventListener("latency", ({ detail }) => this.trip(detail));
  }

  opened() {
    const { engine } = this.manager;
    engine.on("upgrade", (transport) => {
      this.note(`upgraded from polling to ${transport.name}`);
      this.facts();
    });
    this.note(`connected by ${engine.transport.name}`);
  }

  closed(reason) {
    this.state(this.manager.reconnection() ? "connecting" : "offline", "");
    this.note(`connection lost: ${reason}`, "bad");
  }

  entered({ recovered, kept, away }) {
    this.state("connected");
    if (recovered) this.note(`recovered: the same seat after ${milliseconds(away)}`, "good");
    else if (kept) this.note(`the same seat after ${milliseconds(away)}, but too much was missed`, "warn");
    else if (away) this.note(`a new member: the seat was gone after ${milliseconds(away)}`, "warn");
    else this.note(`entered /playground/${this.room.id}`);
    this.recovered = recovered;
    this.facts();
  }

  // drop kills the connection and comes back after some seconds.
  drop(seconds) {
    const { manager } = this;
    if (!manager.engine || manager.engine.readyState !== "open") return;
    clearTimeout(this.back);
    if (seconds > 0) {
      manager.reconnection(false);
      this.back = setTimeout(() => {
        manager.reconnection(true);
        this.room.socket.connect();
      }, seconds * 1000);
    }
    this.note(seconds ? `killed by you, for ${seconds} s` : "killed by you");
    manager.engine.close();
  }

  state(state, detail) {
    this.status.dataset.state = state;
    this.status.querySelector(".label").textContent = state;
    if (detail !== undefined) this.status.querySelector(".detail").textContent = detail;
    document.documentElement.dataset.connection = state;
  }

  facts() {
    const { engine } = this.manager;
    const transport = engine?.transport?.name ?? "none";
    this.state(this.status.dataset.state, `${transport}${this.room.rtt ? ` · ${milliseconds(this.room.rtt)}` : ""}`);
    const rows = {
      transport,
      member: this.room.me ? `${this.room.me.slice(0, 8)}…` : "none",
      "round trip": this.room.rtt ? milliseconds(this.room.rtt) : "…",
      recovered: this.recovered ? "yes" : "no",
    };
    byId("facts").replaceChildren(...Object.entries(rows).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", { data: { fact: k } }, v))));
  }

  trip(ms) {
    this.trips.push(ms);
    if (this.trips.length > points) this.trips.shift();
    this.facts();
    const top = Math.max(4, ...this.trips) * 1.15;
    const at = this.trips.map((t, i) => `${((i + points - this.trips.length) * 240 / (points - 1)).toFixed(1)},${(38 - t / top * 34).toFixed(1)}`);
    const first = at[0].split(",")[0];
    byId("spark").replaceChildren(
      svg("polygon", { points: `${first},40 ${at.join(" ")} 240,40` }),
      svg("polyline", { points: at.join(" ") }));
  }

  note(text, kind = "") {
    this.log.append(el("li", { class: kind }, el("time", {}, clock(new Date())), el("span", {}, text)));
    while (this.log.childElementCount > 50) this.log.firstElementChild.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }
}
