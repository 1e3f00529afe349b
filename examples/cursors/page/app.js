import { io } from "/socket.io/socket.io.esm.min.js";
import { Canvas } from "./canvas.js";
import { Cursors } from "./cursors.js";
import { Hand } from "./hand.js";
import { mirror } from "./mirror.js";
import { View } from "./view.js";
import * as ui from "./ui.js";

// The part after # names the board: the link is the invitation.
const room = /^#([A-Za-z0-9._~:@-]{1,128})$/.exec(location.hash)?.[1] ?? "lobby";
if (location.hash !== `#${room}`) history.replaceState(null, "", `#${room}`);
addEventListener("hashchange", () => location.reload());

const me = ui.remembered();
const socket = io(`/cursors/${room}`, { auth: (give) => give(me) });

const view = new View();
const canvas = new Canvas(document.querySelector("#sheet"), view);
const layer = document.querySelector("#cursors");
const cursors = new Cursors(layer, view);
const hand = new Hand(document.querySelector("#board"), layer, view, {
  cursor: (at) => socket.volatile.emit("cursor", at),
  hide: () => socket.emit("hide"),
  ink(points) {
    canvas.ownInk(points, hand.colour, performance.now());
    socket.emit("ink", points);
  },
  burst(kind, at) {
    canvas.burst(kind, at, hand.colour, performance.now());
    socket.volatile.emit("burst", { kind, at });
  },
});

// What the room says, shown. Other members' words and cursors only: our own
// pointer is ahead of them.
const state = mirror(socket, ["people", "cursors", "says", "ink"], {
  reset() {
    cursors.clear();
    canvas.clear();
  },
  set(field, key, value) {
    if (field === "ink") return canvas.addInk(key, value);
    if (key === socket.id) return field === "people" && hand.paintAs(value.colour);
    if (field === "people") cursors.person(key, value);
    if (field === "cursors") cursors.move(key, value, performance.now());
    if (field === "says") cursors.say(key, value);
  },
  del(field, key) {
    if (field === "ink") return canvas.dryInk(key, performance.now());
    if (field === "people") cursors.remove(key);
    if (field === "cursors") cursors.hide(key);
    if (field === "says") key === socket.id ? ui.unsay(hand.element) : cursors.say(key, "");
  },
  settled: () => ui.showPeople(state.people, socket.id),
});

socket.on("burst", ({ kind, at, by }) => canvas.burst(kind, at, state.people.get(by)?.colour, performance.now()));

socket.on("connect", () => {
  ui.status("live");
  ui.refused(null);
  hand.again();
  measure();
});
socket.on("disconnect", () => ui.status("away", "reconnecting"));
addEventListener("pagehide", () => socket.disconnect()); // leave at once, not when the connection is found dead
socket.on("connect_error", (error) => {
  if (socket.active) ui.status("away", "no connection");
  else ui.refused(error.message, () => socket.connect());
});

// measure asks for the time the way to the room and back takes.
async function measure() {
  const from = performance.now();
  try {
    await socket.timeout(4000).emitWithAck("ping");
    ui.status("live", `${Math.max(1, Math.round(performance.now() - from))} ms`);
  } catch { /* the status will say so, or the next answer comes in time */ }
}
setInterval(() => socket.connected && measure(), 5000);

ui.start({
  room,
  me,
  hand,
  async rename(wish) {
    const answer = await socket.timeout(5000).emitWithAck("rename", wish);
    if (answer.error) throw new Error(answer.error.message);
    return answer;
  },
  say: (text) => socket.emit("say", text),
  find(id) {
    const at = cursors.call(id);
    if (at) view.centre(at.x, at.y);
  },
});

addEventListener("resize", () => view.fit(innerWidth, innerHeight));
view.fit(innerWidth, innerHeight);

(function frame() {
  const now = performance.now();
  const trails = cursors.frame(now);
  hand.frame(now);
  canvas.paint(now, trails);
  requestAnimationFrame(frame);
})();

// For tests and the curious: what this page knows, read-only and always as it
// is at the moment of asking. positions are in board units, as the room says.
window.__parlor = {
  get id() { return socket.id ?? null; },
  get room() { return room; },
  get connected() { return socket.connected; },
  get members() { return [...state.people].map(([id, p]) => ({ id, ...p })); },
  get positions() { return Object.fromEntries([...state.cursors].map(([id, [x, y]]) => [id, { x, y }])); },
  get says() { return Object.fromEntries(state.says); },
  get ink() { return state.ink.size; },
};
