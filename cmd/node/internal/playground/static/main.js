// The playground: one page, one connection, one room at a time. The room is
// the part of the address behind #.

import { Chat } from "./chat.js";
import { Code } from "./code.js";
import { Cursors } from "./cursors.js";
import { byId, copy, el } from "./dom.js";
import { Identity, colors } from "./identity.js";
import { Link } from "./link.js";
import { People, initial } from "./people.js";
import { Reactions } from "./reactions.js";
import { Room } from "./room.js";

const path = document.documentElement.dataset.path;
const { Manager } = await import(`${path}socket.io.esm.min.js`);

const identity = new Identity();
const manager = new Manager(location.origin, { path, reconnectionDelay: 300, reconnectionDelayMax: 3000 });
const panels = [
  new Cursors(byId("stage"), byId("cursors")),
  new Reactions(byId("stage"), byId("reactions"), byId("palette")),
  new People(),
  new Chat(),
  new Link(manager),
  new Code(path, identity),
];
let room = null;

// roomName reads the address: a well-formed room id, or the default.
function roomName() {
  const name = location.hash.slice(1);
  return /^[A-Za-z0-9._~:@-]{1,128}$/.test(name) ? name : "lounge";
}

// enter goes to the room of the address. The next room is entered before the
// last one is left, so that the connection always has a room and stays.
function enter() {
  const name = roomName();
  byId("room-name").value = name;
  byId("stage-name").textContent = name;
  byId("stage-name").style.setProperty("--length", Math.max(5, name.length));
  byId("another").href = `#${name}`;
  document.title = `${name} · Parlor playground`;
  if (room?.id === name) return;
  const last = room;
  room = new Room(manager, name, identity);
  for (const panel of panels) panel.attach(room);
  last?.leave();
  meetTwins(room);
}

// meetTwins tells two tabs of one person apart, once the first state is there.
function meetTwins(here) {
  here.addEventListener("change", () => queueMicrotask(() => {
    identity.stepAside(here.people().filter((p) => !p.you));
  }), { once: true });
}

function showMe() {
  byId("me-name").value = identity.name;
  byId("me-avatar").textContent = initial(identity.name);
  byId("me-form").style.setProperty("--color", identity.color);
  for (const s of byId("swatches").children) s.setAttribute("aria-checked", String(s.dataset.color === identity.color));
}

function openSwatches(open) {
  byId("me-form").classList.toggle("open", open);
  byId("me-avatar").setAttribute("aria-expanded", String(open));
}

byId("swatches").append(...colors.map((color) => {
  const s = el("button", { type: "button", role: "radio", "aria-label": color, style: { "--color": color }, data: { color } });
  s.addEventListener("click", () => { identity.change({ color }); openSwatches(false); });
  return s;
}));
byId("me-avatar").addEventListener("click", () => openSwatches(!byId("me-form").classList.contains("open")));
document.addEventListener("pointerdown", (e) => e.target.closest("#me-form") || openSwatches(false));
byId("me-name").addEventListener("change", (e) => { identity.change({ name: e.target.value }); showMe(); });
byId("me-form").addEventListener("submit", (e) => { e.preventDefault(); byId("me-name").blur(); });
identity.addEventListener("change", showMe);

byId("room-form").addEventListener("submit", (e) => {
  e.preventDefault();
  const name = byId("room-name").value.trim().replace(/[^A-Za-z0-9._~:@-]+/g, "-");
  location.hash = name || "lounge";
  byId("room-name").blur();
});
byId("room-name").addEventListener("change", () => byId("room-form").requestSubmit());
byId("share").addEventListener("click", (e) => copy(new URL(`#${room.id}`, location.href).href, e.currentTarget));
addEventListener("hashchange", enter);

// A page that goes says so, because its seat would be kept for a while; a page
// that comes back from the browser's cache takes another.
addEventListener("pagehide", () => room.socket.disconnect());
addEventListener("pageshow", (e) => e.persisted && room.socket.connect());

showMe();
enter();
