import { Synced } from "./synced.js";
import { safeColor, safeName } from "./identity.js";

const latencyEvery = 1000; // ms

// Room is one stay in one room. It tells what happens as events with a detail:
//
//   entered  {recovered, kept, away}  admitted, or back after away ms; kept says
//                                     that the seat is the one from before
//   caughtup {missed}                 all that was missed has arrived
//   refused  {code, message}
//   change   {field, key, value, live} of the synced fields
//   chat     {text, name, color, from, at, seq}
//   history  [chat …]
//   react    {shape, color, x, y}
//   latency  ms
export class Room extends EventTarget {
  constructor(manager, id, identity) {
    super();
    this.id = id;
    this.identity = identity;
    this.synced = new Synced((change) => this.tell("change", change));
    this.rtt = 0;
    this.lostAt = 0;
    this.missed = -1; // messages since the seat was taken back; -1 once they were told
    this.socket = manager.socket(`/playground/${id}`, { auth: (send) => send(identity.profile()) });
    this.listen();
    this.timer = setInterval(() => this.measure(), latencyEvery);
    this.renamed = () => this.socket.connected && this.socket.emit("me", identity.profile());
    identity.addEventListener("change", this.renamed);
    if (!this.socket.active) this.socket.connect();
  }

  listen() {
    const s = this.socket;
    this.synced.listen(s);
    s.on("connect", () => {
      const away = this.lostAt ? performance.now() - this.lostAt : 0;
      this.missed = s.recovered ? 0 : -1;
      this.tell("entered", { recovered: s.recovered, kept: s.id === this.seat, away });
      this.seat = s.id;
      this.lostAt = 0;
      this.measure();
    });
    s.on("disconnect", () => { this.lostAt = performance.now(); });
    s.on("connect_error", (e) => {
      if (e.data?.code) this.tell("refused", { code: e.data.code, message: e.message });
    });
    s.on("chat", (message, stamp) => {
      if (this.missed >= 0) this.missed++;
      this.tell("chat", { ...message, ...stamp });
    });
    s.on("room:history", ({ events }) => this.tell("history", past(events)));
    s.on("react", (reaction) => this.tell("react", reaction));
  }

  // leave ends the stay. Nothing is told afterwards.
  leave() {
    clearInterval(this.timer);
    this.identity.removeEventListener("change", this.renamed);
    this.tell = () => {};
    this.socket.off();
    this.socket.disconnect();
  }

  tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  // me is the id of this member; the same after a return with recovered true.
  get me() { return this.socket.id; }

  // person is what is known of a member.
  person(id) {
    const entry = this.synced.get("members", id);
    const own = this.synced.get("me", id) ?? entry?.profile ?? {};
    return {
      id,
      name: safeName(own.name),
      color: safeColor(own.color),
      since: entry?.at ?? 0,
      latency: this.synced.get("latency", id),
      typing: Boolean(this.synced.get("typing", id)),
      you: id === this.me,
    };
  }

  people() {
    return this.synced.keys("members").map((id) => this.person(id)).sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1));
  }

  // say sends a message and returns the room's stamp of it.
  say(text) { return this.socket.timeout(10_000).emitWithAck("chat", { text, ...this.identity.profile() }).then(accepted); }

  react(reaction) { this.socket.volatile.emit("react", reaction); }

  // point tells where the pointer is; null takes it away.
  point(at) { this.socket.volatile.emit("cursor", at); }

  typing(is) { if (this.socket.connected) this.socket.emit("typing", is || null); }

  // measure sends the last round trip to the others and times this one.
  measure() {
    if (!this.socket.connected) return;
    const start = performance.now();
    this.socket.timeout(5000).emit("latency", Math.round(this.rtt * 10) / 10, (error) => {
      if (error) return;
      if (this.missed >= 0) this.tell("caughtup", { missed: this.missed });
      this.missed = -1;
      this.rtt = performance.now() - start;
      this.tell("latency", this.rtt);
    });
  }
}

// accepted turns an acknowledgement that tells of a failure into one.
function accepted(ack) {
  if (ack?.error) throw new Error(ack.error.message);
  return ack;
}

function past(events) {
  return events.filter(([event]) => event === "chat").map(([, message, stamp]) => ({ ...message, ...stamp }));
}
