import { byId, copy, el } from "./dom.js";

// source is the client that the page shows. One Manager is one connection for
// every room; io() on a namespace that was used before opens another one.
const source = (path, room, name) => `import { Manager } from "${path}socket.io.esm.min.js";

const manager = new Manager(${path === "/socket.io/" ? "" : `{ path: "${path}" }`}); // one connection for all rooms
const room = manager.socket("/playground/${room}", { auth: { name: "${name}" } });

room.on("room:state", (s) => console.log("here:", s.fields.members));
room.on("room:patch", (p) => console.log("changed:", p.set, p.del));
room.on("chat", (message, by) => console.log(by.from, "says", message.text));

onpointermove = (e) =>
  room.volatile.emit("cursor", { x: e.x / innerWidth, y: e.y / innerHeight });
room.emit("chat", { text: "hello" }, (stamp) => console.log(stamp.seq));`;

const token = /(\/\/.*$)|("(?:[^"\\]|\\.)*")|\b(import|from|const|new)\b|\b(emit|on|socket|log)(?=\()/gm;
const classes = ["comment", "string", "keyword", "call"];

// Code shows the client for the room one is in.
export class Code {
  constructor(path, identity) {
    this.path = path;
    this.identity = identity;
    byId("copy-code").addEventListener("click", (e) => copy(this.text, e.currentTarget));
    identity.addEventListener("change", () => this.draw());
  }

  attach(room) {
    this.room = room;
    this.draw();
  }

  draw() {
    this.text = source(this.path, this.room.id, this.identity.name.replace(/["\\]/g, ""));
    const parts = [];
    let end = 0;
    for (const m of this.text.matchAll(token)) {
      parts.push(this.text.slice(end, m.index), el("span", { class: classes[m.slice(1).findIndex(Boolean)] }, m[0]));
      end = m.index + m[0].length;
    }
    byId("code").replaceChildren(...parts, this.text.slice(end));
  }
}
