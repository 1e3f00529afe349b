import { io } from "/socket.io/socket.io.esm.min.js";
import { $, make, toast } from "./dom.js";
import { colour, initials } from "./look.js";
import { Room } from "./room.js";
import * as session from "./session.js";

const lobby = "general";
let { token, user: me } = session.remembered() ?? (await session.login());
const options = { auth: (give) => give({ token }) };
const chat = io("/chat", options);
const dashboard = io("/dashboard", options);

const rooms = new Map(); // by name, in the order of joining
let here; // the room that is shown

// What we ask for.
async function join(name) {
  const answer = await chat.emitWithAck("joinRoom", { room: name });
  if (answer.error) return toast("Not joined", answer.error.message, "problem");
  const room = rooms.get(name) ?? new Room(name, me, (r) => r === here && showTyping());
  rooms.set(name, room);
  room.people = answer.people;
  for (const message of answer.history) room.add(message);
  remember();
  show(room);
}

async function leave(room) {
  const answer = await chat.emitWithAck("leaveRoom", { room: room.name });
  if (answer?.error) return toast("Not left", answer.error.message, "problem");
  rooms.delete(room.name);
  remember();
  show(rooms.get(lobby));
}

async function send(event, data) {
  const answer = await chat.timeout(8000).emitWithAck(event, { room: here.name, ...data }).catch(() => ({ error: { message: "no answer" } }));
  if (answer?.error) toast("Not sent", answer.error.message, "problem");
  return !answer?.error;
}

const remember = () => history.replaceState(null, "", location.search + "#" + [...rooms.keys()].filter((n) => n !== lobby).map(encodeURIComponent).join(","));

// What we are told. The server puts an offset behind the data, which nothing
// here needs.
chat.on("message", (m) => {
  const room = rooms.get(m.room);
  if (!room?.add(m)) return;
  if (room !== here || document.hidden) room.unread++;
  if (room === here) showLatest();
  showRooms();
});
chat.on("presence", ({ room, people }) => {
  const r = rooms.get(room);
  if (!r) return; // not joined yet: joining says who is there
  r.people = people;
  if (r === here) showPeople();
});
chat.on("userJoined", ({ room, user }) => say(room, `${user.name} joined`));
chat.on("userLeft", ({ room, user }) => say(room, `${user.name} left`));
chat.on("typing", ({ room, on, user }) => rooms.get(room)?.typing(user, on));
chat.on("notification", ({ title, text }) => toast(title, text));
chat.on("exception", ({ message }) => toast("That went wrong", message, "problem"));
dashboard.on("numbers", showNumbers);

function say(name, text) {
  const room = rooms.get(name);
  room?.note(text);
  if (room && room === here) showLatest();
}

chat.on("connect", async () => {
  status("live");
  $("#frame").hidden = false;
  if (chat.recovered) return; // rooms and what was missed are back
  const names = rooms.size ? [...rooms.keys()] : [lobby, ...location.hash.slice(1).split(",").filter(Boolean).map(decodeURIComponent)];
  const before = here?.name;
  for (const name of names) await join(name);
  show(rooms.get(before ?? names.at(-1)) ?? rooms.get(lobby));
});
chat.on("disconnect", () => status("away"));
chat.on("connect_error", async (err) => {
  if (!err.data) return status("away"); // the network; it tries again by itself
  session.forget();
  ({ token, user: me } = await session.login(err.message));
  chat.connect();
  dashboard.connect();
});
addEventListener("pagehide", () => chat.disconnect()); // leave at once, not when the seat expires

// What is shown.
function show(room) {
  if (!room) return;
  here = room;
  $("#title").textContent = room.name;
  $("#leave").hidden = $("#title").dataset.lobby = room.name === lobby;
  $("#text").placeholder = `Message ${room.name}`;
  $("#messages").replaceChildren(room.list);
  showPeople();
  showTyping();
  showLatest();
  showRooms();
  $("#text").focus();
}

function showLatest() {
  if (!document.hidden) here.unread = 0;
  $("#messages").scrollTo(0, 1e9);
}

function showRooms() {
  $("#rooms").replaceChildren(...[...rooms.values()].map((room) =>
    make("button", { role: "tab", "aria-selected": String(room === here), onclick: () => show(room) },
      make("span", {}, room.name), room.unread ? make("em", {}, String(room.unread)) : "")));
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = unread ? `(${unread}) Chat` : "Chat";
  $("#me").replaceChildren(face(me), make("span", {}, me.name));
}

const face = (user) => make("b.face", { "--c": colour(user.id), "aria-hidden": "true" }, initials(user.name));

function showPeople() {
  $("#count").textContent = here.people.length;
  $("#people").replaceChildren(...here.people.map((p) => make("li", {}, face(p), make("span", {}, p.name), p.id === me.id ? make("i", {}, "you") : "")));
}

const showTyping = () => ($("#typing").textContent = here.typingText);

const packets = [];
function showNumbers(numbers) {
  for (const dd of document.querySelectorAll("[data-number]")) dd.textContent = numbers[dd.dataset.number].toLocaleString();
  packets.push(numbers.packets);
  if (packets.length > 40) packets.shift();
  const top = Math.max(8, ...packets);
  $("#spark polyline").setAttribute("points", packets.map((n, i) => `${120 - (packets.length - 1 - i) * 3},${24 - (22 * n) / top}`).join(" "));
}

function status(state) {
  $("#status").dataset.state = state;
  $("#status span").textContent = state === "live" ? "live" : "reconnecting";
}

// What the user does.
const text = $("#text");
let typed = 0;
function typing(on) {
  if (on && Date.now() - typed < 2000) return;
  typed = on ? Date.now() : 0;
  chat.volatile.emit("typing", { room: here.name, on });
}
function fit() {
  text.style.height = "auto";
  text.style.height = Math.min(160, text.scrollHeight) + "px";
}
text.addEventListener("input", () => {
  fit();
  typing(text.value.trim() !== "");
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("#compose").requestSubmit();
});
$("#compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = text.value;
  if (!words.trim()) return;
  text.value = "";
  fit();
  typed = 0;
  if (!(await send("message", { text: words })) && !text.value) text.value = words;
});
async function sendPicture(file) {
  if (file.size > 256 << 10) return toast("Not sent", "a picture has at most 256 KiB", "problem");
  await send("file", { type: file.type, file: await file.arrayBuffer() });
}
$("#picture").addEventListener("change", (event) => {
  for (const file of event.target.files) sendPicture(file);
  event.target.value = "";
});
text.addEventListener("paste", (event) => {
  for (const file of event.clipboardData.files) if (file.type.startsWith("image/")) sendPicture(file);
});
$("#join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("#join-name").value.trim();
  $("#join-name").value = "";
  if (name) join(name);
});
$("#leave").addEventListener("click", () => leave(here));
$("#summarise").addEventListener("click", async () => (await send("summarise")) && toast("Working on it", "a notification follows"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !here) return;
  here.unread = 0;
  showRooms();
});
